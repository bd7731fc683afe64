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
mod chain;
mod changes;
mod chaos;
mod cli;
mod cli_commands;
mod content;
mod engine;
mod events;
mod example;
mod export;
mod failover;
mod feeds;
mod fleet;
mod former;
mod guide;
mod hostile;
mod http;
mod idempotency;
mod intent_limits;
mod isolation;
mod layers;
mod lease;
mod limits;
mod lists;
mod operations;
mod outage;
mod policy;
mod previews;
mod private;
mod properties;
mod proxies;
mod quotas;
mod readiness;
mod recovery;
mod rest;
mod restore;
mod retention;
mod schedules;
mod search;
mod secrets;
mod sensitive;
mod sessions;
mod start;
mod statements;
mod subscriptions;
mod timeline;
mod tls;
mod upgrade;
mod uploads;
mod verify;
mod webhooks;
mod websocket;
