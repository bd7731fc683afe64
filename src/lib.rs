//! Takeoff: an intent runtime behind a GraphQL API.

pub mod artifact_registry;
pub mod clock;
pub mod config;
pub mod content;
pub mod events;
pub mod hot;
pub mod ids;
pub mod model;
pub mod redis;
pub mod runtime;
pub mod state_surface;
pub mod storage;
pub mod telemetry;
