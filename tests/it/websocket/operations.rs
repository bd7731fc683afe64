//! Operations from `subscribe` to their end.

use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};

use super::{QUERY, Served, WATCH, WATCH_TENANT, answers, closed, is_quiet, next};

const CREATE: &str = "mutation { createSession(input: {}) { session { id } } }";

#[tokio::test]
async fn queries_and_mutations_answer_once_and_free_their_id() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    for _ in 0..3 {
        answers(&mut socket, "same").await;
    }
    socket
        .subscribe("same", CREATE, &Value::Null)
        .await
        .unwrap();
    let created = next(&mut socket).await;
    assert_eq!(created["type"], "next");
    let id = &created["payload"]["data"]["createSession"]["session"]["id"];
    assert!(id.is_string(), "{created}");
    let complete = json!({"id": "same", "type": "complete"});
    assert_eq!(next(&mut socket).await, complete);
    is_quiet(&mut socket).await;
}

#[tokio::test]
async fn a_request_that_cannot_run_is_an_error_and_nothing_follows() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    for query in [
        "",
        "{",
        "{ nothing }",
        "subscription { nothing }",
        "query A { viewer { tenantId } } query B { viewer { tenantId } }",
    ] {
        socket.subscribe("1", query, &json!({})).await.unwrap();
        let message = next(&mut socket).await;
        assert_eq!(
            (&message["type"], &message["id"]),
            (&json!("error"), &json!("1")),
            "{query}"
        );
        let error = &message["payload"][0];
        assert!(error["message"].is_string(), "{query}: {message}");
        assert_eq!(error["extensions"]["code"], "BAD_USER_INPUT", "{query}");
        is_quiet(&mut socket).await;
    }
    answers(&mut socket, "1").await;
}

#[tokio::test]
async fn an_error_of_a_field_comes_within_the_result() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    let by_id = "query($id: ID!) { execution(id: $id) { id } viewer { tenantId } }";
    for (query, data) in [
        (
            by_id,
            json!({"execution": null, "viewer": {"tenantId": "default"}}),
        ),
        (WATCH, Value::Null),
    ] {
        socket
            .subscribe("1", query, &json!({"id": "not an id"}))
            .await
            .unwrap();
        let message = next(&mut socket).await;
        assert_eq!(message["type"], "next", "{message}");
        assert_eq!(message["payload"]["data"], data);
        assert_eq!(message["payload"]["errors"].as_array().unwrap().len(), 1);
        assert_eq!(
            next(&mut socket).await,
            json!({"id": "1", "type": "complete"})
        );
    }
}

#[tokio::test]
async fn a_live_id_may_not_be_used_again_and_a_completed_one_may() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    for _ in 0..20 {
        socket
            .subscribe("1", WATCH_TENANT, &Value::Null)
            .await
            .unwrap();
        socket
            .send(&json!({"id": "1", "type": "complete"}))
            .await
            .unwrap();
    }
    // No completion is echoed, and nothing comes of what was stopped.
    is_quiet(&mut socket).await;
    answers(&mut socket, "1").await;
    socket
        .subscribe("1", WATCH_TENANT, &Value::Null)
        .await
        .unwrap();
    socket.subscribe("1", QUERY, &Value::Null).await.unwrap();
    let duplicate = (4409, "Subscriber for 1 already exists".to_owned());
    assert_eq!(closed(&mut socket).await, duplicate);
    served.is_empty().await;
}

#[tokio::test]
async fn a_connection_has_a_hundred_operations_at_most() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    for id in 1..=101 {
        let id = id.to_string();
        socket
            .subscribe(&id, WATCH_TENANT, &Value::Null)
            .await
            .unwrap();
    }
    let refused = next(&mut socket).await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("101"))
    );
    let extensions = &refused["payload"][0]["extensions"];
    assert_eq!(extensions["code"], "RATE_LIMITED");
    assert_eq!(extensions["retryable"], true);
    // The others go on, and an end makes room.
    socket
        .send(&json!({"id": "50", "type": "complete"}))
        .await
        .unwrap();
    answers(&mut socket, "101").await;
}

#[tokio::test]
async fn an_operation_that_waits_holds_up_nothing_else() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    let mut blocker = SqliteConnection::connect(&served.backend.url())
        .await
        .unwrap();
    blocker.execute("BEGIN IMMEDIATE").await.unwrap();
    socket
        .subscribe("waits", CREATE, &Value::Null)
        .await
        .unwrap();
    is_quiet(&mut socket).await;
    answers(&mut socket, "runs").await;
    blocker.execute("ROLLBACK").await.unwrap();
    assert_eq!(next(&mut socket).await["id"], "waits");
    assert_eq!(
        next(&mut socket).await,
        json!({"id": "waits", "type": "complete"})
    );
}
