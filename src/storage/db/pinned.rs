//! A connection to PostgreSQL that is pinned to a writer. A pool pings each connection that comes back,
//! which is one more round trip for every transaction, and gives out the least recently used one, whose
//! backend has the coldest caches.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use sea_orm::{DbErr, ExecResult, QueryResult, RuntimeErr, Statement};
use sqlx::{Executor as _, PgPool, Postgres, pool::PoolConnection};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{
    error::{is_outage, is_stale_plan},
    exclusive::execution_error,
    sent::{Purpose, sent},
    sql::bound,
    timed,
};
use crate::telemetry::metrics::Metrics;

/// The time for which a transaction that has begun with a commit is taken for open; far below what
/// the database allows.
const FRESH: Duration = Duration::from_secs(1);

/// Clones share the connection and take turns.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Pinned {
    pool: PgPool,
    /// None before the first transaction, and after one that was not ended in order.
    place: Arc<Mutex<Option<Resting>>>,
    metrics: Metrics,
}

/// The connection between two transactions.
#[derive(Debug)]
struct Resting {
    connection: PoolConnection<Postgres>,
    /// When a transaction began with the commit of the last one. It has seen nothing and holds nothing.
    begun: Option<Instant>,
}

impl Resting {
    /// After a while, as when this process stood still, the database may have ended the transaction
    /// and the connection. Beginning twice does no harm.
    fn is_fresh(&self) -> bool {
        self.begun.is_some_and(|begun| begun.elapsed() < FRESH)
    }
}

impl Pinned {
    /// Takes a connection of the pool when there is something to do.
    pub(in crate::storage) fn new(pool: PgPool, metrics: &Metrics) -> Self {
        Self {
            pool,
            place: Arc::default(),
            metrics: metrics.clone(),
        }
    }

    /// The same pool, and another connection of it.
    pub(in crate::storage) fn another(&self) -> Self {
        Self::new(self.pool.clone(), &self.metrics)
    }

    pub(in crate::storage) async fn begin(&self) -> Result<PinnedTransaction, DbErr> {
        let mut place = Arc::clone(&self.place).lock_owned().await;
        // Nothing is done yet: when the database went away meanwhile, it is not the transaction that
        // fails.
        let pinned = match place.take() {
            Some(resting) if resting.is_fresh() => Some(resting.connection),
            Some(resting) => begun(resting.connection).await.ok(),
            None => None,
        };
        let connection = match pinned {
            Some(pinned) => pinned,
            None => begun(self.acquire().await?).await?,
        };
        let begun = PinnedConnection {
            connection,
            is_doubtful: false,
        };
        Ok(PinnedTransaction {
            place,
            begun: Mutex::new(begun),
            metrics: self.metrics.clone(),
        })
    }

    /// Ends the transaction that began with the commit of the last one, as nothing is done in it.
    pub(in crate::storage) async fn rest(&self) -> Result<(), DbErr> {
        let mut place = self.place.lock().await;
        if let Some(mut resting) = place.take_if(|resting| resting.begun.is_some()) {
            let ended = resting.connection.execute("ROLLBACK").await;
            ended.map_err(execution_error)?;
            resting.begun = None;
            *place = Some(resting);
        }
        Ok(())
    }

    async fn acquire(&self) -> Result<PoolConnection<Postgres>, DbErr> {
        let mut connection = timed::acquire(&self.pool).await?;
        // A transaction that nobody ended is ended with its connection.
        connection.close_on_drop();
        Ok(connection)
    }
}

async fn begun(
    mut connection: PoolConnection<Postgres>,
) -> Result<PoolConnection<Postgres>, DbErr> {
    let begun = connection.execute("BEGIN").await;
    begun.map_err(execution_error)?;
    Ok(connection)
}

/// Has the connection until it is ended. Dropped before, it takes the connection with it.
#[derive(Debug)]
pub(in crate::storage) struct PinnedTransaction {
    place: OwnedMutexGuard<Option<Resting>>,
    begun: Mutex<PinnedConnection>,
    metrics: Metrics,
}

#[derive(Debug)]
struct PinnedConnection {
    connection: PoolConnection<Postgres>,
    /// The database refused to work, as one does that has become a standby, or what was prepared no
    /// longer fits its tables: another connection may work.
    is_doubtful: bool,
}

impl PinnedConnection {
    fn failed(&mut self, error: DbErr) -> DbErr {
        self.is_doubtful |= is_outage(&error) || is_stale_plan(&error);
        error
    }
}

impl PinnedTransaction {
    pub(in crate::storage) async fn execute(
        &self,
        statement: Statement,
    ) -> Result<ExecResult, DbErr> {
        sent(&self.metrics, Purpose::Write, &statement.sql);
        let mut begun = self.begun.lock().await;
        let result = bound(statement)?.execute(&mut *begun.connection).await;
        let result = result.map(ExecResult::from).map_err(execution_error);
        result.map_err(|error| begun.failed(error))
    }

    pub(in crate::storage) async fn query(
        &self,
        statement: Statement,
    ) -> Result<Vec<QueryResult>, DbErr> {
        sent(&self.metrics, Purpose::Write, &statement.sql);
        let mut begun = self.begun.lock().await;
        let rows = bound(statement)?.fetch_all(&mut *begun.connection).await;
        let rows = rows.map_err(|e| begun.failed(DbErr::Query(RuntimeErr::SqlxError(e.into()))))?;
        Ok(rows.into_iter().map(QueryResult::from).collect())
    }

    /// Runs the last statement and commits. The next transaction begins with it, which saves one way to
    /// the database and back.
    pub(in crate::storage) async fn commit(self, last: Option<Statement>) -> Result<(), DbErr> {
        if let Some(last) = last
            && let Err(error) = self.execute(last).await
        {
            // What is reported is why.
            let _ = self.roll_back().await;
            return Err(error);
        }
        self.end("COMMIT; BEGIN", Some(Instant::now())).await
    }

    /// Undoes everything.
    pub(in crate::storage) async fn roll_back(self) -> Result<(), DbErr> {
        self.end("ROLLBACK", None).await
    }

    async fn end(mut self, how: &'static str, begun_at: Option<Instant>) -> Result<(), DbErr> {
        let mut begun = self.begun.into_inner();
        let ended = begun.connection.execute(how).await;
        ended.map_err(execution_error)?;
        if !begun.is_doubtful {
            *self.place = Some(Resting {
                connection: begun.connection,
                begun: begun_at,
            });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::DbBackend;

    use super::*;
    use crate::storage::{db::WriteConnection, read_tests::on_each_database};

    fn statement(text: &str) -> Statement {
        Statement::from_string(DbBackend::Postgres, text)
    }

    async fn number(transaction: &PinnedTransaction, text: &str) -> i64 {
        let rows = transaction.query(statement(text)).await.unwrap();
        rows[0].try_get_by_index(0).unwrap()
    }

    /// The process at the other end, and how many rows there are.
    async fn seen(pinned: &Pinned) -> (i64, i64) {
        let transaction = pinned.begin().await.unwrap();
        let process = number(&transaction, "SELECT pg_backend_pid()::bigint").await;
        let rows = number(&transaction, "SELECT count(*) FROM t").await;
        transaction.commit(None).await.unwrap();
        (process, rows)
    }

    /// Runs a test on PostgreSQL, where there is one, with an empty table of numbers.
    async fn with_a_table(test: impl AsyncFn(&Pinned)) {
        on_each_database(async |world| {
            if let WriteConnection::Postgres(pool, pinned) = &world.storage.db.writer {
                let table = "CREATE TABLE t (n bigint NOT NULL UNIQUE)";
                crate::storage::sql::execute(pool, table, []).await.unwrap();
                test(pinned).await;
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_transaction_begins_with_the_commit_of_the_last_one_or_is_ended() {
        with_a_table(begins_with_the_commit_of_the_last_one).await;
    }

    async fn begins_with_the_commit_of_the_last_one(pinned: &Pinned) {
        let insert = |n: i64| statement(&format!("INSERT INTO t VALUES ({n})"));
        let (process, _) = seen(pinned).await;
        let other = pinned.another();
        let is_open = async || {
            let transaction = other.begin().await.unwrap();
            let open = format!(
                "SELECT count(*) FROM pg_stat_activity \
                 WHERE pid = {process} AND state = 'idle in transaction'"
            );
            let open = number(&transaction, &open).await;
            transaction.commit(None).await.unwrap();
            open == 1
        };
        let transaction = pinned.begin().await.unwrap();
        transaction.commit(Some(insert(1))).await.unwrap();
        assert!(is_open().await);
        // What is committed is committed, whatever becomes of the next one.
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(2)).await.unwrap();
        transaction.roll_back().await.unwrap();
        assert!(!is_open().await);
        assert_eq!(seen(pinned).await, (process, 1));
        let transaction = pinned.begin().await.unwrap();
        transaction.commit(Some(insert(2))).await.unwrap();
        pinned.rest().await.unwrap();
        assert!(!is_open().await);
        pinned.rest().await.unwrap();
        assert_eq!(seen(pinned).await, (process, 2));
        // One that cannot be committed begins no other.
        let transaction = pinned.begin().await.unwrap();
        transaction.commit(Some(insert(2))).await.unwrap_err();
        assert!(!is_open().await);
        assert_eq!(seen(pinned).await, (process, 2));
    }

    #[tokio::test]
    async fn a_connection_is_kept_until_it_fails_and_of_what_fails_nothing_is_left() {
        with_a_table(kept_until_it_fails).await;
    }

    async fn kept_until_it_fails(pinned: &Pinned) {
        let insert = |n: i64| statement(&format!("INSERT INTO t VALUES ({n})"));
        let (process, none) = seen(pinned).await;
        assert_eq!(none, 0);
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(1)).await.unwrap();
        transaction.commit(Some(insert(2))).await.unwrap();
        assert_eq!(seen(pinned).await, (process, 2));
        // Refused at the end, or before and rolled back: the connection is as good as before.
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(3)).await.unwrap();
        transaction.commit(Some(insert(1))).await.unwrap_err();
        assert_eq!(seen(pinned).await, (process, 2));
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(3)).await.unwrap();
        transaction.execute(insert(1)).await.unwrap_err();
        transaction.roll_back().await.unwrap();
        assert_eq!(seen(pinned).await, (process, 2));
        // Nobody waits for the end of it.
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(3)).await.unwrap();
        drop(transaction);
        let (second, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        assert_ne!(second, process);
        // The database ends it while nothing is done.
        let other = pinned.another();
        let kill = async |process: i64| {
            let transaction = other.begin().await.unwrap();
            let kill = format!("SELECT pg_terminate_backend({process}, 20000)::int::bigint");
            assert_eq!(number(&transaction, &kill).await, 1);
            transaction.commit(None).await.unwrap();
        };
        pinned.rest().await.unwrap();
        kill(second).await;
        let (third, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        assert_ne!(third, second);
        // It may have ended what was begun long ago, or not.
        let long_ago = async || {
            let mut place = pinned.place.lock().await;
            place.as_mut().unwrap().begun = Instant::now().checked_sub(FRESH);
        };
        long_ago().await;
        assert_eq!(seen(pinned).await, (third, 2));
        long_ago().await;
        kill(third).await;
        let (third, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        // One that is taken for open fails, and no other.
        kill(third).await;
        let transaction = pinned.begin().await.unwrap();
        transaction.execute(insert(3)).await.unwrap_err();
        transaction.roll_back().await.unwrap_err();
        let (third, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        kill(third).await;
        pinned.rest().await.unwrap_err();
        let (third, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        // It refuses to write, for the time being.
        let transaction = pinned.begin().await.unwrap();
        let standby = statement("SET transaction_read_only = on");
        transaction.execute(standby).await.unwrap();
        transaction.execute(insert(3)).await.unwrap_err();
        transaction.roll_back().await.unwrap();
        let (fourth, rows) = seen(pinned).await;
        assert_eq!(rows, 2);
        assert_ne!(fourth, third);
    }
}
