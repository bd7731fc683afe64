//! Proofs on connections that stay: sockets and streams of events.

use futures::StreamExt;
use serde_json::{Value, json};
use takeoff::auth::NewKey;
use tokio::time::timeout;

use super::{VIEWER, ask, guarded, key_of, names, revoke, token};
use crate::support::{Backend, PATIENCE, Received, Socket, TestApp, backends};

const WATCH: &str = "subscription { tenantEvents { cursor } }";

/// The code by which a socket is closed, which it must be.
pub(super) async fn closed(socket: &mut Socket) -> u16 {
    let closing = async {
        loop {
            if let Received::Closed(frame) = socket.receive_any().await.unwrap() {
                return frame.expect("no reason").code.into();
            }
        }
    };
    timeout(PATIENCE, closing).await.expect("it stays open")
}

fn payload(token: &str) -> Value {
    json!({"authorization": format!("Bearer {token}")})
}

async fn is_acknowledged(socket: &mut Socket) {
    match socket.receive_any().await.unwrap() {
        Received::Message(message) => assert_eq!(message["type"], "connection_ack"),
        Received::Closed(frame) => panic!("{frame:?}"),
    }
}

/// A socket on which a subscription runs.
pub(super) async fn watching(app: &TestApp, token: &str) -> Socket {
    let mut socket = Socket::open(app.server.address(), &payload(token))
        .await
        .unwrap();
    is_acknowledged(&mut socket).await;
    socket.subscribe("1", WATCH, &json!({})).await.unwrap();
    socket
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_needs_a_proof_from_its_header_or_its_first_message() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let (good, address) = (token(&app, "viewer").await, app.server.address());
    let mut socket = Socket::open(address, &payload(&good)).await.unwrap();
    is_acknowledged(&mut socket).await;

    let bearer = format!("Bearer {good}");
    let mut socket = Socket::connect(address, &[("authorization", &bearer)])
        .await
        .unwrap();
    socket
        .send(&json!({"type": "connection_init"}))
        .await
        .unwrap();
    is_acknowledged(&mut socket).await;

    for (payload, expected) in [
        (json!({}), 4401),
        (json!({"authorization": null}), 4401),
        (json!({"x-takeoff-tenant": "default"}), 4401),
        (json!({"authorization": good}), 4403),
        (json!({"authorization": 7}), 4403),
        (json!({"authorization": "Bearer tk_nothing"}), 4403),
        (
            json!({"authorization": bearer, "x-takeoff-tenant": "other"}),
            4403,
        ),
    ] {
        let mut socket = Socket::open(address, &payload).await.unwrap();
        assert_eq!(closed(&mut socket).await, expected, "{payload}");
    }
    let refused = Socket::connect(address, &[("authorization", "Bearer tk_nothing")]).await;
    assert!(refused.err().unwrap().to_string().contains("401"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_told_before_the_proof() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let mut socket = Socket::connect(app.server.address(), &[]).await.unwrap();
    socket.subscribe("1", WATCH, &json!({})).await.unwrap();
    assert_eq!(closed(&mut socket).await, 4401);
}

backends! {
    async fn a_socket_is_closed_when_its_key_is_revoked_on_another_node(backend: Backend) {
        // SQLite has no other node.
        let app = guarded(&backend).await;
        let other = if backend.is_postgres() { Some(guarded(&backend).await) } else { None };
        let key = key_of(&app, "default", "viewer").await;
        let mut socket = watching(&app, key.text.expose()).await;
        revoke(other.as_ref().unwrap_or(&app), &key.key).await;
        assert_eq!(closed(&mut socket).await, 4403);
        let bearer = format!("Bearer {}", key.text.expose());
        let (status, _) = ask(&app, &[("authorization", &bearer)], VIEWER, &json!({})).await;
        assert_eq!(status, 401);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sockets_and_streams_end_when_the_token_does() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let new = NewKey {
        roles: names(&["viewer"]),
        expires_at: Some(takeoff::clock::Clock::System.now() + 6_000_000),
        ..NewKey::default()
    };
    let key = app
        .services()
        .keys
        .create(&app.principal(), new)
        .await
        .unwrap();
    let mut socket = watching(&app, key.text.expose()).await;
    let query = json!({"query": WATCH});
    let stream = app
        .http
        .post(app.url("/graphql/stream"))
        .header("authorization", format!("Bearer {}", key.text.expose()))
        .header("accept", "text/event-stream")
        .json(&query)
        .send()
        .await
        .unwrap();
    assert_eq!(stream.status(), 200);
    let all = stream
        .bytes_stream()
        .map(|bytes| bytes.unwrap().to_vec())
        .concat();
    let all = timeout(PATIENCE, all).await.expect("the stream goes on");
    let text = String::from_utf8(all).unwrap();
    assert!(
        !text.contains("complete"),
        "the client must come back: {text}"
    );
    assert_eq!(closed(&mut socket).await, 4403);
}
