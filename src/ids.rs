//! The one source of new ids. Tests seed it; everything else takes it as an argument.

use std::{fmt, sync::Arc};

use uuid::Uuid;

use crate::model::{
    ExecutionId, KeyId, NodeId, OperationId, ScheduleId, SessionId, UploadId, WebhookId,
};

/// Makes ids. Clones share the source.
#[derive(Clone)]
pub struct IdSource(Arc<dyn Fn() -> Uuid + Send + Sync>);

impl IdSource {
    /// Version 7 UUIDs: they sort by the time of their making.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that makes ids")]
    pub fn system() -> Self {
        Self(Arc::new(Uuid::now_v7))
    }

    /// Ids of the caller's making; no two may be alike.
    #[must_use]
    pub fn made_by(make: impl Fn() -> Uuid + Send + Sync + 'static) -> Self {
        Self(Arc::new(make))
    }

    /// The same ids in the same order for the same seed.
    #[must_use]
    pub fn seeded(seed: u64) -> Self {
        let count = std::sync::atomic::AtomicU64::new(0);
        Self(Arc::new(move || {
            let next = count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let random = (seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ next).to_be_bytes();
            let mut tail = [0_u8; 10];
            tail[..8].copy_from_slice(&random);
            uuid::Builder::from_unix_timestamp_millis(next, &tail).into_uuid()
        }))
    }

    /// An id for a session.
    #[must_use]
    pub fn session(&self) -> SessionId {
        SessionId((self.0)())
    }

    /// An id for an execution.
    #[must_use]
    pub fn execution(&self) -> ExecutionId {
        ExecutionId((self.0)())
    }

    /// An id for an upload.
    #[must_use]
    pub fn upload(&self) -> UploadId {
        UploadId((self.0)())
    }

    /// An id for a key of the API.
    #[must_use]
    pub fn key(&self) -> KeyId {
        KeyId((self.0)())
    }

    /// An id for a schedule.
    #[must_use]
    pub fn schedule(&self) -> ScheduleId {
        ScheduleId((self.0)())
    }

    /// An id for a bulk operation.
    #[must_use]
    pub fn operation(&self) -> OperationId {
        OperationId((self.0)())
    }

    /// An id for a webhook.
    #[must_use]
    pub fn webhook(&self) -> WebhookId {
        WebhookId((self.0)())
    }

    /// An id for one start of a node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        NodeId((self.0)())
    }
}

impl fmt::Debug for IdSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("IdSource")
    }
}
