//! Times and sizes of a WebSocket.

use std::time::Duration;

/// Times and sizes of a WebSocket.
#[derive(Debug, Clone)]
pub struct WebSocketOptions {
    /// How long a client may take to send `connection_init`.
    pub init_timeout: Duration,
    /// How often the server sends `ping`, and how long the client may be silent after one.
    pub heartbeat: Duration,
    /// How long writing one message may take; a client that reads so slowly is disconnected.
    pub write_timeout: Duration,
    /// How long the client may take to answer the server's close frame.
    pub close_timeout: Duration,
    /// Operations that may run on one socket at a time.
    pub max_operations: usize,
    /// Bytes of the read buffer, and of the write buffer; both grow for larger messages.
    pub buffer_bytes: usize,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        Self {
            init_timeout: Duration::from_secs(3),
            heartbeat: Duration::from_secs(15),
            write_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(1),
            max_operations: 100,
            buffer_bytes: 1024,
        }
    }
}
