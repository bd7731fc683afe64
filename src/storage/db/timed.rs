//! A database connection that answers in time or not at all.
//!
//! The database limits its own work on a statement. What it cannot limit is a network that swallows
//! packets: without a limit here a caller would wait for as long as TCP keeps trying, which is a
//! quarter of an hour.

use std::{future::Future, time::Duration};

use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr,
    ExecResult, IsolationLevel, QueryResult, RuntimeErr, Statement, TransactionOptions,
    TransactionTrait, prelude::async_trait::async_trait,
};
use sqlx::{PgPool, Postgres, pool::PoolConnection};

use super::sent::{Purpose, sent};
use crate::telemetry::metrics::Metrics;

/// Connections whose statements end within a limit.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Timed {
    pub(in crate::storage) inner: DatabaseConnection,
    /// None where there is no network in between.
    pub(in crate::storage) limit: Option<Duration>,
}

/// A connection of the pool, as soon as one is free.
pub(in crate::storage) async fn acquire(pool: &PgPool) -> Result<PoolConnection<Postgres>, DbErr> {
    let acquired = pool.acquire().await;
    acquired.map_err(|e| DbErr::Conn(RuntimeErr::SqlxError(e.into())))
}

/// Gives up `work` when it takes longer than `limit`; what became of it is then not known.
pub(in crate::storage) async fn within<T, E: From<DbErr>>(
    limit: Option<Duration>,
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    let Some(limit) = limit else {
        return work.await;
    };
    let no_answer = || DbErr::Conn(RuntimeErr::Internal("no answer in time".to_owned()));
    let answer = tokio::time::timeout(limit, work).await;
    answer.unwrap_or_else(|_| Err(no_answer().into()))
}

impl Timed {
    /// Counts its statements as those of `purpose`.
    pub(in crate::storage) fn new(
        mut inner: DatabaseConnection,
        limit: Option<Duration>,
        metrics: &Metrics,
        purpose: Purpose,
    ) -> Self {
        let counted = metrics.clone();
        inner.set_metric_callback(move |info| sent(&counted, purpose, &info.statement.sql));
        Self { inner, limit }
    }

    /// A transaction that sees what was committed when it began, and changes nothing.
    pub(in crate::storage) async fn snapshot(&self) -> Result<DatabaseTransaction, DbErr> {
        // A transaction of SQLite is one without being told.
        let is_told = self.get_database_backend() == DbBackend::Postgres;
        let options = TransactionOptions {
            isolation_level: is_told.then_some(IsolationLevel::RepeatableRead),
            access_mode: is_told.then_some(AccessMode::ReadOnly),
            ..TransactionOptions::default()
        };
        within(self.limit, self.inner.begin_with_options(options)).await
    }

    pub(in crate::storage) fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }
}

#[async_trait]
impl ConnectionTrait for Timed {
    fn get_database_backend(&self) -> DbBackend {
        self.inner.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        within(self.limit, self.inner.execute_raw(statement)).await
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        within(self.limit, self.inner.execute_unprepared(sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        within(self.limit, self.inner.query_all_raw(statement)).await
    }
}
