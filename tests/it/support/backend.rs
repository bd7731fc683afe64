//! A database of its own for each test, on SQLite or on PostgreSQL with Redis.

use std::{
    io::Write,
    sync::{Arc, Once},
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::statements;

/// Where a test keeps its data. Servers that share one are nodes of one cluster.
pub struct Backend {
    pub folder: Arc<TempDir>,
    pub database_url: Option<String>,
    pub redis_url: Option<String>,
}

/// A variable that the script that runs the tests sets.
pub fn variable(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the tests' own configuration")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn say_what_is_left_out() {
    static SAID: Once = Once::new();
    SAID.call_once(|| {
        // Past the capture of the test runner: it is to be seen when all tests pass.
        let _ = writeln!(
            std::io::stderr(),
            "left out: PostgreSQL and Redis (TAKEOFF_TEST_DATABASE_URL and TAKEOFF_TEST_REDIS_URL \
             are not set; scripts/test sets them)"
        );
    });
}

impl Backend {
    pub fn sqlite() -> Self {
        statements::listen();
        Self {
            folder: Arc::new(TempDir::new().unwrap()),
            database_url: None,
            redis_url: None,
        }
    }

    /// A new database on the PostgreSQL that the environment names.
    pub async fn postgres() -> Option<Self> {
        let (Some(server), Some(redis)) = (
            variable("TAKEOFF_TEST_DATABASE_URL"),
            variable("TAKEOFF_TEST_REDIS_URL"),
        ) else {
            say_what_is_left_out();
            return None;
        };
        statements::listen();
        let name = format!("test_{}", uuid::Uuid::from_u128(rand_bits()).simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        connection
            .execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}")))
            .await
            .unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Some(Self {
            folder: Arc::new(TempDir::new().unwrap()),
            database_url: Some(format!("{base}/{name}")),
            redis_url: Some(redis),
        })
    }

    pub fn is_postgres(&self) -> bool {
        self.database_url.is_some()
    }

    /// The address that a server is configured with.
    pub fn url(&self) -> String {
        self.database_url.clone().unwrap_or_else(|| {
            format!(
                "sqlite://{}",
                self.folder.path().join("takeoff.db").display()
            )
        })
    }

    /// Reads one column of texts behind the server's back.
    pub async fn texts(&self, query: &str) -> Vec<String> {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url()).await.unwrap();
            let texts = sqlx::query_scalar(query).fetch_all(&mut connection);
            texts.await.unwrap()
        } else {
            let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
            let texts = sqlx::query_scalar(query).fetch_all(&mut connection);
            texts.await.unwrap()
        }
    }

    /// Runs one statement on the database behind the server's back.
    /// From here on transactions on PostgreSQL that insert into a table are open for a second: others begin meanwhile.
    pub async fn slow_inserts(&self, table: &str) {
        let statement = format!(
            "CREATE FUNCTION take_time() RETURNS trigger AS $$ BEGIN PERFORM pg_sleep(1); RETURN NEW; END $$ \
             LANGUAGE plpgsql; CREATE TRIGGER take_time BEFORE INSERT ON {table} FOR EACH ROW \
             EXECUTE FUNCTION take_time()"
        );
        self.execute(&statement).await;
    }

    pub async fn execute(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if self.is_postgres() {
            let mut connection = PgConnection::connect(&self.url()).await.unwrap();
            connection.execute(statement).await.unwrap();
        } else {
            let mut connection = sqlx::SqliteConnection::connect(&self.url()).await.unwrap();
            connection.execute(statement).await.unwrap();
        }
    }
}

fn rand_bits() -> u128 {
    use std::hash::{BuildHasher, RandomState};
    let half = || u128::from(RandomState::new().hash_one(std::process::id()));
    (half() << 64) | half()
}
