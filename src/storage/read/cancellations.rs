//! Cancellations that have not reached all of their executions yet, and what is left below them.

use uuid::Uuid;

use super::super::{Error, Storage, places::LIVE, sql};
use crate::model::ExecutionId;
use sql::{Rows, get};

/// A cancellation that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancellation {
    /// The execution that was cancelled.
    pub execution_id: ExecutionId,
    /// The root of its tree; itself if it is the root.
    pub root_id: ExecutionId,
    /// Its depth.
    pub depth: i64,
    /// The reason.
    pub reason: Option<String>,
    /// By whom.
    pub actor: String,
}

/// The progress of a cancellation: executions are reached in the order of their depth and id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The depth.
    pub depth: i64,
    /// The last one of that depth.
    pub id: ExecutionId,
}

impl Cancellation {
    /// Before all that is below it.
    #[must_use]
    pub fn beginning(&self) -> Reached {
        Reached {
            depth: self.depth,
            id: ExecutionId(Uuid::max()),
        }
    }
}

/// The next live executions of a tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Below {
    /// Those that are below the cancelled one and have not been told.
    pub ids: Vec<ExecutionId>,
    /// The progress when these are cancelled; none when nothing is left.
    pub last: Option<Reached>,
}

const COLUMNS: &str = "c.execution_id, c.root_id, c.depth, c.reason, c.actor";

fn cancellation(row: &sea_orm::QueryResult) -> Result<Cancellation, Error> {
    Ok(Cancellation {
        execution_id: ExecutionId(get(row, "execution_id")?),
        root_id: ExecutionId(get(row, "root_id")?),
        depth: get(row, "depth")?,
        reason: get(row, "reason")?,
        actor: get(row, "actor")?,
    })
}

impl Storage {
    /// The cancellations of these executions that are under way.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancellations_of(&self, ids: &[ExecutionId]) -> Result<Vec<Cancellation>, Error> {
        let rows = Rows::column("id", ids.iter().map(|id| id.0));
        let join = sql::join(&self.db.reader);
        let tail =
            format!("SELECT {COLUMNS} FROM x {join} cancellation c ON c.execution_id = x.id");
        let rows = rows.query(&self.db.reader, &tail).await?;
        rows.iter().map(cancellation).collect()
    }

    /// Cancellations that nobody has gone on with for `micros`, up to `limit`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancellations_untouched_for(
        &self,
        micros: i64,
        limit: u32,
    ) -> Result<Vec<Cancellation>, Error> {
        let now = sql::now_expression(self.db.reader.get_database_backend());
        let text = format!(
            "SELECT {COLUMNS} FROM cancellation c WHERE c.touched_at <= {now} - $1 \
             ORDER BY c.execution_id LIMIT {limit}"
        );
        let rows = sql::query(&self.db.reader, &text, [micros.into()]).await?;
        rows.iter().map(cancellation).collect()
    }

    /// The next `most` live executions of a tree after a place, all of one depth: whoever tells them
    /// before asking again has told all parents before their children are looked for, and a parent that
    /// was told has no new ones.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn live_below(
        &self,
        cancellation: &Cancellation,
        after: Reached,
        most: u32,
    ) -> Result<Below, Error> {
        let page = format!(
            "SELECT id, depth, parent_id, cancel_requested_at FROM execution \
             WHERE root_id = $1 AND root_id IS NOT NULL AND {LIVE} \
             AND (depth, id) > ($2, $3) ORDER BY depth, id LIMIT $4"
        );
        let mut values: Vec<sea_orm::Value> = vec![
            cancellation.root_id.0.into(),
            after.depth.into(),
            after.id.0.into(),
            i64::from(most).into(),
        ];
        let text = if cancellation.execution_id == cancellation.root_id {
            format!("SELECT p.id, p.depth, p.cancel_requested_at, true AS is_below FROM ({page}) p")
        } else {
            values.push(cancellation.depth.into());
            values.push(cancellation.execution_id.0.into());
            // From each one up to the depth of the cancelled one, of which there is one above it.
            format!(
                "WITH RECURSIVE page AS MATERIALIZED ({page}), \
                 up(id, depth, cancel_requested_at, above, level) AS ( \
                 SELECT id, depth, cancel_requested_at, parent_id, depth - 1 FROM page \
                 UNION ALL SELECT up.id, up.depth, up.cancel_requested_at, e.parent_id, \
                 up.level - 1 FROM up JOIN execution e ON e.id = up.above WHERE up.level > $5) \
                 SELECT id, depth, cancel_requested_at, above = $6 AS is_below FROM up \
                 WHERE level = $5 ORDER BY depth, id"
            )
        };
        let mut below = Below::default();
        for row in sql::query(&self.db.reader, &text, values).await? {
            let place = Reached {
                depth: get(&row, "depth")?,
                id: ExecutionId(get(&row, "id")?),
            };
            if below.last.is_some_and(|last| last.depth != place.depth) {
                break;
            }
            below.last = Some(place);
            let told: Option<i64> = get(&row, "cancel_requested_at")?;
            if told.is_none() && get::<bool>(&row, "is_below")? {
                below.ids.push(place.id);
            }
        }
        Ok(below)
    }
}
