//! A subscriber: graphql-transport-ws over one socket.

use std::net::SocketAddr;

use anyhow::{Context, bail};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{ClientRequestBuilder, Message, http::Uri, protocol::WebSocketConfig},
};

/// An acknowledged connection.
pub(crate) struct Socket(WebSocketStream<MaybeTlsStream<TcpStream>>);

impl Socket {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        Self::open_as("default", address).await
    }

    /// The same for a tenant.
    pub(crate) async fn open_as(tenant: &str, address: SocketAddr) -> anyhow::Result<Self> {
        let url: Uri = format!("ws://{address}/graphql/ws").parse()?;
        let request = ClientRequestBuilder::new(url).with_sub_protocol("graphql-transport-ws");
        let config = WebSocketConfig::default()
            .read_buffer_size(4096)
            .write_buffer_size(0);
        let (stream, _) = connect_async_with_config(request, Some(config), true).await?;
        let mut socket = Self(stream);
        let payload = json!({"x-takeoff-tenant": tenant});
        let init = json!({"type": "connection_init", "payload": payload});
        socket.send(&init).await?;
        let answer = socket.receive().await?;
        anyhow::ensure!(answer.contains("connection_ack"), "{answer}");
        Ok(socket)
    }

    pub(crate) async fn subscribe(
        &mut self,
        id: &str,
        query: &str,
        variables: &Value,
    ) -> anyhow::Result<()> {
        let payload = json!({"query": query, "variables": variables});
        self.send(&json!({"id": id, "type": "subscribe", "payload": payload}))
            .await
    }

    /// The next message that is not a ping, as text.
    pub(crate) async fn receive(&mut self) -> anyhow::Result<String> {
        loop {
            let message = self.0.next().await.context("the socket has ended")??;
            match message {
                Message::Text(text) if text.contains(r#""type":"ping""#) => {
                    self.send(&json!({"type": "pong"})).await?;
                }
                Message::Text(text) => return Ok(text.as_str().to_owned()),
                Message::Close(frame) => bail!("the server closed the socket: {frame:?}"),
                _ => {}
            }
        }
    }

    async fn send(&mut self, message: &Value) -> anyhow::Result<()> {
        Ok(self.0.send(Message::text(message.to_string())).await?)
    }
}
