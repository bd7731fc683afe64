//! The way of writes to the database, on either kind.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value,
    prelude::async_trait::async_trait,
};

use super::{
    Error,
    exclusive::{Exclusive, ExclusiveTransaction},
    pinned::{Pinned, PinnedTransaction},
    sql,
    timed::{Timed, within},
};

/// Where changes are made. Clones share it.
#[derive(Debug, Clone)]
pub(in crate::storage) enum WriteConnection {
    /// The pool that reads use, too, for single statements; a connection of it for transactions.
    Postgres(Timed, Pinned),
    Sqlite(Exclusive),
}

impl WriteConnection {
    /// For one more writer; on SQLite there is one connection for all.
    pub(in crate::storage) fn another(&self) -> Self {
        match self {
            Self::Postgres(pool, pinned) => Self::Postgres(pool.clone(), pinned.another()),
            Self::Sqlite(connection) => Self::Sqlite(connection.clone()),
        }
    }

    pub(in crate::storage) fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(..) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// Returns the longest time of a transaction; none where there is no network in between.
    pub(in crate::storage) fn limit(&self) -> Option<std::time::Duration> {
        match self {
            Self::Postgres(pool, _) => pool.limit,
            Self::Sqlite(_) => None,
        }
    }

    /// Runs one statement by itself; the number of rows it changed.
    pub(in crate::storage) async fn execute(
        &self,
        text: &str,
        values: impl IntoIterator<Item = Value>,
    ) -> Result<u64, Error> {
        match self {
            Self::Postgres(pool, _) => sql::execute(pool, text, values).await,
            Self::Sqlite(connection) => {
                let statement = Statement::from_sql_and_values(DbBackend::Sqlite, text, values);
                Ok(connection.execute(statement).await?)
            }
        }
    }

    pub(in crate::storage) async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Postgres(_, pinned) => Transaction::Postgres(pinned.begin().await?),
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin().await?),
        })
    }

    /// For a writer that has nothing to do for now: no transaction stays open.
    pub(in crate::storage) async fn rest(&self) {
        if let Self::Postgres(_, pinned) = self {
            // A connection that cannot do it is given up; the next transaction takes another one.
            let _ = within(self.limit(), pinned.rest()).await;
        }
    }
}

/// Changes that are made together or not at all.
#[derive(Debug)]
pub(in crate::storage) enum Transaction {
    Postgres(PinnedTransaction),
    Sqlite(ExclusiveTransaction),
}

impl Transaction {
    /// Runs the last statement and commits.
    pub(in crate::storage) async fn commit(self, last: Option<Statement>) -> Result<(), DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.commit(last).await,
            Self::Sqlite(transaction) => transaction.commit(last).await,
        }
    }

    /// Undoes everything.
    pub(in crate::storage) async fn roll_back(self) -> Result<(), DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.roll_back().await,
            Self::Sqlite(transaction) => transaction.roll_back().await,
        }
    }
}

#[async_trait]
impl ConnectionTrait for Transaction {
    fn get_database_backend(&self) -> DbBackend {
        match self {
            Self::Postgres(_) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.execute(statement).await,
            Self::Sqlite(transaction) => transaction.execute(statement).await,
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let backend = self.get_database_backend();
        self.execute_raw(Statement::from_string(backend, sql)).await
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        Ok(self.query_all_raw(statement).await?.into_iter().next())
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.query(statement).await,
            Self::Sqlite(transaction) => transaction.query(statement).await,
        }
    }
}
