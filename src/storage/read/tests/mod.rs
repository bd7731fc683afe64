//! Reads on rows that are put into the tables directly, on SQLite and, where
//! `TAKEOFF_TEST_DATABASE_URL` names one, on PostgreSQL: a database of its own for each test.

mod artifacts;
mod costs;
mod events;
mod execution_filters;
mod executions;
mod filters;
mod lineage;
mod lineage_bounds;
mod lists;
mod pages;
mod references;
mod rows;
mod sessions;

use std::{
    panic::AssertUnwindSafe,
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use futures::FutureExt;
use sea_orm::ConnectionTrait;
use tempfile::TempDir;

pub(crate) use rows::{ArtifactRow, artifact};

use super::super::{Error, Options, Storage, WriteOptions, migrate, sql};
use crate::{
    model::{Principal, TenantScope},
    telemetry::metrics::Metrics,
};

/// A storage with nothing in it.
pub(crate) struct World {
    pub(crate) storage: Storage,
    options: Options,
    server: Option<Server>,
    /// Removed when the test ends.
    _folder: TempDir,
}

/// Where a test's PostgreSQL database is.
struct Server {
    url: String,
    database: String,
}

/// Runs a test on every kind of database that there is.
pub(crate) async fn on_each_database(test: impl AsyncFn(&World)) {
    for world in World::all().await {
        let result = AssertUnwindSafe(test(&world)).catch_unwind().await;
        world.end().await;
        if let Err(failure) = result {
            std::panic::resume_unwind(failure);
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "where the tests run is not configuration"
)]
fn server_url() -> Option<String> {
    let url = std::env::var("TAKEOFF_TEST_DATABASE_URL").ok();
    if url.is_none() {
        eprintln!("SQLite alone: TAKEOFF_TEST_DATABASE_URL is not set");
    }
    url
}

impl World {
    pub(crate) async fn all() -> Vec<Self> {
        let mut worlds = vec![Self::new(None).await];
        if let Some(url) = server_url() {
            worlds.push(Self::new(Some(Server::with_new_database(url).await)).await);
        }
        worlds
    }

    async fn new(server: Option<Server>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("test.db");
        let url = server.as_ref().map_or_else(
            || format!("sqlite://{}", file.display()),
            Server::database_url,
        );
        let options = Options {
            url,
            max_connections: 4,
            acquire_timeout: Duration::from_secs(20),
            statement_timeout: Duration::from_secs(20),
            low: None,
        };
        migrate(&options).await.unwrap();
        let write = WriteOptions {
            writers: 1,
            batch_max_items: 100,
            queue_capacity: 100,
        };
        let storage = Storage::connect(&options, write, &Metrics::new())
            .await
            .unwrap();
        Self {
            storage,
            options,
            server,
            _folder: folder,
        }
    }

    pub(crate) async fn end(self) {
        if let Some(server) = self.server {
            let drop = format!("DROP DATABASE {} WITH (FORCE)", server.database);
            run(&server.url, &drop).await.unwrap();
        }
    }

    fn is_postgres(&self) -> bool {
        self.server.is_some()
    }

    /// The clock that sessions expire by.
    pub(crate) async fn now(&self) -> i64 {
        let now = sql::now_expression(self.storage.db.reader.get_database_backend());
        let text = format!("SELECT {now} AS now");
        let rows = sql::query(&self.storage.db.reader, &text, [])
            .await
            .unwrap();
        sql::get(&rows[0], "now").unwrap()
    }
}

impl Server {
    async fn with_new_database(url: String) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let database = format!("takeoff_reads_{}_{number}", std::process::id());
        run(&url, &format!("DROP DATABASE IF EXISTS {database}"))
            .await
            .unwrap();
        run(&url, &format!("CREATE DATABASE {database}"))
            .await
            .unwrap();
        Self { url, database }
    }

    fn database_url(&self) -> String {
        let (address, query) = self
            .url
            .split_once('?')
            .map_or((self.url.as_str(), String::new()), |(address, query)| {
                (address, format!("?{query}"))
            });
        let (host, _) = address.rsplit_once('/').unwrap();
        format!("{host}/{}{query}", self.database)
    }
}

async fn run(url: &str, statement: &str) -> Result<(), Error> {
    let db = sea_orm::Database::connect(url).await?;
    db.execute_unprepared(statement).await?;
    Ok(db.close().await?)
}

/// The right to the data of tenant `name`.
pub(crate) fn scope_of(name: &str) -> TenantScope {
    Principal::for_test(name).scope()
}

/// The right to the data of the tenant that [`rows`] belong to unless they say otherwise.
fn scope() -> TenantScope {
    scope_of(rows::TENANT)
}
