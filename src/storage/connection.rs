//! What writes go through, on either database.

use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, Value,
    prelude::async_trait::async_trait,
};

use super::{
    Error,
    exclusive::{Exclusive, ExclusiveTransaction},
    kept::{Kept, KeptTransaction},
    sql,
    timed::{Timed, within},
};

/// Where changes are made. Clones share it.
#[derive(Debug, Clone)]
pub(super) enum WriteConnection {
    /// The pool that reads use, too, for single statements; a connection of it for transactions.
    Postgres(Timed, Kept),
    Sqlite(Exclusive),
}

impl WriteConnection {
    /// For one more writer; on SQLite there is one connection for all.
    pub(super) fn another(&self) -> Self {
        match self {
            Self::Postgres(pool, kept) => Self::Postgres(pool.clone(), kept.another()),
            Self::Sqlite(connection) => Self::Sqlite(connection.clone()),
        }
    }

    pub(super) fn backend(&self) -> DbBackend {
        match self {
            Self::Postgres(..) => DbBackend::Postgres,
            Self::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// How long a transaction may take; none where there is no network in between.
    pub(super) fn limit(&self) -> Option<std::time::Duration> {
        match self {
            Self::Postgres(pool, _) => pool.limit,
            Self::Sqlite(_) => None,
        }
    }

    /// Runs one statement by itself; the number of rows it changed.
    pub(super) async fn execute(
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

    pub(super) async fn begin(&self) -> Result<Transaction, DbErr> {
        Ok(match self {
            Self::Postgres(_, kept) => Transaction::Postgres(kept.begin().await?),
            Self::Sqlite(connection) => Transaction::Sqlite(connection.begin().await?),
        })
    }

    /// For a writer that has nothing to do for now: no transaction stays open.
    pub(super) async fn rest(&self) {
        if let Self::Postgres(_, kept) = self {
            // A connection that cannot do it is given up; the next transaction takes another one.
            let _ = within(self.limit(), kept.rest()).await;
        }
    }
}

/// Changes that are made together or not at all.
#[derive(Debug)]
pub(super) enum Transaction {
    Postgres(KeptTransaction),
    Sqlite(ExclusiveTransaction),
}

impl Transaction {
    /// Runs the last statement and commits.
    pub(super) async fn commit(self, last: Option<Statement>) -> Result<(), DbErr> {
        match self {
            Self::Postgres(transaction) => transaction.commit(last).await,
            Self::Sqlite(transaction) => transaction.commit(last).await,
        }
    }

    /// Undoes everything.
    pub(super) async fn roll_back(self) -> Result<(), DbErr> {
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
