//! Takeoff: an intent runtime behind a GraphQL API.
pub mod model;
pub mod storage;
