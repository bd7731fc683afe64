//! What GraphQL and REST share: one set of error codes, and one error that carries nothing of the
//! layers below to a client.

mod body;
mod codes;
mod error;
mod identity;
mod link;
mod refusal;

use std::sync::Arc;

pub use body::{Arrivals, Bodies, TooSlow, declared_bytes};
pub use codes::errors_document;
pub use error::{ApiError, ErrorCode};
pub use identity::{Asker, TENANT_HEADER, principal_named, principal_of};
pub use link::LinkCode;
pub use refusal::RefusalCode;

/// The id of one request, as the HTTP layer gave or received it; errors and logs repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);
