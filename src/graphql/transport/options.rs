//! Options of the routes.

use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::websocket::WebSocketOptions;
use crate::api::Bodies;

/// Options of the routes.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Reads bodies; a message of a WebSocket may be as large as one.
    pub bodies: Bodies,
    /// Ends the connections that would last for ever.
    pub stop: CancellationToken,
    /// Times and sizes of a WebSocket.
    pub websocket: WebSocketOptions,
    /// Counts the open connections over WebSocket. Who stops the server waits for their end here.
    pub sockets: TaskTracker,
}
