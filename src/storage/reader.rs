//! Where reads go: connections whose statements end with whoever waits for them.
//!
//! A request that ends early, because its client has gone or its time is over, drops its reads. A
//! dropped statement is ended at the database, too: on SQLite it is interrupted, on PostgreSQL its
//! connection is closed, which the server looks for while it works. What a request reads is counted
//! row by row, and it ends with the row that is too much.

use std::time::Duration;

use futures::{Stream, TryStreamExt};
use sea_orm::{DbBackend, DbErr, QueryResult, RuntimeErr, Statement};
use sqlx::{Connection as _, PgPool, Postgres, Row, TypeInfo, ValueRef, pool::PoolConnection};

use super::{
    Error,
    error::is_stale_plan,
    exclusive::query,
    interruptible::Interruptible,
    sql::Queries,
    timed::{Timed, acquire, within},
};
use crate::{
    model::{Meter, TenantScope},
    telemetry::metrics::Metrics,
};

/// The connections for reads. Clones share them.
#[derive(Debug, Clone)]
pub(super) enum ReadConnections {
    /// Those of tenants that ask very much have threads of low priority.
    Sqlite {
        normal: Interruptible,
        low: Interruptible,
    },
    Postgres(PgPool),
}

/// What reads go through. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Reader {
    /// For looking at whole tables.
    pub(super) whole: Timed,
    connections: ReadConnections,
    limit: Option<Duration>,
    metrics: Metrics,
}

impl Reader {
    pub(super) fn new(whole: Timed, connections: ReadConnections, metrics: &Metrics) -> Self {
        Self {
            limit: whole.limit,
            whole,
            connections,
            metrics: metrics.clone(),
        }
    }

    /// The same for a request: what it reads is counted by its scope.
    pub(super) fn of<'a>(&'a self, scope: &'a TenantScope) -> Metered<'a> {
        Metered {
            reader: self,
            meter: scope.meter().map(|meter| &**meter),
        }
    }

    pub(super) fn get_database_backend(&self) -> DbBackend {
        self.whole.get_database_backend()
    }

    async fn all(
        &self,
        statement: Statement,
        meter: Option<&Meter>,
    ) -> Result<Vec<QueryResult>, Error> {
        let _running = match meter {
            Some(meter) => Some(meter.statement().await),
            None => None,
        };
        self.metrics.statement("read");
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

/// What no longer fits the tables as they are now is prepared anew.
async fn read_postgres(
    pool: &PgPool,
    statement: Statement,
    meter: Option<&Meter>,
) -> Result<Vec<QueryResult>, Error> {
    let mut lent = Lent::acquire(pool).await?;
    let again = statement.clone();
    let mut rows = collect(query(statement).fetch(lent.connection()?), meter).await;
    if matches!(&rows, Err(Error::Unavailable(error)) if is_stale_plan(error)) {
        let connection = lent.connection()?;
        let cleared = connection.clear_cached_statements().await;
        cleared.map_err(|e| DbErr::Query(RuntimeErr::SqlxError(e.into())))?;
        rows = collect(query(again).fetch(connection), meter).await;
    }
    if is_whole(&rows) {
        lent.give_back();
    }
    rows
}

/// Whether the statement has run to its end, so that its connection is ready for another one.
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

/// Reads of one request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Metered<'a> {
    reader: &'a Reader,
    meter: Option<&'a Meter>,
}

impl Metered<'_> {
    pub(super) fn get_database_backend(&self) -> DbBackend {
        self.reader.get_database_backend()
    }
}

impl Queries for Metered<'_> {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        Box::pin(self.reader.all(statement, self.meter)).await
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

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use sea_orm::TryGetable;

    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        sql,
    };

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
            let metered = reader.of(&scope);
            let mut slow = Box::pin(sql::query(&metered, "SELECT pg_sleep(50)::text", []));
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
