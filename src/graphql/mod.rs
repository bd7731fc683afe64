//! The GraphQL API over the services. Resolvers ask who calls, make one service call or one load,
//! and map the answer; no SQL and no rules live here.
//!
//! Everything that a client sees carries a description, and no error text of a lower layer passes:
//! resolvers fail with [`ApiError`](crate::api::ApiError), which cannot be shown by itself.

mod answer;
mod artifact;
mod caller;
mod connection;
mod error;
mod event;
mod execution;
mod executor;
mod filter;
mod gate;
mod graphiql;
mod http;
mod ids;
mod intent;
mod intent_type;
mod json;
mod lineage;
mod loader;
mod loaders;
mod mutation;
mod negotiation;
mod node;
mod query;
mod runtime_status;
mod scalars;
mod schema;
mod session;
mod stream;
mod subscription;
mod total;
mod user_error;
mod viewer;
mod wal;
mod websocket;

pub use executor::Api;
pub use gate::{Gate, GateLimits, TrustedError};
pub use http::{HttpOptions, routes};
pub use schema::{Schema, export_schema};
pub use websocket::WebSocketOptions;
