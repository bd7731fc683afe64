//! The kinds of attack, each as much as its tenant is allowed. Whatever the server answers, they go on.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use futures::future::{join_all, try_join_all};
use serde_json::{Value, json};

use super::{LOW_PRIORITY, hostile_intents};
use crate::{http::Http, load::request, seed::artifact_id, socket::Socket};

/// The hostile tenant.
pub(super) const TENANT: &str = "hostile";
/// The variable that says how many artifacts the tenant has.
pub(super) const ARTIFACTS: &str = "TAKEOFF_BENCH_ARTIFACTS";

pub(super) const KINDS: &[&str] = &[
    "viewer flood",
    "100x100 children",
    "filters",
    "batches",
    "feeds",
    "uploads",
    "lineage",
    "parses",
];

pub(super) const VIEWER: &str = "{ viewer { tenantId } }";
pub(super) const CHILDREN: &str = "{ executions(first: 100, filter: {intentType: [\"compose_journey\"]}) { nodes { id \
    children(first: 100) { nodes { id status attempt createdAt intent { id intentType } } } } } }";
pub(super) const FILTERS: &str = "query Filters($types: [String!]) { \
    executions(first: 200, filter: {intentType: $types, createdAfter: \"2000-01-01T00:00:00Z\"}) { nodes { id } } \
    artifacts(first: 200, filter: {artifactType: $types, nameContains: \"nothing has this name\"}) { nodes { id } } }";
pub(super) const SUBMIT_MANY: &str = "mutation Many($input: SubmitIntentsInput!) \
    { submitIntents(input: $input) { results { execution { id } } errors { code } } }";
const FEED: &str =
    "subscription Feed { tenantEvents { cursor events { executionId sequence type } } }";
pub(super) const LINEAGE: &str = "query Lineage($root: ID!) { lineage(roots: [$root], direction: BOTH, maxDepth: 100, maxNodes: 10000) \
    { nodes { depth artifact { id artifactType displayName } } edges { parentId childId } mermaid } }";
const CREATE_UPLOAD: &str = "mutation Upload($input: CreateUploadInput!) \
    { createUpload(input: $input) { url errors { code } } }";

/// Attacks until the process is killed.
pub(crate) fn attack(kind: &str, address: &str) -> anyhow::Result<()> {
    let address: SocketAddr = address.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        // Linux may schedule sessions as wholes, and then a process's own priority counts within its
        // session only: the database has another one.
        let of_session = "/proc/self/autogroup";
        if tokio::fs::try_exists(of_session).await? {
            tokio::fs::write(of_session, LOW_PRIORITY)
                .await
                .context(of_session)?;
        }
        let session = session(address).await?;
        match kind {
            "viewer flood" => flood(address, 64, |_| request(VIEWER, &json!({}))).await,
            "100x100 children" => flood(address, 16, |_| request(CHILDREN, &json!({}))).await,
            "filters" => {
                let types: Vec<String> = (0..100).map(|n| format!("type_{n}")).collect();
                let body = request(FILTERS, &json!({"types": types}));
                flood(address, 16, |_| body.clone()).await
            }
            "batches" => {
                let input = hostile_intents(&session, 1_000);
                let body = request(SUBMIT_MANY, &json!({"input": input}));
                flood(address, 16, |_| body.clone()).await
            }
            "feeds" => feeds(address, &session).await,
            "uploads" => uploads(address).await,
            "lineage" => {
                let all = artifacts()?;
                let root = |n: u64| artifact_id(all - (n * 7_919) % (all / 2));
                flood(address, 16, |n| request(LINEAGE, &json!({"root": root(n)}))).await
            }
            "parses" => flood(address, 16, parse).await,
            other => bail!("there is no attack {other}"),
        }
    })
}

fn artifacts() -> anyhow::Result<u64> {
    #[expect(clippy::disallowed_methods, reason = "the driver speaks by it")]
    let all = std::env::var(ARTIFACTS).context(ARTIFACTS)?;
    Ok(all.parse()?)
}

async fn session(address: SocketAddr) -> anyhow::Result<String> {
    let query = "mutation { createSession(input: {}) { session { id } } }";
    let mut http = Http::open_as(TENANT, address).await?;
    let answer = http.post("/graphql", &request(query, &json!({}))).await?;
    let answer: Value = serde_json::from_str(answer)?;
    let id = answer["data"]["createSession"]["session"]["id"].as_str();
    Ok(id.context("no session")?.to_owned())
}

/// Opens that many connections, each of which asks again as soon as it is answered.
async fn flood(
    address: SocketAddr,
    connections: u64,
    body: impl Fn(u64) -> String,
) -> anyhow::Result<()> {
    let body = &body;
    let loops = (0..connections).map(|connection| async move {
        let mut number = connection;
        loop {
            let mut http = Http::open_as(TENANT, address).await?;
            while http.post_any("/graphql", &body(number)).await.is_ok() {
                number += connections;
            }
        }
    });
    try_join_all(loops).await.map(|_: Vec<()>| ())
}

/// A document that is new, valid, and has nearly as many tokens and bytes as it may have.
pub(super) fn parse(number: u64) -> String {
    let padding = "x".repeat(120);
    let fields = format!(
        "...on Session{{id stateVersion userId}} ...on Execution{{id status attempt}}#{padding}\n"
    );
    let text = format!(
        "query Q{number} {{ node(id: \"ses_0\") {{ {} }} }}",
        fields.repeat(75)
    );
    request(&text, &json!({}))
}

/// Subscribers of everything, and submits that they are told of.
async fn feeds(address: SocketAddr, session: &str) -> anyhow::Result<()> {
    const SOCKETS: usize = 20;
    const EACH: usize = 50;
    let sockets = (0..SOCKETS).map(|_| async {
        let mut socket = Socket::open_as(TENANT, address).await?;
        for id in 0..EACH {
            socket.subscribe(&id.to_string(), FEED, &json!({})).await?;
        }
        loop {
            socket.receive().await?;
        }
    });
    let input = hostile_intents(session, 10);
    let body = request(SUBMIT_MANY, &json!({"input": input}));
    let submits = flood(address, 4, |_| body.clone());
    let watching = async {
        let ended: Vec<anyhow::Result<()>> = join_all(sockets).await;
        ended.into_iter().collect::<anyhow::Result<()>>()
    };
    futures::future::try_join(watching, submits)
        .await
        .map(|_| ())
}

async fn uploads(address: SocketAddr) -> anyhow::Result<()> {
    const CONNECTIONS: u64 = 16;
    const BYTES: usize = 1 << 20;
    let loops = (0..CONNECTIONS).map(|connection| async move {
        let mut bytes = vec![0_u8; BYTES];
        let mut number = connection;
        loop {
            let mut http = Http::open_as(TENANT, address).await?;
            loop {
                // Content that is there already need not be stored.
                bytes[..8].copy_from_slice(&number.to_le_bytes());
                number += CONNECTIONS;
                let input = json!({"filename": "a.bin", "sizeBytes": BYTES.to_string()});
                let body = request(CREATE_UPLOAD, &json!({"input": input}));
                let Ok((_, answer)) = http.post_any("/graphql", &body).await else {
                    break;
                };
                let answer: Value = serde_json::from_str(answer)?;
                let Some(url) = answer["data"]["createUpload"]["url"].as_str() else {
                    continue;
                };
                if http.put(url, &bytes).await.is_err() {
                    break;
                }
            }
        }
    });
    try_join_all(loops).await.map(|_: Vec<()>| ())
}
