//! Durable state. The only layer that knows the database; everything that changes goes through
//! one kind of transaction (see `write`), so that a change, its log entries and its artifacts
//! cannot be written apart.

mod anonymous;
mod api_keys;
mod browser_logouts;
mod chain;
mod checkpoints;
mod convert;
mod data_keys;
mod db;
mod era;
mod error;
mod fleet;
mod lease;
mod maintenance;
mod migrate;
mod node;
mod operations;
mod places;
mod read;
mod retention;
mod schedules;
mod sql;
mod uploads;
mod verify;
mod webhooks;
mod write;
mod write_health;

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

pub use anonymous::SessionSecret;
pub use checkpoints::GrownLog;
pub use data_keys::DataKey;
pub use db::Options;
pub use error::Error;
pub use fleet::{DrainRequest, NodeInfo, NodeState};
pub use lease::LeaseConnection;
pub use migrate::migrate;
pub use node::Backlog;
pub use operations::OperationFilter;
#[cfg(test)]
pub(crate) use read::tests as read_tests;
pub use read::{
    ArtifactFilter, Below, Cancellation, ChangedIds, ChildTime, Count, Direction, ExecutionFilter,
    FailureGroup, Feed, FeedPage, FoundChanges, Lineage, LineageEdge, LineageNode, LineageRequest,
    ListPlace, LivePlace, LogRange, MOST_POINTS, Members, MetadataMember, Page, PageRequest,
    Reached, Reading, Relation, Release, SessionFilter, SessionHead, StateStamp, StatsPoint,
    StatsRequest, StepTime, StreamName, TenantDigest, Truncation, WalFilter, Walked,
};
pub use retention::{
    Ended, EndedPage, EndedPlace, EndedRoot, Kept, NextKept, Sealer, Tree, TreeMember,
};
pub use schedules::ScheduleFilter;
pub use uploads::NewUpload;
pub use verify::{ChainReport, Difference, Report};
pub use webhooks::{TroubledWebhooks, WebhookLoad};
pub use write::{
    AdvanceOperation, AdvanceSchedule, AdvanceWebhook, BySecret, CancelOperation, ChangeSchedule,
    ChangeWebhook, Claim, ClaimedBatch, CloseSession, Complete, CreateKey, CreateOperation,
    CreateSchedule, CreateSession, CreateWebhook, Emit, Fence, Key, KeyScope, MoveSession,
    NewExecution, Notice, Outcome, RecordDecision, RecordStep, RevokeKey, ScheduleChange,
    ScheduleRun, Shares, StateTarget, Submission, Submit, UpgradeSession, WebhookChange,
    WriteOptions, WriteState, WrittenState,
};

use crate::{
    model::{
        Artifact, ArtifactId, Execution, ExecutionId, ExecutionStatus, Micros, Session,
        TenantScope, TransitionRequest,
    },
    telemetry::metrics::Metrics,
};
use db::Database;
use write::Writer;
use write_health::WriteHealth;

/// The durable state of the runtime. Clones share connections and writers.
#[derive(Debug, Clone)]
pub struct Storage {
    db: Database,
    writer: Writer,
    /// Of the node's lease, which is prolonged whatever clients do.
    lease_health: WriteHealth,
    /// Of the writers' batches.
    batches: WriteHealth,
    session_heads: read::SessionHeads,
    event_pages: read::EventPages,
    endings: read::Endings,
    /// None on SQLite, whose log is settled at once.
    settled: Option<read::Settled>,
    metrics: Metrics,
}

/// The file of a `sqlite:` URL; none for another database.
#[must_use]
pub fn sqlite_file(url: &str) -> Option<std::path::PathBuf> {
    db::sqlite_path(url)
}

impl Storage {
    /// Connects to a database whose schema is in place, and starts the writers.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn connect(
        options: &Options,
        write: WriteOptions,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        let db = Database::connect(options, metrics).await?;
        let batches = WriteHealth::default();
        let writer = Writer::start(&db.writer, write, metrics, &batches);
        let session_heads = read::session_heads(&db.reader);
        let event_pages = read::event_pages(&db.reader);
        let endings = read::endings(&db.reader);
        let is_postgres = db.reader.get_database_backend() == sea_orm::DbBackend::Postgres;
        let settled = is_postgres.then(|| read::settled(&db.reader, metrics));
        Ok(Self {
            db,
            writer,
            lease_health: WriteHealth::default(),
            batches,
            session_heads,
            event_pages,
            endings,
            settled,
            metrics: metrics.clone(),
        })
    }

    /// Returns the notices of this node's commits.
    #[must_use]
    pub fn notices(&self) -> broadcast::Receiver<Arc<Vec<Notice>>> {
        self.writer.notices()
    }

    /// Returns the number of operations that wait for a writer.
    #[must_use]
    pub fn queue_depth(&self) -> usize {
        self.writer.depth()
    }

    /// Finds out whether the database answers within `limit`.
    ///
    /// # Errors
    /// When it does not.
    pub async fn ping(&self, limit: Duration) -> Result<(), Error> {
        let ping = sql::query(&self.db.reader, "SELECT 1 AS one", []);
        match tokio::time::timeout(limit, ping).await {
            Ok(answer) => answer.map(|_| ()),
            Err(_) => Err(Error::Unavailable(sea_orm::DbErr::Custom(
                "no answer in time".into(),
            ))),
        }
    }

    /// Returns whether this node's last writes succeeded.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.lease_health.is_good() && self.batches.is_good()
    }

    /// Accepts an intent of a client.
    ///
    /// # Errors
    /// [`Error::Refused`] as the contract says; [`Error::Unavailable`] when the database is away.
    pub async fn submit(&self, submit: Submit) -> Result<Submission, Error> {
        self.writer
            .offer(submit.scope.tenant().clone(), submit)
            .await
    }

    /// Accepts a child of a running execution.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the parent's attempt has ended or is being cancelled.
    pub async fn submit_child(&self, submit: Submit) -> Result<Submission, Error> {
        self.writer.run(submit).await
    }

    /// Cancels an execution and the first ones below it; a mark is left when there may be more.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or has ended.
    pub async fn cancel(
        &self,
        scope: TenantScope,
        id: ExecutionId,
        reason: Option<String>,
        actor: String,
    ) -> Result<Execution, Error> {
        self.writer
            .run(write::Cancel {
                scope,
                id,
                reason,
                actor,
            })
            .await
    }

    /// Cancels executions below one that was cancelled.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn cancel_below(
        &self,
        cancellation: &Cancellation,
        ids: Vec<ExecutionId>,
    ) -> Result<(), Error> {
        let cancel = write::CancelBelow {
            above: cancellation.execution_id,
            ids,
            reason: cancellation.reason.clone(),
            actor: cancellation.actor.clone(),
        };
        self.writer.run(cancel).await
    }

    /// Notes that a cancellation has reached all that is below it.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn end_cancellation(&self, id: ExecutionId) -> Result<(), Error> {
        self.writer.run(write::EndCancellation { id }).await
    }

    /// Takes what can run.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn claim(&self, claim: Claim) -> Result<ClaimedBatch, Error> {
        self.writer.run(claim).await
    }

    /// Notes that an execution which was started alone has company from now on.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the attempt is no longer the execution's.
    pub async fn end_solitude(&self, fence: Fence) -> Result<(), Error> {
        self.writer.run(write::EndSolitude { fence }).await
    }

    /// Ends an attempt.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the attempt is no longer the execution's;
    /// [`Error::Refused`] when an artifact cannot be registered or changed.
    pub async fn complete(&self, complete: Complete) -> Result<ExecutionStatus, Error> {
        self.writer.run(complete).await
    }

    /// Appends an event of a running handler.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the attempt is no longer the execution's.
    pub async fn emit(&self, emit: Emit) -> Result<(), Error> {
        self.writer.run(emit).await
    }

    /// Records a step's result.
    ///
    /// # Errors
    /// [`Error::Fenced`] when the attempt is no longer the execution's.
    pub async fn record_step(&self, step: RecordStep) -> Result<(), Error> {
        self.writer.run(step).await
    }

    /// Puts a decision of a policy into the log.
    ///
    /// # Errors
    /// [`Error::Refused`] when its session is absent.
    pub async fn record_decision(&self, record: RecordDecision) -> Result<(), Error> {
        self.writer
            .offer(record.scope.tenant().clone(), record)
            .await
    }

    /// Writes state of a session or an execution.
    ///
    /// # Errors
    /// [`Error::Refused`] for a stale version, a state too large, a session that has ended.
    pub async fn write_state(&self, write: WriteState) -> Result<WrittenState, Error> {
        self.writer.offer(write.scope.tenant().clone(), write).await
    }

    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::Refused`] when the id is taken.
    pub async fn create_session(&self, create: CreateSession) -> Result<Session, Error> {
        self.writer
            .offer(create.scope.tenant().clone(), create)
            .await
    }

    /// Gives an anonymous session its user.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent, ended, or has a user.
    pub async fn upgrade_session(&self, upgrade: UpgradeSession) -> Result<Session, Error> {
        self.writer
            .offer(upgrade.scope.tenant().clone(), upgrade)
            .await
    }

    /// Moves an anonymous session into the tenant of its user.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent, ended, or has a user, its secret is another one, its state has another
    /// version, or its id is taken where it goes.
    pub async fn move_session(&self, moving: MoveSession) -> Result<Session, Error> {
        self.writer
            .offer(moving.scope.tenant().clone(), moving)
            .await
    }

    /// Closes a session.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or has ended.
    pub async fn close_session(&self, close: CloseSession) -> Result<Session, Error> {
        self.writer.offer(close.scope.tenant().clone(), close).await
    }

    /// Changes an artifact's state.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or the lifecycle has no such step.
    pub async fn transition_artifact(
        &self,
        scope: TenantScope,
        request: TransitionRequest,
    ) -> Result<Artifact, Error> {
        self.writer
            .offer(
                scope.tenant().clone(),
                write::TransitionArtifact { scope, request },
            )
            .await
    }

    /// Deletes artifacts, by as many steps of the lifecycle as that takes; those that are deleted
    /// already stay as they are.
    ///
    /// # Errors
    /// [`Error::Refused`] when one is absent; then none is deleted.
    pub async fn delete_artifacts(
        &self,
        scope: TenantScope,
        ids: Vec<ArtifactId>,
        actor: String,
        reason: Option<String>,
    ) -> Result<(), Error> {
        let delete = write::DeleteArtifacts {
            scope,
            ids,
            actor,
            reason,
        };
        self.writer
            .offer(delete.scope.tenant().clone(), delete)
            .await
    }

    /// Notes that the content of deleted artifacts was put aside at `at`, or, without a time, that
    /// nothing of it is left to do.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn advance_releases(
        &self,
        ids: Vec<ArtifactId>,
        aside_at: Option<Micros>,
    ) -> Result<(), Error> {
        self.writer
            .run(write::AdvanceReleases { ids, aside_at })
            .await
    }
}
