//! From a submit to the terminal event at a subscriber.

use std::{
    cell::RefCell,
    collections::HashMap,
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Context;
use hdrhistogram::Histogram;
use serde_json::json;

use crate::{
    http::Http,
    load::{histogram, micros, submit},
    server::Server,
    socket::Socket,
};

pub(crate) const EXECUTION_EVENTS: &str = "subscription Watch($id: ID!) \
    { executionEvents(executionId: $id) { cursor events { sequence type } } }";

/// The id of the execution that an answer to a submit names.
pub(crate) fn execution_id(answer: &str) -> anyhow::Result<&str> {
    let start = answer.find("exe_").with_context(|| answer.to_owned())?;
    let id = answer[start..].split('"').next();
    id.context("an answer without an end")
}

/// Submits by HTTP, subscribes on one socket, waits for the end; one after the other.
pub(crate) async fn one_by_one(
    server: &Server,
    session: &str,
    times: usize,
) -> anyhow::Result<Histogram<u64>> {
    let mut latency = histogram()?;
    let mut http = Http::open(server.address).await?;
    let mut socket = Socket::open(server.address).await?;
    let body = submit(session);
    for number in 0..times {
        let began = Instant::now();
        let id = execution_id(http.post("/graphql", &body).await?)?.to_owned();
        let name = number.to_string();
        socket
            .subscribe(&name, EXECUTION_EVENTS, &json!({"id": id}))
            .await?;
        while !socket.receive().await?.contains("execution.completed") {}
        latency.saturating_record(micros(began.elapsed()));
        let end = socket.receive().await?;
        anyhow::ensure!(end.contains(r#""complete""#), "{end}");
    }
    Ok(latency)
}

/// `rate` submits a second for `time`, whatever becomes of the earlier ones; the latency counts from
/// the moment at which the submit was due.
pub(crate) async fn at_rate(
    server: &Server,
    session: &str,
    rate: u32,
    time: Duration,
) -> anyhow::Result<Histogram<u64>> {
    const CONNECTIONS: u32 = 32;
    let latency = Rc::new(RefCell::new(histogram()?));
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        let http = Http::open(server.address).await?;
        connections.push((http, Socket::open(server.address).await?));
    }
    let began = Instant::now();
    let pause = Duration::from_secs(1) / rate;
    let total = rate * u32::try_from(time.as_secs())?;
    let lanes = (0..).zip(connections).map(|(lane, (mut http, mut socket))| {
        let latency = Rc::clone(&latency);
        async move {
            let body = submit(session);
            let mut open: HashMap<String, Instant> = HashMap::new();
            let mut due_number = lane;
            loop {
                let due = began + pause * due_number;
                tokio::select! {
                    () = tokio::time::sleep_until(due.into()), if due_number < total => {
                        let id = execution_id(http.post("/graphql", &body).await?)?.to_owned();
                        let variables = json!({"id": id});
                        socket.subscribe(&id, EXECUTION_EVENTS, &variables).await?;
                        open.insert(id, due);
                        due_number += CONNECTIONS;
                    }
                    message = socket.receive(), if !open.is_empty() => {
                        let message = message?;
                        if message.contains("execution.completed") {
                            let due = open.remove(execution_id(&message)?).context("an unknown execution")?;
                            latency.borrow_mut().saturating_record(micros(due.elapsed()));
                        }
                    }
                    else => return anyhow::Ok(()),
                }
            }
        }
    });
    futures::future::try_join_all(lanes).await?;
    Ok(Rc::into_inner(latency)
        .context("a lane is left")?
        .into_inner())
}
