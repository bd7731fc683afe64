//! What comes in: JSON bodies, ids in paths, queries; each with an error that says what is wrong.

use std::str::FromStr;

use axum::{
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
    http::request::Parts,
};
use serde::de::DeserializeOwned;

use super::{Served, error::Failure};
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

impl<T: DeserializeOwned> FromRequest<Served> for Body<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, served: &Served) -> Result<Self, Failure> {
        let body = served.bodies.json(request).await;
        let body = body.map_err(|(status, error)| Failure::with_status(status, &error))?;
        if body.trim_ascii_start().first() != Some(&b'{') {
            return Err(ApiError::bad_input("the body is a JSON object").into());
        }
        serde_json::from_slice(&body)
            .map(Self)
            .map_err(|fault| ApiError::bad_input(format!("the body: {fault}")).into())
    }
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
