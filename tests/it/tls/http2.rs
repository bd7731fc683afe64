//! Connections of HTTP/2 that cost more than they ask for. Their streams have windows of their own, so that a
//! client can keep an answer waiting while it takes all that is sent.

use std::time::Duration;

use axum::http::Method;
use h2::client::Builder;
use serde_json::json;
use tokio::time::timeout;

use super::{http2, request, send, start, text};
use crate::support::{Backend, PATIENCE, TestApp};

const NEVER: &str = "600000";

/// A server in which one time is short and the others never pass.
async fn impatient(backend: &Backend, short: &str) -> TestApp {
    let times = ["header", "body", "idle", "write"].map(|time| {
        let limit = if time == short { "1000" } else { NEVER };
        format!("http.{time}_timeout_ms={limit}")
    });
    let times = times.each_ref().map(String::as_str);
    start(backend, &times).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_without_requests_is_closed_and_one_with_some_is_not() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "idle").await;
    let address = app.server.address();
    let mut client = http2(address, &Builder::new()).await;
    let waiting = app.submit(app.session().await, "gated", json!({})).await;
    let watch = json!({"query": format!(
        "subscription {{ executionEvents(executionId: \"{}\") {{ events {{ type }} }} }}", waiting.id
    )});
    let mut asked = request(Method::POST, address, "/graphql/stream");
    let accepted = "text/event-stream".parse().unwrap();
    asked.headers_mut().insert("accept", accepted);
    let events = send(&mut client, asked, Some(watch.to_string()))
        .await
        .unwrap();
    assert_eq!(events.status(), 200);
    // Longer than a connection may be idle.
    tokio::time::sleep(Duration::from_millis(2_500)).await;
    let health = request(Method::GET, address, "/health");
    let answer = send(&mut client, health, None).await.unwrap();
    assert_eq!(answer.status(), 200);
    app.solution.gate.add_permits(1);
    assert!(text(events).await.unwrap().contains("execution.completed"));
    app.until(|| async { client.clone().ready().await.err() })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_whose_window_never_opens_is_given_up_and_others_go_on() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "write").await;
    let address = app.server.address();
    let mut builder = Builder::new();
    builder.initial_window_size(10);
    let mut client = http2(address, &builder).await;
    let large = request(Method::GET, address, "/api/openapi.json");
    let answer = send(&mut client, large, None).await.unwrap();
    let mut body = answer.into_body();
    // What it takes is not given back to the window.
    assert_eq!(body.data().await.unwrap().unwrap().len(), 10);
    let next = timeout(PATIENCE, body.data())
        .await
        .expect("it was not cut");
    assert!(next.is_none_or(|data| data.is_err()));
    // The connection may be a proxy's, with requests of others on it.
    let health = request(Method::GET, address, "/health");
    let answer = send(&mut client, health, None).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_by_address_are_answered_over_http2_as_well() {
    let app = start(&Backend::sqlite(), &[]).await;
    let address = app.server.address();
    let mut client = http2(address, &Builder::new()).await;
    for (authority, status) in [("10.1.2.3:8443", 200), ("stranger.example.com", 421)] {
        let mut probe = request(Method::GET, address, "/health");
        *probe.uri_mut() = format!("https://{authority}/health").parse().unwrap();
        let answer = send(&mut client, probe, None).await.unwrap();
        assert_eq!(answer.status(), status, "{authority}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_too_slowly_is_refused_and_the_connection_goes_on() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "body").await;
    let address = app.server.address();
    let mut client = http2(address, &Builder::new()).await;
    let asked = request(Method::POST, address, "/graphql");
    let (answer, mut slow) = client.send_request(asked, false).unwrap();
    slow.send_data("{".into(), false).unwrap();
    let answer = timeout(PATIENCE, answer).await.expect("it was not refused");
    assert_eq!(answer.unwrap().status(), 408);
    let health = request(Method::GET, address, "/health");
    let answer = send(&mut client, health, None).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let address = app.server.address();
    let mut client = http2(address, &Builder::new()).await;
    let mut large = request(Method::GET, address, "/health");
    let value = "x".repeat(70_000);
    large
        .headers_mut()
        .insert("x-large", value.parse().unwrap());
    let refused = send(&mut client, large, None).await;
    let status = refused.map(|answer| answer.status().as_u16());
    assert!(matches!(status, Ok(431) | Err(_)), "{status:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_stops_answers_the_requests_that_were_begun() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let address = app.server.address();
    let mut client = http2(address, &Builder::new()).await;
    let body = json!({"query": "{ __typename }"}).to_string();
    let asked = request(Method::POST, address, "/graphql");
    let (answer, mut stream) = client.send_request(asked, false).unwrap();
    let health = request(Method::GET, address, "/health");
    // The request before it has come, too, when this one is answered.
    send(&mut client, health, None).await.unwrap();
    let stopping = tokio::spawn(app.server.stop());
    stream.send_data(body.into(), true).unwrap();
    assert!(text(answer.await.unwrap()).await.unwrap().contains("Query"));
    timeout(PATIENCE, stopping)
        .await
        .expect("it did not stop")
        .unwrap();
}
