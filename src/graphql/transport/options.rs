//! Options of the routes.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{graphiql::PageLogin, websocket::WebSocketOptions};
use crate::api::{Bodies, Port};

/// Options of the routes.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// The port that the routes are served on.
    pub port: Port,
    /// Reads bodies; a message of a WebSocket may be as large as one.
    pub bodies: Bodies,
    /// Ends the connections that would last for ever.
    pub stop: CancellationToken,
    /// Times and sizes of a WebSocket.
    pub websocket: WebSocketOptions,
    /// Counts the open connections over WebSocket. Who stops the server waits for their end here.
    pub sockets: TaskTracker,
    /// Where people log in on the page `/graphiql`.
    pub logins: Vec<PageLogin>,
}
