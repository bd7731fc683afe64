//! Webhooks.

use entity::webhook;

use super::super::{super::sql, working::Working};
use sql::{Combined, Rows};

/// The columns of a webhook that change, behind its id.
const CHANGES: &[&str] = &[
    "name",
    "url",
    "filter",
    "status",
    "disabled_reason",
    "secret",
    "former_secret",
    "former_until",
    "place_tx",
    "place_ord",
    "place_seq",
    "ahead",
    "failures",
    "failing_since",
    "last_success_at",
    "last_failure_at",
    "last_failure",
    "due_at",
    "held_by",
    "version",
    "generation",
    "next_seq",
    "updated_at",
    "deleted_at",
    "last_hash",
];

pub(super) fn webhooks(all: &mut Combined, working: &Working) {
    let made = working.webhooks.made();
    let made = made.map(|(_, row)| webhook::Model::from(row.clone()));
    all.insert(Rows::set(made), "webhook");
    let mut rows = working.webhooks.changed().peekable();
    if rows.peek().is_none() {
        return;
    }
    let mut changed = Rows::of(&[&["id"], CHANGES].concat());
    for (_, row) in rows {
        let row = webhook::Model::from(row.clone());
        changed.push(vec![
            row.id.into(),
            row.name.into(),
            row.url.into(),
            row.filter.into(),
            row.status.into(),
            row.disabled_reason.into(),
            row.secret.into(),
            row.former_secret.into(),
            row.former_until.into(),
            row.place_tx.into(),
            row.place_ord.into(),
            row.place_seq.into(),
            row.ahead.into(),
            row.failures.into(),
            row.failing_since.into(),
            row.last_success_at.into(),
            row.last_failure_at.into(),
            row.last_failure.into(),
            row.due_at.into(),
            row.held_by.into(),
            row.version.into(),
            row.generation.into(),
            row.next_seq.into(),
            row.updated_at.into(),
            row.deleted_at.into(),
            row.last_hash.into(),
        ]);
    }
    super::update(all, changed, "webhook", 1);
}
