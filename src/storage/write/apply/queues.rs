//! Where executions wait and who holds them: queues, timers, leases, keys, and cancellations that go on.

use std::collections::BTreeSet;

use entity::cancellation;
use sea_orm::{ActiveValue::Set, DbBackend};

use super::{
    super::{super::sql, changes::Changes, working::Working},
    update,
};
use crate::model::ExecutionId;
use sql::{Combined, Rows};

/// Frees the keys that were taken for intents which were refused, and gives on those whose holder has
/// changed.
pub(super) fn keys(all: &mut Combined, working: &Working) {
    let mut free = Rows::of(&["tenant_id", "scope", "key"]);
    for name in working.keys_taken.keys() {
        if !working.keys.contains_key(name) {
            let (tenant, scope, key) = name;
            let scope = *scope as i64;
            free.push(vec![
                tenant.as_str().into(),
                scope.into(),
                key.as_str().into(),
            ]);
        }
    }
    let tail = "DELETE FROM idempotency \
         WHERE (tenant_id, scope, key) IN (SELECT tenant_id, scope, key FROM x)";
    all.add(free, tail);
    let given = working.changes.keys_changed.values();
    let given = Rows::set(given.map(|claim| claim.row(working.now)));
    let tail = "UPDATE idempotency SET execution_id = x.execution_id, \
         request_hash = x.request_hash, expires_at = x.expires_at FROM x \
         WHERE idempotency.tenant_id = x.tenant_id AND idempotency.scope = x.scope \
         AND idempotency.key = x.key";
    all.add(given, tail);
}

/// Takes executions out of a queue. A row that another transaction has locked is left to it: it took
/// the row, waits for the execution that is locked here, and will find that it has moved on. To wait
/// for it would be a deadlock.
pub(super) fn unqueue_tail(table: &str, backend: DbBackend) -> String {
    if backend != DbBackend::Postgres {
        return format!("DELETE FROM {table} WHERE execution_id IN (SELECT id FROM x)");
    }
    let key = match table {
        "timer" => "execution_id, kind",
        _ => "execution_id",
    };
    format!(
        ", free AS MATERIALIZED (SELECT t.* FROM x JOIN {table} t ON t.execution_id = x.id \
         FOR UPDATE OF t SKIP LOCKED) \
         DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM free)"
    )
}

pub(super) fn queues(all: &mut Combined, decided: &mut Changes, backend: DbBackend) {
    let ids = |ids: &BTreeSet<ExecutionId>| Rows::column("id", ids.iter().map(|id| id.0));
    all.add(ids(&decided.unqueued), unqueue_tail("ready", backend));
    all.add(ids(&decided.unqueued), unqueue_tail("timer", backend));
    let release = "DELETE FROM lease WHERE execution_id IN (SELECT id FROM x)";
    all.add(ids(&decided.leases_out), release);

    all.add(
        ids(&decided.accompanied),
        "UPDATE lease SET alone = false WHERE execution_id IN (SELECT id FROM x)",
    );

    let leases = std::mem::take(&mut decided.leases_in);
    all.insert(Rows::set(leases.into_values()), "lease");
    let ready = std::mem::take(&mut decided.ready_in);
    let ready = Rows::set(ready.into_values());
    let names = ready.names();
    let tail = format!(
        "INSERT INTO ready ({names}) SELECT {names} FROM x WHERE true ON CONFLICT DO NOTHING"
    );
    all.add(ready, tail);
    let timers = std::mem::take(&mut decided.timers_in);
    all.insert(Rows::set(timers.into_values()), "timer");
}

/// The marks of cancellations that have not reached all that is below.
pub(super) fn marks(all: &mut Combined, working: &mut Working) {
    let (now, decided) = (working.now, &mut working.changes);
    // Few transactions cancel anything.
    if decided.marks_in.is_empty()
        && decided.marks_touched.is_empty()
        && decided.marks_out.is_empty()
    {
        return;
    }
    let made = std::mem::take(&mut decided.marks_in);
    all.insert(Rows::set(made.into_values()), "cancellation");
    let touched = decided.marks_touched.iter();
    let touched = touched.map(|id| cancellation::ActiveModel {
        execution_id: Set(id.0),
        touched_at: Set(now),
        ..cancellation::ActiveModel::default()
    });
    update(all, Rows::set(touched), "cancellation", 1);
    let tail = "DELETE FROM cancellation WHERE execution_id IN (SELECT id FROM x)";
    let ended = Rows::column("id", decided.marks_out.iter().map(|id| id.0));
    all.add(ended, tail);
}
