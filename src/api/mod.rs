//! The common part of GraphQL and REST: one set of error codes, and one error that carries nothing
//! of the layers below to a client.

mod body;
mod browser;
mod client;
mod codes;
mod error;
mod html;
mod identity;
mod link;
mod port;
mod refusal;
mod threads;

use std::{sync::Arc, time::Duration};

use axum::http::HeaderValue;

pub use body::{Arrivals, Bodies, TooSlow, declared_bytes};
pub use browser::{CSRF_HEADER, LOGIN_COOKIE, OfOwnPage, SESSION_COOKIE, cookie, session_cookie};
pub use client::Client;
pub use codes::errors_document;
pub use error::{ApiError, ErrorCode};
pub use html::escaped;
pub use identity::{AskedBy, Asker, Authenticates, TENANT_HEADER};
pub(crate) use identity::{ClaimedIdentity, agrees};
pub use link::LinkCode;
pub use port::Port;
pub use refusal::RefusalCode;
#[cfg(test)]
pub(crate) use threads::low_and_normal;
pub use threads::{EndOnDrop, RequestThreads};

/// A time to wait as the header `Retry-After` says it: in seconds, at least as long.
#[must_use]
pub fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(
        wait.as_millis()
            .div_ceil(1_000)
            .try_into()
            .unwrap_or(u64::MAX),
    )
}

/// The id of one request, as the HTTP layer gave or received it; errors and logs repeat it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub Arc<str>);
