//! The GraphQL API over the services. Resolvers ask who calls, make one service call or one load,
//! and map the answer; no SQL and no rules live here.
//!
//! Everything that a client sees carries a description, and no error text of a lower layer passes:
//! resolvers fail with [`ApiError`](crate::api::ApiError), which cannot be shown by itself.

mod error;
mod executor;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod gate;
mod loading;
mod mutation;
mod query;
mod schema;
mod subscription;
mod transport;
mod types;

pub use executor::Api;
pub use gate::{Gate, GateLimits, TrustedError};
pub use schema::{Schema, export_schema};
pub use transport::{HttpOptions, PageLogin, WebSocketOptions, routes};
