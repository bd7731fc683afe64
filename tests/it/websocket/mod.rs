//! `graphql-transport-ws`, message by message.

mod connection;
mod handshake;
mod messages;
mod operations;

use std::net::SocketAddr;

use serde_json::{Value, json};
use takeoff::{
    api::Bodies,
    graphql::{Api, Gate, GateLimits, HttpOptions, WebSocketOptions, export_schema, routes},
};
use tokio::{net::TcpListener, time::timeout};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use crate::support::{Backend, PATIENCE, Received, Socket, TestApp};

const QUERY: &str = "{ viewer { tenantId } }";
const WATCH: &str = "subscription($id: ID!, $after: String) {
    executionEvents(executionId: $id, after: $after) { cursor events { sequence } } }";
const WATCH_TENANT: &str = "subscription { tenantEvents { cursor } }";

/// The API of a server, served beside it with options of a test's own.
struct Served {
    app: TestApp,
    address: SocketAddr,
    options: HttpOptions,
    backend: Backend,
}

impl Served {
    async fn start() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(set: impl FnOnce(&mut HttpOptions)) -> Self {
        let backend = Backend::sqlite();
        let app = TestApp::start(&backend).await;
        let mut options = HttpOptions {
            port: takeoff::api::Port::Main,
            bodies: Bodies::new(1 << 20, 1 << 26),
            stop: CancellationToken::new(),
            websocket: WebSocketOptions::default(),
            sockets: TaskTracker::new(),
            logins: Vec::new(),
        };
        set(&mut options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let gate = Gate::new(&export_schema(), &GateLimits::default()).unwrap();
        let routes = routes(&Api::new(app.services().clone(), gate), &options);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Self {
            app,
            address,
            options,
            backend,
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
