//! Addresses from which proofs come that are not good.

use std::time::Duration;

use reqwest::{StatusCode, header::RETRY_AFTER};
use serde_json::json;

use super::token;
use crate::support::{Backend, Received, Socket, TestApp};

const SETTINGS: [&str; 3] = [
    "auth.mode=required",
    "auth.failed_proofs_burst=3",
    "http.trusted_proxies=127.0.0.1",
];

/// The answer to a proof that comes from an address.
async fn tried(app: &TestApp, proof: &str, from: &str) -> reqwest::Response {
    let request = app.http.post(app.url("/graphql"));
    let request = request.json(&json!({"query": "{ __typename }"}));
    let request = request.header("x-forwarded-for", from);
    request.bearer_auth(proof).send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_guesses_is_told_to_wait_and_keeps_nobody_out_who_is_known() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let [known, other] = [token(&app, "viewer").await, token(&app, "viewer").await];
    let (one, same_network, another) = ("2001:db8::1", "2001:db8::9", "2001:db8:0:9::1");
    assert_eq!(tried(&app, &known, one).await.status(), StatusCode::OK);
    for guess in 0..3 {
        let answer = tried(&app, &format!("tk_{guess}"), one).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    let refused = tried(&app, "tk_4", same_network).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()[RETRY_AFTER], "1");
    let text = refused.text().await.unwrap();
    assert!(
        text.contains("RATE_LIMITED") && text.contains("retryAfterMs"),
        "{text}"
    );
    assert_eq!(tried(&app, &known, one).await.status(), StatusCode::OK);
    assert_eq!(tried(&app, &other, another).await.status(), StatusCode::OK);
    // By and by it may try again, and what is good is found out then.
    let new = token(&app, "viewer").await;
    app.until(|| async { (tried(&app, &new, one).await.status() == StatusCode::OK).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_outlives_a_fresh_proof_that_has_to_wait_for_its_neighbours_guesses() {
    let settings = ["auth.mode=required", "auth.failed_proofs_burst=1"];
    let app = TestApp::start_with(&Backend::sqlite(), &settings).await;
    let of = |proof: &str| json!({"authorization": format!("Bearer {proof}")});
    let own = token(&app, "viewer").await;
    let mut socket = Socket::open(app.server.address(), &of(&own)).await.unwrap();
    let Received::Message(_) = socket.receive_any().await.unwrap() else {
        panic!("it was not opened");
    };
    let fresh = of(&token(&app, "viewer").await);
    let guess = app.http.post(app.url("/graphql")).bearer_auth("tk_1");
    let guess = guess.json(&json!({"query": "{ __typename }"}));
    assert_eq!(
        guess.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    socket
        .send(&json!({"type": "ping", "payload": fresh}))
        .await
        .unwrap();
    let Received::Message(answer) = socket.receive_any().await.unwrap() else {
        panic!("it was closed");
    };
    assert_eq!(answer["type"], "pong");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_in_counts_them_together() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let from = [("x-forwarded-for", "203.0.113.1")];
    let init = json!({"type": "connection_init", "payload": {"authorization": "Bearer tk_1"}});
    let closed = async || {
        let mut socket = Socket::connect(app.server.address(), &from).await.unwrap();
        socket.send(&init).await.unwrap();
        match socket.receive().await.unwrap() {
            Received::Closed(Some(frame)) => u16::from(frame.code),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(closed().await, 4403);
    let rest = async || {
        let request = app.http.get(app.url("/api/intents")).bearer_auth("tk_2");
        let request = request.header("x-forwarded-for", "203.0.113.1");
        request.send().await.unwrap()
    };
    assert_eq!(rest().await.status(), StatusCode::UNAUTHORIZED);
    let basic = app.http.get(app.url("/graphql/stream?query={__typename}"));
    let basic = basic.header("x-forwarded-for", "203.0.113.1");
    let basic = basic.basic_auth("ann", Some("secret")).send().await;
    assert_eq!(basic.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(rest().await.status(), StatusCode::TOO_MANY_REQUESTS);
    // A client comes back after it.
    assert_eq!(closed().await, 1013);
    // No proof is no guess.
    let request = app.http.get(app.url("/api/intents"));
    let request = request.header("x-forwarded-for", "203.0.113.1");
    let answer = request.timeout(Duration::from_secs(30)).send().await;
    assert_eq!(answer.unwrap().status(), StatusCode::UNAUTHORIZED);
}
