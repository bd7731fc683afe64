//! Times and sizes of a WebSocket.

use std::time::Duration;

/// Times and sizes of a WebSocket.
#[derive(Debug, Clone)]
pub struct WebSocketOptions {
    /// The time limit for `connection_init`.
    pub init_timeout: Duration,
    /// The interval of the server's `ping`, and the time limit for the client's answer to it.
    pub heartbeat: Duration,
    /// The time limit for writing one message; a client that reads so slowly is disconnected.
    pub write_timeout: Duration,
    /// The time limit for the client's answer to the server's close frame.
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
