//! Rows as a transaction holds them.

use uuid::Uuid;

use crate::model::{Artifact, ArtifactId, ExecutionId, RawJson, Session, TenantId};

/// A row that was loaded or made, and whether it must be written back.
#[derive(Debug)]
pub(super) struct Tracked<T> {
    pub(super) row: T,
    pub(super) is_new: bool,
    pub(super) dirty: bool,
}

impl<T> Tracked<T> {
    pub(super) fn loaded(row: T) -> Self {
        Self {
            row,
            is_new: false,
            dirty: false,
        }
    }
    pub(super) fn new(row: T) -> Self {
        Self {
            row,
            is_new: true,
            dirty: false,
        }
    }
}

#[derive(Debug)]
pub(super) struct SessionRow {
    pub(super) session: Session,
    /// None where the stream has the session's own id.
    pub(super) stream_id: Option<Uuid>,
    pub(super) next_seq: i64,
}

#[derive(Debug, Clone)]
pub(super) struct StateRow {
    pub(super) tenant_id: TenantId,
    pub(super) state: RawJson,
    pub(super) version: i64,
}

#[derive(Debug)]
pub(super) struct ArtifactRow {
    pub(super) artifact: Artifact,
    /// None until the row is inserted.
    pub(super) key: Option<i64>,
    pub(super) parents: Vec<ArtifactId>,
}

/// Who holds a key.
#[derive(Debug, Clone)]
pub(super) struct KeyHolder {
    pub(super) execution_id: ExecutionId,
    pub(super) request_hash: String,
}

/// An execution whose node is dead.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lost {
    pub(super) id: ExecutionId,
    /// False when the node gave its lease up by itself.
    pub(super) process_gone: bool,
    /// Whether nothing else ran on the node.
    pub(super) was_alone: bool,
}

/// A cancellation of an execution further up that is under way.
#[derive(Debug, Clone)]
pub(super) struct Mark {
    pub(super) reason: Option<String>,
    pub(super) actor: String,
}
