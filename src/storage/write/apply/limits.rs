//! Places under limits, and tokens that were taken.

use super::super::{super::sql, working::Working};
use sql::{Combined, Rows};

/// The columns of a place that change, behind its key.
const CHANGES: &[&str] = &["state", "queue", "priority", "ready_at"];

pub(super) fn limits(all: &mut Combined, working: &Working) {
    let limits = &working.limits;
    if limits.is_empty() {
        return;
    }
    let (made, changed, gone) = limits.changes();
    all.insert(Rows::set(made), "limit_place");
    let mut rows = Rows::of(&[&["execution_id", "position"], CHANGES].concat());
    for row in changed {
        rows.push(vec![
            row.execution_id.into(),
            row.position.into(),
            row.state.into(),
            row.queue.into(),
            row.priority.into(),
            row.ready_at.into(),
        ]);
    }
    super::update(all, rows, "limit_place", 2);
    let mut rows = Rows::of(&["execution_id", "position"]);
    for (id, position) in gone {
        rows.push(vec![id.0.into(), position.into()]);
    }
    let tail = "DELETE FROM limit_place \
         WHERE (execution_id, position) IN (SELECT execution_id, position FROM x)";
    all.add(rows, tail);
    let mut rows = Rows::of(&["bucket", "next_at"]);
    for (bucket, next_at) in limits.rates_taken() {
        rows.push(vec![bucket.into(), next_at.into()]);
    }
    let tail = "INSERT INTO limit_rate (bucket, next_at) SELECT bucket, next_at FROM x WHERE true \
         ON CONFLICT (bucket) DO UPDATE SET next_at = excluded.next_at";
    all.add(rows, tail);
}
