//! The integration tests: the whole server, on every backend there is.
//!
//! SQLite is always there. PostgreSQL and Redis are used when `TAKEOFF_TEST_DATABASE_URL` and
//! `TAKEOFF_TEST_REDIS_URL` name them, as `scripts/test` does; what is left out is said once.
#![cfg(test)]

mod support;

mod actors;
mod api;
mod artifacts;
mod attempts;
mod auth;
mod cancel;
mod chaos;
mod cli;
mod cli_commands;
mod content;
mod engine;
mod events;
mod example;
mod failover;
mod feeds;
mod former;
mod guide;
mod hostile;
mod http;
mod idempotency;
mod layers;
mod lease;
mod limits;
mod lists;
mod outage;
mod private;
mod properties;
mod readiness;
mod recovery;
mod rest;
mod restore;
mod sessions;
mod start;
mod statements;
mod subscriptions;
mod upgrade;
mod uploads;
mod verify;
mod websocket;
