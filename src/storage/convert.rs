//! Rows to records and back. A value that does not convert is reported as corrupt, never skipped.

use entity::{
    artifact, artifact_transition, event, execution, materialization, session, step, upload,
};

use sea_orm::Value;
use uuid::Uuid;

use super::{Error, sql::Record};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, Cursor, Event, EventBody, Execution,
    ExecutionId, ExecutionStatus, Intent, IntentId, Materialization, MaterializationId, Payload,
    Queue, RawJson, Session, SessionId, SessionStatus, Step, StreamKind, TenantId, Upload,
    UploadId,
};

fn known<T>(value: Option<T>, what: &'static str) -> Result<T, Error> {
    value.ok_or(Error::Corrupt { what, source: None })
}

fn json<T: serde::de::DeserializeOwned>(text: &str, what: &'static str) -> Result<T, Error> {
    serde_json::from_str(text).map_err(|e| Error::corrupt(what, e))
}

pub(super) fn artifact_state(code: i64) -> Result<ArtifactState, Error> {
    known(ArtifactState::from_code(code), "artifact state")
}

pub(super) fn session_status(code: i64) -> Result<SessionStatus, Error> {
    known(SessionStatus::from_code(code), "session status")
}

pub(super) fn execution_status(code: i64) -> Result<ExecutionStatus, Error> {
    known(ExecutionStatus::from_code(code), "execution status")
}

impl TryFrom<execution::Model> for Execution {
    type Error = Error;

    fn try_from(row: execution::Model) -> Result<Self, Error> {
        let execution::Model {
            id,
            tenant_id,
            intent_id,
            intent_type,
            handler_name,
            session_id,
            solution_id,
            parameters,
            metadata,
            idempotency_key,
            intent_created_at,
            parent_id,
            child_key,
            rerun_of,
            status,
            epoch,
            attempt,
            lost_attempts,
            priority,
            next_seq,
            last_tx,
            run_at,
            deadline_at,
            cancel_requested_at,
            cancel_reason,
            result,
            error,
            created_at,
            started_at,
            finished_at,
            root_id,
            depth,
            crashes,
            interruptions,
            repetitions,
            queue,
            actor,
        } = row;
        Ok(Self {
            id: ExecutionId(id),
            intent: Intent {
                id: IntentId(intent_id),
                intent_type,
                tenant_id: TenantId::stored(&tenant_id),
                session_id: SessionId(session_id),
                solution_id,
                parameters: Payload::stored(parameters),
                metadata: RawJson::trusted(metadata),
                idempotency_key,
                created_at: intent_created_at,
            },
            handler_name,
            queue: known(Queue::from_name(&queue), "queue")?,
            submitted_by: actor.map(Into::into),
            status: execution_status(status)?,
            epoch,
            attempt,
            lost_attempts,
            crashes,
            interruptions,
            repetitions,
            priority,
            next_seq,
            last_tx,
            parent_id: parent_id.map(ExecutionId),
            root_id: root_id.map(ExecutionId),
            depth,
            child_key,
            rerun_of: rerun_of.map(ExecutionId),
            run_at,
            deadline_at,
            cancel_requested_at,
            cancel_reason,
            result: result.map(Payload::stored),
            error: error
                .map(|text| json(&text, "execution error"))
                .transpose()?,
            created_at,
            started_at,
            finished_at,
        })
    }
}

impl TryFrom<session::Model> for Session {
    type Error = Error;

    fn try_from(row: session::Model) -> Result<Self, Error> {
        let session::Model {
            id,
            tenant_id,
            stream_id: _,
            user_id,
            solution_id,
            is_anonymous,
            status,
            metadata,
            state,
            state_version,
            next_seq: _,
            created_at,
            updated_at,
            expires_at,
        } = row;
        Ok(Self {
            id: SessionId(id),
            tenant_id: TenantId::stored(&tenant_id),
            user_id,
            solution_id,
            is_anonymous,
            status: session_status(status)?,
            metadata: RawJson::trusted(metadata),
            state: RawJson::trusted(state),
            state_version,
            created_at,
            updated_at,
            expires_at,
        })
    }
}

impl From<step::Model> for Step {
    fn from(row: step::Model) -> Self {
        let step::Model {
            execution_id,
            name,
            epoch: _,
            attempt,
            result,
            started_at,
            finished_at,
        } = row;
        Self {
            execution_id: ExecutionId(execution_id),
            name,
            attempt,
            result: Payload::stored(result),
            started_at,
            finished_at,
        }
    }
}

impl TryFrom<event::Model> for Event {
    type Error = Error;

    fn try_from(row: event::Model) -> Result<Self, Error> {
        let event::Model {
            stream_id,
            seq,
            stream_kind,
            tenant_id,
            session_id,
            intent_type,
            event_type,
            data,
            payload,
            tx,
            ord,
            occurred_at,
            actor,
        } = row;
        let body = EventBody::decode(&event_type, &data).map_err(|e| Error::corrupt("event", e))?;
        Ok(Self {
            stream_kind: known(StreamKind::from_code(stream_kind), "stream kind")?,
            stream_id,
            cursor: Cursor { tx, ord, seq },
            tenant_id: TenantId::stored(&tenant_id),
            session_id: SessionId(session_id),
            intent_type,
            actor: actor.map(Into::into),
            body,
            payload: payload.map(Payload::stored),
            occurred_at,
        })
    }
}

impl TryFrom<artifact::Model> for Artifact {
    type Error = Error;

    fn try_from(row: artifact::Model) -> Result<Self, Error> {
        let artifact::Model {
            key: _,
            id,
            tenant_id,
            artifact_type,
            session_id,
            execution_id,
            intent_id,
            intent_type,
            state,
            semantic_descriptor,
            display_name,
            owner,
            purpose,
            generation,
            roots,
            content_hash,
            version,
            next_seq,
            created_at,
            updated_at,
        } = row;
        Ok(Self {
            id: ArtifactId(id),
            artifact_type,
            tenant_id: TenantId::stored(&tenant_id),
            session_id: SessionId(session_id),
            execution_id: ExecutionId(execution_id),
            intent_id: IntentId(intent_id),
            intent_type,
            state: artifact_state(state)?,
            semantic_descriptor: RawJson::trusted(semantic_descriptor),
            display_name,
            owner,
            purpose,
            generation,
            roots: json(&roots, "artifact roots")?,
            content_hash,
            version,
            next_seq,
            created_at,
            updated_at,
        })
    }
}

impl TryFrom<artifact_transition::Model> for ArtifactTransition {
    type Error = Error;

    fn try_from(row: artifact_transition::Model) -> Result<Self, Error> {
        let artifact_transition::Model {
            artifact_id,
            version: _,
            from_state,
            to_state,
            at,
            actor,
            reason,
        } = row;
        Ok(Self {
            artifact_id: ArtifactId(artifact_id),
            from: from_state.map(artifact_state).transpose()?,
            to: artifact_state(to_state)?,
            at,
            actor,
            reason,
        })
    }
}

impl From<materialization::Model> for Materialization {
    fn from(row: materialization::Model) -> Self {
        let materialization::Model {
            id,
            artifact_id,
            storage_type,
            uri,
            format,
            compression,
            size_bytes,
            digest,
            created_at,
        } = row;
        Self {
            id: MaterializationId(id),
            artifact_id: ArtifactId(artifact_id),
            storage_type,
            uri,
            format,
            compression,
            size_bytes,
            digest,
            created_at,
        }
    }
}

impl From<Upload> for upload::Model {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id.0,
            tenant_id: upload.tenant_id.to_string(),
            filename: upload.filename,
            mime_type: upload.mime_type,
            declared_size_bytes: upload.declared_size_bytes,
            digest: upload.digest,
            created_at: upload.created_at,
            expires_at: upload.expires_at,
            completed_at: upload.completed_at,
        }
    }
}

impl From<Materialization> for materialization::Model {
    fn from(form: Materialization) -> Self {
        Self {
            id: form.id.0,
            artifact_id: form.artifact_id.0,
            storage_type: form.storage_type,
            uri: form.uri,
            format: form.format,
            compression: form.compression,
            size_bytes: form.size_bytes,
            digest: form.digest,
            created_at: form.created_at,
        }
    }
}

impl From<upload::Model> for Upload {
    fn from(row: upload::Model) -> Self {
        let upload::Model {
            id,
            tenant_id,
            filename,
            mime_type,
            declared_size_bytes,
            digest,
            created_at,
            expires_at,
            completed_at,
        } = row;
        Self {
            id: UploadId(id),
            tenant_id: TenantId::stored(&tenant_id),
            filename,
            mime_type,
            declared_size_bytes,
            digest,
            created_at,
            expires_at,
            completed_at,
        }
    }
}

fn text(value: &str) -> Value {
    value.to_owned().into()
}

fn optional_text(value: Option<&str>) -> Value {
    value.map(str::to_owned).into()
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
        }
    }
}

/// A session with what its stream in the log needs.
#[derive(Debug)]
pub(super) struct SessionRow {
    pub(super) session: Session,
    /// None where the stream has the session's own id.
    pub(super) stream_id: Option<Uuid>,
    pub(super) next_seq: i64,
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
        }
    }
}

/// An entry of the log with the two columns that its body makes.
pub(super) struct EventRow<'a> {
    event: &'a Event,
    event_type: String,
    data: String,
}

impl<'a> EventRow<'a> {
    pub(super) fn of(event: &'a Event) -> Result<Self, Error> {
        let encoded = event.body.encode();
        let (event_type, data) = encoded.map_err(|e| Error::corrupt("event", e))?;
        Ok(Self {
            event,
            event_type,
            data,
        })
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
        }
    }
}

/// An artifact with its place in the order of all; none until its row is inserted.
#[derive(Debug)]
pub(super) struct ArtifactRow {
    pub(super) artifact: Artifact,
    pub(super) key: Option<i64>,
    pub(super) parents: Vec<ArtifactId>,
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
        }
    }
}
