//! A server in a process of its own: it can be killed, paused and resumed.
//!
//! The process is this test binary again, running one test that serves until it is killed or whoever
//! started it is gone.

use std::{
    fs::OpenOptions,
    io::{BufRead, BufReader, Read, Write},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU32, Ordering},
    },
    time::Duration,
};

use takeoff::{app::App, clock::Clock, telemetry};
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::oneshot,
};

use super::{
    Backend, TrySolution,
    app::{PATIENCE, load, settings},
    variable,
};

/// Holds the settings of a node, and makes the process one.
const VARIABLE: &str = "TAKEOFF_TEST_NODE";
/// Names a file with the microseconds by which the node's clock is wrong; without it the clock is right.
const CLOCK_VARIABLE: &str = "TAKEOFF_TEST_NODE_CLOCK";
const GREETING: &str = "serving on ";
/// So much of its log is shown when a test fails.
const LAST_LINES: usize = 40;

/// A server with the handlers for tests, which is killed when this is dropped.
pub struct NodeProcess {
    child: Child,
    pub address: SocketAddr,
    log: PathBuf,
}

impl NodeProcess {
    /// Starts a node and waits until it serves.
    pub async fn start(backend: &Backend, more: &[&str]) -> Self {
        let program = std::env::current_exe().unwrap();
        Self::start_by(Command::new(program), backend, more).await
    }

    /// One that may open so many files.
    pub async fn start_with_files(backend: &Backend, more: &[&str], files: u32) -> Self {
        let mut command = Command::new("sh");
        let limited = format!("ulimit -n {files} && exec \"$0\" \"$@\"");
        command.arg("-c").arg(limited);
        command.arg(std::env::current_exe().unwrap());
        Self::start_by(command, backend, more).await
    }

    /// One of which no file can be larger than so many bytes.
    pub async fn start_with_room(backend: &Backend, more: &[&str], bytes: u32) -> Self {
        let mut command = Command::new("sh");
        // The shell counts blocks of 512 bytes. Without the trap the process would be ended instead of told.
        let blocks = bytes / 512;
        let limited = format!("trap '' XFSZ; ulimit -f {blocks} && exec \"$0\" \"$@\"");
        command.arg("-c").arg(limited);
        command.arg(std::env::current_exe().unwrap());
        Self::start_by(command, backend, more).await
    }

    /// One whose clock is wrong by the microseconds that the file holds, as it holds them.
    pub async fn start_by_clock(backend: &Backend, more: &[&str], clock: &Path) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.env(CLOCK_VARIABLE, clock);
        Self::start_by(command, backend, more).await
    }

    async fn start_by(mut command: Command, backend: &Backend, more: &[&str]) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = backend.folder.path();
        std::fs::write(folder.join("takeoff.toml"), "").unwrap();
        let log = folder.join(format!("node-{number}.log"));
        let set = settings(backend, more).join("\n");
        let test = concat!(module_path!(), "::the_process_of_another_test");
        let (_, test) = test.split_once("::").unwrap();
        let mut child = command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(VARIABLE, set)
            .current_dir(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(
                OpenOptions::new()
                    .create(true)
                    .append(true)
                    .open(&log)
                    .unwrap(),
            )
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, greeting) = oneshot::channel();
        std::thread::spawn(move || {
            let address = lines.find_map(|line| {
                let line = line.ok()?;
                let (_, address) = line.split_once(GREETING)?;
                address.parse().ok()
            });
            let _ = told.send(address);
            // Whatever else it prints must not stop it.
            lines.for_each(drop);
        });
        // From here on the process ends with this value, also if it never serves.
        let mut node = Self {
            child,
            address: SocketAddr::from(([0; 4], 0)),
            log,
        };
        let greeting = tokio::time::timeout(PATIENCE, greeting).await;
        let greeting = greeting.expect("the node does not serve").unwrap();
        node.address = greeting.unwrap_or_else(|| panic!("the node ended: {}", node.log()));
        node
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Returns whether it ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// As if the machine had stopped: nothing of the process runs, and its sockets stay open.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.signal("-CONT");
    }

    /// Asks it to stop, as a supervisor does.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Waits until it has ended by itself.
    pub async fn end(&mut self) {
        let ended = async {
            while !self.has_ended() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let ended = tokio::time::timeout(PATIENCE, ended).await;
        ended.expect("the node does not end");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        assert!(sent.unwrap().success());
    }

    /// Its resident memory.
    pub fn memory_bytes(&self) -> u64 {
        self.status("VmRSS:")
    }

    /// Resident pages of files, as those of the database that SQLite maps: the system's cache, which
    /// is counted once for each connection.
    pub fn mapped_bytes(&self) -> u64 {
        self.status("RssFile:")
    }

    /// The most resident memory it has had since [`Self::forget_peak`].
    pub fn peak_memory_bytes(&self) -> u64 {
        self.status("VmHWM:")
    }

    /// Lets the peak begin at what it has now.
    pub fn forget_peak(&self) {
        let file = format!("/proc/{}/clear_refs", self.child.id());
        std::fs::write(file, "5").unwrap();
    }

    fn status(&self, name: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
        kib.unwrap().parse::<u64>().unwrap() * 1024
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let first = log.lines().count().saturating_sub(LAST_LINES);
            for line in log.lines().skip(first) {
                let _ = writeln!(std::io::stderr(), "{}: {line}", self.address);
            }
        }
    }
}

/// Returns whether this process is a node that a test started.
pub fn is_node_process() -> bool {
    variable(VARIABLE).is_some()
}

/// A clock that follows the machine's at the distance that the file tells.
fn wrong_clock(file: PathBuf) -> Clock {
    let shown = Arc::new(AtomicI64::new(Clock::System.now()));
    let clock = Clock::Manual(Arc::clone(&shown));
    std::thread::spawn(move || {
        let mut wrong_by = 0;
        loop {
            // Empty while it is written.
            let read = std::fs::read_to_string(&file).unwrap_or_default();
            wrong_by = read.parse().unwrap_or(wrong_by);
            shown.store(Clock::System.now() + wrong_by, Ordering::SeqCst);
            std::thread::park_timeout(Duration::from_millis(2));
        }
    });
    clock
}

/// Serves when another test started this process for that; alone it does nothing.
#[test]
fn the_process_of_another_test() {
    let Some(set) = variable(VARIABLE) else {
        return;
    };
    let set = set.lines().map(str::to_owned).collect();
    let config = load(set, PathBuf::from("takeoff.toml"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let _telemetry = telemetry::init(&config.telemetry, "node").unwrap();
        takeoff::app::hide_panics_of_handlers();
        let clock = variable(CLOCK_VARIABLE).map_or(Clock::System, |file| wrong_clock(file.into()));
        let app = App::new(config)
            .solution(TrySolution::default())
            .clock(clock);
        let server = app.listen().await.unwrap();
        let greeting = format!("{GREETING}{}\n", server.address());
        std::io::stdout().write_all(greeting.as_bytes()).unwrap();
        let mut told = signal(SignalKind::terminate()).unwrap();
        // Whoever started it is gone when this ends.
        let alone = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
        tokio::select! {
            ended = alone => {
                ended.unwrap().unwrap();
            }
            _ = told.recv() => server.stop().await,
        }
    });
    runtime.shutdown_timeout(Duration::ZERO);
}
