//! Bulk operations.

use entity::operation;

use super::super::{super::sql, working::Working};
use sql::{Combined, Rows};

/// The columns of a bulk operation that change, behind its id.
const CHANGES: &[&str] = &[
    "status",
    "walked_to",
    "batch",
    "is_walked",
    "matched",
    "done",
    "skipped",
    "refused",
    "refusals",
    "error",
    "due_at",
    "failing_since",
    "version",
    "next_seq",
    "updated_at",
    "finished_at",
    "last_hash",
];

pub(super) fn operations(all: &mut Combined, working: &Working) {
    let made = working.operations.made();
    let made = made.map(|(_, row)| operation::Model::from(row.clone()));
    all.insert(Rows::set(made), "operation");
    let mut rows = working.operations.changed().peekable();
    if rows.peek().is_none() {
        return;
    }
    let mut changed = Rows::of(&[&["id"], CHANGES].concat());
    for (_, row) in rows {
        let row = operation::Model::from(row.clone());
        changed.push(vec![
            row.id.into(),
            row.status.into(),
            row.walked_to.into(),
            row.batch.into(),
            row.is_walked.into(),
            row.matched.into(),
            row.done.into(),
            row.skipped.into(),
            row.refused.into(),
            row.refusals.into(),
            row.error.into(),
            row.due_at.into(),
            row.failing_since.into(),
            row.version.into(),
            row.next_seq.into(),
            row.updated_at.into(),
            row.finished_at.into(),
            row.last_hash.into(),
        ]);
    }
    super::update(all, changed, "operation", 1);
}
