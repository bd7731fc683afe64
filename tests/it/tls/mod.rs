//! The server speaks TLS itself: which protocols, with which certificate, and within which bounds.

mod certificates;
mod http2;

use std::net::SocketAddr;

use axum::http::{Method, Request, Response};
use bytes::Bytes;
use futures::{SinkExt, StreamExt};
use h2::{
    RecvStream,
    client::{Builder, ResponseFuture, SendRequest},
};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};

use crate::support::{
    Backend, TestApp, Wire, soon,
    tls::{self, ONE},
};

/// A server that speaks TLS.
async fn start(backend: &Backend, settings: &[&str]) -> TestApp {
    let files = tls::settings(backend, ONE);
    let settings: Vec<&str> = files
        .iter()
        .map(String::as_str)
        .chain(settings.iter().copied())
        .collect();
    TestApp::start_with(backend, &settings).await
}

/// A connection of HTTP/2 as `builder` has it.
async fn http2(address: SocketAddr, builder: &Builder) -> SendRequest<Bytes> {
    let stream = tls::connect(address, &["h2", "http/1.1"]).await;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (client, connection) = builder.handshake(stream).await.unwrap();
    tokio::spawn(connection);
    client.ready().await.unwrap()
}

fn request(method: Method, address: SocketAddr, path: &str) -> Request<()> {
    Request::builder()
        .method(method)
        .uri(format!("https://{address}{path}"))
        .header("content-type", "application/json")
        .body(())
        .unwrap()
}

/// Sends a request whose body, if there is one, is whole.
fn send(
    client: &mut SendRequest<Bytes>,
    request: Request<()>,
    body: Option<String>,
) -> ResponseFuture {
    let (answer, mut stream) = client.send_request(request, body.is_none()).unwrap();
    if let Some(body) = body {
        stream.send_data(body.into(), true).unwrap();
    }
    answer
}

/// The whole body of an answer.
async fn text(answer: Response<RecvStream>) -> Result<String, h2::Error> {
    let mut body = answer.into_body();
    let mut bytes = Vec::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        bytes.extend(data);
    }
    Ok(String::from_utf8(bytes).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_versions_of_http_are_served_as_the_client_wants() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let address = app.server.address();
    let url = format!("https://localhost:{}/graphql", address.port());
    let query = json!({"query": "{ __typename }"});
    let own = format!("https://localhost:{}", address.port());
    for (origin, status) in [(own.as_str(), 200), ("http://localhost", 403)] {
        let request = tls::client().post(&url).header("origin", origin);
        let answer = request.json(&query).send().await.unwrap();
        assert_eq!(answer.status(), status, "{origin}");
        let stays = &answer.headers()["strict-transport-security"];
        assert_eq!(stays, "max-age=31536000");
    }
    let mut client = http2(address, &Builder::new()).await;
    let asked = request(Method::POST, address, "/graphql");
    let answer = send(&mut client, asked, Some(query.to_string())).await;
    let answer: Value = serde_json::from_str(&text(answer.unwrap()).await.unwrap()).unwrap();
    assert_eq!(answer, json!({"data": {"__typename": "Query"}}));
    let mut foreign = request(Method::GET, address, "/health");
    *foreign.uri_mut() = "https://evil.example/health".parse().unwrap();
    let answer = send(&mut client, foreign, None).await.unwrap();
    assert_eq!(answer.status(), 421);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_over_tls_follows_an_execution() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let address = app.server.address();
    let done = app.run("add", json!({"a": 1, "b": 2})).await;
    let stream = tls::connect(address, &["http/1.1"]).await;
    let asked = format!("wss://localhost:{}/graphql/ws", address.port());
    let mut asked = asked.into_client_request().unwrap();
    let protocol = "graphql-transport-ws".parse().unwrap();
    let headers = asked.headers_mut();
    headers.insert("sec-websocket-protocol", protocol);
    let connected = tokio_tungstenite::client_async(asked, stream).await;
    let (mut socket, _) = connected.unwrap();
    let query =
        "subscription Watch($id: ID!) { executionEvents(executionId: $id) { events { type } } }";
    let payload = json!({"query": query, "variables": {"id": done.id.to_string()}});
    for message in [
        json!({"type": "connection_init"}),
        json!({"type": "subscribe", "id": "1", "payload": payload}),
    ] {
        let message = Message::text(message.to_string());
        socket.send(message).await.unwrap();
    }
    let mut seen = String::new();
    while !seen.contains(r#""complete""#) {
        let message = soon(socket.next()).await.unwrap().unwrap();
        seen.push_str(message.to_text().unwrap());
    }
    assert!(seen.contains("execution.completed"), "{seen}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_trusts_the_authorities_of_its_environment() {
    let backend = Backend::sqlite();
    let app = start(&backend, &[]).await;
    let authority = backend.folder.path().join("ca.pem");
    std::fs::write(&authority, tls::AUTHORITY).unwrap();
    let url = format!("https://localhost:{}", app.server.address().port());
    let submit = async |trusted: bool| {
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_takeoff"));
        let arguments = ["submit", "echo", "--param", "message=hello", "--watch"];
        command.args(arguments).args(["--url", &url]);
        if trusted {
            command.env("SSL_CERT_FILE", &authority);
        }
        command.output().await.unwrap()
    };
    let done = submit(true).await;
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(
        done.status.success() && said.contains("completed"),
        "{done:?}"
    );
    let refused = submit(false).await;
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(said.contains("cannot be reached"), "{refused:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_handshake_has_the_time_that_a_head_has() {
    let backend = Backend::sqlite();
    let app = start(&backend, &["http.header_timeout_ms=2000"]).await;
    let hello = [
        // A record of a handshake of 512 bytes, and the beginning of what is in it.
        "",
        "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}",
    ];
    for said in hello {
        let mut wire = Wire::open(app.server.address()).await;
        wire.say(said).await.unwrap();
        assert_eq!(wire.rest().await, "", "{said:?}");
    }
    // One that ends the handshake in time and then says nothing.
    let mut stream = tls::connect(app.server.address(), &["http/1.1"]).await;
    let mut rest = Vec::new();
    let reading = tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut rest);
    let _ = tokio::time::timeout(crate::support::PATIENCE, reading)
        .await
        .expect("it was not cut");
    assert_eq!(rest, b"");
}
