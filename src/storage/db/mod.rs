//! Connections to the database: one that writes and several that read one SQLite file, or a pool of
//! PostgreSQL with a connection pinned to each writer.

mod connection;
mod database;
mod exclusive;
mod hosts;
mod interruptible;
mod pinned;
mod reader;
mod sent;
mod timed;

use super::{Error, era, error, sql};
pub(super) use connection::{Transaction, WriteConnection};
#[cfg(test)]
pub(super) use database::BY_INDEX;
pub use database::Options;
pub(super) use database::{
    APPLICATION, Database, LeaseOptions, primary_url, sqlite_migrator, sqlite_path,
};
pub(super) use exclusive::{execution_error, query};
#[cfg(test)]
pub(super) use reader::recorded;
pub(super) use reader::{Reader, Scoped};
pub(super) use sent::{Purpose, sent};
pub(super) use timed::within;
