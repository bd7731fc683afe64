//! Subscriptions over graphql-transport-ws: one operation a socket.

use futures::{SinkExt, StreamExt};
use graphql_client::{GraphQLQuery, Response};
use reqwest::{
    Upgraded,
    header::{
        CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_PROTOCOL,
        SEC_WEBSOCKET_VERSION, UPGRADE,
    },
};
use serde_json::{Value, json};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        handshake::{client::generate_key, derive_accept_key},
        protocol::Role,
    },
};

use super::{Client, Error, Problem, data_of};

/// A running subscription.
pub(in crate::cli) struct Subscription {
    client: Client,
    socket: WebSocketStream<Upgraded>,
}

impl Client {
    /// Begins a subscription.
    pub(in crate::cli) async fn subscribe<Q: GraphQLQuery>(
        &self,
        variables: Q::Variables,
    ) -> Result<Subscription, Error> {
        let socket = self.connect().await?;
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

impl Client {
    /// A socket, by the client of HTTP: so it trusts the same authorities and goes by the same proxies.
    async fn connect(&self) -> Result<WebSocketStream<Upgraded>, Error> {
        let http = reqwest::Client::builder().http1_only().build();
        let http = http.map_err(|e| self.unreachable(e))?;
        let key = generate_key();
        let asked = http
            .get(format!("{}/graphql/ws", self.base))
            .header(CONNECTION, "upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key)
            .header(SEC_WEBSOCKET_PROTOCOL, "graphql-transport-ws");
        let answer = asked.send().await.map_err(|e| self.unreachable(e))?;
        let accepted = answer.headers().get(SEC_WEBSOCKET_ACCEPT);
        let expected = derive_accept_key(key.as_bytes());
        if accepted.is_none_or(|accepted| accepted != expected.as_str()) {
            let answer = self.checked(answer).await?;
            let status = answer.status();
            return Err(Error::Protocol(format!("{status} instead of a WebSocket")));
        }
        let stream = answer.upgrade().await.map_err(|e| self.unreachable(e))?;
        Ok(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
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
