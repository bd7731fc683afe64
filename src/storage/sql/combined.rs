//! The changes of one transaction.

use sea_orm::{ConnectionTrait, DbBackend, Statement, Values};

use super::{super::Error, Rows};

/// No more rows than this are few.
const SMALL: usize = 2;

/// Changes of several tables, none of which touches a row that another one touches. PostgreSQL gets
/// them in one statement, and SQLite, where they are few, in one string of statements: the way there
/// and back, be it to another thread only, costs more than the rows.
#[derive(Default)]
pub(in crate::storage) struct Combined(Vec<(Rows, String)>);

impl Combined {
    /// `tail` reads from `x`; without rows it is not run.
    pub(in crate::storage) fn add(&mut self, rows: Rows, tail: impl Into<String>) {
        if !rows.is_empty() {
            self.0.push((rows, tail.into()));
        }
    }

    /// `INSERT INTO table (columns of x) SELECT … FROM x`.
    pub(in crate::storage) fn insert(&mut self, rows: Rows, table: &str) {
        if rows.is_empty() {
            return;
        }
        let names = rows.names();
        let tail = format!("INSERT INTO {table} ({names}) SELECT {names} FROM x");
        self.add(rows, tail);
    }

    /// Returns the number of rows.
    pub(in crate::storage) fn len(&self) -> usize {
        self.0.iter().map(|(rows, _)| rows.len()).sum()
    }

    /// Runs all but the last statement, which goes with the commit.
    pub(in crate::storage) async fn run(
        self,
        db: &impl ConnectionTrait,
    ) -> Result<Option<Statement>, Error> {
        let backend = db.get_database_backend();
        if backend == DbBackend::Postgres {
            return Ok((!self.0.is_empty()).then(|| self.into_one()));
        }
        // Of many sizes there are too many combinations to keep them prepared.
        let is_small = self.0.iter().all(|(rows, _)| rows.len() <= SMALL);
        let mut statements = Vec::new();
        for (rows, tail) in self.0 {
            for chunk in Rows::chunks(rows.rows, backend) {
                statements.push(Rows::statement(chunk, &rows.columns, &tail, backend));
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
            let (head, more) = Rows::postgres(rows.rows, &rows.columns, values.len());
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
