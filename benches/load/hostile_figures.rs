//! The cost of single hostile requests: memory, processor time, live executions, stored bytes, and
//! how long a half-open connection lives. Each figure stands beside the one that was measured when
//! nothing bounded it.

use std::{
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::Context;
use futures::future::try_join_all;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

use crate::{
    report::{Beside, Report},
    server::{Backend, Place, Server, cpu_micros},
};

const MB: f64 = 1e6;
/// Nothing is waited for longer than this.
const LONGEST: Duration = Duration::from_secs(90);
const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { execution { id } errors { code } } }";
/// A read that ends when the execution has.
const STATUS: &str = "query($id: ID!) { execution(id: $id) { finishedAt } }";

/// Measures every figure whose name contains `wanted`.
pub(crate) async fn measure(
    backend: Backend,
    wanted: &str,
    report: &mut Report,
) -> anyhow::Result<()> {
    // Each has a server of its own: what one leaves behind would be counted with the next.
    macro_rules! figures {
        ($($name:literal: $figure:path;)+) => {$(
            if $name.contains(wanted) {
                let place = Place::new(backend).await?;
                let server = Server::start(&place, &[("TAKEOFF_LOG", "error")]).await?;
                let found = timeout(LONGEST, $figure(&server, &place, report)).await;
                drop(server);
                place.remove().await?;
                found.context($name)??;
            }
        )+};
    }
    figures! {
        "bound parameters": bound_parameters;
        "journey of itself": journey_of_itself;
        "worst answer": worst_answer;
        "longest filter": longest_filter;
        "pings": pings;
        "half-open": half_open;
        "slots": slots;
        "stored": stored;
    }
    Ok(())
}

/// A tenant's client.
struct Client<'a> {
    server: &'a Server,
    http: reqwest::Client,
    tenant: &'a str,
    session: String,
}

impl<'a> Client<'a> {
    async fn new(server: &'a Server, tenant: &'a str) -> anyhow::Result<Self> {
        let mut client = Self {
            server,
            http: reqwest::Client::new(),
            tenant,
            session: String::new(),
        };
        let create = "mutation { createSession(input: {}) { session { id } } }";
        let created = client.ask(create, Value::Null).await?;
        let id = created["data"]["createSession"]["session"]["id"].as_str();
        id.context("no session")?.clone_into(&mut client.session);
        Ok(client)
    }

    /// The whole answer.
    async fn ask(&self, query: &str, variables: Value) -> anyhow::Result<Value> {
        let body = json!({"query": query, "variables": variables}).to_string();
        let request = self
            .http
            .post(format!("http://{}/graphql", self.server.address))
            .header("content-type", "application/json")
            .header("x-takeoff-tenant", self.tenant)
            .body(body);
        Ok(serde_json::from_slice(
            &request.send().await?.bytes().await?,
        )?)
    }

    /// The execution's id, or that it was refused.
    async fn submit(&self, intent_type: &str, parameters: Value) -> anyhow::Result<Option<String>> {
        let input = json!({"input": {"intentType": intent_type, "sessionId": self.session,
            "parameters": parameters}});
        let mut answer = self.ask(SUBMIT, input).await?;
        let submitted = answer["data"]["submitIntent"].take();
        anyhow::ensure!(submitted.is_object(), "{answer}");
        Ok(submitted["execution"]["id"].as_str().map(str::to_owned))
    }

    async fn ended(&self, id: &str) -> anyhow::Result<()> {
        let query = || self.ask(STATUS, json!({"id": id}));
        while query().await?["data"]["execution"]["finishedAt"].is_null() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok(())
    }

    /// The time of an echo from its submit to its end.
    async fn echo(&self) -> anyhow::Result<Duration> {
        let began = Instant::now();
        let id = self.submit("echo", json!({"message": "hello"})).await?;
        self.ended(&id.context("an echo was refused")?).await?;
        Ok(began.elapsed())
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// The most memory that the server had beyond what it has now, in bytes.
struct Grown {
    before: u64,
}

impl Grown {
    fn begin(server: &Server) -> anyhow::Result<Self> {
        std::fs::write(format!("/proc/{}/clear_refs", server.pid()), "5")?;
        Ok(Self {
            before: server.memory()?,
        })
    }

    fn megabytes(&self, server: &Server) -> anyhow::Result<f64> {
        let grown = server.peak_memory()?.saturating_sub(self.before);
        Ok(f64::from(u32::try_from(grown / 1000)?) / 1e3)
    }
}

async fn bound_parameters(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new(server, "hostile").await?;
    let many: Vec<Value> = (0..12_000).map(|_| json!({"$param": "x"})).collect();
    let step = json!({"name": "a", "intent_type": "echo", "parameters": {"message": many}});
    let grown = Grown::begin(server)?;
    let parameters = json!({"x": vec![0; 50_000], "steps": [step]});
    if let Some(id) = client.submit("compose_journey", parameters).await? {
        client.ended(&id).await?;
    }
    let row = "memory of a 280 KB journey that binds a parameter 12,000 times (was 19 GB)";
    report.add(row, "MB", grown.megabytes(server)?, Beside::goal(64.0));
    Ok(())
}

async fn journey_of_itself(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let (hostile, other) = (
        Client::new(server, "hostile").await?,
        Client::new(server, "other").await?,
    );
    let step = |n| {
        json!({"name": format!("s{n}"), "intent_type": "compose_journey", "parameters": {
            "steps": {"$param": "s"}, "journey_params": {"s": {"$param": "s"}}}})
    };
    let steps: Vec<Value> = (0..10).map(step).collect();
    let grown = Grown::begin(server)?;
    let of_itself = json!({"steps": steps, "journey_params": {"s": steps}});
    let root = hostile.submit("compose_journey", of_itself).await?;
    let root = root.context("it was refused")?;
    let (mut slowest, mut most, began) = (Duration::ZERO, 0.0_f64, Instant::now());
    while began.elapsed() < Duration::from_secs(11) {
        slowest = slowest.max(other.echo().await?);
        most = most.max(server.metric("takeoff_running").await?);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let count = "query { executions(first: 1, filter: {status: [CREATED, RUNNING]}) { totalCount { count } } }";
    let live = hostile.ask(count, Value::Null).await?;
    let live = live["data"]["executions"]["totalCount"]["count"].as_f64();
    let live = live.unwrap_or_default().max(most);
    let row = "live executions of a journey of itself after 11 s (was 40,000)";
    report.add(row, "executions", live, Beside::goal(10_000.0));
    let row = "its memory (was 3.5 GB)";
    report.add(row, "MB", grown.megabytes(server)?, Beside::goal(f64::NAN));
    let row = "another tenant's slowest echo meanwhile (was 6,100 ms)";
    report.add(row, "ms", millis(slowest), Beside::goal(f64::NAN));
    let cancel =
        "mutation($id: ID!) { cancelExecution(input: {executionId: $id}) { errors { code } } }";
    hostile.ask(cancel, json!({"id": root})).await?;
    Ok(())
}

async fn worst_answer(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new(server, "hostile").await?;
    let create = "mutation($input: CreateSessionInput!) { createSession(input: $input) { errors { code } } }";
    let state = json!({"text": "x".repeat(255 * 1024)});
    for _ in 0..40 {
        client
            .ask(create, json!({"input": {"state": state}}))
            .await?;
    }
    let aliases: Vec<String> = (0..30).map(|n| format!("a{n}: state")).collect();
    let aliases = aliases.join(" ");
    let query = format!("{{ sessions(first: 40) {{ nodes {{ {aliases} }} }} }}");
    let grown = Grown::begin(server)?;
    client.ask(&query, Value::Null).await?;
    let row = "memory of a page of 40 states under 30 names each (was 1,081 MB)";
    report.add(row, "MB", grown.megabytes(server)?, Beside::goal(64.0));
    Ok(())
}

async fn longest_filter(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new(server, "hostile").await?;
    client.echo().await?;
    let query =
        "query($types: [String!]) { executions(filter: {intentType: $types}) { nodes { id } } }";
    let types: Vec<String> = (0..100).map(|n| format!("type-{n}")).collect();
    let times = 50_u32;
    let before = cpu_micros(server.pid())?;
    for _ in 0..times {
        let answer = client.ask(query, json!({"types": types})).await?;
        anyhow::ensure!(answer.get("errors").is_none(), "{answer}");
    }
    let each = (cpu_micros(server.pid())? - before) / f64::from(times) / 1e3;
    let row =
        "processor time of the longest permitted filter, 100 values (was 3,800 ms, of 32,000)";
    report.add(row, "ms", each, Beside::goal(f64::NAN));
    Ok(())
}

const UPGRADE: &str = "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: graphql-transport-ws\r\n\r\n";

/// A connection that has said something.
async fn wire(address: SocketAddr, said: &str) -> anyhow::Result<TcpStream> {
    let mut wire = TcpStream::connect(address).await?;
    wire.write_all(said.as_bytes()).await?;
    Ok(wire)
}

async fn pings(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let mut deaf = wire(server.address, UPGRADE).await?;
    deaf.write_all(b"\x81\x9a\0\0\0\0{\"type\":\"connection_init\"}")
        .await?;
    let grown = Grown::begin(server)?;
    let mut ping = vec![0x89, 0xfd, 0, 0, 0, 0];
    ping.extend([b'x'; 125]);
    let pings = ping.repeat(8_000);
    let sending = async {
        let mut left = 400.0 * MB;
        while left > 0.0 && deaf.write_all(&pings).await.is_ok() {
            left -= f64::from(u32::try_from(pings.len())?);
        }
        anyhow::Ok(())
    };
    // The server stops reading, and cuts the connection 10 s later.
    timeout(Duration::from_secs(30), sending)
        .await
        .ok()
        .transpose()?;
    let row = "memory of 400 MB of pings whose pongs are not read (was 644 MB)";
    report.add(row, "MB", grown.megabytes(server)?, Beside::goal(f64::NAN));
    Ok(())
}

async fn half_open(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let health = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let body = "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
        content-length: 1000\r\n\r\n{";
    let kinds = [
        ("a silent connection", "", 10.0),
        ("a partial head", "GET /health HTTP/1.1\r\nhost: loc", 10.0),
        ("a partial body", body, 10.0),
        ("an idle connection", health, 60.0),
        (
            "one that begins HTTP/2",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            10.0,
        ),
    ];
    let lives = kinds.map(|(_, said, _)| async move {
        let began = Instant::now();
        let mut wire = wire(server.address, said).await?;
        let mut answer = Vec::new();
        // A reset is an end, too.
        let _ = wire.read_to_end(&mut answer).await;
        anyhow::Ok(began.elapsed().as_secs_f64())
    });
    for ((kind, _, goal), seconds) in kinds.iter().zip(try_join_all(lives).await?) {
        let row = format!("until {kind} is cut (was more than 100 s)");
        report.add(&row, "s", seconds, Beside::goal(*goal));
    }
    Ok(())
}

async fn slots(server: &Server, _: &Place, report: &mut Report) -> anyhow::Result<()> {
    let (hostile, other) = (
        Client::new(server, "hostile").await?,
        Client::new(server, "other").await?,
    );
    let query = "mutation($input: SubmitIntentsInput!) { submitIntents(input: $input) { results { errors { code } } } }";
    let slow = json!({"intentType": "echo", "sessionId": hostile.session,
        "parameters": {"message": "slow", "delay_ms": 20_000}});
    for _ in 0..4 {
        hostile
            .ask(query, json!({"input": {"intents": vec![&slow; 500]}}))
            .await?;
    }
    let mut slowest = Duration::ZERO;
    for _ in 0..20 {
        slowest = slowest.max(other.echo().await?);
    }
    let row = "another tenant's slowest echo beside 2,000 slow executions (was 20,000 ms)";
    report.add(row, "ms", millis(slowest), Beside::goal(f64::NAN));
    Ok(())
}

async fn stored(server: &Server, place: &Place, report: &mut Report) -> anyhow::Result<()> {
    let client = Client::new(server, "hostile").await?;
    let content = place.folder.path().join("content");
    // Of the first the rows would have 109 MB, which is refused; those of the second are almost 20 times their
    // source, which is not.
    for (row, csv) in [
        (
            "stored bytes of a 420 KB CSV of long names (was 186 MB, of 444 KB)",
            wide(200, 600, 900),
        ),
        (
            "of the one whose rows are largest and not refused",
            wide(100, 2_000, 34),
        ),
    ] {
        let before = bytes_of(&content)?;
        let parameters =
            json!({"journey_id": "content_pipeline", "filename": "wide.csv", "content": csv});
        let id = client.submit("compose_journey", parameters).await?;
        client.ended(&id.context("the file was not taken")?).await?;
        let stored = bytes_of(&content)?.saturating_sub(before);
        let kilobytes = f64::from(u32::try_from(stored)?) / 1e3;
        report.add(row, "KB", kilobytes, Beside::goal(20.0 * 420.0));
    }
    Ok(())
}

/// Rows of `cells` ones below a header of long names.
fn wide(cells: usize, rows: usize, name_bytes: usize) -> String {
    let header: Vec<String> = (0..cells).map(|n| format!("{n:0>name_bytes$}")).collect();
    let row = vec!["1"; cells].join(",");
    format!("{}\n{}", header.join(","), format!("{row}\n").repeat(rows))
}

/// Bytes of all files in a folder.
fn bytes_of(folder: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        bytes += if entry.file_type()?.is_dir() {
            bytes_of(&entry.path())?
        } else {
            entry.metadata()?.len()
        };
    }
    Ok(bytes)
}
