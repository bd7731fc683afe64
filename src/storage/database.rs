//! Connections: one writer and several readers of one SQLite file, or a pool of PostgreSQL.

use std::{path::PathBuf, time::Duration};

use sea_orm::{ConnectOptions, Database as SeaOrm};

use super::{Error, timed::Timed};
use crate::telemetry::metrics::Metrics;

/// A node that stops in the middle of a transaction holds its locks no longer than this: nothing of
/// ours is done between two statements.
const IDLE_IN_TRANSACTION: &str = "5s";

/// Every statement of ours finds its rows by an index, a batch of keys at a time. A plan that
/// PostgreSQL made and kept while a table was small or its statistics old would read the whole table
/// for that instead; a table that grows by thousands of rows a second outruns its statistics.
/// Nor is there anything to learn from the values of one call. Joins are written in the order to
/// follow.
const BY_INDEX: [(&str, &str); 6] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("join_collapse_limit", "1"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// How to reach the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite://path` or `postgres://…`.
    pub url: String,
    /// Size of the pool; on SQLite that of the readers.
    pub max_connections: u32,
    /// How long a caller waits for a free connection.
    pub acquire_timeout: Duration,
    /// How long PostgreSQL works on one statement.
    pub statement_timeout: Duration,
}

/// An open database. Clones share the connections.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) reader: Timed,
    pub(super) writer: Timed,
}

impl Database {
    /// Connects; on SQLite creates the file and its folder.
    pub(super) async fn connect(options: &Options, metrics: &Metrics) -> Result<Self, Error> {
        let mut db = Self::open(options).await?;
        let (reads, writes) = (metrics.clone(), metrics.clone());
        db.reader
            .inner
            .set_metric_callback(move |_| reads.statement("read"));
        db.writer
            .inner
            .set_metric_callback(move |_| writes.statement("write"));
        Ok(db)
    }

    /// The same, uncounted.
    pub(super) async fn open(options: &Options) -> Result<Self, Error> {
        if let Some(path) = sqlite_path(&options.url) {
            if let Some(folder) = path.parent() {
                tokio::fs::create_dir_all(folder)
                    .await
                    .map_err(|e| Error::Unavailable(sea_orm::DbErr::Custom(e.to_string())))?;
            }
            // The writer goes first and alone: it switches the file to WAL mode.
            let writer = SeaOrm::connect(sqlite(options, 1, false)).await?;
            let reader = SeaOrm::connect(sqlite(options, options.max_connections, true)).await?;
            let alone = |inner| Timed { inner, limit: None };
            return Ok(Self {
                reader: alone(reader),
                writer: alone(writer),
            });
        }
        let inner = SeaOrm::connect(postgres(options)).await?;
        let limit = Some(options.acquire_timeout + options.statement_timeout);
        let pool = Timed { inner, limit };
        Ok(Self {
            reader: pool.clone(),
            writer: pool,
        })
    }
}

/// The file of a `sqlite:` URL.
pub(super) fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    Some(PathBuf::from(rest.split('?').next().unwrap_or(rest)))
}

fn sqlite(options: &Options, connections: u32, read_only: bool) -> ConnectOptions {
    let separator = if options.url.contains('?') { '&' } else { '?' };
    let url = if options.url.contains("mode=") {
        options.url.clone()
    } else {
        format!("{}{separator}mode=rwc", options.url)
    };
    let mut connect = ConnectOptions::new(url);
    connect
        .max_connections(connections)
        .min_connections(1)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(move |sqlite| {
            let sqlite = sqlite
                .busy_timeout(Duration::from_secs(2))
                .statement_cache_capacity(512)
                // Rows come from another thread, which pauses when so many are not fetched yet.
                .row_buffer_size(1024)
                .pragma("journal_mode", "WAL")
                .pragma("synchronous", "FULL")
                .pragma("wal_autocheckpoint", "4000")
                .pragma("mmap_size", "134217728")
                .pragma("cache_size", "-16000")
                .pragma("temp_store", "MEMORY");
            if read_only {
                sqlite.pragma("query_only", "ON")
            } else {
                // With 256 rows to change it would rather index those and read the whole table.
                sqlite.pragma("automatic_index", "OFF")
            }
        });
    connect
}

fn postgres(options: &Options) -> ConnectOptions {
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .statement_timeout(options.statement_timeout)
        .set_application_name("takeoff")
        // The default pings before every use, which costs a third of the reads.
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres
                .statement_cache_capacity(512)
                .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)])
                .options(BY_INDEX)
        });
    connect
}
