//! Browsers that open the console where proofs are needed: a key is exchanged for a cookie, which only requests of the
//! console's own pages use.

use std::net::SocketAddr;

use reqwest::{RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use takeoff::{auth::NewKey, clock::Clock};

use super::{VIEWER, key_of, names, revoke, sockets::closed, token};
use crate::support::{Backend, Received, Socket, TestApp, backends};

const SETTINGS: [&str; 4] = [
    "auth.mode=required",
    "http.operations_bind=127.0.0.1:0",
    "http.cors_origins=https://app.example.com",
    "auth.failed_proofs_burst=100000",
];
const COOKIE: &str = "__Host-takeoff-console";

/// A browser that is logged in.
struct Browser {
    cookie: String,
    csrf: String,
    origin: String,
    address: SocketAddr,
}

fn operations(app: &TestApp) -> SocketAddr {
    app.server.operations_address().unwrap()
}

fn session(app: &TestApp) -> String {
    format!("http://{}/console/session", operations(app))
}

fn login(app: &TestApp, proof: &str) -> RequestBuilder {
    let origin = format!("http://{}", operations(app));
    let body = json!({"proof": proof});
    app.http
        .post(session(app))
        .header("origin", origin)
        .json(&body)
}

impl Browser {
    async fn logged_in(app: &TestApp, proof: &str) -> Self {
        let answer = login(app, proof).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let csrf = csrf_of(answer).await.unwrap();
        let cookie = set.split(';').next().unwrap().to_owned();
        let origin = format!("http://{}", operations(app));
        Self {
            cookie,
            csrf,
            origin,
            address: operations(app),
        }
    }

    /// The same browser at another node, as a proxy in front of both would have it.
    fn at(&self, app: &TestApp) -> Self {
        Self {
            cookie: self.cookie.clone(),
            csrf: self.csrf.clone(),
            origin: format!("http://{}", operations(app)),
            address: operations(app),
        }
    }

    /// A request of a page of the console.
    fn asks(&self, app: &TestApp, query: &str) -> RequestBuilder {
        self.asks_with(
            app,
            query,
            &[("x-takeoff-csrf", &self.csrf), ("origin", &self.origin)],
        )
    }

    /// A request with the cookie, and with these headers.
    fn asks_with(&self, app: &TestApp, query: &str, headers: &[(&str, &str)]) -> RequestBuilder {
        let url = format!("http://{}/graphql", self.address);
        let request = app.http.post(url).header("cookie", &self.cookie);
        let request = request.json(&json!({"query": query}));
        headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        })
    }

    async fn socket(&self, headers: &[(&'static str, &str)]) -> Socket {
        let cookie = [("cookie", self.cookie.as_str())];
        let headers: Vec<_> = cookie.iter().chain(headers).copied().collect();
        let mut socket = Socket::connect(self.address, &headers).await.unwrap();
        let init = json!({"type": "connection_init"});
        socket.send(&init).await.unwrap();
        socket
    }

    async fn watching(&self) -> Socket {
        let mut socket = self.socket(&[("origin", &self.origin)]).await;
        match socket.receive_any().await.unwrap() {
            Received::Message(message) => assert_eq!(message["type"], "connection_ack"),
            Received::Closed(frame) => panic!("{frame:?}"),
        }
        socket
    }

    /// What the server tells a page of the console of its session.
    async fn csrf(&self, app: &TestApp, site: &str) -> Option<String> {
        let request = app.http.get(session(app)).header("cookie", &self.cookie);
        csrf_of(request.header("sec-fetch-site", site).send().await.unwrap()).await
    }
}

async fn csrf_of(answer: Response) -> Option<String> {
    let body: Value = answer.json().await.unwrap();
    body["csrf"].as_str().map(str::to_owned)
}

async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

backends! {
    async fn a_key_is_exchanged_for_a_cookie_that_no_script_reads_and_has_its_rights(backend: Backend) {
        let app = TestApp::start_with(&backend, &SETTINGS).await;
        let key = key_of(&app, "default", "admin").await;
        let answer = login(&app, key.text.expose()).send().await.unwrap();
        let set = answer.headers()["set-cookie"].to_str().unwrap().to_owned();
        let mut parts = set.split("; ");
        let (name, value) = parts.next().unwrap().split_once('=').unwrap();
        assert_eq!(name, COOKIE);
        assert!(!value.contains(&key.text.expose()[3..]));
        let attributes: Vec<&str> = parts.collect();
        assert_eq!(
            attributes,
            ["Path=/", "Max-Age=43200", "Secure", "HttpOnly", "SameSite=Strict"]
        );

        let browser = Browser::logged_in(&app, key.text.expose()).await;
        let answer = browser.asks(&app, VIEWER).send().await.unwrap();
        let body: Value = answer.json().await.unwrap();
        assert_eq!(body["data"]["viewer"]["actor"], key.key.id.to_string());
        let made = "mutation { createSession(input: {}) { session { id } errors { code } } }";
        let body: Value = browser.asks(&app, made).send().await.unwrap().json().await.unwrap();
        assert!(body["data"]["createSession"]["session"]["id"].is_string(), "{body}");
        assert_eq!(browser.csrf(&app, "same-origin").await, Some(browser.csrf.clone()));
        app.assert_verified().await;
    }

    async fn the_session_ends_with_its_key_and_so_do_its_sockets(backend: Backend) {
        let app = TestApp::start_with(&backend, &SETTINGS).await;
        let key = key_of(&app, "default", "viewer").await;
        let browser = Browser::logged_in(&app, key.text.expose()).await;
        let mut socket = browser.watching().await;
        revoke(&app, &key.key).await;
        assert_eq!(closed(&mut socket).await, 4403);
        assert_eq!(status(browser.asks(&app, VIEWER)).await, 401);
        assert_eq!(browser.csrf(&app, "same-origin").await, None);
        app.assert_verified().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_session_ends_when_its_key_expires_and_so_do_its_sockets() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let end = Clock::System.now() + 6_000_000;
    let new = NewKey {
        roles: names(&["viewer"]),
        expires_at: Some(end),
        ..NewKey::default()
    };
    let key = app.services().keys.create(&app.principal(), new).await;
    let browser = Browser::logged_in(&app, key.unwrap().text.expose()).await;
    let mut socket = browser.watching().await;
    assert_eq!(closed(&mut socket).await, 4403);
    assert!(Clock::System.now() >= end, "it ended before its time");
    assert_eq!(status(browser.asks(&app, VIEWER)).await, 401);
    assert_eq!(browser.csrf(&app, "same-origin").await, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proof_that_is_not_good_gets_no_cookie() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    for (proof, expected) in [
        ("tk_nothing".to_owned(), 401),
        (String::new(), 401),
        ("a".repeat(20_000), 400),
    ] {
        let answer = login(&app, &proof).send().await.unwrap();
        assert_eq!(answer.status(), expected, "{} bytes", proof.len());
        assert!(!answer.headers().contains_key("set-cookie"));
    }
    let good = token(&app, "admin").await;
    for body in [
        json!({}),
        json!({"proof": 7}),
        json!({"proof": good, "more": 1}),
    ] {
        let request = login(&app, &good).json(&body);
        assert_eq!(status(request).await, 400, "{body}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_begun_and_ended_by_the_consoles_own_pages_alone() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let good = token(&app, "admin").await;
    let browser = Browser::logged_in(&app, &good).await;
    for origin in [
        None,
        Some("https://app.example.com"),
        Some("null"),
        Some("http://127.0.0.1:1"),
    ] {
        let named = |request: RequestBuilder| match origin {
            Some(origin) => request.header("origin", origin),
            None => request,
        };
        let begun = app.http.post(session(&app)).json(&json!({"proof": good}));
        let answer = named(begun).send().await.unwrap();
        assert_eq!(answer.status(), 403, "{origin:?}");
        assert!(!answer.headers().contains_key("set-cookie"));
        let ended = app
            .http
            .delete(session(&app))
            .header("cookie", &browser.cookie);
        let ended = ended.header("x-takeoff-csrf", &browser.csrf);
        assert_eq!(status(named(ended)).await, 403, "{origin:?}");
    }
    assert_eq!(status(browser.asks(&app, VIEWER)).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_counts_for_the_consoles_own_pages_alone() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let browser = Browser::logged_in(&app, &token(&app, "admin").await).await;
    let (csrf, origin) = (browser.csrf.as_str(), browser.origin.as_str());
    let other = Browser::logged_in(&app, &token(&app, "admin").await).await;
    for (headers, expected) in [
        (vec![("x-takeoff-csrf", csrf), ("origin", origin)], 200),
        (vec![("origin", origin)], 401),
        (vec![("x-takeoff-csrf", csrf)], 401),
        (
            vec![("x-takeoff-csrf", csrf), ("sec-fetch-site", "same-origin")],
            401,
        ),
        (
            vec![("x-takeoff-csrf", &*other.csrf), ("origin", origin)],
            401,
        ),
        (
            vec![
                ("x-takeoff-csrf", csrf),
                ("x-takeoff-csrf", csrf),
                ("origin", origin),
            ],
            401,
        ),
        (
            vec![
                ("x-takeoff-csrf", csrf),
                ("origin", "https://app.example.com"),
            ],
            401,
        ),
        (
            vec![("x-takeoff-csrf", csrf), ("origin", "http://127.0.0.1:1")],
            403,
        ),
        (
            vec![
                ("x-takeoff-csrf", csrf),
                ("origin", origin),
                ("cookie", &*other.cookie),
            ],
            401,
        ),
        (
            vec![
                ("x-takeoff-csrf", csrf),
                ("origin", origin),
                ("authorization", "Bearer tk_no"),
            ],
            401,
        ),
        (
            vec![
                ("x-takeoff-csrf", csrf),
                ("origin", origin),
                ("x-takeoff-tenant", "other"),
            ],
            401,
        ),
    ] {
        let request = browser.asks_with(&app, VIEWER, &headers);
        assert_eq!(status(request).await, expected, "{headers:?}");
    }
    // Cookies are sent to every port of a host.
    let main = format!("http://{}", app.server.address());
    let request = app
        .http
        .post(app.url("/graphql"))
        .json(&json!({"query": VIEWER}));
    let request = request
        .header("cookie", &browser.cookie)
        .header("origin", main);
    assert_eq!(status(request.header("x-takeoff-csrf", csrf)).await, 401);
    for site in ["cross-site", "same-site", "none"] {
        assert_eq!(browser.csrf(&app, site).await, None, "{site}");
    }
    let mut twisted = browser.cookie.clone().into_bytes();
    *twisted.last_mut().unwrap() ^= 1;
    let twisted = Browser {
        cookie: String::from_utf8(twisted).unwrap(),
        ..browser
    };
    assert_eq!(status(twisted.asks(&app, VIEWER)).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_asked_by_an_address_changes_nothing() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let browser = Browser::logged_in(&app, &token(&app, "admin").await).await;
    for path in ["/graphql", "/graphql/stream"] {
        let mutation = "mutation { createSession(input: {}) { session { id } } }";
        let url = format!("http://{}{path}", operations(&app));
        let url = url::Url::parse_with_params(&url, [("query", mutation)]).unwrap();
        let request = app.http.get(url);
        let request = request.header("cookie", &browser.cookie);
        let request = request.header("sec-fetch-site", "same-origin");
        let answer = request.send().await.unwrap().text().await.unwrap();
        assert!(!answer.contains("ses_"), "{path}: {answer}");
    }
    let made: Value = browser
        .asks(&app, "{ sessions { nodes { id } } }")
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    assert_eq!(made["data"]["sessions"]["nodes"], json!([]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_by_a_cookie_is_opened_by_the_consoles_own_pages_alone() {
    let app = TestApp::start_with(&Backend::sqlite(), &SETTINGS).await;
    let browser = Browser::logged_in(&app, &token(&app, "viewer").await).await;
    drop(browser.watching().await);
    for headers in [
        vec![],
        vec![("sec-fetch-site", "same-origin")],
        vec![("x-takeoff-csrf", browser.csrf.as_str())],
        vec![("origin", "https://app.example.com")],
    ] {
        let mut socket = browser.socket(&headers).await;
        assert_eq!(closed(&mut socket).await, 4401, "{headers:?}");
    }
    let foreign = [
        ("cookie", browser.cookie.as_str()),
        ("origin", "http://127.0.0.1:1"),
    ];
    let refused = Socket::connect(browser.address, &foreign).await.err();
    assert!(refused.unwrap().to_string().contains("403"));
}

backends! {
    async fn logging_out_ends_the_session_on_all_nodes_with_its_sockets_and_no_other(backend: Backend) {
        let mut settings = SETTINGS.to_vec();
        settings.push("auth.token_keys=k1:0123456789abcdef0123456789abcdef");
        let app = TestApp::start_with(&backend, &settings).await;
        // Several nodes share a PostgreSQL.
        let node = if backend.is_postgres() {
            Some(TestApp::start_with(&backend, &settings).await)
        } else {
            None
        };
        let good = token(&app, "viewer").await;
        let browser = Browser::logged_in(&app, &good).await;
        let other = Browser::logged_in(&app, &good).await;
        let mut sockets = vec![browser.watching().await];
        if let Some(node) = &node {
            let there = browser.at(node);
            assert_eq!(status(there.asks(node, VIEWER)).await, 200);
            sockets.push(there.watching().await);
        }
        let ended = app.http.delete(session(&app)).header("cookie", &browser.cookie);
        let ended = ended.header("origin", &browser.origin);
        let answer = ended.header("x-takeoff-csrf", &browser.csrf).send().await.unwrap();
        assert_eq!(answer.status(), 204);
        let set = answer.headers()["set-cookie"].to_str().unwrap();
        assert!(set.starts_with(&format!("{COOKIE}=; ")) && set.contains("Max-Age=0"), "{set}");
        for socket in &mut sockets {
            assert_eq!(closed(socket).await, 4403);
        }
        let copy = "a copy of the cookie";
        assert_eq!(status(browser.asks(&app, VIEWER)).await, 401, "{copy}");
        assert_eq!(status(other.asks(&app, VIEWER)).await, 200);
        if let Some(node) = &node {
            assert_eq!(status(browser.at(node).asks(node, VIEWER)).await, 401, "{copy} at the other node");
        }
        app.crash(&backend).await;
        let started = TestApp::start_with(&backend, &settings).await;
        assert_eq!(status(browser.at(&started).asks(&started, VIEWER)).await, 401, "{copy} later");
        assert_eq!(status(other.at(&started).asks(&started, VIEWER)).await, 200);
    }
}
