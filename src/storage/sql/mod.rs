//! SQL for both databases.
//!
//! A table is described once, by its entity: lists of columns, their types, rows in ([`columns`] and the
//! entity's `Model`) and rows out ([`Record`], `Model`) derive from it.

mod bind;
mod combined;
mod rows;

use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, QueryResult, Statement, Value,
};

use super::Error;
pub(super) use bind::bound;
pub(super) use combined::Combined;
pub(super) use rows::{Record, Rows};

/// A connection or a transaction that takes statements which return rows.
pub(super) trait Queries: Sync {
    fn backend(&self) -> DbBackend;

    /// The rows of one statement.
    fn all(
        &self,
        statement: Statement,
    ) -> impl Future<Output = Result<Vec<QueryResult>, Error>> + Send;
}

impl<C: ConnectionTrait> Queries for C {
    fn backend(&self) -> DbBackend {
        self.get_database_backend()
    }

    async fn all(&self, statement: Statement) -> Result<Vec<QueryResult>, Error> {
        Ok(self.query_all_raw(statement).await?)
    }
}

/// The database's clock in microseconds since 1970-01-01 UTC.
pub(super) fn now_expression(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
        _ => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    }
}

/// Returns the join of a statement that reads from [`Rows`] with the next table. On SQLite the
/// order in which joins are written is then the one to follow: it might else read the whole other
/// table, to have its order, and look up `x` for each of its rows.
pub(super) fn join(db: &impl Queries) -> &'static str {
    match db.backend() {
        DbBackend::Postgres => "JOIN",
        _ => "CROSS JOIN",
    }
}

/// The columns of a table by their names, each as `alias.column`. A statement that names them means the
/// same, to a node that runs already, when a later version adds a column.
pub(super) fn columns<E: EntityTrait>(alias: &str) -> String {
    let mut text = String::with_capacity(1024);
    for column in E::Column::iter() {
        if !text.is_empty() {
            text.push_str(", ");
        }
        text.push_str(alias);
        text.push('.');
        text.push_str(column.as_str());
    }
    text
}

/// Runs one statement with `$1`, `$2`, … as places on both databases.
pub(super) async fn query(
    db: &impl Queries,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<Vec<QueryResult>, Error> {
    let statement = Statement::from_sql_and_values(db.backend(), sql, values);
    db.all(statement).await
}

/// Runs one statement with `$1`, `$2`, … as places; the number of rows it changed.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: &str,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, Error> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}

/// Reads column `name` of `row`.
pub(super) fn get<T: sea_orm::TryGetable>(row: &QueryResult, name: &str) -> Result<T, Error> {
    row.try_get("", name).map_err(Error::from)
}
