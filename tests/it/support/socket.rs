//! A client of `graphql-transport-ws`.

use std::net::SocketAddr;

use anyhow::Context;
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{self, Message, client::IntoClientRequest, protocol::CloseFrame},
};

use super::PATIENCE;

/// A connection.
pub struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

/// A message or an end that comes from the server.
#[derive(Debug)]
pub enum Received {
    Message(Value),
    /// The end, and why if the server says so.
    Closed(Option<CloseFrame>),
}

impl Socket {
    /// Connects, with `payload` in `connection_init`.
    pub async fn open(address: SocketAddr, payload: &Value) -> anyhow::Result<Self> {
        let mut this = Self::connect(address, &[]).await?;
        let init = json!({"type": "connection_init", "payload": payload});
        this.send(&init).await?;
        Ok(this)
    }

    /// Connects and says nothing. `headers` win over those that are sent anyway.
    pub async fn connect(
        address: SocketAddr,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, tungstenite::Error> {
        let mut request = format!("ws://{address}/graphql/ws").into_client_request()?;
        let protocol = ("sec-websocket-protocol", "graphql-transport-ws");
        for (name, value) in [&[protocol], headers].concat() {
            request.headers_mut().insert(name, value.parse()?);
        }
        let (stream, _) = tokio_tungstenite::connect_async(request).await?;
        Ok(Self(stream))
    }

    pub async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        self.send_frame(Message::text(message.to_string())).await
    }

    pub async fn send_frame(&mut self, message: Message) -> anyhow::Result<()> {
        Ok(self.0.send(message).await?)
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
            match self.receive_any().await? {
                Received::Message(message) if message["type"] == "connection_ack" => {}
                Received::Message(message) if message["type"] == "ping" => {
                    self.send(&json!({"type": "pong"})).await?;
                }
                received => return Ok(received),
            }
        }
    }

    /// The next message, whatever it is.
    pub async fn receive_any(&mut self) -> anyhow::Result<Received> {
        loop {
            let next = tokio::time::timeout(2 * PATIENCE, self.0.next()).await;
            match next.context("nothing comes")?.transpose()? {
                Some(Message::Text(text)) => {
                    return Ok(Received::Message(serde_json::from_str(&text)?));
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
