//! The database or Redis goes away later and comes back: errors while it lasts, recovery by itself,
//! nothing lost. What is cut is a proxy; the services themselves are shared and go on.

mod late;
mod without_content;
mod without_database;
mod without_redis;

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use takeoff::{
    auth::NewKey,
    model::{
        EventBody, Execution, ExecutionId, ExecutionStatus, RawJson, SessionId, StateWriteMode,
    },
    storage::{Emit, Error, Fence},
};

use crate::support::{
    Acknowledged, Backend, Load, NodeProcess, PATIENCE, Proxy, Received, Redis, SHORT_LEASE,
    Socket, TestApp, soon,
};

/// Limits that a test can wait for: an answer comes within their sum.
const IMPATIENT: [&str; 2] = [
    "database.acquire_timeout_ms=2000",
    "database.statement_timeout_ms=2000",
];
/// By then every request has been answered, on a busy machine, too.
const ANSWERED: Duration = Duration::from_secs(20);
/// A lease that outlives the cuts of a test.
const LONG_LEASE: &str = "runtime.lease_seconds=20";

/// A server that reaches PostgreSQL through a proxy.
async fn behind_proxy(more: &[&str]) -> Option<(Backend, Proxy, TestApp)> {
    let backend = Backend::postgres().await?;
    let proxy = Proxy::before(&backend.url()).await;
    let url = format!("database.url={}", proxy.instead_of(&backend.url()));
    let settings = [IMPATIENT.as_slice(), &[url.as_str()], more].concat();
    let app = TestApp::start_with(&backend, &settings).await;
    Some((backend, proxy, app))
}

async fn submit_over_http(app: &TestApp, session: SessionId) -> Value {
    let query = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { \
        errors { __typename } execution { id } } }";
    let input = json!({"intentType": "add", "sessionId": session.to_string(),
        "parameters": {"a": 1, "b": 2}});
    app.graphql(query, json!({"input": input})).await
}

fn assert_unavailable(answer: &Value) {
    let error = &answer["errors"][0]["extensions"];
    assert_eq!(error["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(error["retryable"], true, "{answer}");
}

/// Asserts what every request gets while the database is away, and how soon.
async fn assert_refused_in_time(app: &TestApp, session: SessionId) {
    let began = Instant::now();
    let query = "{ executions(first: 1) { nodes { id } } }";
    let (submit, read, ready) = tokio::join!(
        submit_over_http(app, session),
        app.graphql(query, json!({})),
        app.http.get(app.url("/ready")).send(),
    );
    assert_unavailable(&submit);
    assert_unavailable(&read);
    let ready = ready.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["dependencies"]["database"], "down");
    assert!(began.elapsed() < ANSWERED, "{:?}", began.elapsed());
}

/// Handlers that wait for the gate, and run.
async fn gated(app: &TestApp, session: SessionId, count: u64) -> Vec<Execution> {
    let mut running = Vec::new();
    for _ in 0..count {
        let id = app.submit(session, "gated", json!({})).await.id;
        running.push(app.reaches(id, ExecutionStatus::Running).await);
    }
    let runs = &app.solution.runs;
    app.until(|| async { (runs.load(Ordering::SeqCst) >= count).then_some(()) })
        .await;
    running
}

/// Waits until the database is back for this node.
async fn until_submits_are_accepted(app: &TestApp, session: SessionId) {
    app.until(|| async {
        let answer = submit_over_http(app, session).await;
        answer["data"]["submitIntent"]["execution"]["id"]
            .as_str()
            .map(drop)
    })
    .await;
}

async fn late_write(app: &TestApp, execution: &Execution) -> Result<(), Error> {
    let emit = Emit {
        fence: Fence {
            execution_id: execution.id,
            epoch: execution.epoch,
        },
        body: EventBody::Domain {
            name: "too.late".to_owned(),
        },
        payload: None,
    };
    app.services().storage.emit(emit).await
}

/// The first value of a query, once it has one.
async fn until_found(connection: &mut PgConnection, query: &str) -> i32 {
    let asked = Instant::now();
    loop {
        assert!(asked.elapsed() < PATIENCE, "{query}: nothing");
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let found = sqlx::query_scalar(query).fetch_optional(&mut *connection);
        if let Some(value) = found.await.unwrap() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
