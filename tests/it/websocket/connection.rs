//! Connections' lives, and what becomes of a client that is slow, gone or too loud.

use std::time::Duration;

use serde_json::{Value, json};
use takeoff::{api::Bodies, model::ExecutionStatus};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{
    Message,
    protocol::frame::{
        Frame,
        coding::{Data, OpCode},
    },
};

use super::{Served, WATCH, WATCH_TENANT, closed, is_quiet, next};
use crate::support::{PATIENCE, Socket};

const SCHEMA: &str = "{ __schema { types { name description
    fields { name description args { name description } } } } }";

#[tokio::test]
async fn a_client_that_does_not_answer_a_ping_is_let_go() {
    let served = Served::with(|http| http.websocket.heartbeat = Duration::from_secs(1)).await;
    let mut socket = served.open().await;
    assert_eq!(next(&mut socket).await, json!({"type": "ping"}));
    assert_eq!(closed(&mut socket).await, (1001, "pong timeout".to_owned()));
    served.is_empty().await;
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let served = Served::with(|http| http.websocket.heartbeat = Duration::from_secs(2)).await;
    let mut socket = served.open().await;
    for _ in 0..2 {
        assert_eq!(next(&mut socket).await, json!({"type": "ping"}));
        socket.send(&json!({"type": "pong"})).await.unwrap();
    }
    is_quiet(&mut socket).await;
}

#[tokio::test]
async fn a_message_that_never_ends_does_not_keep_a_connection() {
    let served = Served::with(|http| http.websocket.heartbeat = Duration::from_secs(1)).await;
    let mut socket = served.open().await;
    let part = Frame::message("{", OpCode::Data(Data::Text), false);
    socket.send_frame(Message::Frame(part)).await.unwrap();
    let ended = async {
        // What comes between the parts of a message is no sign of it.
        while socket.send_frame(Message::Ping("?".into())).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, ended).await.expect("it is still open");
    served.is_empty().await;
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
    let served = Served::with(|http| http.bodies = Bodies::new(2048, 2048)).await;
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
