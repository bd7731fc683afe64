//! The nodes of a fleet as each of them sees the others, and what operators ask of them. Like a node's own lease, its row
//! is written by single statements: nothing of a tenant depends on it.

use super::{Error, Notice, Storage, node::is_alive, sql};
use crate::model::{Labels, Micros, NodeId};

/// A node that announced itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeInfo {
    /// Its incarnation.
    pub id: NodeId,
    /// The name it goes by.
    pub name: String,
    /// The version it runs.
    pub version: String,
    /// Its labels.
    pub labels: Labels,
    /// The number of executions that it can run at once.
    pub capacity: i64,
    /// The number that it ran at its last beat.
    pub running: i64,
    /// When it began.
    pub started_at: Micros,
    /// When it last renewed its lease; none for one of a version that does not tell.
    pub beat_at: Option<Micros>,
    /// Until when it is trusted to live.
    pub expires_at: Micros,
    /// True if it takes nothing new by its own word: its operator asked for it, or it stops.
    pub is_draining: bool,
    /// When its operator asked it to take nothing new.
    pub drain_requested_at: Option<Micros>,
    /// When it hands over what then still runs.
    pub hand_over_at: Option<Micros>,
    /// True if it holds executions.
    pub holds: bool,
}

/// Whether a node takes work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeState {
    /// It does.
    Active,
    /// It takes nothing new, or is asked to, and has not ended what it holds.
    Draining,
    /// It takes nothing new and holds nothing.
    Drained,
}

impl NodeInfo {
    /// Whether it takes work.
    #[must_use]
    pub fn state(&self) -> NodeState {
        match (self.is_draining, self.drain_requested_at) {
            (false, None) => NodeState::Active,
            (true, _) if !self.holds => NodeState::Drained,
            _ => NodeState::Draining,
        }
    }
}

/// The request that a node drains.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainRequest {
    /// In so many microseconds it hands over what still runs; none where that may end by itself.
    pub hand_over_in: Option<i64>,
}

impl Storage {
    /// The nodes that are alive, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_nodes(&self) -> Result<Vec<NodeInfo>, Error> {
        let db = &self.db.reader;
        let backend = db.get_database_backend();
        let text = format!(
            "SELECT {}, EXISTS (SELECT 1 FROM lease l WHERE l.node_id = n.id) AS holds \
             FROM node n WHERE n.{} ORDER BY started_at, id",
            sql::columns::<entity::node::Entity>("n"),
            is_alive(backend, sql::now_expression(backend))
        );
        let rows = sql::query(db, &text, []).await?;
        rows.iter()
            .map(|row| {
                Ok(NodeInfo {
                    id: NodeId(sql::get(row, "id")?),
                    name: sql::get(row, "name")?,
                    version: sql::get(row, "version")?,
                    labels: labels(&sql::get::<String>(row, "labels")?)?,
                    capacity: sql::get(row, "capacity")?,
                    running: sql::get(row, "running")?,
                    started_at: sql::get(row, "started_at")?,
                    beat_at: sql::get(row, "beat_at")?,
                    expires_at: sql::get(row, "expires_at")?,
                    is_draining: sql::get(row, "draining")?,
                    drain_requested_at: sql::get(row, "drain_requested_at")?,
                    hand_over_at: sql::get(row, "hand_over_at")?,
                    holds: sql::get(row, "holds")?,
                })
            })
            .collect()
    }

    /// The labels of each node that is alive and takes work; without those of `except`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn labels_at_work(&self, except: Option<NodeId>) -> Result<Vec<Labels>, Error> {
        let db = &self.db.reader;
        let backend = db.get_database_backend();
        let text = format!(
            "SELECT id, labels FROM node WHERE {} AND NOT draining AND drain_requested_at IS NULL",
            is_alive(backend, sql::now_expression(backend))
        );
        let mut all = Vec::new();
        for row in sql::query(db, &text, []).await? {
            if except != Some(NodeId(sql::get(&row, "id")?)) {
                all.push(labels(&sql::get::<String>(&row, "labels")?)?);
            }
        }
        Ok(all)
    }

    /// Asks a node to take nothing new, and after `hand_over_micros` to hand over what still runs there. Asked again it
    /// keeps the time of the first request and takes the new one's end. False when no such node is alive.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn request_drain(
        &self,
        node: NodeId,
        hand_over_micros: Option<i64>,
    ) -> Result<bool, Error> {
        let db = &self.db.writer;
        let now = sql::now_expression(db.backend());
        let text = format!(
            "UPDATE node SET drain_requested_at = COALESCE(drain_requested_at, {now}), \
             hand_over_at = {now} + $2 WHERE id = $1 AND {}",
            is_alive(db.backend(), now)
        );
        let values = [node.0.into(), hand_over_micros.into()];
        let asked = db.execute(&text, values).await?;
        self.writer.tell(Notice::NodeAsked(node));
        Ok(asked == 1)
    }

    /// Takes the request back. False when no such node is alive.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn cancel_drain(&self, node: NodeId) -> Result<bool, Error> {
        let db = &self.db.writer;
        let now = sql::now_expression(db.backend());
        let text = format!(
            "UPDATE node SET drain_requested_at = NULL, hand_over_at = NULL WHERE id = $1 AND {}",
            is_alive(db.backend(), now)
        );
        let asked = db.execute(&text, [node.0.into()]).await?;
        self.writer.tell(Notice::NodeAsked(node));
        Ok(asked == 1)
    }

    /// Returns whether a node is asked to drain.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_drain_request(&self, node: NodeId) -> Result<Option<DrainRequest>, Error> {
        let db = &self.db.reader;
        let now = sql::now_expression(db.get_database_backend());
        let text = format!(
            "SELECT hand_over_at - {now} AS hand_over_in FROM node \
             WHERE id = $1 AND drain_requested_at IS NOT NULL"
        );
        let rows = sql::query(db, &text, [node.0.into()]).await?;
        let request = |row| -> Result<_, Error> {
            let hand_over_in = sql::get(row, "hand_over_in")?;
            Ok(DrainRequest { hand_over_in })
        };
        rows.first().map(request).transpose()
    }

    /// Lets a node tell whether it takes nothing new.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn set_draining(&self, node: NodeId, is_draining: bool) -> Result<(), Error> {
        let text = "UPDATE node SET draining = $2 WHERE id = $1";
        let values = [node.0.into(), is_draining.into()];
        self.db.writer.execute(text, values).await?;
        Ok(())
    }
}

/// Labels as `node.labels` keeps them: an object of JSON.
pub(super) fn labels_text(labels: &Labels) -> String {
    let pairs = labels.iter();
    let pairs = pairs.map(|(name, value)| (name.to_owned(), serde_json::Value::from(value)));
    serde_json::Value::Object(pairs.collect()).to_string()
}

fn labels(text: &str) -> Result<Labels, Error> {
    serde_json::from_str(text).map_err(|error| Error::Corrupt {
        what: "node.labels",
        source: Some(error.into()),
    })
}

#[cfg(test)]
mod tests;
