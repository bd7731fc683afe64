//! A primary fails, its standby takes over, and the old one comes back as a standby.

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use takeoff::model::ExecutionStatus;

use crate::support::{Backend, Cluster, Proxy, TestApp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_become_a_standby_is_not_read_from() {
    let Some(mut one) = Cluster::start().await else {
        return;
    };
    let mut proxy = Proxy::before(&one.url("takeoff")).await;
    let backend = Backend {
        database_url: Some(proxy.instead_of(&one.url("takeoff"))),
        ..Backend::sqlite()
    };
    let limits = [
        "database.acquire_timeout_ms=1000",
        "database.statement_timeout_ms=1000",
    ];
    let app = TestApp::start_with(&backend, &limits).await;
    let session = app.session().await;
    app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
    let two = one.standby().await;
    one.stop();
    two.promote().await;
    one.follow(&two);
    one.resume(&[]).await;
    // It would answer.
    let mut direct = PgConnection::connect(&one.url("takeoff")).await.unwrap();
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery() FROM session")
        .fetch_one(&mut direct)
        .await
        .unwrap();
    assert!(is_standby);
    let query = "{ executions(first: 1) { nodes { id } } }";
    for _ in 0..3 {
        let answer = app.graphql(query, json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{answer}"
        );
        assert_eq!(answer["data"]["executions"], Value::Null);
    }
    // The address leads to the new primary.
    proxy.lead_to(&two.url("takeoff")).await;
    app.until(|| async {
        let answer = app.graphql(query, json!({})).await;
        answer["data"]["executions"].is_object().then_some(())
    })
    .await;
    let done = app.run_in(session, "add", json!({"a": 2, "b": 2})).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
    app.server.stop().await;
}
