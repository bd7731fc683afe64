//! The API on the wire. Each transport reads requests, lets them through the gate by the executor, and
//! writes what comes back; nothing here knows the types of the schema.

mod graphiql;
mod http;
mod negotiation;
mod options;
mod request;
mod response;
mod routes;
mod stream;
mod websocket;

pub use graphiql::PageLogin;
pub use options::HttpOptions;
pub use routes::routes;
pub use websocket::WebSocketOptions;
#[cfg(any(test, fuzzing))]
pub(super) use websocket::read_message;
