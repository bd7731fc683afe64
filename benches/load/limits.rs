//! The machine's own figures, without the server: single and batched inserts, and a bare HTTP
//! route.

use std::{
    net::SocketAddr,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join_all;
use sqlx::{
    PgPool, SqlitePool,
    postgres::PgPoolOptions,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{
    http::Http,
    load::count,
    server::{Backend, Place},
};

enum Pool {
    Postgres(PgPool),
    Sqlite(SqlitePool),
}

/// The columns are those of a job in the simplest of queues.
const TABLE: &str = "CREATE TABLE job (id {} PRIMARY KEY, name text NOT NULL, input text NOT NULL, \
     status bigint NOT NULL, created_at bigint NOT NULL)";
const INPUT: &str = r#"{"message":"hello"}"#;

/// A table in a database beside that of the server.
pub(crate) struct Inserts {
    pool: Pool,
}

impl Inserts {
    pub(crate) async fn new(place: &Place) -> anyhow::Result<Self> {
        let pool = match place.backend {
            Backend::Postgres => {
                let pool = PgPoolOptions::new()
                    .max_connections(64)
                    .test_before_acquire(false)
                    .connect(&place.url)
                    .await?;
                let table = TABLE.replace("{}", "bigserial");
                sqlx::query(sqlx::AssertSqlSafe(table))
                    .execute(&pool)
                    .await?;
                Pool::Postgres(pool)
            }
            Backend::Sqlite => {
                let options = SqliteConnectOptions::new()
                    .filename(place.folder.path().join("limit.db"))
                    .create_if_missing(true)
                    .journal_mode(SqliteJournalMode::Wal)
                    .synchronous(SqliteSynchronous::Full);
                let pool = SqlitePoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .connect_with(options)
                    .await?;
                let table = TABLE.replace("{}", "integer");
                sqlx::query(sqlx::AssertSqlSafe(table))
                    .execute(&pool)
                    .await?;
                Pool::Sqlite(pool)
            }
        };
        Ok(Self { pool })
    }

    /// Rows a second: transactions of `rows` rows, `callers` at a time.
    pub(crate) async fn rate(
        &self,
        callers: usize,
        rows: usize,
        time: Duration,
    ) -> anyhow::Result<f64> {
        let began = Instant::now();
        let loops = (0..callers).map(|_| async {
            let mut done = 0;
            while began.elapsed() < time {
                self.insert(rows).await?;
                done += rows as u64;
            }
            anyhow::Ok(done)
        });
        let done: u64 = try_join_all(loops).await?.into_iter().sum();
        Ok(count(done) / began.elapsed().as_secs_f64())
    }

    async fn insert(&self, rows: usize) -> anyhow::Result<()> {
        match &self.pool {
            Pool::Postgres(pool) => {
                let insert = "INSERT INTO job (name, input, status, created_at) \
                     SELECT n, i, s, c FROM UNNEST($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS u(n, i, s, c)";
                sqlx::query(insert)
                    .bind(vec!["echo"; rows])
                    .bind(vec![INPUT; rows])
                    .bind(vec![0_i64; rows])
                    .bind(vec![1_i64; rows])
                    .execute(pool)
                    .await?;
            }
            Pool::Sqlite(pool) => {
                let tuples = vec!["(?, ?, ?, ?)"; rows].join(", ");
                let insert =
                    format!("INSERT INTO job (name, input, status, created_at) VALUES {tuples}");
                let mut query = sqlx::query(sqlx::AssertSqlSafe(insert));
                for _ in 0..rows {
                    query = query.bind("echo").bind(INPUT).bind(0_i64).bind(1_i64);
                }
                query.execute(pool).await?;
            }
        }
        Ok(())
    }
}

/// A process that answers JSON by a bare axum route: this program again, told so.
pub(crate) struct Bare {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Drop for Bare {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) const BARE: &str = "--bare-route";

impl Bare {
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let address = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let child = Command::new(std::env::current_exe()?)
            .args([BARE, &address.to_string()])
            .stdin(Stdio::null())
            .spawn()
            .context("the bare route cannot be started")?;
        let this = Self { child, address };
        for _ in 0..1000 {
            if Http::open(address).await.is_ok() {
                return Ok(this);
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::bail!("the bare route does not answer")
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }
}

/// Serves the route until the process is killed.
pub(crate) fn serve_bare(address: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(address).await?;
        let route =
            axum::routing::post(async |axum::Json(asked): axum::Json<serde_json::Value>| {
                axum::Json(serde_json::json!({"data": {"asked": asked["query"].is_string()}}))
            });
        axum::serve(listener, axum::Router::new().route("/graphql", route)).await?;
        Ok(())
    })
}
