//! What the model keeps: the rows of the database, the memory of each node, and what is on its way between them.

use crate::Rules;

/// The root that has a child.
pub const PARENT: usize = 0;
/// A root without children.
pub const LONE: usize = 1;
/// The child, whose handler records a step.
pub const CHILD: usize = 2;
/// All executions.
pub const EXECUTIONS: [usize; 3] = [PARENT, LONE, CHILD];
/// All nodes. Each has one slot.
pub const NODES: [usize; 2] = [0, 1];

/// The ticks after which a lease that was not prolonged has ended, by the database's clock.
pub const LEASE: u8 = 2;
/// The ticks after which a node acts on a lease no more, by its own clock (`Engine::held`).
pub const HELD: u8 = 1;

/// The incarnations of one node that are told apart at a time.
const INCARNATIONS: usize = 4;

/// The status of an execution. `created` and `running` are one here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Not submitted yet.
    Absent,
    /// Submitted, and not ended.
    Live,
    /// Ended with a result.
    Completed,
    /// Ended by a cancellation.
    Cancelled,
}

impl Status {
    /// Returns whether it is for ever.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// One start of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation {
    /// The node.
    pub node: u8,
    /// Counts its starts.
    pub number: u8,
}

/// The table in which an execution stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// In none: it is absent or has ended, or was forgotten.
    Nowhere,
    /// In `ready`.
    Ready,
    /// In `timer`, until its next attempt.
    Retry,
    /// In `timer`, until a child has ended.
    Parked,
    /// In `lease`.
    Leased(Incarnation),
}

/// A row of `execution`, with its place and its step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Execution {
    /// The status.
    pub status: Status,
    /// Raised at the start and at the end of each attempt.
    pub epoch: u8,
    /// Where it stands.
    pub place: Place,
    /// True once a cancellation was accepted for it.
    pub cancel_requested: bool,
    /// The number of outcomes that were recorded.
    pub outcomes: u8,
    /// True once the step has a result.
    pub has_step: bool,
}

/// A request to the database that carries a fence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Write {
    /// `RecordStep`.
    Step,
    /// `Complete` with `Outcome::Completed`.
    Result,
    /// `Complete` with `Outcome::Retry`.
    Retry,
    /// `Complete` with `Outcome::Park`.
    Park,
    /// `Complete` with `Outcome::Cancelled`.
    Stopped,
}

/// The state of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// The handler runs.
    Running,
    /// The handler waits for the child; the slot is others'.
    Waiting,
    /// A write is on its way.
    Sent(Write),
    /// It has been parked, and has yet to look at the child (`Engine::after_parking`).
    Looking,
}

/// An attempt in the memory of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attempt {
    /// The epoch in which it was started: its fence.
    pub epoch: u8,
    /// Its state.
    pub phase: Phase,
}

impl Attempt {
    /// Returns whether its handler has not returned.
    pub fn has_handler(self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Waiting)
    }
}

/// The state of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Life {
    /// It runs.
    Up,
    /// It is held up, as by SIGSTOP: time passes and it does nothing.
    Paused,
    /// It was killed.
    Down,
}

/// The memory of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its process.
    pub life: Life,
    /// Its present incarnation.
    pub number: u8,
    /// True while it believes that it has its lease.
    pub has_lease: bool,
    /// The ticks since it last asked for its lease with success, by its own clock.
    pub age: u8,
    /// By execution.
    pub attempts: [Option<Attempt>; 3],
    /// True once it has taken an execution after it should have looked at its lease. It looks before it takes another
    /// one: that it looks sooner or later must not be left to chance, or nodes could take and lose for ever.
    pub took_late: bool,
    /// True while it is about to wake the parent, as the child has ended.
    pub wakes: bool,
}

/// What happened, where the rows do not tell it any more. All of it must stay false.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seen {
    /// A write landed whose attempt did not hold its execution.
    pub zombie_write: bool,
    /// After the cancellation of the parent the child was submitted, started, or completed.
    pub escape: bool,
    /// A parked parent waited for its timer though no fault had happened.
    pub forgotten_wake: bool,
}

/// Everything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State {
    /// The executions.
    pub executions: [Execution; 3],
    /// True while the cancellation of the parent has a mark, a row of `cancellation`.
    pub mark: bool,
    /// The table `node`: the ticks since each incarnation was last prolonged. None where there is no row.
    pub rows: [[Option<u8>; INCARNATIONS]; 2],
    /// The nodes.
    pub nodes: [Node; 2],
    /// Writes on their way whose attempt is gone: its epoch and the write. By execution.
    pub late: [Option<(u8, Write)>; 3],
    /// The faults that may still happen.
    pub faults: u8,
    /// The errors that handlers may still return.
    pub errors: u8,
    /// True while the client may still cancel the parent.
    pub may_cancel: bool,
    /// What happened.
    pub seen: Seen,
}

impl State {
    /// Two nodes that have begun. The roots were submitted, and wait; the lone one only if there is to be one.
    pub fn new(rules: &Rules) -> Self {
        let absent = Execution {
            status: Status::Absent,
            epoch: 0,
            place: Place::Nowhere,
            cancel_requested: false,
            outcomes: 0,
            has_step: false,
        };
        let node = Node {
            life: Life::Up,
            number: 0,
            has_lease: true,
            age: 0,
            attempts: [None; 3],
            took_late: false,
            wakes: false,
        };
        let waiting = Execution {
            status: Status::Live,
            place: Place::Ready,
            ..absent
        };
        let lone = if rules.has_lone { waiting } else { absent };
        let mut rows = [[None; INCARNATIONS]; 2];
        rows[0][0] = Some(0);
        rows[1][0] = Some(0);
        Self {
            executions: [waiting, lone, absent],
            mark: false,
            rows,
            nodes: [node; 2],
            late: [None; 3],
            faults: rules.faults,
            errors: rules.errors,
            may_cancel: true,
            seen: Seen::default(),
        }
    }

    /// The present incarnation of a node.
    pub fn incarnation(&self, node: usize) -> Incarnation {
        Incarnation {
            node: u8::from(node == 1),
            number: self.nodes[node].number,
        }
    }

    /// The row of an incarnation.
    pub fn row(&mut self, of: Incarnation) -> &mut Option<u8> {
        &mut self.rows[usize::from(of.node)][usize::from(of.number)]
    }

    /// Returns whether an incarnation lives, by the database's clock (`node::is_alive`).
    pub fn is_alive(&self, of: Incarnation) -> bool {
        let row = self.rows[usize::from(of.node)][usize::from(of.number)];
        row.is_some_and(|age| age < LEASE)
    }

    /// Returns whether a node works and believes that it has its lease.
    pub fn is_at_work(&self, node: usize) -> bool {
        self.nodes[node].life == Life::Up && self.nodes[node].has_lease
    }

    /// Returns whether a node has a slot that is free.
    pub fn has_free_slot(&self, node: usize) -> bool {
        let mut attempts = self.nodes[node].attempts.iter().flatten();
        !attempts.any(|one| matches!(one.phase, Phase::Running | Phase::Sent(_)))
    }

    /// Returns whether each execution that was submitted has ended.
    pub fn all_have_ended(&self) -> bool {
        self.executions.iter().all(|one| one.status != Status::Live)
    }

    /// Makes states one that differ in nothing but names: of nodes, and of their incarnations.
    pub fn normalise(&mut self) {
        self.number_incarnations();
        let mut other = self.clone();
        other.nodes.swap(0, 1);
        other.rows.swap(0, 1);
        for one in &mut other.executions {
            if let Place::Leased(by) = &mut one.place {
                by.node = 1 - by.node;
            }
        }
        if other < *self {
            *self = other;
        }
    }

    /// Forgets incarnations that hold nothing and will never come back, and numbers the others anew.
    fn number_incarnations(&mut self) {
        for node in NODES {
            let mut next = 0;
            let present = usize::from(self.nodes[node].number);
            for number in 0..INCARNATIONS {
                let old = Incarnation {
                    node: u8::from(node == 1),
                    number: u8::try_from(number).unwrap_or(u8::MAX),
                };
                let held = Place::Leased(old);
                let holds = self.executions.iter().any(|one| one.place == held);
                if number != present && !holds {
                    self.rows[node][number] = None;
                    continue;
                }
                let new = Incarnation {
                    number: next,
                    ..old
                };
                for one in &mut self.executions {
                    if one.place == held {
                        one.place = Place::Leased(new);
                    }
                }
                if number == present {
                    self.nodes[node].number = next;
                }
                let row = self.rows[node][number].take();
                self.rows[node][usize::from(next)] = row;
                next += 1;
            }
        }
    }
}
