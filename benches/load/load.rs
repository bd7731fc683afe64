//! Callers in a closed loop, and what they ask for.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use futures::future::try_join_all;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::http::Http;

pub(crate) const SUBMIT: &str = "mutation Submit($input: SubmitIntentInput!) \
    { submitIntent(input: $input) { execution { id } errors { code message } } }";
const SUBMIT_MANY: &str = "mutation SubmitMany($input: SubmitIntentsInput!) \
    { submitIntents(input: $input) { results { execution { id } errors { code message } } errors { code message } } }";

/// An intent whose handler does nothing.
pub(crate) fn intent(session: &str) -> Value {
    json!({"intentType": "echo", "sessionId": session, "parameters": {"message": "hello"}})
}

pub(crate) fn request(query: &str, variables: &Value) -> String {
    json!({"query": query, "variables": variables}).to_string()
}

pub(crate) fn submit(session: &str) -> String {
    request(SUBMIT, &json!({"input": intent(session)}))
}

pub(crate) fn submit_many(session: &str, count: usize) -> String {
    let intents = vec![intent(session); count];
    request(SUBMIT_MANY, &json!({"input": {"intents": intents}}))
}

/// The counts of a closed loop.
pub(crate) struct Done {
    pub(crate) requests: u64,
    pub(crate) took: Duration,
}

impl Done {
    pub(crate) fn per_second(&self) -> f64 {
        count(self.requests) / self.took.as_secs_f64()
    }
}

/// Exact as long as it is below 2^53.
#[expect(
    clippy::cast_precision_loss,
    reason = "no count of a benchmark is that large"
)]
pub(crate) fn count(n: u64) -> f64 {
    n as f64
}

pub(crate) fn micros(took: Duration) -> u64 {
    u64::try_from(took.as_micros()).unwrap_or(u64::MAX)
}

pub(crate) fn histogram() -> anyhow::Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

/// `callers` connections that each post one request after the other for `time`. Each answer must
/// contain `expected`.
pub(crate) async fn closed_loop(
    address: SocketAddr,
    request: (&str, &str, &str),
    callers: usize,
    time: Duration,
) -> anyhow::Result<Done> {
    closed_loop_as("", address, request, callers, time).await
}

/// The same with these lines in the head of each request.
pub(crate) async fn closed_loop_as(
    headers: &str,
    address: SocketAddr,
    (path, body, expected): (&str, &str, &str),
    callers: usize,
    time: Duration,
) -> anyhow::Result<Done> {
    let connections = (0..callers).map(|_| Http::open_by(headers, address));
    let connections = try_join_all(connections).await?;
    let began = Instant::now();
    let end = began + time;
    let loops = connections.into_iter().map(|mut http| async move {
        let mut requests = 0;
        while Instant::now() < end {
            let answer = http.post(path, body).await?;
            anyhow::ensure!(answer.contains(expected), "{answer}");
            requests += 1;
        }
        Ok(requests)
    });
    let requests = try_join_all(loops).await?.into_iter().sum();
    let took = began.elapsed();
    Ok(Done { requests, took })
}

/// Exactly `total` requests by `callers` connections.
pub(crate) async fn exactly(
    address: SocketAddr,
    body: &str,
    callers: usize,
    total: usize,
) -> anyhow::Result<()> {
    let loops = (0..callers).map(|caller| async move {
        let mut http = Http::open(address).await?;
        for _ in (caller..total).step_by(callers) {
            let answer = http.post("/graphql", body).await?;
            anyhow::ensure!(answer.contains(ACCEPTED), "{answer}");
        }
        Ok(())
    });
    try_join_all(loops).await.map(|_: Vec<()>| ())
}

/// A text that only the answer to an accepted submit contains.
pub(crate) const ACCEPTED: &str = r#""id":"exe_"#;
