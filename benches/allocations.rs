//! The number of allocations that a request costs, counted in a server of this process, against
//! `benches/budget.toml`. The count is the same on every machine, but for what runs beside it, so
//! the least of several rounds is taken.

mod held;

use std::{
    alloc::System,
    collections::BTreeMap,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
};

use anyhow::Context;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use takeoff::{
    app::App,
    config::{Config, Overrides},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const ROUNDS: usize = 5;
const REQUESTS: usize = 100;

#[expect(clippy::print_stderr, reason = "a benchmark tells what it found")]
fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("allocations: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let folder = tempfile::Builder::new()
        .prefix("takeoff-bench.")
        .tempdir()?;
    // Nothing of the node's own runs meanwhile.
    let set = [
        format!("data_dir={}", folder.path().display()),
        "http.bind=127.0.0.1:0".to_owned(),
        "runtime.poll_ms=60000".to_owned(),
        "runtime.lease_seconds=3600".to_owned(),
        "runtime.heartbeat_seconds=3000".to_owned(),
    ];
    let file = folder.path().join("takeoff.toml");
    std::fs::write(&file, "")?;
    let overrides = Overrides {
        set: set.into(),
        config: Some(file),
        ..Overrides::default()
    };
    let config = Config::load(&overrides, std::iter::empty())?;
    let runtime = tokio::runtime::Runtime::new()?;
    let server = runtime.block_on(App::new(config).listen())?;
    let found = count_all(server.address());
    runtime.block_on(server.stop());
    held::hold("allocations", &found?)
}

fn count_all(address: SocketAddr) -> anyhow::Result<BTreeMap<&'static str, f64>> {
    let mut client = Client::open(address)?;
    let typename = request(r#"{"query": "{ __typename }"}"#);
    let session = client.send(&request(
        r#"{"query": "mutation { createSession(input: {}) { session { id } } }"}"#,
    ))?;
    let start = session.find("ses_").context("no session")?;
    let session = &session[start..start + 30];
    let read = request(&format!(
        r#"{{"query": "query($id: ID!) {{ session(id: $id) {{ state }} }}", "variables": {{"id": "{session}"}}}}"#
    ));
    // It waits for ever, so that nothing runs while it is counted.
    let submit = request(&format!(
        r#"{{"query": "mutation($input: SubmitIntentInput!) {{ submitIntent(input: $input) {{ execution {{ id }} }} }}", "variables": {{"input": {{"intentType": "echo", "sessionId": "{session}", "runAt": "2100-01-01T00:00:00Z", "parameters": {{"message": "hello"}}}}}}}}"#
    ));
    Ok(BTreeMap::from([
        ("typename", client.count(&typename)?),
        ("session_read", client.count(&read)?),
        ("submit", client.count(&submit)?),
    ]))
}

fn request(body: &str) -> String {
    let length = body.len();
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
}

/// A connection that allocates nothing while it counts.
struct Client {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Client {
    fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let answer = vec![0; 64 * 1024];
        Ok(Self { stream, answer })
    }

    /// Sends a request; the answer, which is short enough to come at once.
    fn send(&mut self, request: &str) -> anyhow::Result<&str> {
        self.stream.write_all(request.as_bytes())?;
        let length = self.stream.read(&mut self.answer)?;
        let answer = std::str::from_utf8(&self.answer[..length])?;
        anyhow::ensure!(
            answer.starts_with("HTTP/1.1 200") && !answer.contains("errors"),
            "{answer}"
        );
        Ok(answer)
    }

    /// Allocations of one request, in the round that had the fewest.
    fn count(&mut self, request: &str) -> anyhow::Result<f64> {
        let mut least = usize::MAX;
        for _ in 0..ROUNDS {
            let before = ALLOCATOR.stats().allocations;
            for _ in 0..REQUESTS {
                self.send(request)?;
            }
            least = least.min((ALLOCATOR.stats().allocations - before) / REQUESTS);
        }
        Ok(f64::from(u32::try_from(least)?))
    }
}
