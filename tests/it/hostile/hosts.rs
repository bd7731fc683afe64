//! Pages of other sites that reach the server by a name of their own, and headers that are there
//! twice.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{Backend, Socket, TestApp, Wire, post};

/// A request for each kind of route.
fn everywhere(app: &TestApp) -> Vec<(&'static str, RequestBuilder)> {
    let create = json!({"query": "mutation { createSession(input: {}) { session { id } } }"});
    let watch = json!({"query": "{ __typename }"});
    let get = |path: &str| app.http.get(app.url(path));
    vec![
        ("GraphQL", app.http.post(app.url("/graphql")).json(&create)),
        ("GraphQL by GET", get("/graphql?query={__typename}")),
        (
            "events",
            app.http.post(app.url("/graphql/stream")).json(&watch),
        ),
        ("GraphiQL", get("/graphiql")),
        ("the console", get("/console")),
        ("the way to the console", get("/")),
        (
            "REST",
            app.http
                .post(app.url("/api/session/create"))
                .json(&json!({})),
        ),
        ("REST by GET", get("/api/intents")),
        ("an event stream of REST", get("/api/execution/x/stream")),
        ("the OpenAPI document", get("/api/openapi.json")),
        ("an upload", app.http.put(app.url("/uploads/x?tenant=a"))),
        ("content", get("/content/default/00")),
        ("health", get("/health")),
        ("readiness", get("/ready")),
        ("metrics", get("/metrics")),
        ("nothing", get("/nothing")),
        (
            "a preflight",
            app.http
                .request(Method::OPTIONS, app.url("/graphql"))
                .header("access-control-request-method", "POST"),
        ),
    ]
}

async fn assert_nothing_was_made(app: &TestApp) {
    let sessions = app
        .data("{ sessions(first: 1) { nodes { id } } }", json!({}))
        .await;
    assert_eq!(sessions["sessions"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_the_servers_is_refused_on_every_route() {
    let backend = Backend::sqlite();
    let cors = ["http.cors_origins=https://app.example.com"];
    let app = TestApp::start_with(&backend, &cors).await;
    for (name, request) in everywhere(&app) {
        let request = request.header("origin", "http://evil.example");
        let answer = request.header("host", "evil.example").send().await.unwrap();
        assert_eq!(answer.status(), 421, "{name}");
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["error_code"], "FORBIDDEN", "{name}");
        assert_eq!(
            body["errors"][0]["extensions"]["code"], "FORBIDDEN",
            "{name}"
        );
    }
    let headers = [("host", "evil.example"), ("origin", "http://evil.example")];
    assert_eq!(handshake(&app, &headers).await, 421);
    let headers = [("host", "evil.example")];
    assert_eq!(handshake(&app, &headers).await, 421);
    assert_nothing_was_made(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_origin_that_is_not_allowed_is_refused_on_every_route() {
    let backend = Backend::sqlite();
    let cors = ["http.cors_origins=https://app.example.com"];
    let app = TestApp::start_with(&backend, &cors).await;
    let own = app.server.address();
    let (tls, port) = (format!("https://{own}"), "http://127.0.0.1:1");
    let plain = "http://app.example.com";
    for origin in [tls.as_str(), port, plain, "null", "http://evil.example"] {
        for (name, request) in everywhere(&app) {
            let answer = request.header("origin", origin).send().await.unwrap();
            assert_eq!(answer.status(), 403, "{name} from {origin}");
        }
        assert_eq!(
            handshake(&app, &[("origin", origin)]).await,
            403,
            "{origin}"
        );
    }
    assert_nothing_was_made(&app).await;
    for origin in [format!("http://{own}").as_str(), "https://app.example.com"] {
        assert_eq!(
            handshake(&app, &[("origin", origin)]).await,
            101,
            "{origin}"
        );
        let (name, request) = everywhere(&app).remove(0);
        let answer = request.header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{name} from {origin}");
    }
}

/// The status of a handshake for a WebSocket.
async fn handshake(app: &TestApp, headers: &[(&'static str, &str)]) -> u16 {
    use tokio_tungstenite::tungstenite::Error;
    match Socket::connect(app.server.address(), headers).await {
        Ok(_) => 101,
        Err(Error::Http(answer)) => answer.status().as_u16(),
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_a_host_or_with_two_is_refused() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let request = post("/graphql", r#"{"query": "{ __typename }"}"#);
    for (hosts, version, status) in [
        ("host: localhost\r\n", "HTTP/1.1", "200"),
        ("", "HTTP/1.1", "400"),
        ("", "HTTP/1.0", "400"),
        (
            "host: localhost\r\nhost: evil.example\r\n",
            "HTTP/1.1",
            "400",
        ),
        ("host: localhost\r\nhost: localhost\r\n", "HTTP/1.1", "400"),
    ] {
        let request = request.replace("host: localhost\r\n", hosts);
        let request = request.replace("HTTP/1.1", version);
        let mut wire = Wire::open(app.server.address()).await;
        wire.say(&request).await.unwrap();
        let answer = wire.answer().await;
        assert_eq!(&answer[9..12], status, "{request}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_that_are_configured_are_answered_to() {
    let backend = Backend::sqlite();
    let settings = [
        "http.public_url=https://takeoff.example.com",
        "http.allowed_hosts=takeoff.internal",
    ];
    let app = TestApp::start_with(&backend, &settings).await;
    for (host, origin, status) in [
        ("takeoff.example.com", "https://takeoff.example.com", 200),
        ("takeoff.example.com", "http://takeoff.example.com", 403),
        ("takeoff.internal", "https://takeoff.internal", 200),
        ("localhost", "https://takeoff.example.com", 200),
        ("other.example.com", "https://other.example.com", 421),
    ] {
        let request = app.http.get(app.url("/health")).header("host", host);
        let answer = request.header("origin", origin).send().await.unwrap();
        assert_eq!(answer.status(), status, "{host} {origin}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_names_its_tenant_twice_is_refused() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let twice = |request: RequestBuilder| {
        let request = request.header("x-takeoff-tenant", "team-7");
        request.header("x-takeoff-tenant", "default").send()
    };
    let body = json!({"query": "{ __typename }"});
    for path in ["/graphql", "/graphql/stream", "/api/session/create"] {
        let answer = twice(
            app.http
                .post(app.url(path))
                .header("accept", "*/*")
                .json(&body),
        );
        assert_eq!(answer.await.unwrap().status(), 400, "{path}");
    }
    let upgrade = app.http.get(app.url("/graphql/ws"));
    let upgrade = upgrade
        .header("connection", "upgrade")
        .header("upgrade", "websocket");
    let upgrade = upgrade.header("sec-websocket-version", "13");
    let upgrade = upgrade.header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==");
    let upgrade = upgrade.header("sec-websocket-protocol", "graphql-transport-ws");
    assert_eq!(twice(upgrade).await.unwrap().status(), 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_are_not_kept_nor_taken_for_what_they_are_not() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let mut kept = vec![];
    for (name, request) in everywhere(&app) {
        let answer = request.send().await.unwrap();
        let headers = answer.headers();
        assert_eq!(headers["x-content-type-options"], "nosniff", "{name}");
        assert_eq!(headers["x-frame-options"], "DENY", "{name}");
        assert_eq!(headers["referrer-policy"], "no-referrer", "{name}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("default-src 'none'"), "{name}: {policy}");
        assert!(
            policy.contains("frame-ancestors 'none'"),
            "{name}: {policy}"
        );
        assert!(!headers.contains_key("strict-transport-security"), "{name}");
        let vary = headers
            .get_all("vary")
            .iter()
            .map(|value| value.to_str().unwrap());
        let vary: Vec<_> = vary.flat_map(|value| value.split(", ")).collect();
        assert!(vary.contains(&"x-takeoff-tenant"), "{name}: {vary:?}");
        if headers["cache-control"] != "no-store" {
            kept.push((name, headers["cache-control"].clone()));
        }
    }
    // Those say themselves that they are to be asked for again.
    let no_cache = [
        "events",
        "GraphiQL",
        "the console",
        "the way to the console",
    ];
    assert_eq!(
        kept,
        no_cache.map(|name| (name, "no-cache".parse().unwrap()))
    );
}
