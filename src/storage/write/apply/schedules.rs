//! Schedules, and the executions that they have made.

use entity::schedule;

use super::super::{super::sql, working::Working};
use sql::{Combined, Rows};

/// The executions that are remembered of each schedule.
pub(in crate::storage) const RUNS: usize = 100;

/// The columns of a schedule that change, behind its id.
const CHANGES: &[&str] = &[
    "status",
    "next_at",
    "due_at",
    "queued",
    "last_fired_at",
    "skipped",
    "last_error",
    "version",
    "next_seq",
    "updated_at",
    "last_hash",
];

pub(super) fn schedules(all: &mut Combined, working: &Working) {
    let out = &working.changes.schedules_out;
    let made = working.schedules.made().filter(|(id, _)| !out.contains(id));
    let made = made.map(|(_, row)| schedule::Model::from(row.clone()));
    all.insert(Rows::set(made), "schedule");
    let mut changed = Rows::of(&[&["id"], CHANGES].concat());
    for (id, row) in working.schedules.changed() {
        if out.contains(id) {
            continue;
        }
        let row = schedule::Model::from(row.clone());
        changed.push(vec![
            row.id.into(),
            row.status.into(),
            row.next_at.into(),
            row.due_at.into(),
            row.queued.into(),
            row.last_fired_at.into(),
            row.skipped.into(),
            row.last_error.into(),
            row.version.into(),
            row.next_seq.into(),
            row.updated_at.into(),
            row.last_hash.into(),
        ]);
    }
    super::update(all, changed, "schedule", 1);
    runs(all, working);
    for (table, key) in [("schedule", "id"), ("schedule_run", "schedule_id")] {
        let gone = Rows::column("id", out.iter().map(|id| id.0));
        let tail = format!("DELETE FROM {table} WHERE {key} IN (SELECT id FROM x)");
        all.add(gone, tail);
    }
}

fn runs(all: &mut Combined, working: &Working) {
    let out = &working.changes.schedules_out;
    let runs = working.changes.schedule_runs.iter();
    let runs = runs.filter(|run| !out.iter().any(|id| id.0 == run.schedule_id));
    let runs: Vec<_> = runs.cloned().collect();
    let mut fired: Vec<_> = runs.iter().map(|run| run.schedule_id).collect();
    fired.sort_unstable();
    fired.dedup();
    all.insert(Rows::set(runs), "schedule_run");
    // Ids of executions go by time: those before the last ones are forgotten.
    let tail = format!(
        "DELETE FROM schedule_run WHERE schedule_id IN (SELECT schedule_id FROM x) AND execution_id < \
         (SELECT r.execution_id FROM schedule_run r WHERE r.schedule_id = schedule_run.schedule_id \
         ORDER BY r.execution_id DESC LIMIT 1 OFFSET {})",
        RUNS - 1
    );
    all.add(Rows::column("schedule_id", fired), tail);
}
