//! One SQL text for both databases, and many rows in one statement.
//!
//! [`Rows`] is a table of values that a statement takes as the common table expression `x`: on
//! PostgreSQL an `UNNEST` of arrays, so that one prepared statement serves every number of rows but
//! one; on SQLite a `VALUES` list, filled up with rows of NULL to a power of two, so that few statements are
//! prepared and most sets of rows take one.

use sea_orm::sea_query::ArrayType;
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, IdenStatic, Iterable, QueryResult, Statement, Value,
    Values,
};
use uuid::Uuid;

use super::Error;

/// What takes statements that return rows.
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

/// What SQLite takes in one statement; larger sets are cut.
const SQLITE_MAX_VALUES: usize = 8192;
/// Larger sets are cut.
const MAX_ROWS: usize = 4096;
/// No more rows than this are few.
const SMALL: usize = 2;

/// Stands for NULL inside an array, which the driver cannot express; no stored text begins with it.
const NULL_TEXT: &str = "\u{1}";
const NULL_INTEGER: i64 = i64::MIN;

/// The database's clock in microseconds since 1970-01-01 UTC.
pub(super) fn now_expression(backend: DbBackend) -> &'static str {
    match backend {
        DbBackend::Postgres => "(extract(epoch from clock_timestamp()) * 1000000)::bigint",
        _ => "CAST(unixepoch('subsec') * 1000000 AS INTEGER)",
    }
}

/// One value of a row.
#[derive(Debug, Clone)]
pub(super) enum Cell {
    Uuid(Uuid),
    NullableUuid(Option<Uuid>),
    Text(String),
    NullableText(Option<String>),
    Integer(i64),
    NullableInteger(Option<i64>),
    Boolean(bool),
    /// Fills a place in a list of values that is longer than the rows.
    Padding,
}

macro_rules! cells {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Cell {
            fn from(value: $from) -> Self { Self::$variant(value.into()) }
        }
    )*};
}
cells! {
    Uuid => Uuid, Option<Uuid> => NullableUuid, String => Text, &str => Text,
    Option<String> => NullableText, i64 => Integer, Option<i64> => NullableInteger, bool => Boolean,
}

impl Cell {
    fn array_type(&self) -> (ArrayType, &'static str, Option<&'static str>) {
        match self {
            Self::Uuid(_) => (ArrayType::Uuid, "uuid", None),
            Self::NullableUuid(_) => (
                ArrayType::Uuid,
                "uuid",
                Some("'00000000-0000-0000-0000-000000000000'::uuid"),
            ),
            Self::Text(_) => (ArrayType::String, "text", None),
            Self::NullableText(_) => (ArrayType::String, "text", Some("E'\\x01'")),
            Self::Integer(_) => (ArrayType::BigInt, "bigint", None),
            Self::NullableInteger(_) => (
                ArrayType::BigInt,
                "bigint",
                Some("(-9223372036854775808)::bigint"),
            ),
            Self::Boolean(_) | Self::Padding => (ArrayType::Bool, "boolean", None),
        }
    }

    /// The value inside an array: NULL by its stand-in.
    fn into_element(self) -> Value {
        match self {
            Self::Uuid(value) => value.into(),
            Self::NullableUuid(value) => value.unwrap_or_default().into(),
            Self::Text(value) => value.into(),
            Self::NullableText(value) => value.unwrap_or_else(|| NULL_TEXT.to_owned()).into(),
            Self::Integer(value) => value.into(),
            Self::NullableInteger(value) => value.unwrap_or(NULL_INTEGER).into(),
            Self::Boolean(value) => value.into(),
            Self::Padding => Value::Bool(None),
        }
    }

    fn into_value(self) -> Value {
        match self {
            Self::Uuid(value) => value.into(),
            Self::NullableUuid(value) => value.into(),
            Self::Text(value) => value.into(),
            Self::NullableText(value) => value.into(),
            Self::Integer(value) => value.into(),
            Self::NullableInteger(value) => value.into(),
            Self::Boolean(value) => value.into(),
            Self::Padding => Value::Bool(None),
        }
    }
}

/// Rows that a statement reads as the table `x`.
#[derive(Debug, Default)]
pub(super) struct Rows {
    columns: &'static [&'static str],
    rows: Vec<Vec<Cell>>,
}

impl Rows {
    /// No rows yet, of these columns.
    pub(super) fn of(columns: &'static [&'static str]) -> Self {
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// One column.
    pub(super) fn column<C: Into<Cell>>(
        columns: &'static [&'static str],
        values: impl IntoIterator<Item = C>,
    ) -> Self {
        Self {
            columns,
            rows: values.into_iter().map(|value| vec![value.into()]).collect(),
        }
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    /// Adds a row; its cells are in the order of the columns.
    pub(super) fn push(&mut self, row: Vec<Cell>) {
        debug_assert_eq!(row.len(), self.columns.len());
        self.rows.push(row);
    }

    /// `WITH x(…) AS (…)` and its values.
    fn expression(
        rows: Vec<Vec<Cell>>,
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
        let values = rows.into_iter().flatten().map(Cell::into_value).collect();
        let tuples = tuples.join(",");
        // The first column of a real row is never NULL.
        let text = format!(
            "WITH x({names}) AS (SELECT * FROM (VALUES {tuples}) WHERE column1 IS NOT NULL)"
        );
        (text, values)
    }

    /// The same for PostgreSQL, where `before` values come before those of the rows. One row alone is
    /// taken as it is: each array would be made a table of its own first.
    fn postgres(mut rows: Vec<Vec<Cell>>, columns: &[&str], before: usize) -> (String, Vec<Value>) {
        let alone = if rows.len() == 1 { rows.pop() } else { None };
        let Some(row) = alone else {
            return Self::unnest(rows, columns, before);
        };
        let places: Vec<String> = (before + 1..)
            .zip(&row)
            .map(|(place, cell)| format!("${place}::{}", cell.array_type().1))
            .collect();
        let (names, places) = (columns.join(", "), places.join(", "));
        let text = format!("WITH x({names}) AS (VALUES ({places}))");
        (text, row.into_iter().map(Cell::into_value).collect())
    }

    fn unnest(rows: Vec<Vec<Cell>>, columns: &[&str], before: usize) -> (String, Vec<Value>) {
        let names = columns.join(", ");
        let types: Vec<_> = rows
            .first()
            .map(|row| row.iter().map(Cell::array_type).collect())
            .unwrap_or_default();
        let mut arrays: Vec<Vec<Value>> = vec![Vec::with_capacity(rows.len()); columns.len()];
        for row in rows {
            for (array, cell) in arrays.iter_mut().zip(row) {
                array.push(cell.into_element());
            }
        }
        let mut selected = Vec::with_capacity(columns.len());
        let mut places = Vec::with_capacity(columns.len());
        for (position, (column, (_, sql_type, null))) in columns.iter().zip(&types).enumerate() {
            places.push(format!("${}::{sql_type}[]", before + position + 1));
            selected.push(match null {
                Some(null) => format!("NULLIF({column}, {null})"),
                None => (*column).to_owned(),
            });
        }
        let text = format!(
            "WITH x({names}) AS (SELECT {} FROM UNNEST({}) AS u({names}))",
            selected.join(", "),
            places.join(", ")
        );
        let values = arrays
            .into_iter()
            .zip(types)
            .map(|(array, (kind, _, _))| Value::Array(kind, Some(Box::new(array))))
            .collect();
        (text, values)
    }

    /// Cuts into the sizes that the database should see.
    fn chunks(mut rows: Vec<Vec<Cell>>, backend: DbBackend) -> Vec<Vec<Vec<Cell>>> {
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
                chunk.resize_with(padded, || vec![Cell::Padding; width]);
            }
            chunks.push(chunk);
        }
        chunks
    }

    /// Runs `tail`, which reads from `x`, and returns what it returns. No rows: nothing is run.
    pub(super) async fn query(
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
            let statement = Self::statement(chunk, self.columns, tail, backend);
            results.append(&mut db.all(statement).await?);
        }
        Ok(results)
    }

    fn statement(
        rows: Vec<Vec<Cell>>,
        columns: &[&str],
        tail: &str,
        backend: DbBackend,
    ) -> Statement {
        let (head, values) = Self::expression(rows, columns, backend);
        let text = if backend == DbBackend::Postgres {
            format!("{head} {tail}")
        } else {
            // The order in which joins are written is the one to follow; SQLite might else read the
            // whole other table, to have its order, and look up `x` for each of its rows.
            let tail = tail
                .replace(" JOIN ", " CROSS JOIN ")
                .replace(" LEFT CROSS JOIN ", " LEFT JOIN ");
            format!("{head} {tail}")
        };
        Statement::from_sql_and_values(backend, text, values)
    }

    /// How the database would run `tail`: the lines of its plan.
    #[cfg(test)]
    pub(super) async fn plan(self, db: &impl Queries, tail: &str) -> Vec<String> {
        let backend = db.backend();
        let explain = if backend == DbBackend::Postgres {
            "EXPLAIN "
        } else {
            "EXPLAIN QUERY PLAN "
        };
        let mut lines = Vec::new();
        for chunk in Self::chunks(self.rows, backend) {
            let mut explained = Self::statement(chunk, self.columns, tail, backend);
            explained.sql.insert_str(0, explain);
            for row in db.all(explained).await.unwrap() {
                let line = row.try_get_by_index(if backend == DbBackend::Postgres { 0 } else { 3 });
                lines.push(line.unwrap());
            }
        }
        lines
    }
}

/// Changes of several tables, none of which touches a row that another one touches. PostgreSQL gets
/// them in one statement, and SQLite, where they are few, in one string of statements: the way there
/// and back, be it to another thread only, costs more than the rows.
#[derive(Default)]
pub(super) struct Combined(Vec<(Rows, String)>);

impl Combined {
    /// `tail` reads from `x`; without rows it is not run.
    pub(super) fn add(&mut self, rows: Rows, tail: impl Into<String>) {
        if !rows.rows.is_empty() {
            self.0.push((rows, tail.into()));
        }
    }

    /// `INSERT INTO table (columns of x) SELECT … FROM x`.
    pub(super) fn insert(&mut self, rows: Rows, table: &str) {
        let names = rows.columns.join(", ");
        self.add(
            rows,
            format!("INSERT INTO {table} ({names}) SELECT {names} FROM x"),
        );
    }

    /// How many rows.
    pub(super) fn len(&self) -> usize {
        self.0.iter().map(|(rows, _)| rows.len()).sum()
    }

    /// Runs all but the last statement, which goes with the commit.
    pub(super) async fn run(self, db: &impl ConnectionTrait) -> Result<Option<Statement>, Error> {
        let backend = db.get_database_backend();
        if backend == DbBackend::Postgres {
            return Ok((!self.0.is_empty()).then(|| self.into_one()));
        }
        // Of many sizes there are too many combinations to keep them prepared.
        let is_small = self.0.iter().all(|(rows, _)| rows.len() <= SMALL);
        let mut statements = Vec::new();
        for (rows, tail) in self.0 {
            for chunk in Rows::chunks(rows.rows, backend) {
                statements.push(Rows::statement(chunk, rows.columns, &tail, backend));
            }
        }
        if is_small {
            return Ok(statements.into_iter().reduce(joined));
        }
        let last = statements.pop();
        for statement in statements {
            db.execute_raw(statement).await?;
        }
        Ok(last)
    }

    /// One statement of PostgreSQL.
    fn into_one(self) -> Statement {
        let (mut parts, mut values) = (Vec::new(), Vec::new());
        for (number, (rows, tail)) in self.0.into_iter().enumerate() {
            let (head, more) = Rows::postgres(rows.rows, rows.columns, values.len());
            parts.push(format!("p{number} AS ({head} {tail})"));
            values.extend(more);
        }
        let text = format!("WITH {} SELECT 1", parts.join(", "));
        Statement::from_sql_and_values(DbBackend::Postgres, text, values)
    }
}

/// One statement of SQLite after the other, as one.
fn joined(mut first: Statement, then: Statement) -> Statement {
    first.sql.push_str("; ");
    first.sql.push_str(&then.sql);
    let more = then.values.into_iter().flat_map(|values| values.0);
    first
        .values
        .get_or_insert_with(|| Values(Vec::new()))
        .0
        .extend(more);
    first
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
