//! The third phase: what was decided is written, by one statement a table on SQLite and by one or two
//! in all on PostgreSQL.

use std::collections::BTreeSet;

use sea_orm::{ConnectionTrait, DbBackend, Statement};

use super::{
    super::{Error, connection::Transaction, sql},
    load::{KEY_COLUMNS, key_cells},
    working::{Changes, SessionRow, Tracked, Working},
};
use crate::model::{Artifact, ArtifactId, Event, Execution, ExecutionId};
use sql::{Cell, Combined, Rows, get};

/// Writes the working set, but for the statement that it returns: that one goes with the commit.
/// Beside it the number of rows that all of it takes.
pub(super) async fn apply(
    db: &Transaction,
    working: &mut Working,
) -> Result<(Option<Statement>, usize), Error> {
    // An edge needs the keys that its artifacts get.
    let artifacts = new_artifacts(db, working).await?;
    let mut all = Combined::default();
    keys(&mut all, working);
    executions(&mut all, working);
    queues(&mut all, &mut working.changes, db.get_database_backend());
    events(&mut all, &mut working.changes)?;
    sessions(&mut all, working);
    states(&mut all, working);
    changed_artifacts(&mut all, working);
    edges(&mut all, working);
    histories(&mut all, &mut working.changes);
    uploads(&mut all, &mut working.changes);
    releases(&mut all, &mut working.changes);
    marks(&mut all, working);
    let rows = artifacts + all.len();
    Ok((all.run(db).await?, rows))
}

/// Frees the keys that were taken for intents which were refused, and gives on those whose holder has
/// changed.
fn keys(all: &mut Combined, working: &Working) {
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
    let mut given = Rows::of(KEY_COLUMNS);
    for claim in working.changes.keys_changed.values() {
        given.push(key_cells(claim, working.now));
    }
    let tail = "UPDATE idempotency SET execution_id = x.execution_id, \
         request_hash = x.request_hash, expires_at = x.expires_at FROM x \
         WHERE idempotency.tenant_id = x.tenant_id AND idempotency.scope = x.scope \
         AND idempotency.key = x.key";
    all.add(given, tail);
}

fn filled(columns: &'static [&'static str], rows: impl IntoIterator<Item = Vec<Cell>>) -> Rows {
    let mut filled = Rows::of(columns);
    for row in rows {
        filled.push(row);
    }
    filled
}

const EXECUTION_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "intent_id",
    "intent_type",
    "handler_name",
    "session_id",
    "solution_id",
    "parameters",
    "metadata",
    "idempotency_key",
    "intent_created_at",
    "parent_id",
    "root_id",
    "depth",
    "child_key",
    "rerun_of",
    "status",
    "epoch",
    "attempt",
    "lost_attempts",
    "crashes",
    "interruptions",
    "repetitions",
    "priority",
    "next_seq",
    "last_tx",
    "run_at",
    "deadline_at",
    "cancel_requested_at",
    "cancel_reason",
    "result",
    "error",
    "created_at",
    "started_at",
    "finished_at",
];

fn execution_cells(execution: &Execution) -> Vec<Cell> {
    let intent = &execution.intent;
    vec![
        execution.id.0.into(),
        intent.tenant_id.as_str().into(),
        intent.id.0.into(),
        intent.intent_type.as_str().into(),
        execution.handler_name.as_str().into(),
        intent.session_id.0.into(),
        intent.solution_id.as_str().into(),
        intent.parameters.as_str().into(),
        intent.metadata.as_str().into(),
        intent.idempotency_key.clone().into(),
        intent.created_at.into(),
        execution.parent_id.map(|id| id.0).into(),
        execution.root_id.map(|id| id.0).into(),
        execution.depth.into(),
        execution.child_key.clone().into(),
        execution.rerun_of.map(|id| id.0).into(),
        execution.status.code().into(),
        execution.epoch.into(),
        execution.attempt.into(),
        execution.lost_attempts.into(),
        execution.crashes.into(),
        execution.interruptions.into(),
        execution.repetitions.into(),
        execution.priority.into(),
        execution.next_seq.into(),
        execution.last_tx.into(),
        execution.run_at.into(),
        execution.deadline_at.into(),
        execution.cancel_requested_at.into(),
        execution.cancel_reason.clone().into(),
        execution
            .result
            .as_ref()
            .map(|result| result.as_str().to_owned())
            .into(),
        error_text(execution).into(),
        execution.created_at.into(),
        execution.started_at.into(),
        execution.finished_at.into(),
    ]
}

fn error_text(execution: &Execution) -> Option<String> {
    execution
        .error
        .as_ref()
        .and_then(|error| serde_json::to_string(error).ok())
}

const EXECUTION_CHANGES: &[&str] = &[
    "id",
    "status",
    "epoch",
    "attempt",
    "lost_attempts",
    "crashes",
    "interruptions",
    "repetitions",
    "next_seq",
    "last_tx",
    "cancel_requested_at",
    "cancel_reason",
    "result",
    "error",
    "started_at",
    "finished_at",
];

fn change_cells(execution: &Execution) -> Vec<Cell> {
    vec![
        execution.id.0.into(),
        execution.status.code().into(),
        execution.epoch.into(),
        execution.attempt.into(),
        execution.lost_attempts.into(),
        execution.crashes.into(),
        execution.interruptions.into(),
        execution.repetitions.into(),
        execution.next_seq.into(),
        execution.last_tx.into(),
        execution.cancel_requested_at.into(),
        execution.cancel_reason.clone().into(),
        execution
            .result
            .as_ref()
            .map(|result| result.as_str().to_owned())
            .into(),
        error_text(execution).into(),
        execution.started_at.into(),
        execution.finished_at.into(),
    ]
}

/// `UPDATE table SET the other columns FROM x WHERE the first ones, which are the key, are equal`.
fn update_tail(table: &str, columns: &[&str], key: usize) -> String {
    let (key, others) = columns.split_at(key);
    let sets: Vec<String> = others
        .iter()
        .map(|column| format!("{column} = x.{column}"))
        .collect();
    let equal: Vec<String> = key
        .iter()
        .map(|column| format!("{table}.{column} = x.{column}"))
        .collect();
    let (sets, equal) = (sets.join(", "), equal.join(" AND "));
    format!("UPDATE {table} SET {sets} FROM x WHERE {equal}")
}

fn executions(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(EXECUTION_COLUMNS), Rows::of(EXECUTION_CHANGES));
    for Tracked { row, is_new, dirty } in working.executions.values() {
        if *is_new {
            made.push(execution_cells(row));
        } else if *dirty {
            changed.push(change_cells(row));
        }
    }
    all.insert(made, "execution");
    all.add(changed, update_tail("execution", EXECUTION_CHANGES, 1));
}

/// Takes executions out of a queue. A row that another transaction has locked is left to it: it took
/// the row, waits for the execution that is locked here, and will find that it has moved on. To wait
/// for it would be a deadlock.
fn unqueue_tail(table: &str, backend: DbBackend) -> String {
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

fn queues(all: &mut Combined, decided: &mut Changes, backend: DbBackend) {
    let ids = |ids: &BTreeSet<ExecutionId>| Rows::column(&["id"], ids.iter().map(|id| id.0));
    all.add(ids(&decided.unqueued), unqueue_tail("ready", backend));
    all.add(ids(&decided.unqueued), unqueue_tail("timer", backend));
    let release = "DELETE FROM lease WHERE execution_id IN (SELECT id FROM x)";
    all.add(ids(&decided.leases_out), release);

    all.add(
        ids(&decided.accompanied),
        "UPDATE lease SET alone = false WHERE execution_id IN (SELECT id FROM x)",
    );

    let columns = &["execution_id", "epoch", "node_id", "alone"];
    let leases = std::mem::take(&mut decided.leases_in);
    all.insert(filled(columns, leases.into_values()), "lease");
    let columns = &["execution_id", "tenant_id", "queue", "priority", "ready_at"];
    let ready = std::mem::take(&mut decided.ready_in);
    let names = columns.join(", ");
    let tail = format!(
        "INSERT INTO ready ({names}) SELECT {names} FROM x WHERE true ON CONFLICT DO NOTHING"
    );
    all.add(filled(columns, ready.into_values()), tail);
    let columns = &["execution_id", "kind", "tenant_id", "queue", "fire_at"];
    let timers = std::mem::take(&mut decided.timers_in);
    all.insert(filled(columns, timers.into_values()), "timer");
}

fn event_cells(event: &Event) -> Result<Vec<Cell>, Error> {
    let (event_type, data) = event
        .body
        .encode()
        .map_err(|e| Error::corrupt("event", e))?;
    Ok(vec![
        event.stream_id.into(),
        event.cursor.seq.into(),
        event.stream_kind.code().into(),
        event.tenant_id.as_str().into(),
        event.session_id.0.into(),
        event.intent_type.clone().into(),
        event_type.into(),
        data.into(),
        event
            .payload
            .as_ref()
            .map(|payload| payload.as_str().to_owned())
            .into(),
        event.cursor.tx.into(),
        event.cursor.ord.into(),
        event.occurred_at.into(),
    ])
}

fn events(all: &mut Combined, decided: &mut Changes) -> Result<(), Error> {
    let mut rows = Rows::of(&[
        "stream_id",
        "seq",
        "stream_kind",
        "tenant_id",
        "session_id",
        "intent_type",
        "event_type",
        "data",
        "payload",
        "tx",
        "ord",
        "occurred_at",
    ]);
    for event in &decided.events {
        rows.push(event_cells(event)?);
    }
    all.insert(rows, "event");
    let columns = &[
        "execution_id",
        "name",
        "epoch",
        "attempt",
        "result",
        "started_at",
        "finished_at",
    ];
    let steps = std::mem::take(&mut decided.steps);
    all.insert(filled(columns, steps), "step");
    Ok(())
}

const SESSION_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "stream_id",
    "user_id",
    "solution_id",
    "is_anonymous",
    "status",
    "metadata",
    "state",
    "state_version",
    "next_seq",
    "created_at",
    "updated_at",
    "expires_at",
];

fn session_cells(row: &SessionRow) -> Vec<Cell> {
    let session = &row.session;
    vec![
        session.id.0.into(),
        session.tenant_id.as_str().into(),
        row.stream_id.into(),
        session.user_id.clone().into(),
        session.solution_id.clone().into(),
        session.is_anonymous.into(),
        session.status.code().into(),
        session.metadata.as_str().into(),
        session.state.as_str().into(),
        session.state_version.into(),
        row.next_seq.into(),
        session.created_at.into(),
        session.updated_at.into(),
        session.expires_at.into(),
    ]
}

const SESSION_CHANGES: &[&str] = &[
    "id",
    "tenant_id",
    "user_id",
    "is_anonymous",
    "status",
    "metadata",
    "state",
    "state_version",
    "next_seq",
    "updated_at",
];

fn session_change_cells(row: &SessionRow) -> Vec<Cell> {
    let session = &row.session;
    vec![
        session.id.0.into(),
        session.tenant_id.as_str().into(),
        session.user_id.clone().into(),
        session.is_anonymous.into(),
        session.status.code().into(),
        session.metadata.as_str().into(),
        session.state.as_str().into(),
        session.state_version.into(),
        row.next_seq.into(),
        session.updated_at.into(),
    ]
}

fn sessions(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(SESSION_COLUMNS), Rows::of(SESSION_CHANGES));
    // New keys in one order: another node may be making the same ones.
    let mut sessions: Vec<_> = working.sessions.iter().collect();
    sessions.sort_unstable_by_key(|(key, _)| *key);
    for (_, Tracked { row, is_new, dirty }) in sessions {
        if *is_new {
            made.push(session_cells(row));
        } else if *dirty {
            changed.push(session_change_cells(row));
        }
    }
    all.insert(made, "session");
    all.add(changed, update_tail("session", SESSION_CHANGES, 2));
}

const STATE_COLUMNS: &[&str] = &[
    "execution_id",
    "tenant_id",
    "state",
    "version",
    "updated_at",
];

fn states(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(STATE_COLUMNS), Rows::of(STATE_COLUMNS));
    for (id, Tracked { row, is_new, dirty }) in &working.states {
        let cells = vec![
            id.0.into(),
            row.tenant_id.as_str().into(),
            row.state.as_str().into(),
            row.version.into(),
            working.now.into(),
        ];
        if *is_new {
            made.push(cells);
        } else if *dirty {
            changed.push(cells);
        }
    }
    all.insert(made, "execution_state");
    all.add(changed, update_tail("execution_state", STATE_COLUMNS, 1));
}

const ARTIFACT_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "artifact_type",
    "session_id",
    "execution_id",
    "intent_id",
    "intent_type",
    "state",
    "semantic_descriptor",
    "display_name",
    "owner",
    "purpose",
    "generation",
    "roots",
    "content_hash",
    "version",
    "next_seq",
    "created_at",
    "updated_at",
];

fn artifact_cells(artifact: &Artifact) -> Vec<Cell> {
    vec![
        artifact.id.0.into(),
        artifact.tenant_id.as_str().into(),
        artifact.artifact_type.as_str().into(),
        artifact.session_id.0.into(),
        artifact.execution_id.0.into(),
        artifact.intent_id.0.into(),
        artifact.intent_type.as_str().into(),
        artifact.state.code().into(),
        artifact.semantic_descriptor.as_str().into(),
        artifact.display_name.clone().into(),
        artifact.owner.clone().into(),
        artifact.purpose.clone().into(),
        artifact.generation.into(),
        serde_json::to_string(&artifact.roots)
            .unwrap_or_default()
            .into(),
        artifact.content_hash.as_str().into(),
        artifact.version.into(),
        artifact.next_seq.into(),
        artifact.created_at.into(),
        artifact.updated_at.into(),
    ]
}

async fn new_artifacts(db: &Transaction, working: &mut Working) -> Result<usize, Error> {
    let mut made = Rows::of(ARTIFACT_COLUMNS);
    // A parent that is made in the same transaction gets the smaller key.
    let mut new: Vec<&Artifact> = working
        .artifacts
        .values()
        .filter(|tracked| tracked.is_new)
        .map(|tracked| &tracked.row.artifact)
        .collect();
    new.sort_by_key(|artifact| (artifact.generation, artifact.id));
    for artifact in &new {
        made.push(artifact_cells(artifact));
    }
    let names = ARTIFACT_COLUMNS.join(", ");
    let insert = format!(
        "INSERT INTO artifact ({names}) SELECT {names} FROM x ORDER BY generation, id \
         RETURNING id, key"
    );
    let count = made.len();
    for row in made.query(db, &insert).await? {
        if let Some(tracked) = working.artifacts.get_mut(&ArtifactId(get(&row, "id")?)) {
            tracked.row.key = Some(get(&row, "key")?);
        }
    }
    Ok(count)
}

const ARTIFACT_CHANGES: &[&str] = &["id", "state", "version", "next_seq", "updated_at"];

fn changed_artifacts(all: &mut Combined, working: &Working) {
    let mut changed = Rows::of(ARTIFACT_CHANGES);
    for Tracked { row, is_new, dirty } in working.artifacts.values() {
        let artifact = &row.artifact;
        if *dirty && !is_new {
            changed.push(vec![
                artifact.id.0.into(),
                artifact.state.code().into(),
                artifact.version.into(),
                artifact.next_seq.into(),
                artifact.updated_at.into(),
            ]);
        }
    }
    all.add(changed, update_tail("artifact", ARTIFACT_CHANGES, 1));
}

fn edges(all: &mut Combined, working: &Working) {
    let mut rows = Rows::of(&["child", "parent"]);
    let key_of = |id: &ArtifactId| {
        working
            .artifacts
            .get(id)
            .and_then(|tracked| tracked.row.key)
    };
    for Tracked { row, is_new, .. } in working.artifacts.values() {
        if !is_new {
            continue;
        }
        let mut parents: Vec<i64> = row.parents.iter().filter_map(key_of).collect();
        parents.sort_unstable();
        parents.dedup();
        if let Some(child) = row.key {
            for parent in parents {
                rows.push(vec![child.into(), parent.into()]);
            }
        }
    }
    all.insert(rows, "artifact_edge");
}

fn histories(all: &mut Combined, decided: &mut Changes) {
    let mut transitions = Rows::of(&[
        "artifact_id",
        "version",
        "from_state",
        "to_state",
        "at",
        "actor",
        "reason",
    ]);
    for (version, transition) in decided.transitions.drain(..) {
        transitions.push(vec![
            transition.artifact_id.0.into(),
            version.into(),
            transition
                .from
                .map(crate::model::ArtifactState::code)
                .into(),
            transition.to.code().into(),
            transition.at.into(),
            transition.actor.into(),
            transition.reason.into(),
        ]);
    }
    all.insert(transitions, "artifact_transition");
    let mut forms = Rows::of(&[
        "id",
        "artifact_id",
        "storage_type",
        "uri",
        "format",
        "compression",
        "size_bytes",
        "digest",
        "created_at",
    ]);
    for form in decided.materializations.drain(..) {
        forms.push(vec![
            form.id.0.into(),
            form.artifact_id.0.into(),
            form.storage_type.into(),
            form.uri.into(),
            form.format.into(),
            form.compression.into(),
            form.size_bytes.into(),
            form.digest.into(),
            form.created_at.into(),
        ]);
    }
    all.insert(forms, "materialization");
}

fn uploads(all: &mut Combined, decided: &mut Changes) {
    let columns = &[
        "id",
        "tenant_id",
        "filename",
        "mime_type",
        "declared_size_bytes",
        "created_at",
        "expires_at",
    ];
    let announced = std::mem::take(&mut decided.uploads);
    all.insert(filled(columns, announced), "upload");
    let columns = &["id", "tenant_id", "digest", "completed_at"];
    let tail = "UPDATE upload SET digest = x.digest, completed_at = x.completed_at FROM x \
         WHERE upload.id = x.id AND upload.tenant_id = x.tenant_id AND upload.digest IS NULL";
    let done = std::mem::take(&mut decided.uploads_done);
    all.add(filled(columns, done), tail);
}

fn releases(all: &mut Combined, decided: &mut Changes) {
    let found = std::mem::take(&mut decided.artifacts_found);
    let found = filled(&["execution_id", "artifact_id"], found);
    all.insert(found, "artifact_found");
    let deleted = std::mem::take(&mut decided.releases_in);
    let columns = &["artifact_id", "tenant_id", "deleted_at"];
    all.insert(filled(columns, deleted), "content_release");
    let aside = std::mem::take(&mut decided.releases_aside);
    let tail = "UPDATE content_release SET aside_at = x.aside_at FROM x \
         WHERE content_release.artifact_id = x.artifact_id";
    all.add(filled(&["artifact_id", "aside_at"], aside), tail);
    let gone = std::mem::take(&mut decided.releases_out);
    let tail = "DELETE FROM content_release WHERE artifact_id IN (SELECT id FROM x)";
    let gone = Rows::column(&["id"], gone.into_iter().map(|id| id.0));
    all.add(gone, tail);
}

/// The marks of cancellations that have not reached all that is below.
fn marks(all: &mut Combined, working: &mut Working) {
    let (now, decided) = (working.now, &mut working.changes);
    // Few transactions cancel anything.
    if decided.marks_in.is_empty()
        && decided.marks_touched.is_empty()
        && decided.marks_out.is_empty()
    {
        return;
    }
    let columns = &[
        "execution_id",
        "root_id",
        "depth",
        "reason",
        "actor",
        "touched_at",
    ];
    let made = std::mem::take(&mut decided.marks_in);
    all.insert(filled(columns, made.into_values()), "cancellation");
    let columns = &["execution_id", "touched_at"];
    let touched = decided.marks_touched.iter();
    let touched = filled(columns, touched.map(|id| vec![id.0.into(), now.into()]));
    all.add(touched, update_tail("cancellation", columns, 1));
    let tail = "DELETE FROM cancellation WHERE execution_id IN (SELECT id FROM x)";
    let ended = Rows::column(&["id"], decided.marks_out.iter().map(|id| id.0));
    all.add(ended, tail);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::read_tests::on_each_database;
    use uuid::Uuid;

    /// SQLite weighs a plan by the number of values: what is right for one row need not be for 256.
    /// PostgreSQL gets one row in another way than several.
    #[tokio::test]
    async fn changes_find_their_rows_by_an_index_whatever_their_number() {
        const IDS: &[&str] = &["id"];
        let release = "DELETE FROM lease WHERE execution_id IN (SELECT id FROM x)";
        // On PostgreSQL a number must be one, so of the other columns there is one that is.
        let updates: [(_, &[_], &[_], _); 4] = [
            ("execution", EXECUTION_CHANGES, &["id", "last_tx"], 1),
            (
                "session",
                SESSION_CHANGES,
                &["id", "tenant_id", "next_seq"],
                2,
            ),
            (
                "execution_state",
                STATE_COLUMNS,
                &["execution_id", "version"],
                1,
            ),
            ("artifact", ARTIFACT_CHANGES, &["id", "version"], 1),
        ];
        on_each_database(async |world| {
            let db = &world.storage.db.writer.begin().await.unwrap();
            let is_postgres = db.get_database_backend() == DbBackend::Postgres;
            let scan = if is_postgres { "Seq Scan on" } else { "SCAN" };
            let mut statements = Vec::from(updates.map(|(table, all, few, key)| {
                let columns = if is_postgres { few } else { all };
                (table, columns, update_tail(table, columns, key))
            }));
            let unqueue = |table| (table, IDS, unqueue_tail(table, db.get_database_backend()));
            statements.extend(["ready", "timer"].map(unqueue));
            statements.push(("lease", IDS, release.to_owned()));
            for (table, columns, tail) in &statements {
                for count in (0..13).map(|power| 1 << power) {
                    let mut cells = vec![Cell::from(0_i64); columns.len()];
                    cells[0] = Uuid::nil().into();
                    if columns.get(1) == Some(&"tenant_id") {
                        cells[1] = "".into();
                    }
                    let mut rows = Rows::of(columns);
                    for _ in 0..count {
                        rows.push(cells.clone());
                    }
                    let plan = rows.plan(db, tail).await;
                    let whole = format!("{scan} {table}");
                    let reads_all = plan.iter().any(|step| step.contains(&whole));
                    assert!(!reads_all && !plan.is_empty(), "{count}: {tail}: {plan:#?}");
                }
            }
        })
        .await;
    }
}
