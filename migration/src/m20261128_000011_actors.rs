//! Where an execution belongs, and who did what.

use sea_orm::DbBackend;

/// Table, column, type.
const COLUMNS: [(&str, &str, &str); 4] = [
    ("execution", "queue", "text NOT NULL DEFAULT 'node'"),
    ("execution", "actor", "text"),
    ("event", "actor", "text"),
    ("lease", "holder", "bigint NOT NULL DEFAULT 0"),
];

/// In the order in which writers take them.
const LOCK: &str = "LOCK TABLE execution, lease, event IN ACCESS EXCLUSIVE MODE";

/// Returns the statement that gives the queue of a remote worker to the executions that wait for
/// one.
fn of_workers(table: &str) -> String {
    let place = format!("FROM {table} p WHERE p.queue LIKE 'worker:%'");
    format!(
        "UPDATE execution SET queue = (SELECT p.queue {place} AND p.execution_id = execution.id LIMIT 1) \
         WHERE id IN (SELECT p.execution_id {place})"
    )
}

/// The queue of an execution, who submitted it, who caused an event, and what kind of holder a lease has.
///
/// What is there already keeps what its version knew: all queues were `node`, all holders nodes, and who
/// acted was not recorded.
pub(crate) fn statements(backend: DbBackend) -> Vec<String> {
    let lock = (backend == DbBackend::Postgres).then(|| LOCK.to_owned());
    let columns = COLUMNS.into_iter().map(|(table, column, definition)| {
        format!("ALTER TABLE {table} ADD COLUMN {column} {definition}")
    });
    let queues = ["ready", "timer"].into_iter().map(of_workers);
    lock.into_iter().chain(columns).chain(queues).collect()
}
