//! Many rows in one statement.
//!
//! [`Rows`] is a table of values that a statement takes as the common table expression `x`: on
//! PostgreSQL an `UNNEST` of arrays, so that one prepared statement serves every number of rows but
//! one; on SQLite a `VALUES` list, filled up with rows of NULL to a power of two, so that few statements are
//! prepared and most sets of rows take one.

use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ActiveModelTrait, DbBackend, EntityTrait, IdenStatic, IntoActiveModel, Iterable, QueryResult,
    Statement, Value,
};

use super::{super::Error, Queries};

/// SQLite takes so many values in one statement; larger sets are cut.
const SQLITE_MAX_VALUES: usize = 8192;
/// Larger sets are cut.
const MAX_ROWS: usize = 4096;
/// Fills a place in a list of values that is longer than the rows.
const PADDING: Value = Value::Bool(None);

/// A record from which a row of the table `E` is written.
pub(in crate::storage) trait Record<E: EntityTrait> {
    /// The value of one column. By a `match` over all columns, so that a new one cannot be forgotten.
    fn value(&self, column: E::Column) -> Value;
}

/// The type of a value, for arrays and in the words of PostgreSQL. [`super::bound`] refuses others.
fn type_of(value: &Value) -> (ArrayType, &'static str) {
    match value {
        Value::Uuid(_) => (ArrayType::Uuid, "uuid"),
        Value::BigInt(_) => (ArrayType::BigInt, "bigint"),
        Value::Bool(_) => (ArrayType::Bool, "boolean"),
        Value::Bytes(_) => (ArrayType::Bytes, "bytea"),
        _ => (ArrayType::String, "text"),
    }
}

/// Rows that a statement reads as the table `x`.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Rows {
    pub(super) columns: Vec<&'static str>,
    pub(super) rows: Vec<Vec<Value>>,
}

impl Rows {
    /// No rows yet, of these columns.
    pub(in crate::storage) fn of(columns: &[&'static str]) -> Self {
        Self {
            columns: columns.to_vec(),
            rows: Vec::new(),
        }
    }

    /// One column.
    pub(in crate::storage) fn column<V: Into<Value>>(
        name: &'static str,
        values: impl IntoIterator<Item = V>,
    ) -> Self {
        Self {
            columns: vec![name],
            rows: values.into_iter().map(|value| vec![value.into()]).collect(),
        }
    }

    /// These columns of a table, from records.
    pub(in crate::storage) fn part<'a, E: EntityTrait, R: Record<E> + 'a>(
        columns: &[E::Column],
        records: impl IntoIterator<Item = &'a R>,
    ) -> Self {
        let row = |record: &R| columns.iter().map(|column| record.value(*column)).collect();
        Self {
            columns: columns.iter().map(IdenStatic::as_str).collect(),
            rows: records.into_iter().map(row).collect(),
        }
    }

    /// All columns of a table, from records.
    pub(in crate::storage) fn whole<'a, E: EntityTrait, R: Record<E> + 'a>(
        records: impl IntoIterator<Item = &'a R>,
    ) -> Self {
        let columns: Vec<E::Column> = E::Column::iter().collect();
        Self::part::<E, R>(&columns, records)
    }

    /// The columns of a table that are set, from rows that all set the same ones: all of a whole row.
    pub(in crate::storage) fn set<A: ActiveModelTrait>(
        rows: impl IntoIterator<Item = impl IntoActiveModel<A>>,
    ) -> Self {
        let mut columns: Vec<<A::Entity as EntityTrait>::Column> = Vec::new();
        let mut values = Vec::new();
        for row in rows {
            let mut row = row.into_active_model();
            if columns.is_empty() {
                let all = <A::Entity as EntityTrait>::Column::iter();
                columns = all.filter(|column| !row.is_not_set(*column)).collect();
            }
            let value = |column: &_| row.take(*column).into_value().unwrap_or(PADDING);
            values.push(columns.iter().map(value).collect());
        }
        Self {
            columns: columns.iter().map(IdenStatic::as_str).collect(),
            rows: values,
        }
    }

    pub(in crate::storage) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Returns the number of rows.
    pub(in crate::storage) fn len(&self) -> usize {
        self.rows.len()
    }

    /// The names of the columns.
    pub(in crate::storage) fn columns(&self) -> &[&'static str] {
        &self.columns
    }

    /// The names of the columns, one after the other.
    pub(in crate::storage) fn names(&self) -> String {
        self.columns.join(", ")
    }

    /// Adds a row; its values are in the order of the columns.
    pub(in crate::storage) fn push(&mut self, row: Vec<Value>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// `WITH x(…) AS (…)` and its values.
    fn expression(
        rows: Vec<Vec<Value>>,
        columns: &[&str],
        backend: DbBackend,
    ) -> (String, Vec<Value>) {
        if backend == DbBackend::Postgres {
            return Self::postgres(rows, columns, 0);
        }
        let names = columns.join(", ");
        // Not `?1`, `?2`: SQLite looks a numbered place up in a list of all of them.
        let tuple = format!("({})", vec!["?"; columns.len()].join(","));
        let tuples = vec![tuple; rows.len()];
        let values = rows.into_iter().flatten().collect();
        let tuples = tuples.join(",");
        // The first column of a real row is never NULL.
        let text = format!(
            "WITH x({names}) AS (SELECT * FROM (VALUES {tuples}) WHERE column1 IS NOT NULL)"
        );
        (text, values)
    }

    /// The same for PostgreSQL, where `before` values come before those of the rows. One row alone is
    /// taken as it is: each array would be made a table of its own first.
    pub(super) fn postgres(
        mut rows: Vec<Vec<Value>>,
        columns: &[&str],
        before: usize,
    ) -> (String, Vec<Value>) {
        let alone = if rows.len() == 1 { rows.pop() } else { None };
        let Some(row) = alone else {
            return Self::unnest(rows, columns, before);
        };
        let places: Vec<String> = (before + 1..)
            .zip(&row)
            .map(|(place, value)| format!("${place}::{}", type_of(value).1))
            .collect();
        let (names, places) = (columns.join(", "), places.join(", "));
        let text = format!("WITH x({names}) AS (VALUES ({places}))");
        (text, row)
    }

    fn unnest(rows: Vec<Vec<Value>>, columns: &[&str], before: usize) -> (String, Vec<Value>) {
        let names = columns.join(", ");
        let types = rows.first().into_iter().flatten().map(type_of);
        let types: Vec<(ArrayType, &str)> = types.collect();
        let mut arrays: Vec<Vec<Value>> = vec![Vec::with_capacity(rows.len()); columns.len()];
        for row in rows {
            for (array, value) in arrays.iter_mut().zip(row) {
                array.push(value);
            }
        }
        let places: Vec<String> = (before + 1..)
            .zip(&types)
            .map(|(place, (_, sql_type))| format!("${place}::{sql_type}[]"))
            .collect();
        let text = format!(
            "WITH x({names}) AS (SELECT * FROM UNNEST({}))",
            places.join(", ")
        );
        let values = arrays
            .into_iter()
            .zip(types)
            .map(|(array, (kind, _))| Value::Array(kind, Some(Box::new(array))))
            .collect();
        (text, values)
    }

    /// Cuts into the sizes that the database should see.
    pub(super) fn chunks(mut rows: Vec<Vec<Value>>, backend: DbBackend) -> Vec<Vec<Vec<Value>>> {
        let is_padded = backend != DbBackend::Postgres;
        let width = rows.first().map_or(1, Vec::len);
        let most = if is_padded {
            1 << (SQLITE_MAX_VALUES / width).min(MAX_ROWS).ilog2()
        } else {
            MAX_ROWS
        };
        let mut chunks = Vec::new();
        while !rows.is_empty() {
            let rest = rows.split_off(most.min(rows.len()));
            let mut chunk = std::mem::replace(&mut rows, rest);
            if is_padded {
                let padded = chunk.len().next_power_of_two();
                chunk.resize_with(padded, || vec![PADDING; width]);
            }
            chunks.push(chunk);
        }
        chunks
    }

    /// Runs `tail`, which reads from `x`, and returns what it returns. No rows: nothing is run.
    ///
    /// Only writers may have NULL in several rows: sea-orm's own connections cannot bind it.
    pub(in crate::storage) async fn query(
        self,
        db: &impl Queries,
        tail: &str,
    ) -> Result<Vec<QueryResult>, Error> {
        let mut results = Vec::new();
        if self.rows.is_empty() {
            return Ok(results);
        }
        let backend = db.backend();
        for chunk in Self::chunks(self.rows, backend) {
            let statement = Self::statement(chunk, &self.columns, tail, backend);
            results.append(&mut db.all(statement).await?);
        }
        Ok(results)
    }

    pub(super) fn statement(
        rows: Vec<Vec<Value>>,
        columns: &[&str],
        tail: &str,
        backend: DbBackend,
    ) -> Statement {
        let (head, values) = Self::expression(rows, columns, backend);
        Statement::from_sql_and_values(backend, format!("{head} {tail}"), values)
    }

    /// Returns the database's plan for `tail`, a line each.
    #[cfg(test)]
    pub(in crate::storage) async fn plan(self, db: &impl Queries, tail: &str) -> Vec<String> {
        let backend = db.backend();
        let explain = if backend == DbBackend::Postgres {
            "EXPLAIN "
        } else {
            "EXPLAIN QUERY PLAN "
        };
        let mut lines = Vec::new();
        for chunk in Self::chunks(self.rows, backend) {
            let mut explained = Self::statement(chunk, &self.columns, tail, backend);
            explained.sql.insert_str(0, explain);
            for row in db.all(explained).await.unwrap() {
                let line = row.try_get_by_index(if backend == DbBackend::Postgres { 0 } else { 3 });
                lines.push(line.unwrap());
            }
        }
        lines
    }
}
