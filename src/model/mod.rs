//! The vocabulary of the runtime: ids, records, events and states, without storage or transport.
//!
//! Everything here is plain data. States carry one `can_become` table each; whoever changes a
//! state asks it.

mod address;
mod api_key;
mod artifact;
mod bucket;
mod budget;
mod bulk_operation;
mod canonical_json;
mod chain_hash;
mod checkpoint;
mod coded;
mod cursor;
mod event;
mod execution;
mod grants;
mod id;
mod json;
mod key_ring;
mod labels;
mod limit;
mod meter;
mod places;
mod principal;
mod reach;
mod refusal;
mod schedule;
pub(crate) mod sealed;
mod session;
mod text;
mod upload;
mod webhook;

pub use address::network;
pub use api_key::{ApiKey, KeyRights};
pub use artifact::{
    Artifact, ArtifactState, ArtifactTransition, Materialization, NewArtifact, NewMaterialization,
    TransitionRequest,
};
pub use bucket::{Bucket, Rate};
pub use budget::{Budget, CostQuota, Priority, Turn, Work, price};
pub use bulk_operation::{
    BulkOperation, OperationCounts, OperationKind, OperationRefusal, OperationStatus,
};
pub use chain_hash::ChainHash;
pub use checkpoint::{
    BadKeptCheckpoint, Checkpoint, KeptCheckpoint, KeptEntries, LogHead, RemovedEntry, Signed,
};
pub use cursor::{Cursor, CursorError};
pub(crate) use event::Cause;
pub use event::{
    Event, EventBody, EventCodecError, EventData, EventShown, EventType, StateWriteMode,
    StreamKind, error_shown,
};
pub use execution::{
    ErrorLink, Execution, ExecutionError, ExecutionStatus, Intent, Queue, Step, WaitReason, Waiting,
};
pub use grants::{Action, Grants, GrantsError, GrantsTextError, Scope, ScopeError};
pub use id::{
    ArtifactId, EventId, ExecutionId, IdError, IntentId, KeyId, MaterializationId, NodeId,
    OperationId, ScheduleId, SessionId, UploadId, WebhookId,
};
pub use json::{JsonError, Payload, PayloadHead, RawJson, merge_patch};
pub(crate) use key_ring::hmac_by;
pub use key_ring::{KeyRing, KeyRingError, RingKey};
pub use labels::{Labels, LabelsError};
pub use limit::{Limit, LimitPolicy};
pub use meter::{Meter, Running, Usage};
pub use places::Places;
pub use principal::{Principal, TenantId, TenantIdError, TenantScope};
pub use reach::Reach;
pub use refusal::{Fault, Refusal};
pub use schedule::{Overlap, Schedule, ScheduleError, ScheduleStatus, ScheduleTimes};
pub use session::{Session, SessionKey, SessionStatus};
pub(crate) use text::{check_reason, is_name, is_prose};
pub use upload::Upload;
pub use webhook::{
    Delivery, DisabledReason, EventFilter, Webhook, WebhookChangeKind, WebhookSecrets,
    WebhookStatus,
};

/// A point in time in microseconds since 1970-01-01T00:00:00Z, as the database keeps it.
pub type Micros = i64;

/// The UTC time of `micros`, clamped to what chrono can express.
#[must_use]
pub fn time_of(micros: Micros) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_micros(micros).unwrap_or(chrono::DateTime::UNIX_EPOCH)
}
