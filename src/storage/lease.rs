//! The connection by which a node prolongs its lease.
//!
//! On PostgreSQL it is one of its own: requests may have every connection of the pool, and each of
//! them may be slow. On SQLite it is that of the writer. A second one that writes would only wait for
//! the same lock, and out of turn; here the lease comes after the batch that is on its way, and being
//! late costs nothing (`node::is_alive`).

use std::time::Duration;

use sea_orm::{DbBackend, DbErr, RuntimeErr, Statement, Value};
use sqlx::PgConnection;

use super::{
    Error, NodeInfo, Storage,
    db::{LeaseOptions, Purpose, WriteConnection, execution_error, query, sent, within},
    error::is_outage,
    fleet::labels_text,
    node::is_alive,
    sql,
    write_health::WriteHealth,
};
use crate::{model::NodeId, telemetry::metrics::Metrics};

/// Prolongs the lease of one node. It belongs to the async runtime in which it is first used.
#[derive(Debug)]
pub struct LeaseConnection {
    through: Through,
    health: WriteHealth,
}

#[derive(Debug)]
enum Through {
    Postgres(Box<Own>),
    Sqlite(WriteConnection),
}

/// A connection to PostgreSQL that is made anew when it fails.
#[derive(Debug)]
struct Own {
    options: LeaseOptions,
    limit: Option<Duration>,
    /// None before the first use, and after a statement that did not come to its end.
    connection: Option<PgConnection>,
    metrics: Metrics,
}

impl Storage {
    /// Returns the connection by which a node prolongs its lease; it connects when it is used.
    #[must_use]
    pub fn lease_connection(&self) -> LeaseConnection {
        let through = match (&self.db.writer, &self.db.lease) {
            (WriteConnection::Postgres(pool, _), Some(options)) => {
                Through::Postgres(Box::new(Own {
                    options: options.clone(),
                    limit: pool.limit,
                    connection: None,
                    metrics: self.metrics.clone(),
                }))
            }
            (writer, _) => Through::Sqlite(writer.clone()),
        };
        LeaseConnection {
            through,
            health: self.lease_health.clone(),
        }
    }
}

impl LeaseConnection {
    /// Announces an incarnation that holds its lease for `lease_micros`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn announce(&mut self, node: &NodeInfo, lease_micros: i64) -> Result<(), Error> {
        let now = sql::now_expression(self.backend());
        let text = format!(
            "INSERT INTO node (id, name, version, capacity, running, started_at, expires_at, labels, beat_at, \
             draining, drain_requested_at, hand_over_at) \
             VALUES ($1, $2, $3, $4, $5, {now}, {now} + $6, $7, {now}, $8, $9, $10)"
        );
        let values = vec![
            node.id.0.into(),
            node.name.as_str().into(),
            node.version.as_str().into(),
            node.capacity.into(),
            node.running.into(),
            lease_micros.into(),
            labels_text(&node.labels).into(),
            node.is_draining.into(),
            node.drain_requested_at.into(),
            node.hand_over_at.into(),
        ];
        self.execute(text, values).await.map(|_| ())
    }

    /// Prolongs the lease to `lease_micros` from now. False when the incarnation was declared dead
    /// meanwhile: its executions may run elsewhere.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prolong(&mut self, node: &NodeInfo, lease_micros: i64) -> Result<bool, Error> {
        let now = sql::now_expression(self.backend());
        let text = format!(
            "UPDATE node SET running = $2, expires_at = {now} + $3, beat_at = {now} WHERE id = $1 AND {}",
            is_alive(self.backend(), now)
        );
        let values = vec![node.id.0.into(), node.running.into(), lease_micros.into()];
        let prolonged = self.execute(text, values).await;
        self.health.note(&prolonged);
        Ok(prolonged? == 1)
    }

    /// Ends an incarnation whose process lives: what it still holds may be taken at once, and is
    /// not to blame.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retire(&mut self, node: NodeId) -> Result<(), Error> {
        let text = "DELETE FROM node WHERE id = $1".to_owned();
        self.execute(text, vec![node.0.into()]).await.map(|_| ())
    }

    fn backend(&self) -> DbBackend {
        match &self.through {
            Through::Postgres(_) => DbBackend::Postgres,
            Through::Sqlite(_) => DbBackend::Sqlite,
        }
    }

    /// Runs one statement; the number of rows it changed.
    async fn execute(&mut self, text: String, values: Vec<Value>) -> Result<u64, Error> {
        match &mut self.through {
            Through::Postgres(own) => {
                let statement = Statement::from_sql_and_values(DbBackend::Postgres, text, values);
                Ok(within(own.limit, own.execute(statement)).await?)
            }
            Through::Sqlite(writer) => writer.execute(&text, values).await,
        }
    }
}

impl Own {
    async fn execute(&mut self, statement: Statement) -> Result<u64, DbErr> {
        // Taken out meanwhile: given up before its answer has come, it is not used again.
        if let Some(connection) = self.connection.take() {
            match self.run(connection, statement.clone()).await {
                // It may have been lost while nothing was asked of it.
                Err(error) if is_outage(&error) => {}
                answer => return answer,
            }
        }
        let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
        let connection = self.options.connect().await.map_err(unreachable)?;
        self.run(connection, statement).await
    }

    async fn run(
        &mut self,
        mut connection: PgConnection,
        statement: Statement,
    ) -> Result<u64, DbErr> {
        sent(&self.metrics, Purpose::Write, &statement.sql);
        let answer = query(statement).execute(&mut connection).await;
        let answer = answer.map_err(execution_error);
        if !matches!(&answer, Err(error) if is_outage(error)) {
            self.connection = Some(connection);
        }
        Ok(answer?.rows_affected())
    }
}
