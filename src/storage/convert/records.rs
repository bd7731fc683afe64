//! Records to rows, column by column.

use entity::{artifact, event, execution, session};
use sea_orm::Value;
use uuid::Uuid;

use super::super::{Error, chain::Entry, sql::Record};
use crate::model::{
    Artifact, ArtifactId, ChainHash, Event, Execution, ExecutionStatus, Grants, Payload, Session,
};

fn text(value: &str) -> Value {
    value.to_owned().into()
}

fn optional_text(value: Option<&str>) -> Value {
    value.map(str::to_owned).into()
}

fn hash(value: Option<ChainHash>) -> Value {
    value.map(|hash| hash.0.to_vec()).into()
}

/// The code with which an execution failed, as it is stored; none for others.
pub(in crate::storage) fn error_code_of(execution: &Execution) -> Option<String> {
    let error = execution.error.as_ref();
    let error = error.filter(|_| execution.status == ExecutionStatus::Failed);
    // PostgreSQL has no text with a zero character.
    error.map(|error| error.code.replace('\0', ""))
}

impl Record<execution::Entity> for Execution {
    fn value(&self, column: execution::Column) -> Value {
        use execution::Column;
        let intent = &self.intent;
        match column {
            Column::Id => self.id.0.into(),
            Column::TenantId => text(intent.tenant_id.as_str()),
            Column::IntentId => intent.id.0.into(),
            Column::IntentType => text(&intent.intent_type),
            Column::HandlerName => text(&self.handler_name),
            Column::SessionId => intent.session_id.0.into(),
            Column::SolutionId => text(&intent.solution_id),
            Column::Parameters => text(intent.parameters.as_str()),
            Column::Metadata => text(intent.metadata.as_str()),
            Column::IdempotencyKey => optional_text(intent.idempotency_key.as_deref()),
            Column::IntentCreatedAt => intent.created_at.into(),
            Column::ParentId => self.parent_id.map(|id| id.0).into(),
            Column::ChildKey => optional_text(self.child_key.as_deref()),
            Column::RerunOf => self.rerun_of.map(|id| id.0).into(),
            Column::Status => self.status.code().into(),
            Column::Epoch => self.epoch.into(),
            Column::Attempt => self.attempt.into(),
            Column::LostAttempts => self.lost_attempts.into(),
            Column::Priority => self.priority.into(),
            Column::NextSeq => self.next_seq.into(),
            Column::LastTx => self.last_tx.into(),
            Column::RunAt => self.run_at.into(),
            Column::DeadlineAt => self.deadline_at.into(),
            Column::CancelRequestedAt => self.cancel_requested_at.into(),
            Column::CancelReason => optional_text(self.cancel_reason.as_deref()),
            Column::Result => optional_text(self.result.as_ref().map(Payload::as_str)),
            Column::Error => {
                let error = self.error.as_ref();
                error
                    .and_then(|error| serde_json::to_string(error).ok())
                    .into()
            }
            Column::ErrorCode => error_code_of(self).into(),
            Column::CreatedAt => self.created_at.into(),
            Column::StartedAt => self.started_at.into(),
            Column::FinishedAt => self.finished_at.into(),
            Column::RootId => self.root_id.map(|id| id.0).into(),
            Column::Depth => self.depth.into(),
            Column::Crashes => self.crashes.into(),
            Column::Interruptions => self.interruptions.into(),
            Column::Repetitions => self.repetitions.into(),
            Column::Queue => text(&self.queue.name()),
            Column::Actor => optional_text(self.submitted_by.as_deref()),
            Column::UserId => optional_text(self.user_id.as_deref()),
            Column::Grants => (self.grants != Grants::all())
                .then(|| self.grants.to_string())
                .into(),
            Column::LastHash => hash(self.last_hash),
            Column::Sealed => optional_text(intent.sealed.as_ref().map(Payload::as_str)),
            Column::Limits => self.limits.into(),
        }
    }
}

/// A session with what its stream in the log needs.
#[derive(Debug)]
pub(in crate::storage) struct SessionRow {
    pub(in crate::storage) session: Session,
    /// None where the stream has the session's own id.
    pub(in crate::storage) stream_id: Option<Uuid>,
    pub(in crate::storage) next_seq: i64,
    /// The hash of the last entry of its stream.
    pub(in crate::storage) last_hash: Option<ChainHash>,
    /// SHA-256 (hex) of the secret by which it is used while it is anonymous.
    pub(in crate::storage) secret_digest: Option<String>,
}

impl Record<session::Entity> for SessionRow {
    fn value(&self, column: session::Column) -> Value {
        use session::Column;
        let session = &self.session;
        match column {
            Column::Id => session.id.0.into(),
            Column::TenantId => text(session.tenant_id.as_str()),
            Column::StreamId => self.stream_id.into(),
            Column::UserId => optional_text(session.user_id.as_deref()),
            Column::SolutionId => optional_text(session.solution_id.as_deref()),
            Column::IsAnonymous => session.is_anonymous.into(),
            Column::Status => session.status.code().into(),
            Column::Metadata => text(session.metadata.as_str()),
            Column::State => text(session.state.as_str()),
            Column::StateVersion => session.state_version.into(),
            Column::NextSeq => self.next_seq.into(),
            Column::CreatedAt => session.created_at.into(),
            Column::UpdatedAt => session.updated_at.into(),
            Column::ExpiresAt => session.expires_at.into(),
            Column::LastHash => hash(self.last_hash),
            Column::SecretDigest => optional_text(self.secret_digest.as_deref()),
        }
    }
}

/// An entry of the log with the two columns that its body makes, and its hash once it is linked.
pub(in crate::storage) struct EventRow<'a> {
    event: &'a Event,
    event_type: String,
    data: String,
    pub(in crate::storage) hash: Option<ChainHash>,
}

impl<'a> EventRow<'a> {
    pub(in crate::storage) fn of(event: &'a Event) -> Result<Self, Error> {
        let encoded = event.body.encode();
        let (event_type, data) = encoded.map_err(|e| Error::corrupt("event", e))?;
        Ok(Self {
            event,
            event_type,
            data,
            hash: None,
        })
    }

    /// What the hash covers.
    pub(in crate::storage) fn entry(&self) -> Entry<'_> {
        let event = self.event;
        Entry {
            stream_id: event.stream_id,
            seq: event.cursor.seq,
            stream_kind: event.stream_kind.code(),
            tenant_id: event.tenant_id.as_str(),
            session_id: event.session_id.0,
            intent_type: event.intent_type.as_deref(),
            event_type: &self.event_type,
            data: &self.data,
            payload: event.payload.as_ref().map(Payload::as_str),
            tx: event.cursor.tx,
            ord: event.cursor.ord,
            occurred_at: event.occurred_at,
            actor: event.actor.as_deref(),
        }
    }
}

impl Record<event::Entity> for EventRow<'_> {
    fn value(&self, column: event::Column) -> Value {
        use event::Column;
        let event = self.event;
        match column {
            Column::StreamId => event.stream_id.into(),
            Column::Seq => event.cursor.seq.into(),
            Column::StreamKind => event.stream_kind.code().into(),
            Column::TenantId => text(event.tenant_id.as_str()),
            Column::SessionId => event.session_id.0.into(),
            Column::IntentType => optional_text(event.intent_type.as_deref()),
            Column::EventType => text(&self.event_type),
            Column::Data => text(&self.data),
            Column::Payload => optional_text(event.payload.as_ref().map(Payload::as_str)),
            Column::Tx => event.cursor.tx.into(),
            Column::Ord => event.cursor.ord.into(),
            Column::OccurredAt => event.occurred_at.into(),
            Column::Actor => optional_text(event.actor.as_deref()),
            Column::Hash => hash(self.hash),
        }
    }
}

/// An artifact with its place in the order of all; none until its row is inserted.
#[derive(Debug)]
pub(in crate::storage) struct ArtifactRow {
    pub(in crate::storage) artifact: Artifact,
    pub(in crate::storage) key: Option<i64>,
    pub(in crate::storage) parents: Vec<ArtifactId>,
    /// The hash of the last entry of its own stream.
    pub(in crate::storage) last_hash: Option<ChainHash>,
}

impl Record<artifact::Entity> for ArtifactRow {
    fn value(&self, column: artifact::Column) -> Value {
        use artifact::Column;
        let artifact = &self.artifact;
        match column {
            Column::Key => self.key.into(),
            Column::Id => artifact.id.0.into(),
            Column::TenantId => text(artifact.tenant_id.as_str()),
            Column::ArtifactType => text(&artifact.artifact_type),
            Column::SessionId => artifact.session_id.0.into(),
            Column::ExecutionId => artifact.execution_id.0.into(),
            Column::IntentId => artifact.intent_id.0.into(),
            Column::IntentType => text(&artifact.intent_type),
            Column::State => artifact.state.code().into(),
            Column::SemanticDescriptor => text(artifact.semantic_descriptor.as_str()),
            Column::DisplayName => optional_text(artifact.display_name.as_deref()),
            Column::Owner => optional_text(artifact.owner.as_deref()),
            Column::Purpose => optional_text(artifact.purpose.as_deref()),
            Column::Generation => artifact.generation.into(),
            Column::Roots => serde_json::to_string(&artifact.roots)
                .unwrap_or_default()
                .into(),
            Column::ContentHash => text(&artifact.content_hash),
            Column::Version => artifact.version.into(),
            Column::NextSeq => artifact.next_seq.into(),
            Column::CreatedAt => artifact.created_at.into(),
            Column::UpdatedAt => artifact.updated_at.into(),
            Column::UserId => optional_text(artifact.user_id.as_deref()),
            Column::LastHash => hash(self.last_hash),
        }
    }
}
