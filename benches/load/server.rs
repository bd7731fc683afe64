//! The server under measurement: a process of its own, with a database of its own.

use std::{
    fs::File,
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use serde_json::Value;
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;

use crate::http::Http;

/// Where the server keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Backend {
    /// `PostgreSQL` and Redis.
    Postgres,
    /// The embedded default.
    Sqlite,
}

impl Backend {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Postgres => "PostgreSQL + Redis",
            Self::Sqlite => "embedded",
        }
    }
}

/// A database, and a folder for the rest; both go when this is dropped.
pub(crate) struct Place {
    pub(crate) backend: Backend,
    pub(crate) folder: TempDir,
    /// The URL of the database.
    pub(crate) url: String,
}

fn environment(name: &str) -> anyhow::Result<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "scripts/with-services speaks by it"
    )]
    std::env::var(name).with_context(|| format!("{name} is not set; use scripts/bench"))
}

impl Place {
    pub(crate) async fn new(backend: Backend) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("takeoff-bench.")
            .tempdir()?;
        let url = match backend {
            Backend::Sqlite => format!("sqlite://{}/takeoff.db", folder.path().display()),
            Backend::Postgres => new_database().await?,
        };
        Ok(Self {
            backend,
            folder,
            url,
        })
    }

    /// Removes the database; one of SQLite goes with its folder.
    pub(crate) async fn remove(self) -> anyhow::Result<()> {
        if self.backend == Backend::Postgres {
            let name = self.url.rsplit('/').next().unwrap_or_default();
            let mut admin = PgConnection::connect(&environment(DATABASE)?).await?;
            let drop = format!("DROP DATABASE \"{name}\" WITH (FORCE)");
            sqlx::query(sqlx::AssertSqlSafe(drop))
                .execute(&mut admin)
                .await?;
        }
        Ok(())
    }
}

pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_takeoff");

/// Returns the name of the Cargo profile that the server was built with: that of its folder.
pub(crate) fn profile() -> &'static str {
    let folder = Path::new(PROGRAM).parent().and_then(Path::file_name);
    folder.and_then(|name| name.to_str()).unwrap_or_default()
}

const DATABASE: &str = "TAKEOFF_TEST_DATABASE_URL";

async fn new_database() -> anyhow::Result<String> {
    let url = environment(DATABASE)?;
    let mut admin = PgConnection::connect(&url).await?;
    let taken = Instant::now();
    let (count,): (i64,) = sqlx::query_as("SELECT count(*) FROM pg_database")
        .fetch_one(&mut admin)
        .await?;
    // What the row before left to be written would be written during this one.
    sqlx::query("CHECKPOINT").execute(&mut admin).await?;
    let name = format!(
        "bench_{}_{count}_{}",
        std::process::id(),
        taken.elapsed().as_nanos()
    );
    sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE \"{name}\"")))
        .execute(&mut admin)
        .await?;
    let (server, _) = url
        .rsplit_once('/')
        .context("a database URL without a name")?;
    Ok(format!("{server}/{name}"))
}

/// A running server; it is killed when dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) address: SocketAddr,
    backend: Backend,
    started: Instant,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    /// Starts a server and waits until it is ready. `more` are variables of its configuration.
    pub(crate) async fn start(place: &Place, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let server = Self::spawn(place, more)?;
        server.ready().await?;
        Ok(server)
    }

    pub(crate) fn spawn(place: &Place, more: &[(&str, &str)]) -> anyhow::Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log: PathBuf = place.folder.path().join("log");
        let log = File::options().append(true).create(true).open(log)?;
        let mut command = Command::new(PROGRAM);
        command
            .env_remove("TAKEOFF_TEST_DATABASE_URL")
            .env_remove("TAKEOFF_TEST_REDIS_URL")
            .env("TAKEOFF_DATA_DIR", place.folder.path())
            .env("TAKEOFF_DATABASE_URL", &place.url)
            .env("TAKEOFF_HTTP_BIND", address.to_string())
            .envs(more.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        if place.backend == Backend::Postgres {
            command.env("TAKEOFF_REDIS_URL", environment("TAKEOFF_TEST_REDIS_URL")?);
        }
        let started = Instant::now();
        let child = command.spawn().context("the server cannot be started")?;
        Ok(Self {
            child,
            address,
            backend: place.backend,
            started,
        })
    }

    pub(crate) async fn ready(&self) -> anyhow::Result<()> {
        while self.started.elapsed() < Duration::from_mins(1) {
            if let Ok(mut http) = Http::open(self.address).await
                && http.get("/ready").await.is_ok()
            {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        bail!("the server was not ready after a minute");
    }

    /// Processor time of the server and of its database so far, in microseconds.
    pub(crate) fn cpu_micros(&self) -> anyhow::Result<f64> {
        let own = cpu_micros(self.pid())?;
        if self.backend == Backend::Sqlite {
            return Ok(own);
        }
        let processes = std::fs::read_dir("/proc")?.filter_map(Result::ok);
        let stats =
            processes.filter_map(|one| std::fs::read_to_string(one.path().join("stat")).ok());
        let of_postgres = stats.filter(|stat| stat.contains("(postgres)"));
        let micros: Vec<f64> = of_postgres
            .map(|stat| cpu_micros_in(&stat))
            .collect::<anyhow::Result<_>>()?;
        Ok(own + micros.iter().sum::<f64>())
    }

    /// Since the process was started.
    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Asks it to stop, and waits.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        let pid = self.child.id().to_string();
        Command::new("kill").args(["-TERM", &pid]).status()?;
        while self.child.try_wait()?.is_none() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        Ok(())
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Resident memory in bytes.
    pub(crate) fn memory(&self) -> anyhow::Result<u64> {
        self.status("VmRSS:")
    }

    /// The most resident memory since the kernel's mark was last cleared.
    pub(crate) fn peak_memory(&self) -> anyhow::Result<u64> {
        self.status("VmHWM:")
    }

    /// The same without the pages of files, most of which are those of the program.
    pub(crate) fn memory_of_its_own(&self) -> anyhow::Result<u64> {
        self.status("RssAnon:")
    }

    fn status(&self, name: &'static str) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: u64 = line
            .and_then(|line| line.split_whitespace().next())
            .context(name)?
            .parse()?;
        Ok(kib * 1024)
    }

    /// Runs one GraphQL request; its `data`.
    pub(crate) async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        self.ask_as("default", query, variables).await
    }

    /// The same for a tenant.
    pub(crate) async fn ask_as(
        &self,
        tenant: &str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let headers = format!("x-takeoff-tenant: {tenant}\r\n");
        self.ask_by(&headers, query, variables).await
    }

    /// The same with these lines in the head of the request.
    pub(crate) async fn ask_by(
        &self,
        headers: &str,
        query: &str,
        variables: Value,
    ) -> anyhow::Result<Value> {
        let body = serde_json::json!({"query": query, "variables": variables}).to_string();
        let mut http = Http::open_by(headers, self.address).await?;
        let mut answer: Value = serde_json::from_str(http.post("/graphql", &body).await?)?;
        anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
        Ok(answer["data"].take())
    }

    /// A new session's id.
    pub(crate) async fn session(&self) -> anyhow::Result<String> {
        self.session_of("default").await
    }

    /// A new session's id, of a tenant.
    pub(crate) async fn session_of(&self, tenant: &str) -> anyhow::Result<String> {
        self.session_by(&format!("x-takeoff-tenant: {tenant}\r\n"))
            .await
    }

    /// A new session's id, of whoever these lines in the head of the request prove.
    pub(crate) async fn session_by(&self, headers: &str) -> anyhow::Result<String> {
        let query = "mutation { createSession(input: {}) { session { id } } }";
        let data = self.ask_by(headers, query, Value::Null).await?;
        let id = data["createSession"]["session"]["id"].as_str();
        Ok(id.context("no session")?.to_owned())
    }

    /// The sum of a metric over its labels.
    pub(crate) async fn metric(&self, name: &str) -> anyhow::Result<f64> {
        let mut http = Http::open(self.address).await?;
        let text = http.get("/metrics").await?;
        let values = text
            .lines()
            .filter(|line| line.starts_with(name))
            .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        Ok(values.sum())
    }
}

/// Processor time of a process so far, in microseconds.
pub(crate) fn cpu_micros(pid: u32) -> anyhow::Result<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    cpu_micros_in(&stat)
}

fn cpu_micros_in(stat: &str) -> anyhow::Result<f64> {
    let after = stat.rsplit(')').next().unwrap_or_default();
    let fields: Vec<&str> = after.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>()? + fields[12].parse::<u64>()?;
    // Linux counts in hundredths of a second for user space, whatever its own tick is.
    Ok(f64::from(u32::try_from(ticks)?) * 10_000.0)
}
