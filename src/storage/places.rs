//! Conditions on what is live, and on where it stands. Statements share these conditions, so that
//! no two of them disagree; the codes in them come from the enums.

use std::borrow::Cow;

use crate::model::{Queue, SessionStatus};

/// Instead of `node`: the queue of executions that a node runs while it runs nothing else.
const ALONE_QUEUE: &str = "alone";
/// Marks the timer of an execution that waits for children outside of any node.
pub(super) const PARKED_QUEUE: &str = "parked";

/// Marks the timer of an execution that has a token of a limit from then on.
pub(super) const LIMITED_QUEUE: &str = "limited";

/// How far an execution has come with one of its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceState {
    /// It has not come to it.
    Ahead = 0,
    /// It waits for a place.
    Waiting = 1,
    /// It holds a place, or has taken a token.
    Held = 2,
}

impl PlaceState {
    /// The number that the database keeps.
    pub(super) fn code(self) -> i64 {
        self as i64
    }
}

/// The queue in `ready` of executions that a node runs while it runs nothing else, where they belong to `queue`.
pub(super) fn alone_queue(queue: &Queue) -> Cow<'static, str> {
    match queue {
        Queue::Node => ALONE_QUEUE.into(),
        Queue::Labelled { .. } | Queue::Worker { .. } => {
            format!("{ALONE_QUEUE}:{}", queue.name()).into()
        }
    }
}

/// The queue of nodes to which a queue in `ready` belongs; none where no node takes from it.
pub(super) fn queue_of_nodes(name: &str) -> Option<Queue> {
    let of_alone = name.strip_prefix(ALONE_QUEUE);
    let name = match of_alone.map(|rest| rest.strip_prefix(':')) {
        Some(None) if name == ALONE_QUEUE => return Some(Queue::Node),
        Some(Some(queue)) => queue,
        Some(None) | None => name,
    };
    Queue::from_name(name).filter(|queue| !matches!(queue, Queue::Worker { .. }))
}

/// Who holds a lease: by its kind one knows where to look whether the holder is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseHolder {
    /// A node; `lease.node_id` is a row of `node`.
    Node = 0,
}

impl LeaseHolder {
    /// The number that the database keeps.
    pub(super) fn code(self) -> i64 {
        self as i64
    }
}

/// The effect of a timer that is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TimerKind {
    /// An execution that was to begin later becomes ready.
    Start = 0,
    /// The next attempt becomes ready.
    Retry = 1,
    /// An execution that has not ended fails.
    Deadline = 2,
}

impl TimerKind {
    pub(super) const ALL: [Self; 3] = [Self::Start, Self::Retry, Self::Deadline];

    /// The number that the database keeps.
    pub(super) fn code(self) -> i64 {
        self as i64
    }

    /// Returns whether an execution stands in a timer of this kind, instead of in a queue.
    fn is_a_place(self) -> bool {
        matches!(self, Self::Start | Self::Retry)
    }
}

/// Of a row of `execution`: it has not ended.
pub(super) const LIVE: &str = "finished_at IS NULL";

/// Of a row of `timer`: an execution stands in it until it is due.
pub(super) fn is_a_place() -> String {
    let places = TimerKind::ALL.into_iter().filter(|kind| kind.is_a_place());
    format!("kind IN ({})", codes(places.map(TimerKind::code)))
}

/// Returns the expression that counts the places of an execution `e`: in a queue, with a node, in a
/// timer, under a limit that has no room for it. A live one has one.
pub(super) fn places() -> String {
    let each = tables().map(|(table, condition)| {
        format!("(SELECT COUNT(*) FROM {table} p WHERE p.execution_id = e.id{condition})")
    });
    each.join(" + ")
}

/// Of an execution `e`: it is live and has no place, so nothing will ever run it.
pub(super) fn is_stranded() -> String {
    let none = tables().map(|(table, condition)| {
        format!(" AND NOT EXISTS (SELECT 1 FROM {table} p WHERE p.execution_id = e.id{condition})")
    });
    format!("e.{LIVE}{}", none.concat())
}

/// The tables in which an execution has its place, and which of their rows `p` are one.
fn tables() -> [(&'static str, String); 4] {
    let waiting = PlaceState::Waiting.code();
    [
        ("ready", String::new()),
        ("limit_place", format!(" AND p.state = {waiting}")),
        ("lease", String::new()),
        ("timer", format!(" AND p.{}", is_a_place())),
    ]
}

/// Of a row of `session`: it may be written to until its time has passed.
pub(super) fn accepts_writes() -> String {
    let open = SessionStatus::ALL.into_iter();
    let open = open.filter(|status| status.accepts_writes());
    format!("status IN ({})", codes(open.map(SessionStatus::code)))
}

fn codes(codes: impl Iterator<Item = i64>) -> String {
    let codes: Vec<String> = codes.map(|code| code.to_string()).collect();
    codes.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_name_the_codes_that_databases_hold() {
        // Word for word that of the index on overdue sessions, which SQLite would not use otherwise.
        assert_eq!(accepts_writes(), "status IN (0, 1)");
        assert_eq!(is_a_place(), "kind IN (0, 1)");
    }

    #[test]
    fn what_runs_alone_stands_in_a_queue_of_its_own_for_the_same_nodes() {
        let labelled = Queue::of_labels("gpu=true".parse().unwrap());
        for queue in [Queue::Node, labelled] {
            let alone = alone_queue(&queue);
            assert_ne!(alone, queue.name());
            for name in [alone, queue.name()] {
                assert_eq!(queue_of_nodes(&name), Some(queue.clone()), "{name}");
            }
        }
        for other in ["worker:echo/remote", "alones", "alone:worker:a/b", "parked"] {
            assert_eq!(queue_of_nodes(other), None, "{other}");
        }
    }
}
