//! A client of `graphql-transport-ws`.

use std::net::SocketAddr;

use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest, protocol::CloseFrame},
};

/// A connection that was initialized.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// What comes from the server.
#[derive(Debug)]
pub enum Received {
    Message(Value),
    /// The end, and why if the server says so.
    Closed(Option<CloseFrame>),
}

impl Socket {
    /// Connects, with `payload` in `connection_init`.
    pub async fn open(address: SocketAddr, payload: &Value) -> anyhow::Result<Self> {
        let mut request = format!("ws://{address}/graphql/ws").into_client_request()?;
        let protocol = "graphql-transport-ws".parse()?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", protocol);
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        let mut this = Self(stream);
        let init = json!({"type": "connection_init", "payload": payload});
        this.send(&init).await?;
        Ok(this)
    }

    pub async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }

    /// Starts an operation.
    pub async fn subscribe(
        &mut self,
        id: &str,
        query: &str,
        variables: &Value,
    ) -> anyhow::Result<()> {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"id": id, "type": "subscribe", "payload": payload}))
            .await
    }

    /// The next message, after those that belong to the connection itself.
    pub async fn receive(&mut self) -> anyhow::Result<Received> {
        loop {
            match self.0.next().await.transpose()? {
                Some(Message::Text(text)) => {
                    let message: Value = serde_json::from_str(&text)?;
                    if message["type"] != "connection_ack" {
                        return Ok(Received::Message(message));
                    }
                }
                Some(Message::Close(frame)) => return Ok(Received::Closed(frame)),
                Some(_) => {}
                None => return Ok(Received::Closed(None)),
            }
        }
    }

    /// The next message of the operation `id`.
    pub async fn message(&mut self, id: &str) -> Value {
        match self.receive().await.unwrap() {
            Received::Message(message) => {
                assert_eq!(message["id"], id, "{message}");
                message
            }
            Received::Closed(frame) => panic!("closed: {frame:?}"),
        }
    }
}
