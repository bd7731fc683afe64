//! Takeoff: an intent runtime behind a GraphQL API.

pub mod api;
pub mod app;
pub mod artifact_registry;
pub mod auth;
pub mod cli;
pub mod clock;
pub mod config;
pub mod console;
pub mod content;
pub mod events;
pub mod executions;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
pub mod graphql;
pub mod hot;
pub mod ids;
pub mod model;
pub mod policy;
pub mod prelude;
pub mod quotas;
pub mod redis;
pub mod rest;
pub mod runtime;
pub mod services;
pub mod solutions;
pub mod state_surface;
pub mod storage;
pub mod telemetry;
pub mod uploads;
pub mod vault;
