//! Counts that a change must not raise unseen: statements and rows.

use std::collections::BTreeMap;

use crate::{
    held,
    load::{count, exactly, submit},
    rows::accepting,
    server::{Backend, Place, Server},
    watch,
};

/// Requests that are made one after another, so that each has a batch of its own.
const TIMES: usize = 50;

/// A node that does nothing of its own for the time of the count.
const QUIET: &[(&str, &str)] = &[
    ("TAKEOFF_RUNTIME_POLL_MS", "60000"),
    ("TAKEOFF_RUNTIME_LEASE_SECONDS", "3600"),
    ("TAKEOFF_RUNTIME_HEARTBEAT_SECONDS", "3000"),
];

const WRITES: &str = "takeoff_statements_total{purpose=\"write\"}";
const ROWS: &str = "takeoff_rows_written_total";

/// Fails when a count is above its budget.
pub(crate) async fn check(backend: Backend) -> anyhow::Result<()> {
    let place = Place::new(backend).await?;
    let mut found = BTreeMap::new();

    let server = Server::start(&place, QUIET).await?;
    let session = server.session().await?;
    watch::one_by_one(&server, &session, 5).await?;
    let (statements, rows) = counted(&server).await?;
    watch::one_by_one(&server, &session, TIMES).await?;
    let (statements_after, rows_after) = counted(&server).await?;
    let each = count(TIMES as u64);
    let of_both = (statements_after - statements) / each;
    found.insert("rows_per_execution", (rows_after - rows) / each);
    drop(server);

    let (server, session) = accepting(&place, QUIET).await?;
    exactly(server.address, &submit(&session), 1, 5).await?;
    let (statements, rows) = counted(&server).await?;
    exactly(server.address, &submit(&session), 1, TIMES).await?;
    let (statements_after, rows_after) = counted(&server).await?;
    let of_submit = (statements_after - statements) / each;
    found.insert("statements_per_submit", of_submit);
    found.insert("statements_per_completion", of_both - of_submit);
    found.insert("rows_per_submit", (rows_after - rows) / each);
    drop(server);
    place.remove().await?;
    let section = match backend {
        Backend::Postgres => "postgres",
        Backend::Sqlite => "sqlite",
    };
    held::hold(section, &found)
}

/// Statements besides `BEGIN` and `COMMIT`, and rows, that were sent to be written.
async fn counted(server: &Server) -> anyhow::Result<(f64, f64)> {
    Ok((server.metric(WRITES).await?, server.metric(ROWS).await?))
}
