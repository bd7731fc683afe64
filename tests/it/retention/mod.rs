//! What is kept for how long, and what goes.

mod content;
mod cursors;
mod executions;
mod kept;
mod tables;

use sqlx::{Connection, Row};

use crate::support::Backend;

/// Settings under which everything may go that has ended, when a test asks for it.
const AT_ONCE: [&str; 4] = [
    "retention.completed=0s",
    "retention.failed=0s",
    "retention.cancelled=0s",
    "retention.period_seconds=86400",
];

/// The number of rows of a table that fit.
async fn count(backend: &Backend, from: &str) -> i64 {
    let text = sqlx::AssertSqlSafe(format!("SELECT COUNT(*) FROM {from}"));
    let url = backend.url();
    if backend.is_postgres() {
        let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
        sqlx::query(text)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0)
    } else {
        let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
        sqlx::query(text)
            .fetch_one(&mut connection)
            .await
            .unwrap()
            .get(0)
    }
}
