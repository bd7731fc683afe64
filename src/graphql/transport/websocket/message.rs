//! The messages of `graphql-transport-ws`. A message of a client is taken only when it is just what
//! the protocol says; `null` stands for a part that is left out.

use async_graphql::{Response, ServerError};
use axum::extract::ws::Message;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};

use super::close::Close;
use crate::graphql::gate::Incoming;

/// Longer ids are refused: every message of an operation repeats its id.
const MAX_ID_BYTES: usize = 256;

const NOT_JSON: Close = Close::BadRequest("the message must be JSON");
const NOT_AN_OBJECT: Close = Close::BadRequest("the message must be a JSON object");
const BAD_TYPE: Close = Close::BadRequest("the type must be a string");
const UNKNOWN_TYPE: Close = Close::BadRequest("the type is unknown");
const BAD_ID: Close = Close::BadRequest("the id must be a string of 1 to 256 bytes");
const BAD_PAYLOAD: Close = Close::BadRequest("the payload must be an object");
const BAD_OPERATION: Close =
    Close::BadRequest("the payload must be an object with a query, and variables of its form");

/// A message of the client.
#[derive(Debug)]
pub(super) enum ClientMessage {
    /// Begins the connection, with whatever the client has to say of itself.
    Init(Map<String, Value>),
    /// Asks for a pong with the same payload.
    Ping(Option<Box<RawValue>>),
    /// Answers a ping, or just shows that the client is there.
    Pong,
    /// Starts an operation.
    Subscribe { id: String, request: Box<Incoming> },
    /// Ends an operation.
    Complete { id: String },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(rename = "type")]
    kind: Option<Value>,
    id: Option<Value>,
    #[serde(borrow)]
    payload: Option<&'a RawValue>,
}

impl ClientMessage {
    /// Reads a message; one that breaks the protocol closes the connection.
    pub(super) fn read(text: &str) -> Result<Self, Close> {
        let envelope = Envelope::read(text)?;
        let Some(Value::String(kind)) = &envelope.kind else {
            return Err(BAD_TYPE);
        };
        match kind.as_str() {
            "connection_init" => {
                let payload = envelope.object()?;
                let payload = payload.map(|raw| serde_json::from_str(raw.get()));
                let payload = payload.transpose().map_err(|_| BAD_PAYLOAD)?;
                Ok(Self::Init(payload.unwrap_or_default()))
            }
            "ping" => Ok(Self::Ping(envelope.object()?.map(ToOwned::to_owned))),
            "pong" => envelope.object().map(|_| Self::Pong),
            "subscribe" => {
                let request = envelope.request()?;
                let id = envelope.id()?;
                Ok(Self::Subscribe { id, request })
            }
            "complete" => Ok(Self::Complete { id: envelope.id()? }),
            _ => Err(UNKNOWN_TYPE),
        }
    }
}

impl<'a> Envelope<'a> {
    fn read(text: &'a str) -> Result<Self, Close> {
        // An array would do as a struct for the parser.
        if is_object(text) {
            return serde_json::from_str(text).map_err(|_| NOT_JSON);
        }
        let is_json = serde_json::from_str::<&RawValue>(text).is_ok();
        Err(if is_json { NOT_AN_OBJECT } else { NOT_JSON })
    }

    fn id(self) -> Result<String, Close> {
        match self.id {
            Some(Value::String(id)) if (1..=MAX_ID_BYTES).contains(&id.len()) => Ok(id),
            _ => Err(BAD_ID),
        }
    }

    /// The payload, which may be left out.
    fn object(&self) -> Result<Option<&'a RawValue>, Close> {
        match self.payload {
            Some(payload) if !is_object(payload.get()) => Err(BAD_PAYLOAD),
            payload => Ok(payload),
        }
    }

    fn request(&self) -> Result<Box<Incoming>, Close> {
        let payload = self.object()?.ok_or(BAD_OPERATION)?;
        let request = Incoming::read(payload.get().as_bytes()).map_err(|_| BAD_OPERATION)?;
        if request.has_document() {
            Ok(Box::new(request))
        } else {
            Err(BAD_OPERATION)
        }
    }
}

fn is_object(json: &str) -> bool {
    json.trim_start().starts_with('{')
}

/// A message of the server.
#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum ServerMessage<'a> {
    /// The connection may be used.
    ConnectionAck,
    /// Asks whether the client is there.
    Ping,
    /// Answers a ping.
    Pong {
        #[serde(skip_serializing_if = "Option::is_none")]
        payload: Option<&'a RawValue>,
    },
    /// One result of an operation.
    Next { id: &'a str, payload: &'a Response },
    /// The operation was not run, or could not go on. Nothing follows it.
    Error {
        id: &'a str,
        payload: &'a [ServerError],
    },
    /// The operation is done. Nothing follows it.
    Complete { id: &'a str },
}

impl ServerMessage<'_> {
    pub(super) fn to_text(&self) -> Result<Message, serde_json::Error> {
        serde_json::to_string(self).map(Message::text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_protocol_is_refused_with_the_reason() {
        for (text, refusal) in [
            ("", NOT_JSON),
            ("{", NOT_JSON),
            ("ping", NOT_JSON),
            (r#"{"type": "ping"} {}"#, NOT_JSON),
            (r#"{"type": "ping", "type": "ping"}"#, NOT_JSON),
            ("[]", NOT_AN_OBJECT),
            (r#"["ping", null, null]"#, NOT_AN_OBJECT),
            ("7", NOT_AN_OBJECT),
            ("null", NOT_AN_OBJECT),
            ("{}", BAD_TYPE),
            (r#"{"type": 7}"#, BAD_TYPE),
            (r#"{"type": null}"#, BAD_TYPE),
            (r#"{"type": "start"}"#, UNKNOWN_TYPE),
            (
                r#"{"type": "next", "id": "1", "payload": {}}"#,
                UNKNOWN_TYPE,
            ),
            (r#"{"type": "connection_init", "payload": 7}"#, BAD_PAYLOAD),
            (r#"{"type": "connection_init", "payload": []}"#, BAD_PAYLOAD),
            (r#"{"type": "ping", "payload": "a"}"#, BAD_PAYLOAD),
            (r#"{"type": "pong", "payload": [7]}"#, BAD_PAYLOAD),
            (r#"{"type": "complete"}"#, BAD_ID),
            (r#"{"type": "complete", "id": ""}"#, BAD_ID),
            (r#"{"type": "complete", "id": 7}"#, BAD_ID),
            (
                r#"{"type": "subscribe", "payload": {"query": "{ a }"}}"#,
                BAD_ID,
            ),
            (r#"{"type": "subscribe", "id": "1"}"#, BAD_OPERATION),
            (
                r#"{"type": "subscribe", "id": "1", "payload": {}}"#,
                BAD_OPERATION,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": "{ a }"}"#,
                BAD_PAYLOAD,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": ["{ a }", null]}"#,
                BAD_PAYLOAD,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": {"query": 7}}"#,
                BAD_OPERATION,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": {"query": "a", "variables": [7]}}"#,
                BAD_OPERATION,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": {"query": "a", "extensions": 7}}"#,
                BAD_OPERATION,
            ),
            (
                r#"{"type": "subscribe", "id": "1", "payload": {"query": "a", "operationName": 7}}"#,
                BAD_OPERATION,
            ),
        ] {
            assert_eq!(ClientMessage::read(text).unwrap_err(), refusal, "{text}");
            assert!(refusal.frame().reason.len() <= 123);
        }
    }

    #[test]
    fn an_id_has_a_largest_length() {
        let of = |bytes| format!(r#"{{"type": "complete", "id": "{}"}}"#, "a".repeat(bytes));
        assert!(ClientMessage::read(&of(MAX_ID_BYTES)).is_ok());
        assert_eq!(
            ClientMessage::read(&of(MAX_ID_BYTES + 1)).unwrap_err(),
            BAD_ID
        );
    }

    #[test]
    fn an_operation_is_read_whole() {
        let text = r#" {"id": "x", "type": "subscribe", "payload": {"query": "{ a }",
            "variables": {"b": 1}, "operationName": "c", "extensions": {"d": 2}}}"#;
        let ClientMessage::Subscribe { id, request } = ClientMessage::read(text).unwrap() else {
            panic!("another message");
        };
        assert_eq!(
            (id.as_str(), request.query.as_deref()),
            ("x", Some("{ a }"))
        );
        assert_eq!(request.operation_name.as_deref(), Some("c"));
        assert_eq!(request.variables.unwrap()["b"], 1);
    }

    #[test]
    fn null_stands_for_what_is_left_out() {
        let init = r#"{"type": "connection_init", "payload": null}"#;
        let init = ClientMessage::read(init).unwrap();
        assert!(matches!(init, ClientMessage::Init(payload) if payload.is_empty()));
        let ping = ClientMessage::read(r#"{"type": "ping", "payload": null}"#).unwrap();
        assert!(matches!(ping, ClientMessage::Ping(None)));
        let text = r#"{"id": "x", "type": "subscribe", "payload": {"query": "{ a }",
            "variables": null, "operationName": null, "extensions": null}}"#;
        let subscribe = ClientMessage::read(text).unwrap();
        assert!(matches!(subscribe, ClientMessage::Subscribe { .. }));
    }
}
