//! A PostgreSQL cluster of a test's own: it can be dumped and restored into.

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

/// A program of PostgreSQL, run by a user that may: the servers refuse to run as root. The kernel ends
/// it with this process.
fn program(name: &str) -> Command {
    let path = programs().join(name);
    let id = |option: &str| {
        let answer = Command::new("id").arg(option).output().unwrap();
        String::from_utf8(answer.stdout).unwrap().trim().to_owned()
    };
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "INT"]);
    if id("-u") == "0" {
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]);
    }
    command.arg(path).current_dir("/").stdin(Stdio::null());
    command
}

fn carried_out(command: &mut Command) -> Output {
    let answer = command.output().unwrap();
    let said = String::from_utf8_lossy(&answer.stderr);
    assert!(answer.status.success(), "{command:?}: {said}");
    answer
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

impl Cluster {
    /// A new cluster, running; none where the tests run without PostgreSQL.
    pub async fn start() -> Option<Self> {
        variable("TAKEOFF_TEST_DATABASE_URL")?;
        let mut cluster = Self::stopped();
        carried_out(
            program("initdb")
                .arg(cluster.data())
                .args(["--username=takeoff", "--auth=trust", "--encoding=UTF8"])
                .args(["--locale=C", "--no-sync"]),
        );
        cluster.resume().await;
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

    /// Starts the server.
    async fn resume(&mut self) {
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
        for setting in own {
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
        let Some(mut server) = self.server.take() else {
            return;
        };
        let id = server.id().to_string();
        let signal = |name: &str| {
            let _ = Command::new("kill").args([name, id.as_str()]).status();
        };
        signal("-INT");
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

    /// Runs one statement outside of the node's database.
    pub async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect(&self.server_url()).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        connection.execute(statement).await.unwrap();
    }

    /// What `pg_dump` writes of the node's database.
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
