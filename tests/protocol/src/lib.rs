//! A model of how executions are claimed, kept, ended, cancelled and taken back, of which every state is looked at.
//!
//! Two nodes with one slot each run a parent that submits a child and waits for it, in memory or parked; the child's
//! handler records a step. Beside them there may be a third execution. A client may cancel the parent, handlers may
//! fail, and a number of faults may happen at any point: a process is killed or paused, a node is cut off from the
//! database, an answer is lost. Each step is one transaction, or one thing that a node does by itself.
//!
//! | here | there |
//! |---|---|
//! | `operations` | `src/storage/write/ops`: `submit`, `claim`, `record_step`, `complete`, `cancel`, `cancel_below`, `end_cancellation`, `recover`, `fire_timers`, `wake`; and `lifecycle.rs`, `marks.rs`, `working.rs` beside them |
//! | `steps` | `src/runtime/engine`: `claims`, `lease`, `maintenance`, `cancelling`, `parking`, `timers`; `src/runtime/run.rs` |
//!
//! Left out: what decides only which execution is taken and when (tenants, priorities, deadlines, back-off); the
//! counts of crashes with the queue `alone`, and the blame; keys of requests, artifacts and events, which share the
//! transaction of what they belong to; trees deeper than one child; a database that loses what it has committed.
//! A transaction is one step: that two of them which lock the same rows are as if one came after the other is
//! PostgreSQL's promise, and not shown here. Clocks of nodes and of the database advance alike, to within the fifth
//! of a lease by which a node stops early.

pub mod operations;
pub mod state;
pub mod steps;

use stateright::{Model, Property};

use state::{CHILD, EXECUTIONS, HELD, NODES, PARENT, Phase, Place, State, Status};
use steps::Step;

/// The rules that the runtime keeps. Without one of them something goes wrong, which tests show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each rule is taken out by itself"
)]
pub struct Rules {
    /// True for a third execution.
    pub has_lone: bool,
    /// The number of faults that may happen.
    pub faults: u8,
    /// The number of errors that handlers may return.
    pub errors: u8,
    /// What an attempt writes lands only under its own epoch (`Working::fenced`).
    pub fence: bool,
    /// What a node holds is taken back only when its lease has ended by the database's clock (`load::pick::lost`).
    pub lease_end: bool,
    /// Executions of dead incarnations are taken back (`Engine::take_over`).
    pub recovery: bool,
    /// Whatever touches an execution below a mark ends it as cancelled (`Working::heed_mark`).
    pub marks: bool,
    /// A child is looked at again after its parent was parked (`Engine::after_parking`).
    pub look_after_parking: bool,
    /// A parked execution has a timer (`Working::park`).
    pub parking_timer: bool,
}

impl Rules {
    /// All rules; a parent and its child, and so many faults.
    pub fn with_faults(faults: u8) -> Self {
        Self {
            has_lone: false,
            faults,
            errors: 0,
            fence: true,
            lease_end: true,
            recovery: true,
            marks: true,
            look_after_parking: true,
            parking_timer: true,
        }
    }
}

/// An execution has at most one outcome.
pub const ONE_OUTCOME: &str = "an execution has at most one outcome";
/// What an attempt writes lands only while it holds its execution.
pub const NO_ZOMBIE: &str = "what an attempt writes lands only while it holds its execution";
/// A live execution has a place.
pub const HAS_A_PLACE: &str = "a live execution stands in a queue, has a timer or is leased";
/// When nothing goes on, every execution has ended.
pub const NONE_FORGOTTEN: &str = "when nothing goes on, every execution has ended";
/// Every execution ends.
pub const ALL_END: &str = "every execution ends";
/// A cancellation reaches the child.
pub const CANCEL_REACHES: &str = "after a cancellation the child neither starts nor completes";
/// A cancelled execution ends as cancelled.
pub const CANCEL_HOLDS: &str = "what was cancelled does not complete";
/// A parent completes after its child.
pub const CHILD_FIRST: &str = "a parent completes after its child";
/// Handlers of one execution do not run side by side.
pub const ONE_HANDLER: &str = "nodes that keep time do not run one execution at once";
/// A wake-up is not forgotten.
pub const NO_FORGOTTEN_WAKE: &str = "without a fault no parked parent waits for its timer";

impl Model for Rules {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Step>) {
        actions.extend(state.steps(self));
        state.whims(actions);
    }

    fn next_state(&self, state: &State, step: Step) -> Option<State> {
        let next = state.after(step, self);
        (next != *state).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = safety();
        properties.push(Property::always(
            NONE_FORGOTTEN,
            |rules: &Self, state: &State| state.all_have_ended() || !state.steps(rules).is_empty(),
        ));
        properties.push(Property::eventually(ALL_END, |_, state: &State| {
            state.all_have_ended()
        }));
        properties.extend(coverage());
        properties
    }
}

fn safety() -> Vec<Property<Rules>> {
    vec![
        Property::always(ONE_OUTCOME, |_, state: &State| {
            state.executions.iter().all(|one| one.outcomes <= 1)
        }),
        Property::always(NO_ZOMBIE, |_, state: &State| !state.seen.zombie_write),
        Property::always(HAS_A_PLACE, |_, state: &State| {
            let stands = |one: &state::Execution| one.place != Place::Nowhere;
            state
                .executions
                .iter()
                .all(|one| one.status != Status::Live || stands(one))
        }),
        Property::always(CANCEL_REACHES, |_, state: &State| !state.seen.escape),
        Property::always(CANCEL_HOLDS, |_, state: &State| {
            let mut all = state.executions.iter();
            all.all(|one| !one.cancel_requested || one.status != Status::Completed)
        }),
        Property::always(CHILD_FIRST, |_, state: &State| {
            let status = |of: usize| state.executions[of].status;
            status(PARENT) != Status::Completed || status(CHILD).is_terminal()
        }),
        Property::always(ONE_HANDLER, |_, state: &State| {
            EXECUTIONS.iter().all(|&of| {
                let runs = |node: usize| {
                    let attempt = state.nodes[node].attempts[of];
                    state.is_at_work(node)
                        && state.nodes[node].age <= HELD
                        && attempt.is_some_and(state::Attempt::has_handler)
                };
                !NODES.iter().all(|&node| runs(node))
            })
        }),
        Property::always(NO_FORGOTTEN_WAKE, |_, state: &State| {
            !state.seen.forgotten_wake
        }),
    ]
}

/// The model would show nothing if these never happened.
fn coverage() -> Vec<Property<Rules>> {
    vec![
        Property::sometimes("a zombie's write is on its way", |_, state: &State| {
            EXECUTIONS.iter().any(|&of| {
                let row = state.executions[of];
                let elsewhere = state.nodes.iter().filter_map(|node| node.attempts[of]);
                let mut stale = elsewhere.filter(|one| one.epoch < row.epoch);
                matches!(row.place, Place::Leased(_))
                    && stale.any(|one| matches!(one.phase, Phase::Sent(_)))
            })
        }),
        Property::sometimes(
            "a parent is parked while its child runs",
            |_, state: &State| {
                state.executions[PARENT].place == Place::Parked
                    && matches!(state.executions[CHILD].place, Place::Leased(_))
            },
        ),
        Property::sometimes(
            "a mark stands above a child that runs",
            |_, state: &State| {
                let child = state.executions[CHILD];
                state.mark && !child.cancel_requested && matches!(child.place, Place::Leased(_))
            },
        ),
        Property::sometimes("parent and child complete", |_, state: &State| {
            let of_tree = [PARENT, CHILD].map(|of| state.executions[of].status);
            of_tree == [Status::Completed; 2]
        }),
        Property::sometimes("parent and child are cancelled", |_, state: &State| {
            state.executions[PARENT].status == Status::Cancelled
                && state.executions[CHILD].status == Status::Cancelled
        }),
    ]
}
