//! What comes in: JSON bodies, ids in paths, queries; each with an error that says what is wrong.

use std::str::FromStr;

use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE, request::Parts},
};
use serde::de::DeserializeOwned;

use super::error::Failure;
use crate::{
    api::{ApiError, Asker},
    model::{IdError, Principal},
};

/// The caller; a request without one is not served.
pub(super) struct Caller(pub(super) Principal);

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        match Asker::from_request_parts(parts, state).await {
            Ok(asker) => Ok(Self(asker.principal?)),
            Err(never) => match never {},
        }
    }
}

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Self, Failure> {
        if !is_json(request.headers()) {
            let error = ApiError::bad_input("the content type must be application/json");
            return Err(Failure::with_status(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                &error,
            ));
        }
        let body = Bytes::from_request(request, state).await.map_err(|fault| {
            let message = match fault.status() {
                StatusCode::PAYLOAD_TOO_LARGE => "the body is too large",
                _ => "the body cannot be read",
            };
            Failure::with_status(fault.status(), &ApiError::bad_input(message))
        })?;
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad_input("the body is a JSON object").into());
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|fault| ApiError::bad_input(format!("the body: {fault}")).into())
    }
}

/// As `application/json`, or a kind of it, with any parameters.
fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

/// An id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err = IdError>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map_err(|_| ApiError::bad_input("the path is not UTF-8"))?;
        id(&text.0).map(Self)
    }
}

/// An id in a body.
pub(super) fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, Failure> {
    text.parse()
        .map_err(|fault: IdError| ApiError::bad_input(fault.to_string()).into())
}

/// The parameters of the URL; what is not known is refused.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        let query = RawQuery::from_request_parts(parts, state).await;
        let query = query.ok().and_then(|RawQuery(query)| query);
        let pairs = url::form_urlencoded::parse(query.as_deref().unwrap_or_default().as_bytes());
        let object = pairs.map(|(name, value)| {
            // True and false are the only words that are not text.
            let value = match &*value {
                "true" => true.into(),
                "false" => false.into(),
                text => serde_json::Value::from(text),
            };
            (name.into_owned(), value)
        });
        serde_json::from_value(serde_json::Value::Object(object.collect()))
            .map(Self)
            .map_err(|fault| ApiError::bad_input(format!("the query: {fault}")).into())
    }
}
