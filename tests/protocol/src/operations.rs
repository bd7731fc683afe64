//! The operations on the database, one transaction each, by the names of the files in `src/storage/write/ops`.

use crate::{
    Rules,
    state::{CHILD, Execution, Incarnation, NODES, PARENT, Place, State, Status, Write},
};

/// The answer to a write that carries a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It landed.
    Landed,
    /// The attempt does not hold its execution any more.
    Fenced,
}

/// The database under a set of rules.
pub struct Database<'a> {
    /// The rows.
    pub state: &'a mut State,
    /// The rules that hold.
    pub rules: &'a Rules,
}

impl Database<'_> {
    fn row(&mut self, of: usize) -> &mut Execution {
        &mut self.state.executions[of]
    }

    /// `Submit`: into `ready`.
    fn submit(&mut self, of: usize) {
        let row = self.row(of);
        row.status = Status::Live;
        row.place = Place::Ready;
    }

    /// `Submit` of the child under the fence of its parent, and under its key: a later attempt finds the same
    /// child. Refused once the parent is cancelled.
    pub fn submit_child(&mut self, epoch: u8) -> Answer {
        let parent = self.state.executions[PARENT];
        if self.fenced(PARENT, epoch) == Answer::Fenced || parent.cancel_requested {
            return Answer::Fenced;
        }
        if self.state.executions[CHILD].status == Status::Absent {
            self.submit(CHILD);
        }
        Answer::Landed
    }

    /// `Claim`; `Submit` with a free slot (`start_on`) is one with it. The epoch in which the attempt starts; none if it
    /// does not start.
    pub fn claim(&mut self, of: usize, by: Incarnation) -> Option<u8> {
        self.row(of).place = Place::Nowhere;
        if self.heed_mark(of) || self.state.executions[of].status.is_terminal() {
            return None;
        }
        if self.state.executions[of].cancel_requested {
            self.finish(of, Status::Cancelled);
            return None;
        }
        if of == CHILD && self.state.executions[PARENT].cancel_requested {
            self.state.seen.escape = true;
        }
        let row = self.row(of);
        row.epoch += 1;
        row.place = Place::Leased(by);
        Some(row.epoch)
    }

    /// `RecordStep` and `Complete`, under the fence of an attempt.
    pub fn write(&mut self, of: usize, epoch: u8, write: Write) -> Answer {
        if self.fenced(of, epoch) == Answer::Fenced {
            return Answer::Fenced;
        }
        let row = self.state.executions[of];
        if !matches!(row.place, Place::Leased(_)) || row.epoch != epoch {
            self.state.seen.zombie_write = true;
        }
        if write == Write::Step {
            self.row(of).has_step = true;
            return Answer::Landed;
        }
        if self.heed_mark(of) {
            return Answer::Landed;
        }
        if self.state.executions[of].cancel_requested {
            self.finish(of, Status::Cancelled);
            return Answer::Landed;
        }
        match write {
            Write::Result => self.finish(of, Status::Completed),
            Write::Retry => self.release(of, Place::Retry),
            Write::Park => self.release(of, Place::Parked),
            Write::Stopped | Write::Step => self.release(of, Place::Ready),
        }
        Answer::Landed
    }

    /// `Cancel` of the parent. Another transaction may hold the child, which is then left to `CancelBelow`.
    pub fn cancel(&mut self, reaches_child: bool) {
        let has_child = self.state.executions[CHILD].status != Status::Absent;
        self.request_cancel(PARENT);
        if reaches_child {
            self.request_cancel(CHILD);
        }
        self.state.mark = has_child;
    }

    /// `CancelBelow`.
    pub fn cancel_below(&mut self) {
        self.request_cancel(CHILD);
    }

    /// `EndCancellation`.
    pub fn end_cancellation(&mut self) {
        self.state.mark = false;
    }

    /// `Recover`.
    pub fn recover(&mut self, of: usize) {
        self.row(of).place = Place::Nowhere;
        if self.heed_mark(of) || self.state.executions[of].status.is_terminal() {
            return;
        }
        if self.state.executions[of].cancel_requested {
            self.finish(of, Status::Cancelled);
        } else {
            self.release(of, Place::Ready);
        }
    }

    /// `FireTimers`, and `Wake` for a parked execution.
    pub fn fire(&mut self, of: usize) {
        let row = self.row(of);
        if matches!(row.place, Place::Retry | Place::Parked) {
            row.place = Place::Ready;
        }
    }

    /// `Working::fenced`.
    fn fenced(&self, of: usize, epoch: u8) -> Answer {
        let row = self.state.executions[of];
        if !self.rules.fence || (row.status == Status::Live && row.epoch == epoch) {
            Answer::Landed
        } else {
            Answer::Fenced
        }
    }

    /// `Working::heed_mark`.
    fn heed_mark(&mut self, of: usize) -> bool {
        if of != CHILD || !self.state.mark || !self.rules.marks {
            return false;
        }
        self.request_cancel(of);
        self.state.executions[of].status.is_terminal()
    }

    /// `Working::request_cancel`.
    fn request_cancel(&mut self, of: usize) {
        let row = self.row(of);
        if row.status != Status::Live || row.cancel_requested {
            return;
        }
        row.cancel_requested = true;
        if !matches!(row.place, Place::Leased(_)) {
            self.finish(of, Status::Cancelled);
        }
    }

    /// `Working::release`, and the next place.
    fn release(&mut self, of: usize, place: Place) {
        let row = self.row(of);
        row.epoch += 1;
        row.place = place;
    }

    /// `Working::finish`.
    fn finish(&mut self, of: usize, status: Status) {
        let escapes = of == CHILD
            && status == Status::Completed
            && self.state.executions[PARENT].cancel_requested;
        self.state.seen.escape |= escapes;
        let row = self.row(of);
        row.status = status;
        row.outcomes += 1;
        self.release(of, Place::Nowhere);
    }
}

impl State {
    /// Returns whether an execution is held by an incarnation whose lease has ended.
    pub fn is_lost(&self, of: usize) -> bool {
        let place = self.executions[of].place;
        matches!(place, Place::Leased(by) if !self.is_alive(by))
    }

    /// Returns whether an execution is held by a node's present incarnation.
    pub fn is_held_by(&self, of: usize, node: usize) -> bool {
        self.executions[of].place == Place::Leased(self.incarnation(node))
    }

    /// Returns whether some node works.
    pub fn some_node_is_up(&self) -> bool {
        NODES
            .iter()
            .any(|&node| self.nodes[node].life == crate::state::Life::Up)
    }
}
