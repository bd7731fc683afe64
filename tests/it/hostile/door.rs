//! Connections that cost more than they ask for: half a request, none at all, answers that nobody
//! reads, and as many of them as there are descriptors.

use std::{net::IpAddr, time::Duration};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;

use crate::support::{Backend, NodeProcess, Socket, TestApp, Wire, post};

const HEALTH: &str = "GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n";
const NEVER: &str = "600000";

/// A server in which one time is short and the others never pass.
async fn impatient(backend: &Backend, short: &str) -> TestApp {
    let times = ["header", "body", "idle", "write"].map(|time| {
        let limit = if time == short { "1000" } else { NEVER };
        format!("http.{time}_timeout_ms={limit}")
    });
    let times = times.each_ref().map(String::as_str);
    TestApp::start_with(backend, &times).await
}

/// Waits until the server has no connection but that of whoever asks it.
async fn is_alone(app: &TestApp) {
    app.until(|| async { (connections(app).await == 1).then_some(()) })
        .await;
}

/// Waits until the server has no more connections than these.
async fn is_of_few(app: &TestApp, most: usize) {
    app.until(|| async { (connections(app).await <= most).then_some(()) })
        .await;
}

async fn connections(app: &TestApp) -> usize {
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix("takeoff_connections "));
    line.unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_does_not_come_to_its_end_is_cut() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "header").await;
    let mut silent = Wire::open(app.server.address()).await;
    assert_eq!(silent.rest().await, "");
    let mut partial = Wire::open(app.server.address()).await;
    partial
        .say("GET /health HTTP/1.1\r\nhost: loc")
        .await
        .unwrap();
    assert_eq!(partial.rest().await, "");
    let mut second = Wire::open(app.server.address()).await;
    second.say(HEALTH).await.unwrap();
    assert!(second.answer().await.starts_with("HTTP/1.1 200"));
    second.say("GET /health HTTP/1.1\r\n").await.unwrap();
    assert_eq!(second.rest().await, "");
    // Each byte alone comes in time.
    let mut dripping = Wire::open(app.server.address()).await;
    while dripping.say("G").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_alone(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_asks_for_nothing_more_is_closed() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "idle").await;
    let mut idle = Wire::open(app.server.address()).await;
    for _ in 0..2 {
        idle.say(HEALTH).await.unwrap();
        assert!(idle.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(idle.rest().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_comes_too_slowly_is_refused_on_every_route() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "body").await;
    let upload = announce(&app, 1_000).await;
    let put =
        format!("PUT {upload} HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000\r\n\r\nabc");
    let partial = |path| post(path, &"x".repeat(1_000))[..200].to_owned();
    for request in [
        partial("/graphql"),
        partial("/graphql/stream"),
        partial("/api/session/create"),
        put,
    ] {
        let mut slow = Wire::open(app.server.address()).await;
        slow.say(&request).await.unwrap();
        let answer = slow.rest().await;
        assert!(answer.starts_with("HTTP/1.1 408"), "{request}: {answer}");
    }
    // Each byte alone comes in time.
    let mut dripping = Wire::open(app.server.address()).await;
    dripping.say(partial("/graphql")).await.unwrap();
    while dripping.say("x").await.is_ok() {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_alone(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_says_it_is_too_large_is_refused_before_it_is_read() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let upload = announce(&app, 1_000).await;
    let large = "content-type: application/json\r\ncontent-length: 100000000\r\n\
        expect: 100-continue\r\n\r\n";
    for route in [
        "POST /graphql",
        "POST /graphql/stream",
        "POST /api/session/create",
        "POST /api/intent/submit",
        &format!("PUT {upload}"),
    ] {
        let mut asking = Wire::open(app.server.address()).await;
        let request = format!("{route} HTTP/1.1\r\nhost: localhost\r\naccept: */*\r\n{large}");
        asking.say(request).await.unwrap();
        // Nothing of the body was sent; "100 Continue" would ask for it.
        let answer = asking.rest().await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{route}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_comes_also_when_its_request_is_not_read_to_the_end() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    for _ in 0..10 {
        let body = vec![b' '; 4 << 20];
        let request = app.http.post(app.url("/graphql")).body(body);
        let request = request.header("content-type", "application/json");
        assert_eq!(request.send().await.unwrap().status(), 413);
    }
}

/// The path of an upload of so many bytes.
async fn announce(app: &TestApp, bytes: usize) -> String {
    let query = "mutation($input: CreateUploadInput!) { createUpload(input: $input) { url } }";
    let input = json!({"input": {"filename": "big.csv", "sizeBytes": bytes.to_string()}});
    let url = &app.data(query, input).await["createUpload"]["url"];
    url.as_str().unwrap().to_owned()
}

/// The path of a download of so many bytes.
async fn stored(app: &TestApp, bytes: usize) -> String {
    let upload = announce(app, bytes).await;
    let id = upload.split(['/', '?']).nth(2).unwrap();
    let content = "1,2,3,4\n".repeat(bytes / 8);
    let put = app.http.put(app.url(&upload)).body(content).send().await;
    assert_eq!(put.unwrap().status(), 201);
    let done = app
        .run(
            "ingest_file",
            json!({"ui_name": "big.csv", "upload_id": id}),
        )
        .await;
    let result = done.result.unwrap().as_inline().unwrap().to_value();
    let query = "query($id: ID!) { artifact(id: $id) { materializations { downloadUrl } } }";
    let found = app.data(query, json!({"id": result["artifact_id"]})).await;
    let url = &found["artifact"]["materializations"][0]["downloadUrl"];
    url.as_str().unwrap().to_owned()
}

const SCHEMA: &str = r#"{"query": "{ __schema { types { name description fields { name description args { name description } } } } }"}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_read_is_cut_whatever_is_sent_to_it() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "write").await;
    let download = stored(&app, 16 << 20).await;
    for (kind, request) in [
        ("answers", post("/graphql", SCHEMA)),
        ("events", post("/graphql/stream", SCHEMA)),
        (
            "a download",
            format!("GET {download} HTTP/1.1\r\nhost: localhost\r\n\r\n"),
        ),
    ] {
        let mut deaf = Wire::narrow(app.server.address()).await;
        // The server takes no more requests than it can answer.
        let asking = async { while deaf.say(&request).await.is_ok() {} };
        let _ = tokio::time::timeout(Duration::from_secs(1), asking).await;
        deaf.begins("HTTP/1.1 200").await;
        is_alone(&app).await;
        let got = deaf.rest().await;
        assert!(got.len() < 8 << 20, "{kind}");
    }
}

/// A ping of RFC 6455 with the largest payload, masked by zeros.
fn ping() -> Vec<u8> {
    let mut frame = vec![0x89, 0xfd, 0, 0, 0, 0];
    frame.extend([b'x'; 125]);
    frame
}

const UPGRADE: &str = "GET /graphql/ws HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\n\
    upgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    sec-websocket-protocol: graphql-transport-ws\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pings_whose_pongs_are_not_read_are_not_taken_for_ever() {
    let backend = Backend::sqlite();
    let app = impatient(&backend, "write").await;
    let mut deaf = Wire::narrow(app.server.address()).await;
    deaf.say(UPGRADE).await.unwrap();
    assert!(deaf.answer().await.starts_with("HTTP/1.1 101"));
    deaf.say(b"\x81\x9a\0\0\0\0{\"type\":\"connection_init\"}")
        .await
        .unwrap();
    let pings = ping().repeat(8_000);
    let mut taken = 0;
    while deaf.say(&pings).await.is_ok() {
        taken += pings.len();
        assert!(taken < 64 << 20, "all of it was taken");
    }
    is_alone(&app).await;
}

/// The head of a text frame of so many bytes, masked by zeros.
fn text_frame(bytes: u64) -> Vec<u8> {
    let mut head = vec![0x81, 0xff];
    head.extend(bytes.to_be_bytes());
    head.extend([0; 4]);
    head
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_that_do_not_come_to_their_end_have_the_room_of_bodies() {
    let backend = Backend::sqlite();
    let room = [
        "http.max_bodies_bytes=4194304",
        "http.max_body_bytes=1048576",
    ];
    let app = TestApp::start_with(&backend, &room).await;
    let mut open = vec![];
    for _ in 0..100 {
        let mut socket = Wire::open(app.server.address()).await;
        socket.say(UPGRADE).await.unwrap();
        assert!(socket.answer().await.starts_with("HTTP/1.1 101"));
        open.push(socket);
    }
    let part = [text_frame(1 << 20), vec![b' '; 1_000_000]].concat();
    for socket in &mut open {
        // One for which there is no room is closed meanwhile.
        let _ = socket.say(&part).await;
    }
    // Four have room; the others end.
    is_of_few(&app, 4 + 1).await;
    let query = post(
        "/graphql",
        &json!({"query": "{ __typename }", "operationName": " ".repeat(400_000)}).to_string(),
    );
    let answers = async || {
        let mut wire = Wire::open(app.server.address()).await;
        let _ = wire.say(&query).await;
        wire.answer().await
    };
    // A body has that room, too. Messages that came together may have ended each other; the last ones
    // come one after the other.
    let mut last = vec![];
    while !answers().await.starts_with("HTTP/1.1 503") {
        assert!(last.len() < 100, "a body has room beside all the messages");
        let mut socket = Wire::open(app.server.address()).await;
        socket.say(UPGRADE).await.unwrap();
        assert!(socket.answer().await.starts_with("HTTP/1.1 101"));
        let _ = socket.say(&part).await;
        last.push(socket);
    }
    drop((open, last));
    app.until(|| async { (!answers().await.starts_with("HTTP/1.1 503")).then_some(()) })
        .await;
    // A message that is whole gives its room back.
    let mut socket = Socket::open(app.server.address(), &json!({}))
        .await
        .unwrap();
    let mut pong = r#"{"type":"pong"}"#.to_owned();
    pong.extend(std::iter::repeat_n(' ', 1_000_000));
    for _ in 0..10 {
        let pong = Message::text(pong.clone());
        socket.send_frame(pong).await.unwrap();
    }
    let query = "{ __typename }";
    socket.subscribe("1", query, &json!({})).await.unwrap();
    assert_eq!(socket.message("1").await["type"], "next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_are_no_more_connections_than_there_may_be() {
    let backend = Backend::sqlite();
    let caps = [
        "http.max_connections=4",
        "http.max_connections_per_address=3",
    ];
    let app = TestApp::start_with(&backend, &caps).await;
    let address = app.server.address();
    let [one, other]: [IpAddr; 2] = ["127.0.0.2", "127.0.0.3"].map(|ip| ip.parse().unwrap());
    let is_served = async |from: IpAddr| {
        let mut wire = Wire::from(from, address).await;
        let _ = wire.say(HEALTH).await;
        let answer = wire.answer().await;
        answer.starts_with("HTTP/1.1 200").then_some(wire)
    };
    let mut open = vec![];
    for _ in 0..3 {
        open.push(is_served(one).await.expect("there is room"));
    }
    assert!(is_served(one).await.is_none(), "a fourth from one address");
    let last = is_served(other).await.expect("there is room for another");
    assert!(is_served(other).await.is_none(), "a fifth in all");
    open.pop();
    app.until(|| is_served(one)).await;
    drop(last);
    drop(open);
    app.until(|| is_served(other)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_is_no_larger_than_it_may_be_and_http_2_is_not_spoken() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let mut large = Wire::open(app.server.address()).await;
    let header = format!("x-filler: {}\r\n", "x".repeat(8_000));
    let _ = large
        .say(HEALTH.replace("host", &format!("{}host", header.repeat(20))))
        .await;
    let answer = large.rest().await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let mut newer = Wire::open(app.server.address()).await;
    let settings = "\0\0\0\u{4}\0\0\0\0\0";
    let preface = format!("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n{settings}");
    newer.say(preface).await.unwrap();
    assert_eq!(newer.rest().await, "");
    is_alone(&app).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_with_few_descriptors_turns_connections_away_and_keeps_its_database() {
    let backend = Backend::sqlite();
    let settings = [
        "http.header_timeout_ms=600000",
        "http.idle_timeout_ms=600000",
    ];
    let node = NodeProcess::start_with_files(&backend, &settings, 256).await;
    let create = post(
        "/graphql",
        r#"{"query": "mutation { createSession(input: {}) { session { id } } }"}"#,
    );
    let mut kept = Wire::open(node.address).await;
    let mut creates = async || {
        kept.say(&create).await.unwrap();
        let answer = kept.answer().await;
        assert!(answer.contains("ses_"), "{answer}");
    };
    creates().await;
    let mut flood = vec![];
    for _ in 0..400 {
        flood.push(Wire::open(node.address).await);
    }
    for _ in 0..20 {
        creates().await;
    }
    let mut last = flood.pop().unwrap();
    let said = last.rest().await;
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 503"),
        "{said}"
    );
    drop(flood);
    let again = async || {
        let mut wire = Wire::open(node.address).await;
        let _ = wire.say(&create).await;
        wire.answer().await.contains("ses_")
    };
    while !again().await {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    // It shed what it could not serve, and did not run out.
    assert!(!node.log().contains("can be accepted"), "{}", node.log());
    assert!(node.log().contains("there is no room"), "{}", node.log());
}
