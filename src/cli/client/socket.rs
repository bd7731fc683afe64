//! Subscriptions over graphql-transport-ws: one operation a socket.

use futures::{SinkExt, StreamExt};
use graphql_client::{GraphQLQuery, Response};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest, http::HeaderValue},
};

use super::{Client, Error, Problem, data_of};

/// A running subscription.
pub(in crate::cli) struct Subscription {
    client: Client,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Client {
    /// Begins a subscription.
    pub(in crate::cli) async fn subscribe<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Subscription, Error> {
        let address = self.base.replacen("http", "ws", 1);
        let mut request = format!("{address}/graphql/ws")
            .into_client_request()
            .map_err(|e| self.unreachable(e))?;
        let protocol = HeaderValue::from_static("graphql-transport-ws");
        request
            .headers_mut()
            .insert("sec-websocket-protocol", protocol);
        let (socket, _) = connect_async(request)
            .await
            .map_err(|e| self.unreachable(e))?;
        let mut subscription = Subscription {
            client: self.clone(),
            socket,
        };
        let mut init = json!({"type": "connection_init"});
        if let Some(tenant) = &self.tenant {
            init["payload"]["x-takeoff-tenant"] = json!(tenant);
        }
        if let Some(token) = &self.token {
            init["payload"]["authorization"] = json!(token.bearer());
        }
        subscription.send(&init).await?;
        match subscription.receive().await? {
            Some(message) if message["type"] == "connection_ack" => {}
            other => {
                return Err(Error::Protocol(format!(
                    "no acknowledgement, but {other:?}"
                )));
            }
        }
        let payload = serde_json::to_value(Q::build_query(variables))
            .map_err(|e| Error::Protocol(e.to_string()))?;
        subscription
            .send(&json!({"id": "1", "type": "subscribe", "payload": payload}))
            .await?;
        Ok(subscription)
    }
}

impl Subscription {
    async fn send(&mut self, message: &Value) -> Result<(), Error> {
        let sent = self.socket.send(Message::text(message.to_string())).await;
        sent.map_err(|e| self.client.unreachable(e))
    }

    /// The next message that is not about the connection; none when the server has closed it.
    async fn receive(&mut self) -> Result<Option<Value>, Error> {
        while let Some(message) = self.socket.next().await {
            let text = match message.map_err(|e| self.client.unreachable(e))? {
                Message::Text(text) => text,
                Message::Close(_) => return Ok(None),
                _ => continue,
            };
            let message: Value =
                serde_json::from_str(&text).map_err(|e| Error::Protocol(e.to_string()))?;
            if message["type"] == "ping" {
                self.send(&json!({"type": "pong"})).await?;
            } else if message["type"] != "pong" {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// The next answer; none when the subscription is complete.
    pub(in crate::cli) async fn next<Q: GraphQLQuery>(
        &mut self,
    ) -> Result<Option<Q::ResponseData>, Error> {
        let Some(message) = self.receive().await? else {
            return Err(self.client.unreachable("the connection was closed"));
        };
        match message["type"].as_str() {
            Some("next") => {
                let answer: Response<Q::ResponseData> =
                    serde_json::from_value(message["payload"].clone())
                        .map_err(|e| Error::Protocol(e.to_string()))?;
                data_of(answer).map(Some)
            }
            Some("complete") => Ok(None),
            Some("error") => Err(Error::Refused(problems(&message["payload"]))),
            _ => Err(Error::Protocol(format!("{message} is no answer"))),
        }
    }
}

/// The errors of a refused operation.
fn problems(payload: &Value) -> Vec<Problem> {
    let errors: Vec<graphql_client::Error> =
        serde_json::from_value(payload.clone()).unwrap_or_default();
    errors.iter().map(Problem::of).collect()
}
