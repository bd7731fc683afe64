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
pub mod browser_logout;
pub mod cancellation;
pub mod checkpoint;
pub mod content_release;
pub mod data_key;
pub mod event;
pub mod execution;
pub mod execution_count;
pub mod execution_state;
pub mod idempotency;
pub mod lease;
pub mod limit_place;
pub mod log_trim;
pub mod materialization;
pub mod node;
pub mod operation;
pub mod ready;
pub mod removed_entry;
pub mod schedule;
pub mod schedule_run;
pub mod session;
pub mod step;
pub mod timer;
pub mod upload;
pub mod webhook;
