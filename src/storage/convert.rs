//! Rows to records. A value that does not convert is reported as corrupt, never skipped.

use entity::{
    artifact, artifact_transition, event, execution, materialization, session, step, upload,
};

use super::Error;
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
        Ok(Self {
            id: ExecutionId(row.id),
            intent: Intent {
                id: IntentId(row.intent_id),
                intent_type: row.intent_type,
                tenant_id: TenantId::stored(&row.tenant_id),
                session_id: SessionId(row.session_id),
                solution_id: row.solution_id,
                parameters: Payload::stored(row.parameters),
                metadata: RawJson::trusted(row.metadata),
                idempotency_key: row.idempotency_key,
                created_at: row.intent_created_at,
            },
            handler_name: row.handler_name,
            queue: known(Queue::from_name(&row.queue), "queue")?,
            submitted_by: row.actor.map(Into::into),
            status: execution_status(row.status)?,
            epoch: row.epoch,
            attempt: row.attempt,
            lost_attempts: row.lost_attempts,
            crashes: row.crashes,
            interruptions: row.interruptions,
            repetitions: row.repetitions,
            priority: row.priority,
            next_seq: row.next_seq,
            last_tx: row.last_tx,
            parent_id: row.parent_id.map(ExecutionId),
            root_id: row.root_id.map(ExecutionId),
            depth: row.depth,
            child_key: row.child_key,
            rerun_of: row.rerun_of.map(ExecutionId),
            run_at: row.run_at,
            deadline_at: row.deadline_at,
            cancel_requested_at: row.cancel_requested_at,
            cancel_reason: row.cancel_reason,
            result: row.result.map(Payload::stored),
            error: row
                .error
                .map(|text| json(&text, "execution error"))
                .transpose()?,
            created_at: row.created_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
        })
    }
}

impl TryFrom<session::Model> for Session {
    type Error = Error;

    fn try_from(row: session::Model) -> Result<Self, Error> {
        Ok(Self {
            id: SessionId(row.id),
            tenant_id: TenantId::stored(&row.tenant_id),
            user_id: row.user_id,
            solution_id: row.solution_id,
            is_anonymous: row.is_anonymous,
            status: session_status(row.status)?,
            metadata: RawJson::trusted(row.metadata),
            state: RawJson::trusted(row.state),
            state_version: row.state_version,
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        })
    }
}

impl From<step::Model> for Step {
    fn from(row: step::Model) -> Self {
        Self {
            execution_id: ExecutionId(row.execution_id),
            name: row.name,
            attempt: row.attempt,
            result: Payload::stored(row.result),
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

impl TryFrom<event::Model> for Event {
    type Error = Error;

    fn try_from(row: event::Model) -> Result<Self, Error> {
        let body = EventBody::decode(&row.event_type, &row.data)
            .map_err(|e| Error::corrupt("event", e))?;
        Ok(Self {
            stream_kind: known(StreamKind::from_code(row.stream_kind), "stream kind")?,
            stream_id: row.stream_id,
            cursor: Cursor {
                tx: row.tx,
                ord: row.ord,
                seq: row.seq,
            },
            tenant_id: TenantId::stored(&row.tenant_id),
            session_id: SessionId(row.session_id),
            intent_type: row.intent_type,
            actor: row.actor.map(Into::into),
            body,
            payload: row.payload.map(Payload::stored),
            occurred_at: row.occurred_at,
        })
    }
}

impl TryFrom<artifact::Model> for Artifact {
    type Error = Error;

    fn try_from(row: artifact::Model) -> Result<Self, Error> {
        Ok(Self {
            id: ArtifactId(row.id),
            artifact_type: row.artifact_type,
            tenant_id: TenantId::stored(&row.tenant_id),
            session_id: SessionId(row.session_id),
            execution_id: ExecutionId(row.execution_id),
            intent_id: IntentId(row.intent_id),
            intent_type: row.intent_type,
            state: artifact_state(row.state)?,
            semantic_descriptor: RawJson::trusted(row.semantic_descriptor),
            display_name: row.display_name,
            owner: row.owner,
            purpose: row.purpose,
            generation: row.generation,
            roots: json(&row.roots, "artifact roots")?,
            content_hash: row.content_hash,
            version: row.version,
            next_seq: row.next_seq,
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    }
}

impl TryFrom<artifact_transition::Model> for ArtifactTransition {
    type Error = Error;

    fn try_from(row: artifact_transition::Model) -> Result<Self, Error> {
        Ok(Self {
            artifact_id: ArtifactId(row.artifact_id),
            from: row.from_state.map(artifact_state).transpose()?,
            to: artifact_state(row.to_state)?,
            at: row.at,
            actor: row.actor,
            reason: row.reason,
        })
    }
}

impl From<materialization::Model> for Materialization {
    fn from(row: materialization::Model) -> Self {
        Self {
            id: MaterializationId(row.id),
            artifact_id: ArtifactId(row.artifact_id),
            storage_type: row.storage_type,
            uri: row.uri,
            format: row.format,
            compression: row.compression,
            size_bytes: row.size_bytes,
            digest: row.digest,
            created_at: row.created_at,
        }
    }
}

impl From<upload::Model> for Upload {
    fn from(row: upload::Model) -> Self {
        Self {
            id: UploadId(row.id),
            tenant_id: TenantId::stored(&row.tenant_id),
            filename: row.filename,
            mime_type: row.mime_type,
            declared_size_bytes: row.declared_size_bytes,
            digest: row.digest,
            created_at: row.created_at,
            expires_at: row.expires_at,
            completed_at: row.completed_at,
        }
    }
}
