//! Conditions on what is live, and on where it stands. Statements share these conditions, so that
//! no two of them disagree; the codes in them come from the enums.

use crate::model::SessionStatus;

/// Instead of `node`: the queue of executions that a node runs while it runs nothing else.
pub(super) const ALONE_QUEUE: &str = "alone";
/// Marks the timer of an execution that waits for children outside of any node.
pub(super) const PARKED_QUEUE: &str = "parked";

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
/// timer. A live one has one.
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
fn tables() -> [(&'static str, String); 3] {
    [
        ("ready", String::new()),
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
}
