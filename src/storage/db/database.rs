//! Connections: one writer and several readers of one SQLite file, or a pool of PostgreSQL.

use std::{path::PathBuf, sync::Arc, time::Duration};

use sea_orm::{ConnectOptions, Database as SeaOrm, DatabaseConnection, DbErr, RuntimeErr};
use sqlx::{
    ConnectOptions as _, Connection as _, Executor as _, PgConnection, SqliteConnection,
    postgres::PgConnectOptions, sqlite::SqliteConnectOptions,
};

use tokio::runtime::Handle;

use super::{
    Error,
    connection::WriteConnection,
    era,
    exclusive::Exclusive,
    hosts::{Following, Hosts},
    interruptible::Interruptible,
    pinned::Pinned,
    reader::{ReadConnections, Reader},
    sent::Purpose,
    timed::Timed,
};
use crate::telemetry::metrics::Metrics;

/// A node that stops in the middle of a transaction holds its locks no longer than this: nothing of
/// ours is done between two statements.
const IDLE_IN_TRANSACTION: &str = "5s";

/// The names of sessions on PostgreSQL; writers are known by theirs.
pub(in crate::storage) const APPLICATION: &str = "takeoff";
const LEASE_APPLICATION: &str = "takeoff-lease";

/// The settings that make PostgreSQL find rows by indexes, with generic plans. Every statement finds its
/// rows by an index, a batch of keys at a time. A plan that was made while a table was small or its
/// statistics old would read the whole table instead, and a table that grows by thousands of rows a
/// second outruns its statistics. The values of one call tell nothing more. Joins are written in the
/// order to follow.
///
/// An index has the order of a list, which a bitmap loses, and a statement that reads so few rows ends before another
/// process has started to help.
pub(in crate::storage) const BY_INDEX: [(&str, &str); 8] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("join_collapse_limit", "1"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("enable_bitmapscan", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("jit", "off"),
];

/// Lets PostgreSQL look, while it works on a statement, whether the connection is still there.
const ENDS_WITH_ITS_CLIENT: &str = "SET client_connection_check_interval = '200ms'";

/// Access to the database.
#[derive(Debug, Clone)]
pub struct Options {
    /// `sqlite://path` or `postgres://…`, which may name several hosts with commas between them.
    pub url: String,
    /// Size of the pool; on SQLite that of the readers.
    pub max_connections: u32,
    /// The longest wait of a caller for a free connection.
    pub acquire_timeout: Duration,
    /// The longest time that PostgreSQL works on one statement.
    pub statement_timeout: Duration,
    /// Threads of low priority; SQLite reads for tenants that ask very much on threads like these.
    pub low: Option<Handle>,
}

/// An open database. Clones share the connections.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Database {
    pub(in crate::storage) reader: Reader,
    pub(in crate::storage) writer: WriteConnection,
    /// The connection by which the node's lease is prolonged; none on SQLite, whose writer does it.
    pub(in crate::storage) lease: Option<LeaseOptions>,
    _following: Option<Arc<Following>>,
}

/// How the connection is made by which the lease is prolonged.
#[derive(Debug, Clone)]
pub(in crate::storage) struct LeaseOptions {
    hosts: Arc<Hosts>,
    options: PgConnectOptions,
}

impl LeaseOptions {
    /// A new connection to the primary.
    pub(in crate::storage) async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        self.hosts.lead(self.options.clone()).connect().await
    }
}

impl Database {
    /// Connects to a database that is there.
    pub(in crate::storage) async fn connect(
        options: &Options,
        metrics: &Metrics,
    ) -> Result<Self, Error> {
        if sqlite_path(&options.url).is_some() {
            // The writer goes first and alone: it switches the file to WAL mode.
            let writer = Exclusive::new(sqlite_writer(options).await?, metrics);
            let inner = SeaOrm::connect(sqlite_readers(options)).await?;
            let whole = Timed::new(inner, None, metrics, Purpose::Whole);
            let connections = ReadConnections::Sqlite {
                normal: sqlite_interruptible(options, None)?,
                low: sqlite_interruptible(options, options.low.clone())?,
            };
            return Ok(Self {
                reader: Reader::new(whole, connections, options.max_connections, metrics),
                writer: WriteConnection::Sqlite(writer),
                lease: None,
                _following: None,
            });
        }
        let hosts = Arc::new(Hosts::of(&options.url));
        let lease = postgres_lease(options, &hosts)?;
        if hosts.are_several() {
            lead(&hosts, options).await?;
        }
        let inner = SeaOrm::connect(postgres(options, &hosts)).await?;
        let limit = Some(options.acquire_timeout + options.statement_timeout);
        let writer = Timed::new(inner.clone(), limit, metrics, Purpose::Write);
        let pool = inner.get_postgres_connection_pool().clone();
        let pinned = Pinned::new(pool.clone(), metrics);
        let following = hosts.are_several().then(|| {
            let follows = hosts.follow(pool.clone(), lease.clone(), options.acquire_timeout);
            Arc::new(follows)
        });
        let whole = Timed::new(inner, limit, metrics, Purpose::Whole);
        let connections = ReadConnections::Postgres(pool);
        Ok(Self {
            reader: Reader::new(whole, connections, options.max_connections, metrics),
            writer: WriteConnection::Postgres(writer, pinned),
            lease: Some(LeaseOptions {
                hosts,
                options: lease,
            }),
            _following: following,
        })
    }
}

/// Finds the primary among the hosts of an address.
async fn lead(hosts: &Hosts, options: &Options) -> Result<(), Error> {
    let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
    let lease = postgres_lease(options, hosts)?;
    let found = hosts.find(&lease, options.acquire_timeout).await;
    let closed = found.map_err(unreachable)?.close().await;
    Ok(closed.map_err(unreachable)?)
}

/// The address of the primary alone.
pub(in crate::storage) async fn primary_url(options: &Options) -> Result<String, Error> {
    let hosts = Hosts::of(&options.url);
    if hosts.are_several() {
        lead(&hosts, options).await?;
    }
    Ok(hosts.url())
}

/// One connection to SQLite, for changes.
async fn sqlite_writer(options: &Options) -> Result<SqliteConnection, Error> {
    let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
    let connect = async {
        let connect: SqliteConnectOptions = options.url.parse()?;
        // With 256 rows to change it would rather index those and read the whole table.
        let connect = tuned(connect).pragma("automatic_index", "OFF");
        connect.disable_statement_logging().connect().await
    };
    Ok(connect.await.map_err(unreachable)?)
}

/// One connection to SQLite, for migrations; creates the file.
pub(in crate::storage) async fn sqlite_migrator(
    options: &Options,
) -> Result<DatabaseConnection, Error> {
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(1)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).create_if_missing(true));
    Ok(SeaOrm::connect(connect).await?)
}

fn sqlite_interruptible(
    options: &Options,
    opened_by: Option<Handle>,
) -> Result<Interruptible, Error> {
    let unreachable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
    let connect: SqliteConnectOptions = options.url.parse().map_err(unreachable)?;
    Ok(Interruptible::new(
        // Rows that wait to be fetched are in memory, and not yet counted for the request.
        tuned(connect)
            .row_buffer_size(16)
            .pragma("query_only", "ON"),
        options.max_connections,
        options.acquire_timeout,
        opened_by,
    ))
}

/// Connections to SQLite for looking at whole tables, opened when that is done.
fn sqlite_readers(options: &Options) -> ConnectOptions {
    let mut connect = ConnectOptions::new(options.url.clone());
    connect
        .max_connections(2)
        .min_connections(0)
        .connect_lazy(true)
        .acquire_timeout(options.acquire_timeout)
        .test_before_acquire(false)
        .sqlx_logging(false)
        .map_sqlx_sqlite_opts(|sqlite| tuned(sqlite).pragma("query_only", "ON"));
    connect
}

fn tuned(sqlite: SqliteConnectOptions) -> SqliteConnectOptions {
    sqlite
        .busy_timeout(Duration::from_secs(2))
        .statement_cache_capacity(512)
        // Rows come from another thread, which pauses when so many are not fetched yet.
        .row_buffer_size(1024)
        .pragma("journal_mode", "WAL")
        .pragma("synchronous", "FULL")
        .pragma("wal_autocheckpoint", "4000")
        .pragma("mmap_size", "134217728")
        .pragma("cache_size", "-16000")
        .pragma("temp_store", "MEMORY")
}

fn postgres(options: &Options, hosts: &Arc<Hosts>) -> ConnectOptions {
    let renewing = Renewing {
        options: options.clone(),
        hosts: Arc::clone(hosts),
        one_at_a_time: Arc::default(),
    };
    let mut connect = ConnectOptions::new(hosts.url());
    connect
        .max_connections(options.max_connections)
        .acquire_timeout(options.acquire_timeout)
        .connect_timeout(options.acquire_timeout)
        .statement_timeout(options.statement_timeout)
        .set_application_name(APPLICATION)
        // The default pings before every use, which costs a third of the reads.
        .test_before_acquire_if_idle_for(Duration::from_secs(30))
        .sqlx_logging(false)
        .map_sqlx_postgres_opts(|postgres| {
            postgres
                .statement_cache_capacity(512)
                .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION)])
                .options(BY_INDEX)
        })
        .map_sqlx_postgres_pool_opts(move |pool| {
            let renewing = renewing.clone();
            pool.after_connect(move |connection, _| {
                let renewing = renewing.clone();
                Box::pin(async move {
                    refuse_a_standby(connection).await?;
                    renewing.look(connection).await?;
                    // Some systems cannot tell; statements then go on until their own limit.
                    let _ = connection.execute(ENDS_WITH_ITS_CLIENT).await;
                    Ok(())
                })
            })
        });
    connect
}

/// A server that was the primary comes back after a failover as a standby, at the same address. It
/// refuses to write, but would answer reads from what it has got so far. One that has become a
/// standby has been started anew, so its connections are new, too.
async fn refuse_a_standby(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let is_standby = sqlx::query_scalar("SELECT pg_is_in_recovery()");
    if is_standby.fetch_one(connection).await? {
        return Err(sqlx::Error::Configuration("the server is a standby".into()));
    }
    Ok(())
}

/// Begins the next era of the log when a new connection leads to another cluster or timeline than the
/// last one: a standby has been promoted.
#[derive(Debug, Clone)]
struct Renewing {
    options: Options,
    hosts: Arc<Hosts>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
}

impl Renewing {
    async fn look(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        if era::is_of_this_cluster(connection).await? {
            return Ok(());
        }
        let _alone = self.one_at_a_time.lock().await;
        if era::is_of_this_cluster(connection).await? {
            return Ok(());
        }
        let renewed = async {
            let mut connect = ConnectOptions::new(self.hosts.url());
            connect
                .max_connections(1)
                .acquire_timeout(self.options.acquire_timeout)
                .connect_timeout(self.options.acquire_timeout)
                .statement_timeout(self.options.statement_timeout)
                .sqlx_logging(false);
            let db = SeaOrm::connect(connect).await?;
            let renewed = era::renew(&db).await;
            db.close().await?;
            renewed
        };
        // Without it nothing is written: readers might have passed the numbers that come next.
        renewed
            .await
            .map_err(|error| sqlx::Error::Configuration(error.into()))
    }
}

/// The connection by which the lease is prolonged. Feeds wait for sessions that are called as the
/// others, and it never writes to the log.
fn postgres_lease(options: &Options, hosts: &Hosts) -> Result<PgConnectOptions, Error> {
    let unusable = |e: sqlx::Error| DbErr::Conn(RuntimeErr::SqlxError(e.into()));
    let connect: PgConnectOptions = hosts.url().parse().map_err(unusable)?;
    let timeout = format!("{}ms", options.statement_timeout.as_millis());
    Ok(connect
        .application_name(LEASE_APPLICATION)
        .options([("statement_timeout", timeout)])
        .disable_statement_logging())
}

/// The file of a `sqlite:` URL.
pub(in crate::storage) fn sqlite_path(url: &str) -> Option<PathBuf> {
    let rest = url.strip_prefix("sqlite:")?;
    let rest = rest.strip_prefix("//").unwrap_or(rest);
    Some(PathBuf::from(rest.split('?').next().unwrap_or(rest)))
}
