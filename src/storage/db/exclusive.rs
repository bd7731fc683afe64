//! The connection of SQLite that writes. There is one, and it is kept rather than borrowed from a
//! pool: a transaction of a few rows is two ways to its thread and back, of which a pool, `BEGIN` and
//! `COMMIT` by themselves would make five.

use std::sync::Arc;

use sea_orm::{DbBackend, DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, IntoArguments, SqliteConnection, query::Query};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::sent::{Purpose, sent};
use crate::telemetry::metrics::Metrics;

/// Clones share the connection and take turns.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Exclusive(Arc<Mutex<WriterConnection>>);

#[derive(Debug)]
struct WriterConnection {
    inner: SqliteConnection,
    /// True if a transaction may be open that nobody waits for any more.
    is_left_open: bool,
    metrics: Metrics,
}

impl WriterConnection {
    async fn execute(&mut self, statement: Statement) -> Result<ExecResult, DbErr> {
        sent(&self.metrics, Purpose::Write, &statement.sql);
        let result = query(statement).execute(&mut self.inner).await;
        result.map(ExecResult::from).map_err(execution_error)
    }

    async fn query(&mut self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        sent(&self.metrics, Purpose::Write, &statement.sql);
        let rows = query(statement).fetch_all(&mut self.inner).await;
        let rows = rows.map_err(|e| DbErr::Query(RuntimeErr::SqlxError(e.into())))?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    /// Ends what is left of a transaction that was not committed.
    async fn roll_back(&mut self) -> Result<(), DbErr> {
        match sqlx::query("ROLLBACK").execute(&mut self.inner).await {
            // Some errors end the transaction by themselves, and some come before it begins.
            Ok(_) | Err(sqlx::Error::Database(_)) => {
                self.is_left_open = false;
                Ok(())
            }
            Err(error) => Err(execution_error(error)),
        }
    }
}

pub(in crate::storage) fn query<DB: sqlx::Database>(
    statement: Statement,
) -> Query<'static, DB, SqlxValues>
where
    SqlxValues: IntoArguments<DB>,
{
    let values = statement.values.unwrap_or_else(|| sea_orm::Values(vec![]));
    sqlx::query_with(AssertSqlSafe(statement.sql), SqlxValues(values))
}

pub(in crate::storage) fn execution_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(error.into()))
}

impl Exclusive {
    pub(in crate::storage) fn new(inner: SqliteConnection, metrics: &Metrics) -> Self {
        Self(Arc::new(Mutex::new(WriterConnection {
            inner,
            is_left_open: false,
            metrics: metrics.clone(),
        })))
    }

    /// Waits for the connection; the transaction begins with its first statement.
    pub(in crate::storage) async fn begin(&self) -> Result<ExclusiveTransaction, DbErr> {
        let connection = self.alone().await?;
        Ok(ExclusiveTransaction(Mutex::new(WriterTransaction {
            connection,
            has_begun: false,
        })))
    }

    /// Runs one statement by itself; the number of rows it changed.
    pub(in crate::storage) async fn execute(&self, statement: Statement) -> Result<u64, DbErr> {
        let result = self.alone().await?.execute(statement).await?;
        Ok(result.rows_affected())
    }

    async fn alone(&self) -> Result<OwnedMutexGuard<WriterConnection>, DbErr> {
        let mut connection = Arc::clone(&self.0).lock_owned().await;
        if connection.is_left_open {
            connection.roll_back().await?;
        }
        Ok(connection)
    }
}

/// Holds the connection until the transaction has ended. Dropped before, it is rolled back by whoever
/// has the connection next.
#[derive(Debug)]
pub(in crate::storage) struct ExclusiveTransaction(Mutex<WriterTransaction>);

#[derive(Debug)]
struct WriterTransaction {
    connection: OwnedMutexGuard<WriterConnection>,
    has_begun: bool,
}

impl WriterTransaction {
    /// The first statement begins the transaction.
    fn within(&mut self, mut statement: Statement) -> Statement {
        if !self.has_begun {
            self.has_begun = true;
            self.connection.is_left_open = true;
            statement.sql.insert_str(0, "BEGIN IMMEDIATE; ");
        }
        statement
    }
}

impl ExclusiveTransaction {
    /// Runs a statement; what it says of the number of changed rows is of no use.
    pub(in crate::storage) async fn execute(
        &self,
        statement: Statement,
    ) -> Result<ExecResult, DbErr> {
        let mut begun = self.0.lock().await;
        let statement = begun.within(statement);
        begun.connection.execute(statement).await
    }

    pub(in crate::storage) async fn query(
        &self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        let mut begun = self.0.lock().await;
        let statement = begun.within(statement);
        begun.connection.query(statement).await
    }

    /// Runs the last statement and commits.
    pub(in crate::storage) async fn commit(self, last: Option<Statement>) -> Result<(), DbErr> {
        let mut begun = self.0.into_inner();
        let statement = match last {
            Some(last) => {
                let mut last = begun.within(last);
                last.sql.push_str("; COMMIT");
                last
            }
            None if begun.has_begun => Statement::from_string(DbBackend::Sqlite, "COMMIT"),
            None => return Ok(()),
        };
        let committed = begun.connection.execute(statement).await;
        if committed.is_ok() {
            begun.connection.is_left_open = false;
        } else if let Err(error) = begun.connection.roll_back().await {
            // The next transaction tries again. Without the attempt, other processes would wait for the lock until one
            // comes.
            tracing::warn!(%error, "a transaction that failed could not be rolled back");
        }
        committed.map(drop)
    }

    /// Undoes everything.
    pub(in crate::storage) async fn roll_back(self) -> Result<(), DbErr> {
        let mut begun = self.0.into_inner();
        if begun.has_begun {
            begun.connection.roll_back().await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use sqlx::Connection as _;

    use super::*;

    fn statement(text: &str) -> Statement {
        Statement::from_string(DbBackend::Sqlite, text)
    }

    async fn connection() -> Exclusive {
        let inner = SqliteConnection::connect("sqlite::memory:").await.unwrap();
        let db = Exclusive::new(inner, &Metrics::new());
        let table = "CREATE TABLE t (n INTEGER NOT NULL UNIQUE)";
        db.execute(statement(table)).await.unwrap();
        db
    }

    async fn numbers(db: &Exclusive) -> Vec<i64> {
        let transaction = db.begin().await.unwrap();
        let rows = transaction
            .query(statement("SELECT n FROM t ORDER BY n"))
            .await
            .unwrap();
        transaction.commit(None).await.unwrap();
        rows.iter()
            .map(|row| row.try_get("", "n").unwrap())
            .collect()
    }

    #[tokio::test]
    async fn a_transaction_is_there_when_it_is_committed() {
        let db = connection().await;
        let transaction = db.begin().await.unwrap();
        let insert = statement("INSERT INTO t VALUES (1)");
        transaction.execute(insert).await.unwrap();
        let last = statement("INSERT INTO t VALUES (2); INSERT INTO t VALUES (3)");
        transaction.commit(Some(last)).await.unwrap();
        // The whole of it may also be its last statement.
        let transaction = db.begin().await.unwrap();
        let only = statement("INSERT INTO t VALUES (4)");
        transaction.commit(Some(only)).await.unwrap();
        db.begin().await.unwrap().commit(None).await.unwrap();
        assert_eq!(numbers(&db).await, [1, 2, 3, 4]);
    }

    #[tokio::test]
    async fn a_commit_that_fails_leaves_the_file_to_other_processes() {
        let folder = tempfile::tempdir().unwrap();
        let options = sqlx::sqlite::SqliteConnectOptions::new()
            .filename(folder.path().join("t.db"))
            .create_if_missing(true)
            .busy_timeout(std::time::Duration::ZERO);
        let inner = SqliteConnection::connect_with(&options).await.unwrap();
        let db = Exclusive::new(inner, &Metrics::new());
        let table = "CREATE TABLE t (n INTEGER NOT NULL UNIQUE)";
        db.execute(statement(table)).await.unwrap();
        let transaction = db.begin().await.unwrap();
        let twice = statement("INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)");
        transaction.commit(Some(twice)).await.unwrap_err();
        let mut other = SqliteConnection::connect_with(&options).await.unwrap();
        let written = sqlx::query("INSERT INTO t VALUES (1)")
            .execute(&mut other)
            .await;
        assert_eq!(written.unwrap().rows_affected(), 1);
    }

    #[tokio::test]
    async fn nothing_is_left_of_one_that_is_refused_rolled_back_or_dropped() {
        let db = connection().await;
        let first = statement("INSERT INTO t VALUES (1)");
        assert_eq!(db.execute(first.clone()).await.unwrap(), 1);
        // The error comes with the commit.
        let transaction = db.begin().await.unwrap();
        let twice = statement("INSERT INTO t VALUES (2); INSERT INTO t VALUES (1)");
        transaction.commit(Some(twice)).await.unwrap_err();
        assert_eq!(numbers(&db).await, [1]);
        // Or before, and the transaction is rolled back.
        let transaction = db.begin().await.unwrap();
        let insert = statement("INSERT INTO t VALUES (2)");
        transaction.execute(insert.clone()).await.unwrap();
        transaction.execute(first).await.unwrap_err();
        transaction.roll_back().await.unwrap();
        assert_eq!(numbers(&db).await, [1]);
        // Or nobody waits for the end of it.
        let transaction = db.begin().await.unwrap();
        transaction.execute(insert.clone()).await.unwrap();
        drop(transaction);
        assert_eq!(numbers(&db).await, [1]);
        // Not even for an answer.
        let slow = statement(
            "INSERT INTO t WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c \
             WHERE n < 300000) SELECT 2 FROM (SELECT max(n) FROM c)",
        );
        let transaction = db.begin().await.unwrap();
        let committed = transaction.commit(Some(slow)).now_or_never();
        assert!(committed.is_none());
        let seen = numbers(&db).await;
        assert!(seen == [1] || seen == [1, 2], "{seen:?}");
        let _ = db.execute(insert).await;
        assert_eq!(numbers(&db).await, [1, 2]);
    }
}
