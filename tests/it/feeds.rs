//! PostgreSQL: who holds the feeds of sessions and tenants back, and who does not.

use futures::StreamExt;
use serde_json::json;
use sqlx::{ConnectOptions, Connection, Executor, PgConnection, postgres::PgConnectOptions};
use takeoff::model::SessionId;

use crate::support::{Backend, Cluster, NodeProcess, PATIENCE, Received, Socket, TestApp};

/// Returns when a session's feed has brought the end of an execution.
async fn brings_an_end(app: &TestApp, session: SessionId) {
    let events = &app.services().events;
    let principal = app.principal();
    let feed = events.watch_session(&principal, session, None);
    let mut feed = Box::pin(feed.await.unwrap());
    let ended = async {
        loop {
            let batch = feed.next().await.unwrap().unwrap();
            if batch.events.iter().any(|event| event.body.is_terminal()) {
                return;
            }
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    ended.expect("the feed stands still");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_prepared_transaction_that_was_forgotten_in_another_database_stops_no_feed() {
    let Some(cluster) = Cluster::start_with(&["max_prepared_transactions=2"]).await else {
        return;
    };
    // By statements of their own: what is sent together is one transaction.
    let mut other = PgConnection::connect(&cluster.url("postgres"))
        .await
        .unwrap();
    for statement in [
        "BEGIN",
        "CREATE TABLE forgotten (n bigint)",
        "PREPARE TRANSACTION 'forgotten'",
    ] {
        other.execute(statement).await.unwrap();
    }
    let backend = Backend {
        database_url: Some(cluster.url("takeoff")),
        ..Backend::sqlite()
    };
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    app.run_in(session, "talk", json!({})).await;
    brings_an_end(&app, session).await;
    let forgotten: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_prepared_xacts")
        .fetch_one(&mut other)
        .await
        .unwrap();
    assert_eq!(forgotten, 1);
    app.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_writer_that_holds_feeds_back_is_named_in_the_log_and_measured() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[]).await;
    // As a writer of another node that stopped in the middle of its transaction.
    let writer: PgConnectOptions = backend.url().parse().unwrap();
    let mut writer = writer.application_name("takeoff").connect().await.unwrap();
    writer.execute("BEGIN").await.unwrap();
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid() FROM pg_current_xact_id()")
        .fetch_one(&mut writer)
        .await
        .unwrap();
    let http = crate::support::http();
    let url = |path: &str| format!("http://{}{path}", node.address);
    let submit = "mutation { createSession(input: {}) { session { id } } }";
    let made = http.post(url("/graphql")).json(&json!({"query": submit}));
    let made: serde_json::Value = made.send().await.unwrap().json().await.unwrap();
    let session = &made["data"]["createSession"]["session"]["id"];
    let mut socket = Socket::open(node.address, &json!({})).await.unwrap();
    let feed = "subscription($id: ID!) { sessionEvents(sessionId: $id) { events { type } } }";
    let variables = json!({"id": session});
    socket.subscribe("1", feed, &variables).await.unwrap();
    let submit = "mutation($id: ID!) { submitIntent(input: {sessionId: $id, intentType: \"add\", \
        parameters: {a: 1, b: 1}}) { execution { id } } }";
    let submit = json!({"query": submit, "variables": variables});
    let accepted = http
        .post(url("/graphql"))
        .json(&submit)
        .send()
        .await
        .unwrap();
    assert!(accepted.text().await.unwrap().contains("exe_"));

    let held_back = async || {
        let metrics = http.get(url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        let held = metrics
            .lines()
            .find_map(|line| line.strip_prefix("takeoff_feeds_held_back_seconds "));
        held.unwrap().parse::<f64>().unwrap()
    };
    let is_named = || {
        let log = node.log();
        log.lines().any(|line| {
            line.contains("holds the feeds of sessions and tenants back")
                && line.contains(&pid.to_string())
        })
    };
    let noticed = async {
        while held_back().await < 1.0 || !is_named() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let noticed = tokio::time::timeout(PATIENCE, noticed).await;
    noticed.expect("nobody is named");
    writer.execute("ROLLBACK").await.unwrap();
    let Received::Message(first) = socket.receive().await.unwrap() else {
        panic!("closed");
    };
    assert!(first.to_string().contains("execution.created"), "{first}");
    let over = async {
        while held_back().await > 0.0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    let over = tokio::time::timeout(PATIENCE, over).await;
    over.expect("the feeds are still said to be held back");
}
