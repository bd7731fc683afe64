//! `graphql-transport-ws`, message by message.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};
use sqlx::{Connection, Executor, SqliteConnection};
use takeoff::{
    graphql::{Api, HttpOptions, WebSocketOptions, routes},
    model::ExecutionStatus,
};
use tokio::{net::TcpListener, time::timeout};
use tokio_tungstenite::tungstenite::{
    Error, Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{Backend, PATIENCE, Received, Socket, TestApp};

const QUERY: &str = "{ viewer { tenantId } }";
const CREATE: &str = "mutation { createSession(input: {}) { session { id } } }";
const WATCH: &str = "subscription($id: ID!, $after: String) {
    executionEvents(executionId: $id, after: $after) { cursor events { sequence } } }";
const WATCH_TENANT: &str = "subscription { tenantEvents { cursor } }";
const SCHEMA: &str = "{ __schema { types { name description
    fields { name description args { name description } } } } }";

/// The API of a server, served beside it with options of a test's own.
struct Served {
    backend: Backend,
    app: TestApp,
    address: SocketAddr,
    options: HttpOptions,
}

impl Served {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut HttpOptions)) -> Self {
        let backend = Backend::sqlite();
        let app = TestApp::start(&backend).await;
        let mut options = HttpOptions {
            max_body_bytes: 1 << 20,
            stop: CancellationToken::new(),
            websocket: WebSocketOptions::default(),
            allowed_origins: vec![],
            sockets: TaskTracker::new(),
        };
        set(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = routes(Api::new(app.services().clone()), &options);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            backend,
            app,
            address,
            options,
        }
    }

    async fn connect(&self) -> Socket {
        Socket::connect(self.address, &[]).await.unwrap()
    }

    /// A connection that was acknowledged.
    async fn open(&self) -> Socket {
        let mut socket = self.connect().await;
        let init = json!({"type": "connection_init"});
        socket.send(&init).await.unwrap();
        assert_eq!(next(&mut socket).await, json!({"type": "connection_ack"}));
        socket
    }

    /// Waits until the server has no socket any more.
    async fn is_empty(&self) {
        self.options.sockets.close();
        let ended = timeout(PATIENCE, self.options.sockets.wait()).await;
        ended.expect("a socket stayed open");
    }
}

async fn received(socket: &mut Socket) -> Received {
    let received = timeout(PATIENCE, socket.receive_any()).await;
    received.expect("nothing came").unwrap()
}

async fn next(socket: &mut Socket) -> Value {
    match received(socket).await {
        Received::Message(message) => message,
        Received::Closed(frame) => panic!("closed: {frame:?}"),
    }
}

async fn closed(socket: &mut Socket) -> (u16, String) {
    match received(socket).await {
        Received::Message(message) => panic!("not closed: {message}"),
        Received::Closed(frame) => {
            let frame = frame.expect("no reason");
            (frame.code.into(), frame.reason.to_string())
        }
    }
}

/// The connection is alive and nothing else was on its way.
async fn is_quiet(socket: &mut Socket) {
    let payload = json!({"nonce": 7});
    let ping = json!({"type": "ping", "payload": payload});
    socket.send(&ping).await.unwrap();
    let answer = json!({"type": "pong", "payload": payload});
    assert_eq!(next(socket).await, answer);
}

/// A query runs from beginning to end under this id.
async fn answers(socket: &mut Socket, id: &str) {
    socket.subscribe(id, QUERY, &Value::Null).await.unwrap();
    let data = json!({"data": {"viewer": {"tenantId": "default"}}});
    let answer = json!({"id": id, "type": "next", "payload": data});
    assert_eq!(next(socket).await, answer);
    assert_eq!(next(socket).await, json!({"id": id, "type": "complete"}));
}

/// Messages that no client may send, whenever.
const FAULTY: &[&str] = &[
    "",
    "{",
    "[]",
    "null",
    r#"["ping"]"#,
    r#"{"id": "1"}"#,
    r#"{"type": 7}"#,
    r#"{"type": "connection_ack"}"#,
    r#"{"type": "start", "id": "1", "payload": {"query": "{ a }"}}"#,
    r#"{"type": "connection_init", "payload": "a"}"#,
    r#"{"type": "connection_init", "payload": ["a"]}"#,
    r#"{"type": "ping", "payload": 7}"#,
    r#"{"type": "pong", "payload": true}"#,
    r#"{"type": "complete"}"#,
    r#"{"type": "complete", "id": ""}"#,
    r#"{"type": "subscribe", "payload": {"query": "{ a }"}}"#,
    r#"{"type": "subscribe", "id": "", "payload": {"query": "{ a }"}}"#,
    r#"{"type": "subscribe", "id": 1, "payload": {"query": "{ a }"}}"#,
    r#"{"type": "subscribe", "id": null, "payload": {"query": "{ a }"}}"#,
    r#"{"type": "subscribe", "id": "1"}"#,
    r#"{"type": "subscribe", "id": "1", "payload": "{ a }"}"#,
    r#"{"type": "subscribe", "id": "1", "payload": {}}"#,
    r#"{"type": "subscribe", "id": "1", "payload": {"query": 7}}"#,
    r#"{"type": "subscribe", "id": "1", "payload": {"query": "{ a }", "variables": "a"}}"#,
];

#[tokio::test]
async fn a_faulty_message_closes_the_connection() {
    let served = Served::start().await;
    let long = json!({"type": "x".repeat(300)}).to_string();
    let texts = FAULTY.iter().copied().chain([long.as_str()]);
    let binary = Message::binary(b"{\"type\":\"ping\"}".to_vec());
    for message in texts.map(Message::text).chain([binary]) {
        for is_open in [true, false] {
            let mut socket = if is_open {
                served.open().await
            } else {
                served.connect().await
            };
            socket.send_frame(message.clone()).await.unwrap();
            let (code, reason) = closed(&mut socket).await;
            assert_eq!(code, 4400, "{message}: {reason}");
            assert!(!reason.is_empty() && reason.len() <= 123, "{reason}");
        }
    }
    served.is_empty().await;
}

#[tokio::test]
async fn a_message_out_of_turn_closes_the_connection() {
    let served = Served::start().await;
    let mut socket = served.connect().await;
    socket.subscribe("1", QUERY, &Value::Null).await.unwrap();
    let unauthorized = (4401, "Unauthorized".to_owned());
    assert_eq!(closed(&mut socket).await, unauthorized);
    let mut socket = served.open().await;
    let init = json!({"type": "connection_init"});
    socket.send(&init).await.unwrap();
    let again = (4429, "Too many initialisation requests".to_owned());
    assert_eq!(closed(&mut socket).await, again);
    let mut socket = served.connect().await;
    let init = json!({"type": "connection_init", "payload": {"x-takeoff-tenant": "a/b"}});
    socket.send(&init).await.unwrap();
    assert_eq!(closed(&mut socket).await, (4403, "Forbidden".to_owned()));
    served.is_empty().await;
}

#[tokio::test]
async fn text_that_is_not_utf8_closes_the_connection() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    let frame = Frame::message(vec![0xff], OpCode::Data(Data::Text), true);
    socket.send_frame(Message::Frame(frame)).await.unwrap();
    assert_eq!(closed(&mut socket).await.0, 1007);
    served.is_empty().await;
}

#[tokio::test]
async fn a_client_has_to_initialise_in_time() {
    let served = Served::with(|http| http.websocket.init_timeout = Duration::from_millis(50)).await;
    let mut silent = served.connect().await;
    let timeout = (4408, "Connection initialisation timeout".to_owned());
    assert_eq!(closed(&mut silent).await, timeout);
    // Talk is no initialisation.
    let mut chatty = served.connect().await;
    is_quiet(&mut chatty).await;
    assert_eq!(closed(&mut chatty).await, timeout);
}

#[tokio::test]
async fn initialisation_takes_an_object_or_nothing() {
    let served = Served::start().await;
    for init in [
        json!({"type": "connection_init"}),
        json!({"type": "connection_init", "payload": null}),
        json!({"type": "connection_init", "payload": {"token": "secret"}}),
    ] {
        let mut socket = served.connect().await;
        socket.send(&init).await.unwrap();
        assert_eq!(next(&mut socket).await, json!({"type": "connection_ack"}));
        answers(&mut socket, "1").await;
    }
}

#[tokio::test]
async fn the_tenant_is_that_of_the_header_unless_initialisation_names_one() {
    let served = Served::start().await;
    for (payload, tenant) in [
        (json!({}), "of-header"),
        (json!({"x-takeoff-tenant": "of-init"}), "of-init"),
    ] {
        let header = ("x-takeoff-tenant", "of-header");
        let mut socket = Socket::connect(served.address, &[header]).await.unwrap();
        let init = json!({"type": "connection_init", "payload": payload});
        socket.send(&init).await.unwrap();
        assert_eq!(next(&mut socket).await["type"], "connection_ack");
        socket.subscribe("1", QUERY, &json!({})).await.unwrap();
        let answer = next(&mut socket).await;
        assert_eq!(answer["payload"]["data"]["viewer"]["tenantId"], tenant);
    }
}

#[tokio::test]
async fn a_ping_is_answered_with_its_payload_and_what_comes_late_is_ignored() {
    let served = Served::start().await;
    let mut socket = served.connect().await;
    for (ping, pong) in [
        (json!({"type": "ping"}), json!({"type": "pong"})),
        (
            json!({"type": "ping", "payload": {"a": [1.50, {"b": null}]}}),
            json!({"type": "pong", "payload": {"a": [1.50, {"b": null}]}}),
        ),
        (
            json!({"type": "ping", "payload": {}}),
            json!({"type": "pong", "payload": {}}),
        ),
    ] {
        socket.send(&ping).await.unwrap();
        assert_eq!(next(&mut socket).await, pong);
    }
    socket.send(&json!({"type": "pong"})).await.unwrap();
    socket
        .send(&json!({"type": "complete", "id": "never"}))
        .await
        .unwrap();
    is_quiet(&mut socket).await;
    let init = json!({"type": "connection_init"});
    socket.send(&init).await.unwrap();
    assert_eq!(next(&mut socket).await, json!({"type": "connection_ack"}));
    answers(&mut socket, "1").await;
    socket
        .send(&json!({"type": "complete", "id": "1"}))
        .await
        .unwrap();
    socket
        .send(&json!({"type": "pong", "payload": {"a": 1}}))
        .await
        .unwrap();
    is_quiet(&mut socket).await;
}

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

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_let_go() {
    let served = Served::with(|http| http.websocket.heartbeat = Duration::from_millis(50)).await;
    let mut socket = served.open().await;
    assert_eq!(next(&mut socket).await, json!({"type": "ping"}));
    assert_eq!(closed(&mut socket).await, (1001, "pong timeout".to_owned()));
    served.is_empty().await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let served = Served::with(|http| http.websocket.heartbeat = Duration::from_millis(500)).await;
    let mut socket = served.open().await;
    for _ in 0..4 {
        assert_eq!(next(&mut socket).await, json!({"type": "ping"}));
        socket.send(&json!({"type": "pong"})).await.unwrap();
    }
    is_quiet(&mut socket).await;
}

/// Asks for large answers, and reads none, until the server takes no more requests.
async fn stall(socket: &mut Socket) {
    for id in 0.. {
        let id = id.to_string();
        let asking = socket.subscribe(&id, SCHEMA, &Value::Null);
        let asked = timeout(Duration::from_secs(1), asking).await;
        if !matches!(asked, Ok(Ok(()))) {
            return;
        }
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_is_disconnected() {
    let served = Served::with(|http| {
        http.websocket.write_timeout = Duration::from_millis(1500);
        http.websocket.heartbeat = PATIENCE * 10;
    })
    .await;
    let mut socket = served.open().await;
    stall(&mut socket).await;
    served.is_empty().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_up_a_stop() {
    let served = Served::with(|http| {
        http.websocket.write_timeout = PATIENCE * 10;
        http.websocket.heartbeat = PATIENCE * 10;
    })
    .await;
    let mut socket = served.open().await;
    stall(&mut socket).await;
    served.options.stop.cancel();
    served.is_empty().await;
}

#[tokio::test]
async fn a_message_may_be_as_large_as_a_body() {
    let served = Served::with(|http| http.max_body_bytes = 2048).await;
    let mut socket = served.open().await;
    let of = |bytes: usize| {
        let empty = r#"{"type":"ping","payload":{"a":""}}"#.len();
        json!({"type": "ping", "payload": {"a": "x".repeat(bytes - empty)}})
    };
    socket.send(&of(2048)).await.unwrap();
    assert_eq!(next(&mut socket).await["type"], "pong");
    socket.send(&of(2049)).await.unwrap();
    assert_eq!(closed(&mut socket).await.0, 1009);
    served.is_empty().await;
}

#[tokio::test]
async fn a_stop_ends_operations_without_completing_them() {
    let served = Served::start().await;
    let mut socket = served.open().await;
    for id in ["1", "2", "3"] {
        socket
            .subscribe(id, WATCH_TENANT, &Value::Null)
            .await
            .unwrap();
    }
    is_quiet(&mut socket).await;
    let mut new = served.connect().await;
    served.options.stop.cancel();
    // A client takes a completion for the end of its subscription and would not resume.
    let stopped = (1001, "the server stops; reconnect and resume".to_owned());
    assert_eq!(closed(&mut socket).await, stopped);
    assert_eq!(closed(&mut new).await, stopped);
    served.is_empty().await;
}

#[tokio::test]
async fn a_client_that_was_cut_off_resumes_by_cursor() {
    let served = Served::start().await;
    let app = &served.app;
    let running = app.submit(app.session().await, "gated", json!({})).await;
    app.reaches(running.id, ExecutionStatus::Running).await;
    let id = running.id.to_string();
    let mut socket = served.open().await;
    socket
        .subscribe("1", WATCH, &json!({"id": id}))
        .await
        .unwrap();
    let (mut seen, mut cursor) = (vec![], Value::Null);
    while seen.len() < 2 {
        read(&mut socket, &mut seen, &mut cursor).await;
    }
    drop(socket);
    served.is_empty().await;
    app.solution.gate.add_permits(1);
    app.ended(running.id).await;
    let mut socket = served.open().await;
    let variables = json!({"id": id, "after": cursor});
    socket.subscribe("1", WATCH, &variables).await.unwrap();
    while seen.len() < 3 {
        read(&mut socket, &mut seen, &mut cursor).await;
    }
    assert_eq!(seen, ["1", "2", "3"]);
    assert_eq!(
        next(&mut socket).await,
        json!({"id": "1", "type": "complete"})
    );
}

async fn read(socket: &mut Socket, seen: &mut Vec<Value>, cursor: &mut Value) {
    let message = next(socket).await;
    assert_eq!(message["type"], "next", "{message}");
    let batch = &message["payload"]["data"]["executionEvents"];
    let events = batch["events"].as_array().unwrap();
    seen.extend(events.iter().map(|event| event["sequence"].clone()));
    *cursor = batch["cursor"].clone();
}

/// The status and body with which a handshake is refused; none when it is not.
async fn refused(served: &Served, headers: &[(&'static str, &str)]) -> Option<(u16, Value)> {
    let Error::Http(response) = Socket::connect(served.address, headers).await.err()? else {
        panic!("another failure");
    };
    let body = response.body().as_ref().unwrap();
    Some((
        response.status().into(),
        serde_json::from_slice(body).unwrap(),
    ))
}

#[tokio::test]
async fn pages_of_other_origins_are_refused_unless_allowed() {
    let served = Served::with(|http| {
        http.allowed_origins = vec!["https://app.example.com".to_owned()];
    })
    .await;
    let own = format!("http://{}", served.address);
    for origin in [own.as_str(), "https://app.example.com"] {
        assert_eq!(
            refused(&served, &[("origin", origin)]).await,
            None,
            "{origin}"
        );
    }
    for origin in ["https://evil.example.com", "http://127.0.0.1", "null"] {
        let (status, body) = refused(&served, &[("origin", origin)]).await.unwrap();
        assert_eq!(status, 403, "{origin}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "FORBIDDEN");
    }
}

#[tokio::test]
async fn only_the_current_protocol_is_spoken() {
    let served = Served::start().await;
    let name = "sec-websocket-protocol";
    let both = "graphql-ws, graphql-transport-ws";
    assert_eq!(refused(&served, &[(name, both)]).await, None);
    for other in [
        "graphql-ws",
        "graphql-transport-ws2",
        "GRAPHQL-TRANSPORT-WS",
    ] {
        let (status, body) = refused(&served, &[(name, other)]).await.unwrap();
        assert_eq!(status, 400, "{other}");
        assert_eq!(body["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }
    let (status, _) = refused(&served, &[("x-takeoff-tenant", "a/b")])
        .await
        .unwrap();
    assert_eq!(status, 400);
}
