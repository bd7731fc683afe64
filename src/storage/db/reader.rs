//! Where reads go: connections whose statements end with whoever waits for them.
//!
//! A request that ends early, because its client has gone or its time is over, drops its reads. A
//! dropped statement is ended at the database, too: on SQLite it is interrupted, on PostgreSQL its
//! connection is closed, which the server looks for while it works. What a request reads is counted
//! row by row, and it ends with the row that is too much.
//!
//! What is read for executions and not for a request takes turns, so that thousands of executions of
//! one tenant leave connections to everybody else.

use std::{sync::Arc, time::Duration};

use futures::{Stream, TryStreamExt};
use sea_orm::{DbBackend, DbErr, QueryResult, RuntimeErr, Statement};
use sqlx::{Connection as _, PgPool, Postgres, Row, TypeInfo, ValueRef, pool::PoolConnection};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{
    Error,
    error::is_stale_plan,
    exclusive::query,
    interruptible::Interruptible,
    sent::{Purpose, sent},
    sql::Queries,
    sql::bound,
    timed::{Timed, acquire, within},
};
use crate::{
    model::{Meter, Places, TenantId, TenantScope},
    telemetry::metrics::Metrics,
};

/// The connections for reads. Clones share them.
#[derive(Debug, Clone)]
pub(in crate::storage) enum ReadConnections {
    /// Those of tenants that ask very much have threads of low priority.
    Sqlite {
        normal: Interruptible,
        low: Interruptible,
    },
    Postgres(PgPool),
}

/// The way of reads to the database. Clones share the connections.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Reader {
    /// For looking at whole tables.
    pub(in crate::storage) whole: Timed,
    connections: ReadConnections,
    executions: Arc<ExecutionReads>,
    limit: Option<Duration>,
    metrics: Metrics,
}

/// Turns of reads that are made for executions.
#[derive(Debug)]
struct ExecutionReads {
    each_tenant: Places,
    all: Arc<Semaphore>,
}

impl ExecutionReads {
    /// All together take half of the connections, one tenant a quarter, each at least one.
    fn of(connections: u32) -> Self {
        let connections = connections as usize;
        Self {
            each_tenant: Places::new(connections / 4),
            all: Arc::new(Semaphore::new((connections / 2).max(1))),
        }
    }

    /// The next turn of the tenant, until what is returned is dropped. Its own place comes first: who
    /// waits for one of all holds a place of its tenant, so all tenants wait there in turn.
    async fn turn(&self, tenant: &TenantId) -> [Option<OwnedSemaphorePermit>; 2] {
        let own = self.each_tenant.take(tenant).await;
        // It is never closed.
        let of_all = Arc::clone(&self.all).acquire_owned().await.ok();
        [own, of_all]
    }
}

impl Reader {
    /// `max_connections` is the size of the pool.
    pub(in crate::storage) fn new(
        whole: Timed,
        connections: ReadConnections,
        max_connections: u32,
        metrics: &Metrics,
    ) -> Self {
        Self {
            limit: whole.limit,
            whole,
            connections,
            executions: Arc::new(ExecutionReads::of(max_connections)),
            metrics: metrics.clone(),
        }
    }

    /// The same for a request, whose scope counts what it reads, or for an execution, which waits for
    /// its tenant's turn.
    pub(in crate::storage) fn of<'a>(&'a self, scope: &'a TenantScope) -> Scoped<'a> {
        Scoped {
            reader: self,
            scope,
        }
    }

    pub(in crate::storage) fn get_database_backend(&self) -> DbBackend {
        self.whole.get_database_backend()
    }

    async fn all(
        &self,
        statement: Statement,
        scope: Option<&TenantScope>,
    ) -> Result<Vec<QueryResult>, Error> {
        let meter = scope.and_then(TenantScope::meter).map(|meter| &**meter);
        let _running = match meter {
            Some(meter) => Some(meter.statement().await),
            None => None,
        };
        let _turn = match scope {
            Some(scope) if meter.is_none() => Some(self.executions.turn(scope.tenant()).await),
            _ => None,
        };
        let purpose = scope.map_or(Purpose::Node, |_| Purpose::Read);
        sent(&self.metrics, purpose, &statement.sql);
        #[cfg(test)]
        recorded::add(&statement);
        match &self.connections {
            ReadConnections::Sqlite { normal, low } => {
                let is_heavy = meter.is_some_and(Meter::is_of_heavy_tenant);
                let connections = if is_heavy { low } else { normal };
                let mut lent = connections.acquire().await?;
                let rows = collect(query(statement).fetch(lent.connection()), meter).await;
                if is_whole(&rows) {
                    lent.give_back();
                }
                rows
            }
            ReadConnections::Postgres(pool) => {
                within(self.limit, read_postgres(pool, statement, meter)).await
            }
        }
    }
}

/// Reads, and prepares a statement anew that no longer fits the tables as they are now.
async fn read_postgres(
    pool: &PgPool,
    statement: Statement,
    meter: Option<&Meter>,
) -> Result<Vec<QueryResult>, Error> {
    let mut lent = Lent::acquire(pool).await?;
    let again = statement.clone();
    let mut rows = collect(bound(statement)?.fetch(lent.connection()?), meter).await;
    if matches!(&rows, Err(Error::Unavailable(error)) if is_stale_plan(error)) {
        let connection = lent.connection()?;
        let cleared = connection.clear_cached_statements().await;
        cleared.map_err(|e| DbErr::Query(RuntimeErr::SqlxError(e.into())))?;
        rows = collect(bound(again)?.fetch(connection), meter).await;
    }
    if is_whole(&rows) {
        lent.give_back();
    }
    rows
}

/// Returns whether the statement has run to its end, so that its connection is ready for another
/// one.
fn is_whole(rows: &Result<Vec<QueryResult>, Error>) -> bool {
    !matches!(rows, Err(Error::Refused(_) | Error::Unavailable(_)))
}

async fn collect<R: Row>(
    mut rows: impl Stream<Item = Result<R, sqlx::Error>> + Unpin,
    meter: Option<&Meter>,
) -> Result<Vec<QueryResult>, Error>
where
    QueryResult: From<R>,
    usize: sqlx::ColumnIndex<R>,
    for<'r> &'r str: sqlx::Decode<'r, R::Database>,
{
    let failed = |e: sqlx::Error| DbErr::Query(RuntimeErr::SqlxError(e.into()));
    let mut all = Vec::new();
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        if let Some(meter) = meter {
            meter.read(text_bytes(&row))?;
        }
        all.push(row.into());
    }
    Ok(all)
}

/// Bytes of the texts in a row, which are what can make it large.
fn text_bytes<R: Row>(row: &R) -> u64
where
    usize: sqlx::ColumnIndex<R>,
    for<'r> &'r str: sqlx::Decode<'r, R::Database>,
{
    let size = |column: usize| -> Option<usize> {
        let is_text = matches!(row.try_get_raw(column).ok()?.type_info().name(), "TEXT");
        if !is_text {
            return None;
        }
        let text: Option<&str> = row.try_get_unchecked(column).ok()?;
        text.map(str::len)
    };
    let sizes = (0..row.len()).filter_map(size);
    sizes.sum::<usize>() as u64
}

impl Queries for Reader {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        Box::pin(Self::all(self, statement, None)).await
    }
}

/// Reads in one scope.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Scoped<'a> {
    reader: &'a Reader,
    scope: &'a TenantScope,
}

impl Scoped<'_> {
    pub(in crate::storage) fn get_database_backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }
}

impl Queries for Scoped<'_> {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        Box::pin(self.reader.all(statement, Some(self.scope))).await
    }
}

/// A connection to PostgreSQL while a statement runs on it. Dropped before it is given back, it is
/// closed, and the server ends the statement.
struct Lent(Option<PoolConnection<Postgres>>);

impl Lent {
    async fn acquire(pool: &PgPool) -> Result<Self, DbErr> {
        Ok(Self(Some(acquire(pool).await?)))
    }

    fn connection(&mut self) -> Result<&mut sqlx::PgConnection, DbErr> {
        let connection = self.0.as_deref_mut();
        connection.ok_or_else(|| DbErr::Custom("the connection was given back".to_owned()))
    }

    fn give_back(&mut self) {
        self.0 = None;
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(connection) = &mut self.0 {
            connection.close_on_drop();
        }
    }
}

/// The statements of a test.
#[cfg(test)]
pub(in crate::storage) mod recorded {
    use std::cell::RefCell;

    use sea_orm::Statement;

    tokio::task_local! {
        static STATEMENTS: RefCell<Vec<Statement>>;
    }

    pub(super) fn add(statement: &Statement) {
        // Where nobody records there is nothing to add to.
        let _ = STATEMENTS.try_with(|all| all.borrow_mut().push(statement.clone()));
    }

    /// Returns the result of `reads`, and the statements that it ran.
    pub(in crate::storage) async fn of<T>(reads: impl Future<Output = T>) -> (T, Vec<Statement>) {
        let recording = async {
            let returned = reads.await;
            (returned, STATEMENTS.with(RefCell::take))
        };
        STATEMENTS.scope(RefCell::default(), recording).await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use sea_orm::TryGetable;

    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        sql,
    };

    #[tokio::test]
    async fn executions_leave_half_of_the_connections_and_one_tenants_half_of_the_rest() {
        let reads = ExecutionReads::of(16);
        let turn = |n: usize| {
            let tenant = format!("t{n}").parse().unwrap();
            reads.turn(&tenant).now_or_never()
        };
        let first: Vec<_> = (0..10).map_while(|_| turn(1)).collect();
        let second: Vec<_> = (0..10).map_while(|_| turn(2)).collect();
        assert_eq!((first.len(), second.len()), (4, 4));
        assert!(turn(3).is_none());
        drop(first);
        assert!(turn(3).is_some());
        for few in 0..4 {
            let reads = ExecutionReads::of(few);
            assert!(reads.turn(&"t".parse().unwrap()).now_or_never().is_some());
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_statement_ends_with_the_request_that_waits_for_it() {
        on_each_database(async |world| {
            let reader = &world.storage.db.reader;
            if reader.get_database_backend() != DbBackend::Postgres {
                return;
            }
            let running = async || {
                let text = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' \
                    AND datname = current_database() AND query LIKE 'SELECT pg_sleep(50)%'";
                let rows = sql::query(reader, text, []).await.unwrap();
                i64::try_get_by_index(&rows[0], 0).unwrap()
            };
            let scope = scope_of("t");
            let scoped = reader.of(&scope);
            let mut slow = Box::pin(sql::query(&scoped, "SELECT pg_sleep(50)::text", []));
            while running().await == 0 {
                assert!(slow.as_mut().now_or_never().is_none());
            }
            drop(slow);
            let ended = async { while running().await > 0 {} };
            tokio::time::timeout(Duration::from_secs(30), ended)
                .await
                .expect("the statement goes on");
        })
        .await;
    }
}
