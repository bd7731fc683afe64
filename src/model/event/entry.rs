//! An entry of the log with its place, and the streams that entries stand in.

use std::sync::Arc;

use uuid::Uuid;

use super::EventBody;
use crate::model::{Cursor, EventId, ExecutionId, Micros, Payload, SessionId, TenantId};

/// The kind of record that a stream of the log belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// One execution, from created to its terminal event.
    Execution,
    /// One session.
    Session,
    /// One artifact, for changes that no running execution makes.
    Artifact,
    /// One key of the API.
    Key,
    /// One schedule.
    Schedule,
    /// One bulk operation.
    Operation,
    /// One webhook.
    Webhook,
}

impl StreamKind {
    /// The number that the database keeps.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The kind with that number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        let all = [
            Self::Execution,
            Self::Session,
            Self::Artifact,
            Self::Key,
            Self::Schedule,
            Self::Operation,
            Self::Webhook,
        ];
        all.into_iter().find(|k| k.code() == code)
    }
}

/// One entry of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// The kind of record that the stream belongs to.
    pub stream_kind: StreamKind,
    /// The execution, the artifact, the key, the schedule, the bulk operation or the webhook; of a session only where the
    /// server made the session's id.
    pub stream_id: Uuid,
    /// Its place: dense within the stream, and in the order of the whole log.
    pub cursor: Cursor,
    /// The tenant.
    pub tenant_id: TenantId,
    /// The session it happened in; the nil id for what is in none, as a key or a schedule.
    pub session_id: SessionId,
    /// The type of the execution's intent; none in other streams.
    pub intent_type: Option<String>,
    /// Who caused it: the caller's name, and for what a handler does that of whoever submitted its
    /// execution. None where the runtime did it by itself, and in entries that were written before this
    /// was told.
    pub actor: Option<Arc<str>>,
    /// The body: what happened.
    pub body: EventBody,
    /// The large value that goes with it.
    pub payload: Option<Payload>,
    /// The time.
    pub occurred_at: Micros,
}

impl Event {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> EventId {
        EventId::of(self.stream_id, self.cursor.seq)
    }

    /// The execution, when the stream is an execution's.
    #[must_use]
    pub fn execution_id(&self) -> Option<ExecutionId> {
        (self.stream_kind == StreamKind::Execution).then_some(ExecutionId(self.stream_id))
    }
}
