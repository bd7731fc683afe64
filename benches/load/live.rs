//! Rows about subscribers.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures::{StreamExt, TryStreamExt, future::try_join_all, stream};
use serde_json::{Value, json};

use crate::{
    http::Http,
    load::{SUBMIT, count, exactly, histogram, micros, submit, submit_many},
    report::Beside,
    rows::{Run, wait_for},
    server::{Backend, Server},
    socket::Socket,
    watch::{EXECUTION_EVENTS, execution_id},
};

const SESSION_EVENTS: &str = "subscription Feed($id: ID!) { sessionEvents(sessionId: $id) \
    { cursor hasMorePastEvents events { executionId type } } }";
const CANCEL: &str = "mutation Cancel($input: CancelExecutionInput!) \
    { cancelExecution(input: $input) { execution { id } errors { code } } }";
/// Sockets that are opened at the same time.
const AT_ONCE: usize = 64;
/// The number of commits, each of which reaches a thousand subscribers.
const ROUNDS: usize = 11;

impl Run<'_> {
    /// From the answer to a submit, which comes after the commit, to the event at a subscriber.
    pub(crate) async fn hint(&mut self) -> anyhow::Result<()> {
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        let millis = self.after_commit(&server, &server, &session).await?;
        let beside = Beside::goal(1.0);
        let row = "commit to subscriber, same node, p50";
        self.report.add(row, "ms", millis, beside);
        if self.place.backend == Backend::Postgres {
            let other = Server::start(&self.place, &[]).await?;
            let millis = self.after_commit(&server, &other, &session).await?;
            let beside = Beside::goal(3.0);
            let row = "commit to subscriber, other node, p50";
            self.report.add(row, "ms", millis, beside);
        }
        Ok(())
    }

    async fn after_commit(
        &self,
        server: &Server,
        watched: &Server,
        session: &str,
    ) -> anyhow::Result<f64> {
        let mut http = Http::open(server.address).await?;
        let mut latency = histogram()?;
        // One that starts later, so that its first event is alone.
        let body = crate::load::request(SUBMIT, &json!({"input": later(session)}));
        let mut socket = Socket::open(watched.address).await?;
        let feed = json!({"id": session});
        socket.subscribe("feed", SESSION_EVENTS, &feed).await?;
        for number in 0..self.scale.singles / 2 {
            let id = execution_id(http.post("/graphql", &body).await?)?.to_owned();
            let answered = Instant::now();
            while !socket.receive().await?.contains(&id) {}
            if number >= 10 {
                latency.saturating_record(micros(answered.elapsed()).max(1));
            }
        }
        Ok(count(latency.value_at_percentile(50.0)) / 1e3)
    }

    /// Subscribers on sockets of their own that wait, and one event that reaches a thousand of them.
    pub(crate) async fn subscribers(&mut self) -> anyhow::Result<()> {
        let enough = [
            ("TAKEOFF_HTTP_MAX_CONNECTIONS", "12000"),
            ("TAKEOFF_HTTP_MAX_CONNECTIONS_PER_ADDRESS", "12000"),
        ];
        let server = Server::start(&self.place, &enough).await?;
        let session = server.session().await?;
        let delayed = json!({"intentType": "echo", "sessionId": session,
            "parameters": {"delay_ms": 60_000}});
        let data = server.ask(SUBMIT, json!({"input": delayed})).await?;
        let id = data["submitIntent"]["execution"]["id"].clone();
        let before = server.memory()?;
        let wanted = self.scale.subscribers;
        let sockets: Vec<Socket> = stream::iter(0..wanted)
            .map(|_| subscribed(&server, &id))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let beside = Beside::goal(250.0);
        let memory = count(server.memory()? - before) / 1e6;
        let each = memory / count(wanted as u64) * 1e4;
        let row =
            format!("memory for 10,000 subscribers, each on its own socket ({wanted} opened)");
        self.report.add(&row, "MB", each, beside);

        let mut sockets = sockets;
        let mut thousand = sockets.split_off(wanted.saturating_sub(1_000));
        drop(sockets);
        self.settle().await;
        let mut latest = histogram()?;
        for round in 0..ROUNDS {
            let took = fan_out(&server, &session, &mut thousand, round).await?;
            latest.saturating_record(micros(took));
        }
        let millis = count(latest.value_at_percentile(50.0)) / 1e3;
        let beside = Beside::goal(50.0);
        let row = "one commit's events to 1,000 subscribers, until the last one has them, p50";
        self.report.add(row, "ms", millis, beside);
        Ok(())
    }

    /// A session's feed from its beginning.
    pub(crate) async fn resume(&mut self) -> anyhow::Result<()> {
        let wanted = self.scale.past_events;
        let server = Server::start(&self.place, &[]).await?;
        let session = server.session().await?;
        // Three events each: created, started, completed.
        let executions = wanted / 3 + 1;
        exactly(
            server.address,
            &submit_many(&session, 100),
            4,
            executions / 100,
        )
        .await?;
        exactly(server.address, &submit(&session), 4, executions % 100).await?;
        wait_for(&server, "echo", count(executions as u64)).await?;
        self.settle().await;
        let began = Instant::now();
        let mut socket = Socket::open(server.address).await?;
        socket
            .subscribe("feed", SESSION_EVENTS, &json!({"id": session}))
            .await?;
        let mut seen: HashMap<String, usize> = HashMap::new();
        while seen.values().sum::<usize>() < wanted {
            let message: Value = serde_json::from_str(&socket.receive().await?)?;
            let events = message["payload"]["data"]["sessionEvents"]["events"].as_array();
            for event in events.into_iter().flatten() {
                let id = event["executionId"].as_str().unwrap_or_default();
                *seen.entry(id.to_owned()).or_default() += 1;
            }
        }
        let beside = Beside::goal(1.0);
        let row = &format!("resume over {wanted} past events");
        self.report
            .add(row, "s", began.elapsed().as_secs_f64(), beside);
        Ok(())
    }
}

/// Cancels an execution that waits for its time, and that all of these watch: from the answer, which
/// comes after the commit, to the last one's events.
async fn fan_out(
    server: &Server,
    session: &str,
    sockets: &mut [Socket],
    round: usize,
) -> anyhow::Result<Duration> {
    let data = server.ask(SUBMIT, json!({"input": later(session)})).await?;
    let id = &data["submitIntent"]["execution"]["id"];
    let name = &format!("round {round}");
    let watched = sockets.iter_mut().map(async |socket| {
        let variables = json!({"id": id});
        socket.subscribe(name, EXECUTION_EVENTS, &variables).await?;
        let is_first = |text: &str| text.contains(name) && text.contains("execution.created");
        while !is_first(&socket.receive().await?) {}
        anyhow::Ok(())
    });
    try_join_all(watched).await?;
    let body = crate::load::request(CANCEL, &json!({"input": {"executionId": id}}));
    let mut http = Http::open(server.address).await?;
    let cancelled = async {
        anyhow::ensure!(http.post("/graphql", &body).await?.contains("exe_"));
        Ok(Instant::now())
    };
    let seen = sockets.iter_mut().map(async |socket| {
        while !socket.receive().await?.contains("execution.cancelled") {}
        anyhow::Ok(Instant::now())
    });
    let (answered, seen) = futures::future::try_join(cancelled, try_join_all(seen)).await?;
    let last = seen.into_iter().max().unwrap_or(answered);
    Ok(last.saturating_duration_since(answered))
}

/// An intent whose time does not come while anything is measured.
fn later(session: &str) -> Value {
    json!({"intentType": "echo", "sessionId": session, "runAt": "2100-01-01T00:00:00Z",
        "parameters": {"message": "hello"}})
}

/// A socket that has seen the first event.
async fn subscribed(server: &Server, id: &Value) -> anyhow::Result<Socket> {
    let mut socket = Socket::open(server.address).await?;
    socket
        .subscribe("1", EXECUTION_EVENTS, &json!({"id": id}))
        .await?;
    let limit = Duration::from_secs(30);
    let first = tokio::time::timeout(limit, socket.receive()).await??;
    anyhow::ensure!(first.contains("execution.created"), "{first}");
    Ok(socket)
}
