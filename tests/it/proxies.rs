//! Proxies in front of the server: their word is taken for where a request comes from, and nobody else's.

use reqwest::StatusCode;
use serde_json::json;

use crate::support::{Backend, PATIENCE, TestApp, Wire};

const BY_PROXY: &str = "http.trusted_proxies=127.0.0.1";

/// A request that waits for its body, as from this client.
fn waiting(client: &str) -> String {
    format!(
        "POST /graphql HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
         x-forwarded-for: {client}\r\ncontent-length: 100\r\n\r\n"
    )
}

async fn status_of(app: &TestApp, client: &str) -> StatusCode {
    let request = app.http.get(app.url("/health"));
    let request = request.header("x-forwarded-for", client);
    request.send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_of_one_client_are_bounded_and_those_of_others_by_the_same_proxy_are_not() {
    let backend = Backend::sqlite();
    let app =
        TestApp::start_with(&backend, &[BY_PROXY, "http.max_connections_per_address=1"]).await;
    let mut wire = Wire::open(app.server.address()).await;
    wire.say(waiting("203.0.113.1")).await.unwrap();
    app.until(|| async {
        let status = status_of(&app, "203.0.113.1").await;
        (status == StatusCode::SERVICE_UNAVAILABLE).then_some(())
    })
    .await;
    // What it writes itself stands before what the proxy adds.
    let spoofed = status_of(&app, "203.0.113.2, 203.0.113.1").await;
    assert_eq!(spoofed, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(status_of(&app, "203.0.113.2").await, StatusCode::OK);
    drop(wire);
    app.until(|| async { (status_of(&app, "203.0.113.1").await == StatusCode::OK).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_keeps_the_place_of_its_client_while_it_is_open() {
    let backend = Backend::sqlite();
    let app =
        TestApp::start_with(&backend, &[BY_PROXY, "http.max_connections_per_address=1"]).await;
    let headers = [("x-forwarded-for", "203.0.113.1")];
    let socket = crate::support::Socket::connect(app.server.address(), &headers).await;
    let socket = socket.unwrap();
    let refused = status_of(&app, "203.0.113.1").await;
    assert_eq!(refused, StatusCode::SERVICE_UNAVAILABLE);
    drop(socket);
    app.until(|| async { (status_of(&app, "203.0.113.1").await == StatusCode::OK).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proxy_that_is_not_trusted_is_one_address_whatever_it_says() {
    let backend = Backend::sqlite();
    let settings = [
        "http.trusted_proxies=192.0.2.7",
        "http.max_connections_per_address=1",
    ];
    let app = TestApp::start_with(&backend, &settings).await;
    let mut first = Wire::open(app.server.address()).await;
    first.say(waiting("203.0.113.1")).await.unwrap();
    app.until(|| async {
        let mut second = Wire::open(app.server.address()).await;
        let _ = second.say(waiting("203.0.113.2")).await;
        second
            .rest()
            .await
            .starts_with("HTTP/1.1 503")
            .then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_came_by_https_is_the_servers_own_only_if_a_trusted_proxy_says_so() {
    for (proxies, status) in [("127.0.0.1", 200), ("192.0.2.7", 403)] {
        let backend = Backend::sqlite();
        let trusted = format!("http.trusted_proxies={proxies}");
        let app = TestApp::start_with(&backend, &[&trusted]).await;
        let request = app
            .http
            .post(app.url("/graphql"))
            .header("x-forwarded-proto", "https")
            .header("origin", format!("https://{}", app.server.address()));
        let query = json!({"query": "{ __typename }"});
        let answered = tokio::time::timeout(PATIENCE, request.json(&query).send()).await;
        assert_eq!(answered.unwrap().unwrap().status(), status, "{proxies}");
    }
}
