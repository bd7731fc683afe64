//! The API over WebSocket, by the protocol `graphql-transport-ws` and no other: from the HTTP
//! request to the socket.

mod close;
mod connection;
mod identity;
mod message;
mod operation;
mod options;

use std::sync::Arc;

use async_graphql::Response as Answer;
use async_graphql_axum::GraphQLResponse;
use axum::{
    Extension,
    extract::{State, WebSocketUpgrade, ws::rejection::WebSocketUpgradeRejection},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION},
    response::{IntoResponse, Response},
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::options::WebSocketOptions;
use self::{connection::Connection, identity::HandshakeCaller};
use super::{HttpOptions, negotiation::Form, request::unknown};
use crate::{
    api::{ApiError, Arrivals, Asker, Authenticates, Bodies, Client, ErrorCode, TENANT_HEADER},
    auth::Authenticator,
    graphql::{Api, error::refusal},
    model::Priority,
};

const PROTOCOL: &str = "graphql-transport-ws";

/// State that all sockets of a server share.
pub(crate) struct Sockets {
    api: Api,
    options: WebSocketOptions,
    bodies: Bodies,
    open: TaskTracker,
    stop: CancellationToken,
}

impl Sockets {
    pub(crate) fn new(api: Api, options: &HttpOptions) -> Arc<Self> {
        Arc::new(Self {
            api,
            options: options.websocket.clone(),
            bodies: options.bodies.clone(),
            open: options.sockets.clone(),
            stop: options.stop.clone(),
        })
    }

    /// A client that sends no more than it may, and buffers of a size that fits most messages. What
    /// waits to be written is one message at most: the next one is taken when it is gone.
    fn configure(&self, upgrade: WebSocketUpgrade) -> WebSocketUpgrade {
        upgrade
            .protocols([PROTOCOL])
            .max_message_size(self.bodies.max_bytes())
            .max_frame_size(self.bodies.max_bytes())
            .read_buffer_size(self.options.buffer_bytes)
            .write_buffer_size(self.options.buffer_bytes)
    }
}

impl Authenticates for Sockets {
    fn authenticator(&self) -> &Authenticator {
        self.api.authenticator()
    }
}

fn has_proof(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// Takes a connection over. Who asks is said by the headers, or else by `connection_init`.
pub(crate) async fn connect(
    State(sockets): State<Arc<Sockets>>,
    asker: Asker,
    headers: HeaderMap,
    arrivals: Option<Extension<Arc<Arrivals>>>,
    client: Option<Extension<Client>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    let Asker {
        caller, request_id, ..
    } = asker;
    let refused = |status, error| {
        let answer = Answer::from_errors(refusal(error, request_id.as_ref()));
        (status, GraphQLResponse::from(answer)).into_response()
    };
    let caller = match caller {
        Ok(caller) => Some(caller),
        // A browser cannot send the header: the proof may come with `connection_init`.
        Err(error) if error.code() == ErrorCode::Unauthenticated && !has_proof(&headers) => None,
        Err(error) => return unknown(error).shown(Form::Json, request_id.as_ref()),
    };
    let tenant = headers.get(TENANT_HEADER);
    let caller = HandshakeCaller {
        caller,
        tenant: tenant.map(|name| name.to_str().unwrap_or_default().to_owned()),
        from: client.map_or(Client::unknown(), |Extension(it)| it).address,
    };
    let upgrade = match upgrade {
        Ok(upgrade) => sockets.configure(upgrade),
        Err(refusal) => return refusal.into_response(),
    };
    if upgrade.selected_protocol().is_none() {
        let error = ApiError::bad_input("the subprotocol must be graphql-transport-ws");
        return refused(StatusCode::BAD_REQUEST, error);
    }
    let arrivals = arrivals.map(|Extension(it)| it).unwrap_or_default();
    sockets.bodies.count(&arrivals);
    // It counts from now on, so that a server that stops does not overlook it.
    let open = sockets.open.token();
    let priority = Priority::current();
    upgrade.on_upgrade(move |socket| async move {
        let (options, stop) = (sockets.options.clone(), sockets.stop.clone());
        let api = sockets.api.clone();
        let threads = api.threads().clone();
        let mut connection =
            Connection::new(api, caller, request_id, options, stop, socket, arrivals);
        threads.follow(priority, async move {
            connection.serve().await;
            drop(open);
        });
    })
}

/// Reads a message of a client, for fuzzing.
#[cfg(any(test, fuzzing))]
pub(in crate::graphql) fn read_message(text: &str) {
    let _ = message::ClientMessage::read(text);
}
