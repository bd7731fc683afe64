//! Answers over HTTP: of a request that ran, and of one that did not.

use std::{convert::Infallible, io};

use async_graphql::{Response as Answer, ServerError};
use axum::{
    body::{Body, Bytes},
    http::{
        HeaderValue, StatusCode,
        header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use futures::stream::iter;
use serde::Serialize;

use super::negotiation::Form;
use crate::{
    api::{ApiError, ErrorCode, RequestId, seconds},
    graphql::gate::Refused,
};

/// Why a request is not run, with the status that says so.
pub(crate) struct Rejection {
    /// None where the form of the answer decides.
    status: Option<StatusCode>,
    pub(crate) refused: Refused,
}

impl Rejection {
    pub(crate) fn new(status: StatusCode, error: ApiError) -> Self {
        Self {
            status: Some(status),
            refused: error.into(),
        }
    }

    /// Returns whether the transport refused the request, so that nothing of it reached GraphQL.
    pub(crate) fn is_of_transport(&self) -> bool {
        self.status.is_some()
    }

    pub(crate) fn shown(self, form: Form, id: Option<&RequestId>) -> Response {
        let status = self
            .status
            .unwrap_or_else(|| status_of(self.refused.code(), form));
        let wait = self.refused.retry_after();
        let errors = self.refused.into_errors(id);
        let mut response = response(form, status, &Shown::refusing(&errors));
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            let bearer = HeaderValue::from_static("Bearer");
            response.headers_mut().insert(WWW_AUTHENTICATE, bearer);
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let post = HeaderValue::from_static("POST");
            response.headers_mut().insert(ALLOW, post);
        }
        response
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        Self {
            status: None,
            refused,
        }
    }
}

/// In JSON's own form a faulty document is an answer like others; elsewhere the status tells.
fn status_of(code: ErrorCode, form: Form) -> StatusCode {
    match (code, form) {
        (ErrorCode::BadUserInput | ErrorCode::CostExceeded, Form::Json) => StatusCode::OK,
        (code, _) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::BAD_REQUEST),
    }
}

/// An answer as it is written: without `data` when nothing was run.
#[derive(Serialize)]
pub(crate) struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a async_graphql::Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

impl<'a> Shown<'a> {
    /// The answer to a request that did not run.
    pub(crate) fn refusing(errors: &'a [ServerError]) -> Self {
        Self { data: None, errors }
    }

    /// The answer to a request that ran.
    pub(crate) fn of(answer: &'a Answer) -> Self {
        Self {
            data: Some(&answer.data),
            errors: &answer.errors,
        }
    }
}

/// An answer in the form that the client asked for.
pub(crate) fn response(form: Form, status: StatusCode, shown: &Shown<'_>) -> Response {
    let mut written = Chunks::default();
    match serde_json::to_writer(&mut written, shown) {
        Ok(()) => {
            let mut response = written.into_response();
            *response.status_mut() = status;
            let media_type = HeaderValue::from_static(form.media_type());
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// A body that grows in chunks. A large answer in one piece would be copied while it grows, and be in
/// memory three times at the end.
#[derive(Default)]
struct Chunks {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Chunks {
    const BYTES: usize = 256 << 10;

    fn into_response(mut self) -> Response {
        if self.full.is_empty() {
            return Response::new(self.last.into());
        }
        self.full.push(self.last.into());
        let bytes: usize = self.full.iter().map(Bytes::len).sum();
        let chunks = iter(self.full.into_iter().map(Ok::<_, Infallible>));
        let mut response = Response::new(Body::from_stream(chunks));
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        response
    }
}

impl io::Write for Chunks {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.last.len() >= Self::BYTES {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(Self::BYTES));
            self.full.push(full.into());
        }
        let taken = text.len().min(Self::BYTES - self.last.len());
        self.last.extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request that is not run, answered in the form of one that was.
pub(crate) fn failed(status: StatusCode, id: Option<&RequestId>, error: ApiError) -> Response {
    Rejection::new(status, error).shown(Form::Json, id)
}
