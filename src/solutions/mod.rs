//! Solutions that ship with the server.

pub mod content;
