//! Counts of executions. Each writer counts in rows of its own, which it knows by the process that serves it, so that
//! none waits for another's commit.

use sea_orm::DbBackend;

use super::super::{super::sql, changes::Changes, counts::CountOf};
use sql::{Combined, Rows};

const COLUMNS: &[&str] = &[
    "tenant_id",
    "bucket",
    "intent_type",
    "status",
    "is_root",
    "error_code",
    "level",
    "count",
];
const KEY: &str = "tenant_id, bucket, intent_type, status, is_root, error_code, level, slot";

/// Adds to rows of a slot, which are made if they are not there.
fn add(all: &mut Combined, rows: Rows, slot: &str) {
    let names = rows.names();
    let tail = format!(
        "INSERT INTO execution_count ({names}, slot) SELECT {names}, {slot} FROM x WHERE true \
         ON CONFLICT ({KEY}) DO UPDATE SET count = execution_count.count + excluded.count"
    );
    all.add(rows, tail);
}

fn row(of: &CountOf, level: i64, count: i64) -> Vec<sea_orm::Value> {
    vec![
        of.tenant_id.as_str().into(),
        of.bucket.into(),
        of.intent_type.as_str().into(),
        of.status.into(),
        of.is_root.into(),
        of.error_code.as_str().into(),
        level.into(),
        count.into(),
    ]
}

pub(super) fn counts(all: &mut Combined, decided: &mut Changes, backend: DbBackend) {
    let mut counted = Rows::of(COLUMNS);
    for (of, count) in std::mem::take(&mut decided.counts) {
        counted.push(row(&of, 0, count));
    }
    let slot = match backend {
        DbBackend::Postgres => "pg_backend_pid()",
        _ => "0",
    };
    add(all, counted, slot);
    let mut out = Rows::of(&[
        "tenant_id",
        "bucket",
        "intent_type",
        "status",
        "is_root",
        "error_code",
        "level",
        "slot",
    ]);
    for row in std::mem::take(&mut decided.counts_out) {
        out.push(vec![
            row.tenant_id.into(),
            row.bucket.into(),
            row.intent_type.into(),
            row.status.into(),
            row.is_root.into(),
            row.error_code.into(),
            row.level.into(),
            row.slot.into(),
        ]);
    }
    let tail = format!("DELETE FROM execution_count WHERE ({KEY}) IN (SELECT {KEY} FROM x)");
    all.add(out, tail);
    let mut rolled = Rows::of(COLUMNS);
    for ((of, level), count) in std::mem::take(&mut decided.counts_rolled) {
        rolled.push(row(&of, level, count));
    }
    add(all, rolled, "0");
}
