//! Rows to records. A value that does not convert is reported as corrupt, never skipped.

mod checkpoints;
mod operations;
mod records;
mod schedules;
mod webhooks;

use entity::{
    api_key, artifact, artifact_transition, event, execution, materialization, session, step,
    upload,
};

use super::{Error, chain};
use crate::model::{
    ApiKey, Artifact, ArtifactId, ArtifactState, ArtifactTransition, ChainHash, Cursor, Event,
    EventBody, Execution, ExecutionId, ExecutionStatus, Grants, Intent, IntentId, KeyId, KeyRights,
    Materialization, MaterializationId, Payload, Queue, RawJson, Session, SessionId, SessionStatus,
    Step, StreamKind, TenantId, Upload, UploadId,
};
pub(super) use operations::StoredOperation;
pub(super) use records::{ArtifactRow, EventRow, SessionRow, error_code_of};
pub(super) use schedules::StoredSchedule;
pub(super) use webhooks::StoredWebhook;

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
            user_id,
            grants,
            last_hash,
            sealed,
            limits,
            // Part of the error.
            error_code: _,
        } = row;
        let grants = grants.map(|text| text.parse());
        let grants = grants.transpose();
        Ok(Self {
            id: ExecutionId(id),
            intent: Intent {
                id: IntentId(intent_id),
                intent_type,
                tenant_id: TenantId::stored(&tenant_id),
                session_id: SessionId(session_id),
                solution_id,
                parameters: Payload::stored(parameters),
                sealed: sealed.map(Payload::stored),
                metadata: RawJson::trusted(metadata),
                idempotency_key,
                created_at: intent_created_at,
            },
            handler_name,
            queue: known(Queue::from_name(&queue), "queue")?,
            limits,
            submitted_by: actor.map(Into::into),
            user_id: user_id.map(Into::into),
            grants: grants
                .map_err(|e| Error::corrupt("scopes of an execution", e))?
                .unwrap_or_else(Grants::all),
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
            last_hash: chain::stored(last_hash)?,
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
            last_hash: _,
            secret_digest: _,
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
            hash: _,
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
            user_id,
            last_hash: _,
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
            user_id: user_id.map(Into::into),
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
            reach: upload.reach,
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
            reach,
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
            reach,
        }
    }
}

/// A key with the digest of its secret.
#[derive(Debug, Clone)]
pub(super) struct StoredKey {
    pub(super) key: ApiKey,
    /// SHA-256 (hex) of its whole text.
    pub(super) digest: String,
    /// The hash of the last entry of its stream.
    pub(super) last_hash: Option<ChainHash>,
}

impl TryFrom<api_key::Model> for StoredKey {
    type Error = Error;

    fn try_from(row: api_key::Model) -> Result<Self, Error> {
        let api_key::Model {
            id,
            tenant_id,
            prefix,
            digest,
            roles,
            scopes,
            label,
            created_by,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
            last_hash,
        } = row;
        let scopes = scopes.parse();
        let rights = KeyRights {
            roles: roles.split_whitespace().map(str::to_owned).collect(),
            scopes: scopes.map_err(|e| Error::corrupt("scopes of a key", e))?,
        };
        let key = ApiKey {
            id: KeyId(id),
            tenant_id: TenantId::stored(&tenant_id),
            prefix,
            rights,
            label,
            created_by,
            created_at,
            expires_at,
            last_used_at,
            revoked_at,
        };
        Ok(Self {
            key,
            digest,
            last_hash: chain::stored(last_hash)?,
        })
    }
}

impl From<StoredKey> for api_key::Model {
    fn from(row: StoredKey) -> Self {
        let StoredKey {
            key,
            digest,
            last_hash,
        } = row;
        Self {
            id: key.id.0,
            tenant_id: key.tenant_id.to_string(),
            prefix: key.prefix,
            digest,
            roles: key.rights.roles.join(" "),
            scopes: key.rights.scopes.to_string(),
            label: key.label,
            created_by: key.created_by,
            created_at: key.created_at,
            expires_at: key.expires_at,
            last_used_at: key.last_used_at,
            revoked_at: key.revoked_at,
            last_hash: last_hash.map(|hash| hash.0.to_vec()),
        }
    }
}
