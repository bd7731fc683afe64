//! The messages of the connection itself, right ones and wrong ones.

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{QUERY, Served, answers, closed, is_quiet, next};
use crate::support::Socket;

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
    let served = Served::with(|http| http.websocket.init_timeout = Duration::from_secs(2)).await;
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
async fn the_tenant_is_that_of_the_header_and_initialisation_names_no_other() {
    let served = Served::start().await;
    for (payload, tenant) in [
        (json!({}), "of-header"),
        (json!({"x-takeoff-tenant": "of-header"}), "of-header"),
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
    let header = ("x-takeoff-tenant", "of-header");
    let mut socket = Socket::connect(served.address, &[header]).await.unwrap();
    let payload = json!({"x-takeoff-tenant": "of-init"});
    let init = json!({"type": "connection_init", "payload": payload});
    socket.send(&init).await.unwrap();
    assert_eq!(closed(&mut socket).await.0, 4403);
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
