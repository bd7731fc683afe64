//! What concerns the whole installation: for operators on the port of everybody, for all on a port of its own.

use std::net::SocketAddr;

use reqwest::{RequestBuilder, StatusCode};
use serde_json::json;
use takeoff::app::App;

use super::token;
use crate::support::{Backend, TestApp, Wire, config};

const SETTINGS: [&str; 2] = ["auth.mode=required", "http.operations_bind=127.0.0.1:0"];
const SCHEMA: &str = "{ __schema { queryType { name } } }";
const PAGES: [&str; 4] = ["/graphiql", "/", "/api/docs", "/console"];

fn operations(app: &TestApp) -> SocketAddr {
    app.server.operations_address().unwrap()
}

async fn answered(request: RequestBuilder) -> (StatusCode, String) {
    let answer = request.send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_and_the_schema_are_for_operators_on_the_port_of_everybody() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let [operator, developer] = [token(&app, "admin").await, token(&app, "developer").await];
    let schema = json!({"query": SCHEMA});
    let metrics = || app.http.get(app.url("/metrics"));
    let document = || app.http.get(app.url("/api/openapi.json"));
    let introspection = || app.http.post(app.url("/graphql")).json(&schema);
    for (request, shown) in [
        (
            &metrics as &dyn Fn() -> RequestBuilder,
            "takeoff_connections",
        ),
        (&document, "openapi"),
        (&introspection, "queryType"),
    ] {
        let (status, text) = answered(request().bearer_auth(&operator)).await;
        assert_eq!(status, StatusCode::OK, "{text}");
        assert!(text.contains(shown), "{text}");
        let (_, text) = answered(request().bearer_auth(&developer)).await;
        assert!(
            text.contains("FORBIDDEN") && text.contains("runtime:operate"),
            "{text}"
        );
        assert!(!text.contains(shown), "{text}");
        let (status, text) = answered(request()).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{text}");
        assert!(text.contains("UNAUTHENTICATED"), "{text}");
    }
    // The name of the type is no introspection of the schema.
    let name = app.http.post(app.url("/graphql")).bearer_auth(&developer);
    let (_, text) = answered(name.json(&json!({"query": "{ __typename }"}))).await;
    assert_eq!(text, r#"{"data":{"__typename":"Query"}}"#);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_of_its_own_shows_them_without_a_scope_and_has_the_pages() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let at = |path: &str| format!("http://{}{path}", operations(&app));
    for path in ["/metrics", "/api/openapi.json", "/health", "/ready"]
        .iter()
        .chain(&PAGES)
    {
        let (status, _) = answered(app.http.get(at(path))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
    for page in PAGES {
        let (status, _) = answered(app.http.get(app.url(page))).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{page}");
    }
    let viewer = token(&app, "viewer").await;
    let ask = || {
        app.http
            .post(at("/graphql"))
            .json(&json!({"query": SCHEMA}))
    };
    let (_, text) = answered(ask().bearer_auth(&viewer)).await;
    assert!(text.contains("queryType"), "{text}");
    // It knows its callers all the same.
    let (status, _) = answered(ask()).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let keys = app.http.post(at("/graphql")).bearer_auth(&viewer);
    let keys = keys.json(&json!({"query": "{ apiKeys { nodes { id } } }"}));
    assert!(answered(keys).await.1.contains("keys:manage"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_trusts_everybody_shows_all_of_it() {
    let app = TestApp::start(&Backend::sqlite()).await;
    for path in ["/metrics", "/api/openapi.json"].iter().chain(&PAGES) {
        let (status, _) = answered(app.http.get(app.url(path))).await;
        assert_eq!(status, StatusCode::OK, "{path}");
    }
}

/// The status of the answer to a request that names this host, or none.
async fn status(address: SocketAddr, path: &str, host: &str) -> String {
    let mut wire = Wire::open(address).await;
    let host = if host.is_empty() {
        String::new()
    } else {
        format!("host: {host}\r\n")
    };
    let request = format!("GET {path} HTTP/1.1\r\n{host}connection: close\r\n\r\n");
    wire.say(request).await.unwrap();
    let answer = wire.answer().await;
    answer.split(' ').nth(1).unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn probes_reach_the_server_by_its_address_and_pages_by_a_name_of_their_own_do_not() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let (main, operations) = (app.server.address(), operations(&app));
    for (address, path, host, expected) in [
        (main, "/health", "10.1.2.3:8080", "200"),
        (main, "/ready", "[fd00::7]:8080", "200"),
        (main, "/health", "", "200"),
        (main, "/health", "evil.example", "421"),
        (main, "/ready", "10.1.2.3.evil.example", "421"),
        (main, "/metrics", "10.1.2.3:8080", "421"),
        (main, "/graphql", "10.1.2.3:8080", "421"),
        (main, "/graphql", "", "400"),
        (operations, "/metrics", "10.1.2.3:9090", "200"),
        (operations, "/metrics", "evil.example", "421"),
        (operations, "/graphiql", "10.1.2.3:9090", "421"),
    ] {
        let found = status(address, path, host).await;
        assert_eq!(found, expected, "{path} of {host:?} at {address}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_address_is_as_open_as_the_first_may_be() {
    let backend = Backend::sqlite();
    for (mode, more) in [
        ("development", "set auth.mode"),
        ("required", "http.allowed_hosts"),
    ] {
        let mode = format!("auth.mode={mode}");
        let set = [&*mode, "http.operations_bind=0.0.0.0:0"];
        let refused = App::new(config(&backend, &set)).listen().await.err();
        let said = format!("{:#}", refused.expect("it started"));
        assert!(said.contains("http.operations_bind is 0.0.0.0:0"), "{said}");
        assert!(said.contains(more), "{said}");
    }
}
