//! Requests by each transport, and their answers without what differs from one request to the next.

use std::fmt::Write as _;

use futures::{SinkExt as _, StreamExt as _};
use reqwest::{Method, RequestBuilder, header::ACCEPT, redirect::Policy};
use serde_json::{Value, json};
use takeoff::{model::RawJson, runtime::SubmitIntent};
use tokio_tungstenite::{
    connect_async,
    tungstenite::{Message, client::IntoClientRequest},
};

use super::{
    routes::Request,
    world::{Names, World},
};
use crate::support::{TestApp, soon};

/// Status, headers, and every byte that comes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: Vec<String>,
    pub(super) body: String,
}

/// What is made anew for each request: letters stand for kinds of characters, see [`fits`].
const NEW: &[&str] = &[
    "hhhhhhhh-hhhh-hhhh-hhhh-hhhhhhhhhhhh",
    "lll_aaaaaaaaaaaaaaaaaaaaaaaaaa",
    "dddd-dd-ddTdd:dd:dd.ddddddZ",
    "hhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhhh",
    "expires=dddddddddd",
];

/// Whether `text` is like a pattern: `h` for hexadecimal digits, `d` for digits, `l` for letters, `a` for both.
fn fits(text: &[u8], pattern: &str) -> bool {
    let like = |(one, kind): (&u8, u8)| match kind {
        b'h' => one.is_ascii_hexdigit(),
        b'd' => one.is_ascii_digit(),
        b'l' => one.is_ascii_lowercase(),
        b'a' => one.is_ascii_alphanumeric(),
        literal => *one == literal,
    };
    text.len() >= pattern.len() && text.iter().zip(pattern.bytes()).all(like)
}

fn masked(text: &str, tried: &Names) -> String {
    let mut text = text.to_owned();
    for (kind, name) in tried {
        // What is short could stand anywhere.
        if name.len() > 10 {
            text = text.replace(name, &format!("<{kind}>"));
        }
    }
    let (bytes, mut shown, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        if let Some(new) = NEW.iter().find(|new| fits(&bytes[at..], new)) {
            shown.extend_from_slice(new.as_bytes());
            at += new.len();
        } else {
            shown.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(shown).unwrap()
}

impl Answer {
    /// The same with the names that were tried as what they name, and without new ids, times and signatures.
    pub(super) fn masked(self, tried: &Names) -> Self {
        let headers = self.headers.iter().map(|header| masked(header, tried));
        Self {
            status: self.status,
            headers: headers.collect(),
            body: masked(&self.body, tried),
        }
    }

    async fn of(request: RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let headers = response
            .headers()
            .iter()
            .filter(|(name, _)| *name != "date");
        let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
        let (status, mut headers) = (response.status().as_u16(), headers.collect::<Vec<_>>());
        headers.sort();
        let body = soon(response.text()).await.unwrap();
        Self {
            status,
            headers,
            body,
        }
    }
}

/// The ways of a GraphQL document to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Transport {
    Post,
    Get,
    Stream,
    Socket,
}

impl Transport {
    /// Whether documents of its kind go this way.
    pub(super) fn takes(self, text: &str) -> bool {
        match self {
            Self::Post => !text.starts_with("subscription"),
            Self::Get => text.starts_with("query"),
            Self::Stream | Self::Socket => true,
        }
    }

    pub(super) async fn ask(self, app: &TestApp, token: String, text: String) -> Answer {
        let body = json!({"query": text});
        let request = match self {
            Self::Post => app.http.post(app.url("/graphql")).json(&body),
            Self::Get => {
                let query = url::form_urlencoded::Serializer::new(String::new())
                    .append_pair("query", &text)
                    .finish();
                app.http.get(app.url(&format!("/graphql?{query}")))
            }
            Self::Stream => {
                let request = app.http.post(app.url("/graphql/stream")).json(&body);
                request.header(ACCEPT, "text/event-stream")
            }
            Self::Socket => return by_socket(app, &token, &body).await,
        };
        Answer::of(request.bearer_auth(token)).await
    }
}

/// All messages of one operation.
async fn by_socket(app: &TestApp, token: &str, payload: &Value) -> Answer {
    let url = format!("ws://{}/graphql/ws", app.server.address());
    let mut request = url.into_client_request().unwrap();
    let headers = request.headers_mut();
    headers.insert(
        "sec-websocket-protocol",
        "graphql-transport-ws".parse().unwrap(),
    );
    headers.insert("authorization", format!("Bearer {token}").parse().unwrap());
    let (mut socket, _) = connect_async(request).await.unwrap();
    let init = json!({"type": "connection_init"});
    let subscribe = json!({"type": "subscribe", "id": "1", "payload": payload});
    for message in [init, subscribe] {
        socket
            .send(Message::text(message.to_string()))
            .await
            .unwrap();
    }
    let mut body = String::new();
    loop {
        let text = match soon(socket.next()).await {
            Some(Ok(Message::Text(text))) => text,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => continue,
            // It says why, if the server has closed it.
            end => {
                write!(body, "{end:?}").unwrap();
                break;
            }
        };
        let message: Value = serde_json::from_str(&text).unwrap();
        // The server sends one when it has heard nothing for a while.
        if message["type"] == "ping" {
            continue;
        }
        body.push_str(&text);
        if matches!(message["type"].as_str(), Some("complete" | "error")) {
            break;
        }
    }
    Answer {
        status: 0,
        headers: Vec::new(),
        body,
    }
}

/// A request to a route, with its names filled in.
pub(super) struct Filled {
    method: Method,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Filled {
    pub(super) fn of(request: &Request, fill: impl Fn(&str) -> String) -> Self {
        let (method, _) = request.route.split_once(' ').unwrap();
        let headers = request.headers.iter();
        Self {
            method: method.parse().unwrap(),
            path: fill(request.path),
            headers: headers.map(|(name, value)| (*name, fill(value))).collect(),
            body: fill(request.body),
        }
    }

    pub(super) async fn ask(self, app: &TestApp, token: String) -> Answer {
        let http = reqwest::Client::builder().redirect(Policy::none());
        let http = http.build().unwrap();
        let mut request = http.request(self.method, app.url(&self.path));
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        if !self.body.is_empty() {
            request = request
                .header("content-type", "application/json")
                .body(self.body);
        }
        Answer::of(request.bearer_auth(token)).await
    }
}

pub(super) async fn get(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.http.get(app.url(path))).await
}

pub(super) async fn put(app: &TestApp, path: &str) -> Answer {
    Answer::of(app.http.put(app.url(path)).body("a,b\n1,2\n")).await
}

/// The end of an intent of globex: its status, its error or its result, and the types of its events; or its refusal.
pub(super) async fn outcome(world: &World, intent_type: &str, parameters: &str) -> Answer {
    let (app, globex) = (&world.app, &world.globex);
    let principal = app.principal_of("globex");
    let session = globex.names["session"].parse().unwrap();
    let parameters: Value = serde_json::from_str(parameters).unwrap();
    let intent = SubmitIntent::new(intent_type, session, RawJson::from(&parameters));
    let services = app.services();
    let body = match services.runtime.submit(&principal, intent).await {
        Err(error) => format!("{error:?}"),
        Ok(submitted) => {
            let (scope, id) = (principal.scope(), submitted.execution.id);
            let ended = services
                .events
                .wait_until_terminal(&scope, id)
                .await
                .unwrap();
            let events = services
                .storage
                .events_after(&scope, id, 0, 100)
                .await
                .unwrap();
            let types = events.iter().map(|event| event.body.type_name());
            let types: Vec<String> = types.collect();
            let error = ended.error.map(|error| (error.code, error.message));
            assert!(error.is_some(), "{intent_type} completed: {parameters}");
            format!("{} {error:?} {types:?}", ended.status.name())
        }
    };
    Answer {
        status: 0,
        headers: Vec::new(),
        body,
    }
}
