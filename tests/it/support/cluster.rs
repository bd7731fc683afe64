//! A PostgreSQL cluster of a test's own: it can be dumped, restored into, copied and
//! promoted.

use std::{
    io::Write,
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection, Executor, PgConnection};
use tempfile::TempDir;

use super::{app::PATIENCE, variable};

/// The cluster's folder and the server that works on it. Dropping it ends the server.
pub struct Cluster {
    folder: TempDir,
    port: u16,
    server: Option<Child>,
}

/// Where PostgreSQL's programs are, which is rarely on the path.
fn programs() -> PathBuf {
    let on_path = std::env::split_paths(&variable("PATH").unwrap_or_default()).collect::<Vec<_>>();
    let mut folders: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .map(|entry| entry.unwrap().path().join("bin"))
        .collect();
    folders.sort();
    let mut all = folders.into_iter().rev().chain(on_path);
    let needed = ["initdb", "postgres", "pg_dump", "psql", "pg_basebackup"];
    let found = all.find(|folder| needed.iter().all(|name| folder.join(name).is_file()));
    found.expect("PostgreSQL's programs are not found")
}

/// A program of PostgreSQL, run by a user that may: the servers refuse to run as root. Where the system
/// can do so, it ends the program with this process.
fn program(name: &str) -> Command {
    let path = programs().join(name);
    let is_root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|answer| answer.stdout == b"0\n");
    let mut wanted: Vec<&str> = Vec::new();
    if cfg!(target_os = "linux") {
        wanted.extend(["--pdeathsig", "INT"]);
    }
    if is_root {
        wanted.extend(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    let mut command = if wanted.is_empty() {
        Command::new(path)
    } else {
        let mut command = Command::new("setpriv");
        command.args(wanted).arg(path);
        command
    };
    command.current_dir("/").stdin(Stdio::null());
    command
}

fn carried_out(command: &mut Command) -> Output {
    let answer = command.output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{command:?}: {said}");
    answer
}

pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Cluster {
    /// A new cluster, running; none where the tests run without PostgreSQL.
    pub async fn start() -> Option<Self> {
        Self::start_with(&[]).await
    }

    /// The same with these settings (`name=value`).
    pub async fn start_with(settings: &[&str]) -> Option<Self> {
        variable("TAKEOFF_TEST_DATABASE_URL")?;
        let mut cluster = Self::stopped();
        carried_out(
            program("initdb")
                .arg(cluster.data())
                .args(["--username=takeoff", "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync"]),
        );
        cluster.resume(settings).await;
        cluster.execute("CREATE DATABASE takeoff").await;
        Some(cluster)
    }

    fn stopped() -> Self {
        let folder = TempDir::new().unwrap();
        // Another user's server works below it.
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder.path(), open).unwrap();
        Self {
            folder,
            port: free_port(),
            server: None,
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Starts the server, with these settings besides.
    pub async fn resume(&mut self, settings: &[&str]) {
        let log = self.folder.path().join("log");
        let log = std::fs::File::options().create(true).append(true).open(log);
        let log = log.unwrap();
        let port = format!("port={}", self.port);
        let mut command = program("postgres");
        command.arg("-D").arg(self.data());
        let own = [
            "listen_addresses=127.0.0.1",
            "unix_socket_directories=",
            "fsync=off",
            &port,
        ];
        for setting in own.iter().chain(settings) {
            command.args(["-c", setting]);
        }
        let started = command
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(started);
        let answers = async {
            while PgConnection::connect(&self.server_url()).await.is_err() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let answered = tokio::time::timeout(PATIENCE, answers).await;
        answered.unwrap_or_else(|_| panic!("{}", self.log()));
    }

    /// Ends the server; its files stay. Connections are dropped.
    pub fn stop(&mut self) {
        self.end("-INT");
    }

    /// Ends the server as a crash does, without a checkpoint; it recovers from its log at its next start.
    pub fn crash(&mut self) {
        self.end("-QUIT");
    }

    fn end(&mut self, how: &str) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        let id = server.id().to_string();
        let signal = |name: &str| {
            let _ = Command::new("kill").args([name, id.as_str()]).status();
        };
        signal(how);
        let asked = Instant::now();
        while server.try_wait().is_ok_and(|ended| ended.is_none()) {
            if asked.elapsed() > PATIENCE {
                signal("-KILL");
            }
            #[expect(clippy::disallowed_methods, reason = "also called when it is dropped")]
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn server_url(&self) -> String {
        self.url("postgres")
    }

    /// The address of one of its databases.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://takeoff@127.0.0.1:{}/{database}", self.port)
    }

    /// The address of its node's database among those of another cluster, which comes first.
    pub fn url_after(&self, other: &Self) -> String {
        let (one, two) = (other.port, self.port);
        format!("postgres://takeoff@127.0.0.1:{one},127.0.0.1:{two}/takeoff")
    }

    /// From when this returns each commit waits for the standby, which has everything that was committed before.
    pub async fn commit_with_standby(&self) {
        self.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            .await;
        self.execute("SELECT pg_reload_conf()").await;
        self.until("SELECT current_setting('synchronous_standby_names') = '*'")
            .await;
        // It is the checkpointer that makes the setting count, and it looks for new settings before each checkpoint.
        self.execute("CHECKPOINT").await;
        let committed = self.ask("SELECT pg_current_wal_insert_lsn()::text").await;
        self.until(&format!(
            "SELECT EXISTS (SELECT FROM pg_stat_replication \
             WHERE sync_state = 'sync' AND flush_lsn >= '{committed}')"
        ))
        .await;
    }

    /// Returns when the query says yes.
    async fn until(&self, query: &str) {
        let says_yes = async {
            let query = format!("SELECT ({query})::text");
            while self.ask(&query).await != "true" {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let said = tokio::time::timeout(PATIENCE, says_yes).await;
        said.unwrap_or_else(|_| panic!("never: {query}"));
    }

    /// Runs one statement outside of the node's database.
    pub async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.server_url()).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        connection.execute(statement).await.unwrap();
    }

    /// The one value of a query, as text.
    pub async fn ask(&self, query: &str) -> String {
        let mut connection = PgConnection::connect(&self.server_url()).await.unwrap();
        let query = sqlx::AssertSqlSafe(query.to_owned());
        sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }

    /// Returns the dump of the node's database by `pg_dump`.
    pub fn dump(&self) -> Vec<u8> {
        let url = self.url("takeoff");
        carried_out(program("pg_dump").arg(url)).stdout
    }

    /// Restores a dump into the node's database, which is made anew.
    pub async fn restore(&self, dump: &[u8]) {
        self.execute("DROP DATABASE takeoff WITH (FORCE)").await;
        self.execute("CREATE DATABASE takeoff").await;
        let mut psql = program("psql")
            .args(["--quiet", "--set=ON_ERROR_STOP=1"])
            .arg(self.url("takeoff"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        psql.stdin.take().unwrap().write_all(dump).unwrap();
        assert!(psql.wait().unwrap().success());
    }

    /// A running standby of this cluster.
    pub async fn standby(&self) -> Self {
        let mut standby = Self::stopped();
        carried_out(
            program("pg_basebackup")
                .args(["--checkpoint=fast", "--write-recovery-conf", "--no-sync"])
                .arg("--dbname")
                .arg(self.server_url())
                .arg("--pgdata")
                .arg(standby.data()),
        );
        standby.resume(&[]).await;
        standby
    }

    /// Makes a standby the primary.
    pub async fn promote(&self) {
        self.execute("SELECT pg_promote(true, 60)").await;
    }

    /// Makes a stopped primary, at its next start, a standby of another one.
    pub fn follow(&self, primary: &Self) {
        let source = format!(
            "primary_conninfo = 'host=127.0.0.1 port={} user=takeoff'\n",
            primary.port
        );
        let file = self.data().join("postgresql.auto.conf");
        let mut file = std::fs::File::options().append(true).open(file).unwrap();
        file.write_all(source.as_bytes()).unwrap();
        std::fs::write(self.data().join("standby.signal"), "").unwrap();
    }

    fn log(&self) -> String {
        read(&self.folder.path().join("log"))
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "{}", self.log());
        }
    }
}
