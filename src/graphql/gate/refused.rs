//! A request that is not run, and why.

use std::time::Duration;

use apollo_compiler::{response::GraphQLError, validation::DiagnosticList};
use async_graphql::{ErrorExtensionValues, Pos, ServerError};

use crate::{
    api::{ApiError, ErrorCode, RequestId},
    graphql::error::{complete, refusal},
};

/// The most errors of one answer; more of them help nobody.
const MAX_ERRORS: usize = 10;
/// A parser may repeat what it was given.
const MAX_MESSAGE_CHARS: usize = 300;

/// The answer to a request that is not run: at least one error.
#[derive(Debug)]
pub(crate) struct Refused {
    code: ErrorCode,
    retry_after: Option<Duration>,
    errors: Vec<ServerError>,
}

impl Refused {
    /// A document with these faults.
    pub(super) fn by_diagnostics(found: &DiagnosticList) -> Self {
        let errors = found.iter().take(MAX_ERRORS);
        Self::faulty(errors.map(|diagnostic| shown(&diagnostic.to_json())))
    }

    /// The request itself is faulty.
    pub(super) fn by_error(error: &GraphQLError) -> Self {
        Self::faulty([shown(error)])
    }

    fn faulty(errors: impl IntoIterator<Item = ServerError>) -> Self {
        Self {
            code: ErrorCode::BadUserInput,
            retry_after: None,
            errors: errors.into_iter().collect(),
        }
    }

    /// The code of the refusal.
    pub(crate) fn code(&self) -> ErrorCode {
        self.code
    }

    /// The time to wait before the same request may pass, where that is known.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The errors as they are shown.
    pub(crate) fn into_errors(mut self, id: Option<&RequestId>) -> Vec<ServerError> {
        complete(&mut self.errors, id);
        self.errors
    }
}

impl From<ApiError> for Refused {
    fn from(error: ApiError) -> Self {
        Self {
            code: error.code(),
            retry_after: error.retry_after(),
            errors: refusal(error, None),
        }
    }
}

fn shown(error: &GraphQLError) -> ServerError {
    let mut message: String = error.message.chars().take(MAX_MESSAGE_CHARS).collect();
    if message.len() < error.message.len() {
        message.push('…');
    }
    let mut shown = ServerError::new(message, None);
    let places = error.locations.iter().map(|at| Pos {
        line: at.line,
        column: at.column,
    });
    shown.locations = places.collect();
    shown.extensions = Some(ErrorExtensionValues::default());
    shown
}
