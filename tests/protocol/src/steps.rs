//! What can happen next: what nodes do, that time passes, and faults.

use crate::{
    Rules,
    operations::{Answer, Database},
    state::{
        Attempt, CHILD, EXECUTIONS, HELD, LEASE, LONE, Life, NODES, PARENT, Phase, Place, State,
        Status, Write,
    },
};

/// One step. A node is named first, then an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    /// A node with a free slot takes an execution.
    Claim(usize, usize),
    /// The parent's handler submits the child and waits for it.
    SubmitChild(usize),
    /// The wait of the parent's handler is over: it goes on in a free slot.
    ChildEnded(usize),
    /// Too many wait in memory: the attempt of the parent is parked.
    Park(usize),
    /// The child is looked at once more after the parent was parked (`Engine::after_parking`).
    LookAfterParking(usize),
    /// A node wakes the parked parent (`Engine::wake`).
    Wake(usize),
    /// A handler records its step.
    RecordStep(usize, usize),
    /// A handler returns its result.
    Return(usize, usize),
    /// A handler is told of the cancellation, and stops (`Engine::stop_cancelled`).
    Stop(usize, usize),
    /// A write reaches the database, and the answer the node.
    Land(usize, usize),
    /// A write reaches the database whose attempt is gone.
    LandLate(usize),
    /// A node takes back what a dead incarnation holds (`Engine::take_over`).
    Recover(usize, usize),
    /// A node gives back what it holds and does not run (`Engine::give_back_strays`).
    GiveBack(usize, usize),
    /// The timer of a retry fires.
    FireRetry(usize),
    /// The timer of the parked parent fires. It is so long that all else has come to its end.
    FireParked,
    /// A node carries the cancellation on to the child (`Engine::go_on_cancelling`).
    CancelBelow,
    /// A node finds nothing live below the cancelled parent.
    EndCancellation,
    /// A node prolongs its lease, or finds itself declared dead (`Engine::prolong`).
    Prolong(usize),
    /// A node that could not prolong its lease in time stops all it runs (`Engine::lose_everything`).
    GiveUp(usize),
    /// A node goes on under a new incarnation (`Engine::reincarnate`).
    Reincarnate(usize),
    /// A killed node is started again.
    Restart(usize),
    /// A paused node is resumed.
    Resume(usize),
    /// Time passes.
    Tick,

    /// A client cancels the parent; whether the child is reached by the same transaction.
    Cancel(bool),
    /// A handler returns an error, and will be called again.
    Fail(usize, usize),

    /// Fault: a process is killed.
    Kill(usize),
    /// Fault: a process is paused.
    Pause(usize),
    /// Fault: a node does not reach the database until its lease is about to end.
    CutOff(usize),
    /// Fault: as `Land`, and the answer is lost.
    LandUnanswered(usize, usize),
    /// Fault: as `Claim`, and the answer is lost.
    ClaimUnanswered(usize, usize),
    /// Fault: as `Reincarnate`, and the row of the old incarnation stays.
    ReincarnateAlone(usize),
}

impl State {
    /// The steps that need neither a client's change of mind nor a fault: they are taken sooner or later.
    pub fn steps(&self, rules: &Rules) -> Vec<Step> {
        let mut steps = Vec::new();
        for of in EXECUTIONS {
            self.steps_of_execution(of, rules, &mut steps);
        }
        for node in NODES {
            self.steps_of_node(node, &mut steps);
        }
        if self.some_node_is_up() && self.mark {
            let child = self.executions[CHILD];
            let is_told = child.cancel_requested || child.status.is_terminal();
            steps.push(if is_told {
                Step::EndCancellation
            } else {
                Step::CancelBelow
            });
        }
        if self.may_tick() {
            steps.push(Step::Tick);
        }
        let is_parked = self.executions[PARENT].place == Place::Parked;
        if steps.is_empty() && is_parked && self.some_node_is_up() && rules.parking_timer {
            steps.push(Step::FireParked);
        }
        steps
    }

    /// The steps that may happen and need not.
    pub fn whims(&self, steps: &mut Vec<Step>) {
        let parent = self.executions[PARENT];
        if self.may_cancel && parent.status == Status::Live && self.some_node_is_up() {
            steps.push(Step::Cancel(true));
            if self.executions[CHILD].status == Status::Live {
                steps.push(Step::Cancel(false));
            }
        }
        for node in NODES {
            for of in [LONE, CHILD] {
                let attempt = self.nodes[node].attempts[of];
                let runs = attempt.is_some_and(|one| one.phase == Phase::Running);
                if self.errors > 0 && runs && self.nodes[node].life == Life::Up {
                    steps.push(Step::Fail(node, of));
                }
            }
            if self.faults > 0 && !self.all_have_ended() {
                self.faults_of_node(node, steps);
            }
        }
    }

    fn steps_of_execution(&self, of: usize, rules: &Rules, steps: &mut Vec<Step>) {
        let row = self.executions[of];
        if row.place == Place::Retry && self.some_node_is_up() {
            steps.push(Step::FireRetry(of));
        }
        if self.late[of].is_some() {
            steps.push(Step::LandLate(of));
        }
        for node in NODES {
            let attempt = self.nodes[node].attempts[of];
            if self.is_at_work(node) {
                let may_start =
                    self.has_free_slot(node) && attempt.is_none() && !self.nodes[node].took_late;
                if row.place == Place::Ready && may_start {
                    steps.push(Step::Claim(node, of));
                }
                if self.is_held_by(of, node) && attempt.is_none() {
                    steps.push(Step::GiveBack(node, of));
                }
                // A node never takes back what it holds itself.
                let by_other =
                    matches!(row.place, Place::Leased(by) if by != self.incarnation(node));
                let is_lost = self.is_lost(of) || (!rules.lease_end && by_other);
                if is_lost && rules.recovery {
                    steps.push(Step::Recover(node, of));
                }
            }
            if let Some(attempt) = attempt {
                self.steps_of_attempt(node, of, attempt, steps);
            }
        }
    }

    fn steps_of_attempt(&self, node: usize, of: usize, attempt: Attempt, steps: &mut Vec<Step>) {
        if matches!(attempt.phase, Phase::Sent(_)) {
            steps.push(Step::Land(node, of));
        }
        if self.nodes[node].life != Life::Up {
            return;
        }
        let row = self.executions[of];
        if attempt.has_handler() && row.cancel_requested && self.is_held_by(of, node) {
            steps.push(Step::Stop(node, of));
        }
        let child_has_ended = self.executions[CHILD].status.is_terminal();
        match attempt.phase {
            Phase::Running if of == PARENT && !child_has_ended => {
                steps.push(Step::SubmitChild(node));
            }
            Phase::Running if of == CHILD && !row.has_step => {
                steps.push(Step::RecordStep(node, of));
            }
            Phase::Running => steps.push(Step::Return(node, of)),
            Phase::Waiting => {
                if child_has_ended && self.has_free_slot(node) {
                    steps.push(Step::ChildEnded(node));
                }
                steps.push(Step::Park(node));
            }
            Phase::Looking => steps.push(Step::LookAfterParking(node)),
            Phase::Sent(_) => {}
        }
    }

    fn steps_of_node(&self, node: usize, steps: &mut Vec<Step>) {
        let it = self.nodes[node];
        match it.life {
            Life::Down => steps.push(Step::Restart(node)),
            Life::Paused => steps.push(Step::Resume(node)),
            Life::Up if !it.has_lease => steps.push(Step::Reincarnate(node)),
            Life::Up => {
                if it.age > 0 {
                    steps.push(Step::Prolong(node));
                }
                if it.age > HELD {
                    steps.push(Step::GiveUp(node));
                }
            }
        }
        if it.life == Life::Up && it.wakes {
            steps.push(Step::Wake(node));
        }
    }

    fn faults_of_node(&self, node: usize, steps: &mut Vec<Step>) {
        let it = self.nodes[node];
        if it.life != Life::Down {
            steps.push(Step::Kill(node));
        }
        if it.life != Life::Up {
            return;
        }
        steps.push(Step::Pause(node));
        if !it.has_lease {
            steps.push(Step::ReincarnateAlone(node));
        } else if it.age <= HELD {
            steps.push(Step::CutOff(node));
        }
        for of in EXECUTIONS {
            match it.attempts[of] {
                Some(one) if matches!(one.phase, Phase::Sent(_)) => {
                    steps.push(Step::LandUnanswered(node, of));
                }
                None if it.has_lease
                    && !it.took_late
                    && self.has_free_slot(node)
                    && self.executions[of].place == Place::Ready =>
                {
                    steps.push(Step::ClaimUnanswered(node, of));
                }
                _ => {}
            }
        }
    }

    /// Returns whether it matters that time passes. A node that keeps time first does what is due by its own
    /// clock: that both clocks advance alike, up to the fifth by which it is early, is what the lease rests on.
    fn may_tick(&self) -> bool {
        let mut is_behind = false;
        for node in NODES {
            let it = self.nodes[node];
            if self.is_at_work(node) && it.age >= HELD {
                return false;
            }
            for (number, row) in self.rows[node].iter().enumerate() {
                let is_kept = self.is_at_work(node) && number == usize::from(it.number);
                is_behind |= !is_kept && row.is_some_and(|age| age < LEASE);
            }
        }
        is_behind
    }

    /// The state after a step.
    #[must_use]
    pub fn after(&self, step: Step, rules: &Rules) -> Self {
        let mut next = self.clone();
        next.take(step, rules);
        next.normalise();
        next
    }

    fn take(&mut self, step: Step, rules: &Rules) {
        let no_fault_yet = self.faults == rules.faults;
        match step {
            Step::Claim(node, of) => self.claim(node, of, rules),
            Step::SubmitChild(node) => self.submit_child(node, rules),
            Step::ChildEnded(node) => self.set_phase(node, PARENT, Phase::Running),
            Step::Park(node) => self.set_phase(node, PARENT, Phase::Sent(Write::Park)),
            Step::LookAfterParking(node) => {
                let is_told =
                    self.executions[CHILD].status.is_terminal() && rules.look_after_parking;
                self.nodes[node].attempts[PARENT] = None;
                self.nodes[node].wakes |= is_told;
            }
            Step::Wake(node) => {
                self.nodes[node].wakes = false;
                if self.executions[PARENT].place == Place::Parked {
                    self.database(rules).fire(PARENT);
                }
            }
            Step::RecordStep(node, of) => self.set_phase(node, of, Phase::Sent(Write::Step)),
            Step::Return(node, of) => self.set_phase(node, of, Phase::Sent(Write::Result)),
            Step::Stop(node, of) => self.set_phase(node, of, Phase::Sent(Write::Stopped)),
            Step::Land(node, of) => self.land(node, of, rules),
            Step::LandLate(of) => {
                if let Some((epoch, write)) = self.late[of].take() {
                    self.database(rules).write(of, epoch, write);
                }
            }
            Step::Recover(_, of) => self.database(rules).recover(of),
            Step::GiveBack(_, of) => {
                let epoch = self.executions[of].epoch;
                self.database(rules).write(of, epoch, Write::Stopped);
            }
            Step::FireRetry(of) => self.database(rules).fire(of),
            Step::FireParked => {
                self.seen.forgotten_wake |= no_fault_yet;
                self.database(rules).fire(PARENT);
            }
            Step::CancelBelow => self.database(rules).cancel_below(),
            Step::EndCancellation => self.database(rules).end_cancellation(),
            Step::Cancel(reaches_child) => {
                self.may_cancel = false;
                self.database(rules).cancel(reaches_child);
            }
            Step::Fail(node, of) => {
                self.errors -= 1;
                self.set_phase(node, of, Phase::Sent(Write::Retry));
            }
            of_process => self.take_of_process(of_process, rules),
        }
    }

    /// Steps of processes and time, and faults.
    fn take_of_process(&mut self, step: Step, rules: &Rules) {
        match step {
            Step::Prolong(node) => self.prolong(node),
            Step::GiveUp(node) => self.lose_everything(node),
            Step::Reincarnate(node) => self.reincarnate(node, true),
            Step::Restart(node) => {
                self.nodes[node].life = Life::Up;
                self.reincarnate(node, false);
            }
            Step::Resume(node) => self.nodes[node].life = Life::Up,
            Step::Tick => self.tick(),
            fault => {
                self.faults -= 1;
                self.suffer(fault, rules);
            }
        }
    }

    fn suffer(&mut self, fault: Step, rules: &Rules) {
        match fault {
            Step::Kill(node) => {
                self.lose_everything(node);
                self.nodes[node].life = Life::Down;
                self.nodes[node].age = 0;
                self.nodes[node].wakes = false;
            }
            Step::Pause(node) => self.nodes[node].life = Life::Paused,
            Step::CutOff(node) => self.lose_everything(node),
            Step::LandUnanswered(node, of) => {
                if let Some(Attempt {
                    epoch,
                    phase: Phase::Sent(write),
                }) = self.nodes[node].attempts[of]
                {
                    self.database(rules).write(of, epoch, write);
                }
            }
            Step::ClaimUnanswered(node, of) => {
                let by = self.incarnation(node);
                self.database(rules).claim(of, by);
            }
            Step::ReincarnateAlone(node) => self.reincarnate(node, false),
            _ => {}
        }
    }

    fn database<'a>(&'a mut self, rules: &'a Rules) -> Database<'a> {
        Database { state: self, rules }
    }

    fn set_phase(&mut self, node: usize, of: usize, phase: Phase) {
        if let Some(attempt) = &mut self.nodes[node].attempts[of] {
            attempt.phase = phase;
        }
    }

    fn claim(&mut self, node: usize, of: usize, rules: &Rules) {
        let by = self.incarnation(node);
        self.nodes[node].took_late |= self.nodes[node].age > HELD;
        if let Some(epoch) = self.database(rules).claim(of, by) {
            let phase = Phase::Running;
            self.nodes[node].attempts[of] = Some(Attempt { epoch, phase });
        }
    }

    fn submit_child(&mut self, node: usize, rules: &Rules) {
        let Some(attempt) = self.nodes[node].attempts[PARENT] else {
            return;
        };
        match self.database(rules).submit_child(attempt.epoch) {
            Answer::Landed => self.set_phase(node, PARENT, Phase::Waiting),
            // The handler ends, and the attempt with it.
            Answer::Fenced => self.set_phase(node, PARENT, Phase::Sent(Write::Stopped)),
        }
    }

    fn land(&mut self, node: usize, of: usize, rules: &Rules) {
        let Some(Attempt {
            epoch,
            phase: Phase::Sent(write),
        }) = self.nodes[node].attempts[of]
        else {
            return;
        };
        let lived = self.executions[CHILD].status == Status::Live;
        let answer = self.database(rules).write(of, epoch, write);
        match (write, answer) {
            (Write::Step, Answer::Landed) => self.set_phase(node, of, Phase::Running),
            (Write::Park, _) => self.set_phase(node, of, Phase::Looking),
            _ => self.nodes[node].attempts[of] = None,
        }
        // `Engine::child_ended`.
        let child_ended = lived && self.executions[CHILD].status.is_terminal();
        let parent = self.nodes[node].attempts[PARENT];
        let runs_parent = parent.is_some_and(|one| one.phase != Phase::Looking);
        if of == CHILD && child_ended && answer == Answer::Landed && !runs_parent {
            self.nodes[node].wakes = true;
        }
    }

    fn prolong(&mut self, node: usize) {
        let incarnation = self.incarnation(node);
        if self.is_alive(incarnation) {
            *self.row(incarnation) = Some(0);
            self.nodes[node].age = 0;
            self.nodes[node].took_late = false;
        } else {
            self.lose_everything(node);
        }
    }

    /// What is on its way to the database may still land.
    fn lose_everything(&mut self, node: usize) {
        self.nodes[node].has_lease = false;
        self.nodes[node].age = 0;
        self.nodes[node].took_late = false;
        for of in EXECUTIONS {
            if let Some(Attempt {
                epoch,
                phase: Phase::Sent(write),
            }) = self.nodes[node].attempts[of].take()
            {
                self.late[of].get_or_insert((epoch, write));
            }
        }
    }

    fn reincarnate(&mut self, node: usize, retires_old: bool) {
        if retires_old {
            let old = self.incarnation(node);
            *self.row(old) = None;
        }
        self.nodes[node].number += 1;
        self.nodes[node].has_lease = true;
        self.nodes[node].age = 0;
        let new = self.incarnation(node);
        *self.row(new) = Some(0);
    }

    fn tick(&mut self) {
        let later = |age: u8| (age + 1).min(LEASE);
        for node in NODES {
            for row in &mut self.rows[node] {
                *row = row.map(later);
            }
            let it = &mut self.nodes[node];
            if it.life != Life::Down && it.has_lease {
                it.age = later(it.age);
            }
        }
    }
}
