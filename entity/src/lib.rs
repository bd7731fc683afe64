//! The tables of Takeoff as sea-orm entities, one file a table.
//!
//! Ids are bare UUIDs and states bare numbers here; the storage layer converts them.

#![expect(
    missing_docs,
    reason = "a column is explained where the model gives it a meaning"
)]

pub mod api_key;
pub mod artifact;
pub mod artifact_edge;
pub mod artifact_found;
pub mod artifact_transition;
pub mod cancellation;
pub mod content_release;
pub mod event;
pub mod execution;
pub mod execution_state;
pub mod idempotency;
pub mod lease;
pub mod materialization;
pub mod node;
pub mod ready;
pub mod session;
pub mod step;
pub mod timer;
pub mod upload;
