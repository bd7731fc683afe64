//! Node incarnations. A node prolongs its lease before its time runs out (`lease`); whoever missed that
//! is dead, and its executions are taken back. Both sides of the comparison are the database's clock.

use sea_orm::{DbBackend, TryGetable};

use super::{
    Error, Fence, Storage,
    places::{self, LIVE},
    sql,
};
use crate::model::{ExecutionId, Micros, NodeId};

/// The amounts of work by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Can run now and waits for a slot.
    pub ready: i64,
    /// Due later: delayed starts and retries.
    pub scheduled: i64,
    /// Held by a node.
    pub running: i64,
}

/// Returns the condition that an incarnation lives on the table `node`. SQLite serves one process,
/// which holds a lock on the file: what others left behind is declared dead at its start, and its
/// own lease cannot be taken from it, however late it is prolonged.
pub(super) fn is_alive(backend: DbBackend, now: &str) -> String {
    let since = match backend {
        DbBackend::Postgres => now,
        _ => "0",
    };
    format!("expires_at > {since}")
}

impl Storage {
    /// The random id of this database, which no other has but a copy of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn installation_id(&self) -> Result<uuid::Uuid, Error> {
        self.installation("id").await
    }

    /// The secret of this database that marks the copies of states which its nodes keep elsewhere.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn copy_secret(&self) -> Result<String, Error> {
        self.installation("copy_secret").await
    }

    async fn installation<T: TryGetable>(&self, column: &str) -> Result<T, Error> {
        let text = format!("SELECT {column} FROM installation");
        let rows = sql::query(&self.db.reader, &text, []).await?;
        let row = rows.first().ok_or(Error::Corrupt {
            what: "installation",
            source: None,
        })?;
        sql::get(row, column)
    }

    /// Declares every other incarnation dead. Right only where this process is known to be alone,
    /// as with an embedded database that it holds the lock of.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire_others(&self, node: NodeId) -> Result<(), Error> {
        // They end here, and not before: their processes are gone, and what they ran may be why.
        let text = "UPDATE node SET expires_at = 0 WHERE id <> $1";
        self.db.writer.execute(text, [node.0.into()]).await?;
        Ok(())
    }

    /// Forgets incarnations that died long ago and hold nothing.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn forget_dead_nodes(&self) -> Result<(), Error> {
        let db = &self.db.writer;
        let now = sql::now_expression(db.backend());
        let text = format!(
            "DELETE FROM node WHERE expires_at < {now} - 3600000000 \
             AND NOT EXISTS (SELECT 1 FROM lease WHERE lease.node_id = node.id)"
        );
        db.execute(&text, []).await?;
        Ok(())
    }

    /// Returns the fences of what an incarnation holds.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leases_of(&self, node: NodeId) -> Result<Vec<Fence>, Error> {
        let text = "SELECT execution_id, epoch FROM lease WHERE node_id = $1";
        let rows = sql::query(&self.db.reader, text, [node.0.into()]).await?;
        rows.iter()
            .map(|row| {
                Ok(Fence {
                    execution_id: ExecutionId(sql::get(row, "execution_id")?),
                    epoch: sql::get(row, "epoch")?,
                })
            })
            .collect()
    }

    /// Returns the amounts of work by where it stands, over all tenants.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backlog(&self) -> Result<Backlog, Error> {
        let text = format!(
            "SELECT (SELECT COUNT(*) FROM ready) AS ready, \
             (SELECT COUNT(*) FROM timer WHERE {}) AS scheduled, \
             (SELECT COUNT(*) FROM lease) AS running",
            places::is_a_place()
        );
        let rows = sql::query(&self.db.reader, &text, []).await?;
        let row = rows.first().ok_or(Error::Corrupt {
            what: "backlog",
            source: None,
        })?;
        Ok(Backlog {
            ready: sql::get(row, "ready")?,
            scheduled: sql::get(row, "scheduled")?,
            running: sql::get(row, "running")?,
        })
    }

    /// The time of the database's clock.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn now(&self) -> Result<Micros, Error> {
        let db = &self.db.reader;
        let now = sql::now_expression(db.get_database_backend());
        let rows = sql::query(db, &format!("SELECT {now} AS now"), []).await?;
        let row = rows.first().ok_or(Error::Corrupt {
            what: "time",
            source: None,
        });
        sql::get(row?, "now")
    }

    /// Microseconds until the next timer is due; none when none is set.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn next_timer_in(&self) -> Result<Option<i64>, Error> {
        let db = &self.db.reader;
        let now = sql::now_expression(db.get_database_backend());
        let text = format!("SELECT MIN(fire_at) - {now} AS due_in FROM timer");
        let rows = sql::query(db, &text, []).await?;
        rows.first().map_or(Ok(None), |row| sql::get(row, "due_in"))
    }

    /// Those among `ids` that `node` holds and that should stop.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_requested(
        &self,
        node: NodeId,
        ids: &[ExecutionId],
    ) -> Result<Vec<ExecutionId>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT e.id FROM x {join} lease l ON l.execution_id = x.id \
             {join} execution e ON e.id = x.id \
             WHERE l.node_id = x.node AND e.cancel_requested_at IS NOT NULL AND e.{LIVE}"
        );
        let mut rows = sql::Rows::of(&["id", "node"]);
        for id in ids {
            rows.push(vec![id.0.into(), node.0.into()]);
        }
        let rows = rows.query(&self.db.reader, &tail).await?;
        rows.iter()
            .map(|row| Ok(ExecutionId(sql::get(row, "id")?)))
            .collect()
    }
}
