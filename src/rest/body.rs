//! Extractors of JSON bodies, ids in paths and query parameters; each fails with an error that names the fault.

use std::{str::FromStr, sync::Arc};

use axum::{
    extract::{FromRequest, FromRequestParts, Path, RawQuery, Request},
    http::{Method, request::Parts},
};
use serde::de::DeserializeOwned;

use super::{Served, error::RequestFailure};
use crate::{
    api::{ApiError, Asker, Authenticates, Client},
    model::{IdError, Meter, Principal, price},
};

/// Reading a body of more bytes takes long.
const LARGE_BODY: usize = 4 * 1024;

/// The caller; a request without one is not served. It is paid before its body is read, and what is
/// done for it is counted.
pub(super) struct Caller(pub(super) Principal);

impl FromRequestParts<Served> for Caller {
    type Rejection = RequestFailure;

    async fn from_request_parts(
        parts: &mut Parts,
        served: &Served,
    ) -> Result<Self, RequestFailure> {
        let asker = Asker::from_request_parts(parts, served).await;
        let asker = asker.unwrap_or_else(|never| match never {});
        let principal = asker.principal()?;
        if let Ok(caller) = asker.caller {
            // A stream ends with its proof.
            parts.extensions.insert(caller);
        }
        Ok(Self(paid(principal, parts, served).await?))
    }
}

/// Charges a request to its caller before its body is read; what is done for it is counted.
async fn paid(
    principal: Principal,
    parts: &mut Parts,
    served: &Served,
) -> Result<Principal, ApiError> {
    let (budget, tenant) = (&served.services.budget, principal.tenant());
    let entered = budget.enter(tenant).await;
    entered.map_err(ApiError::over_budget)?;
    let meter = Arc::new(budget.meter(tenant, served.answer_bytes));
    meter.begin().await;
    let cost = match parts.method {
        Method::GET => 0,
        _ => price::CHANGE + price::COMMIT,
    };
    let paid = meter.pay(cost, cost).await;
    paid.map_err(ApiError::over_budget)?;
    // Who reads the body pays for it.
    parts.extensions.insert(Arc::clone(&meter));
    Ok(principal.metered(meter))
}

/// Whoever has no proof and may begin an anonymous session, if their address may.
pub(super) struct Visitor(pub(super) Principal);

impl FromRequestParts<Served> for Visitor {
    type Rejection = RequestFailure;

    async fn from_request_parts(
        parts: &mut Parts,
        served: &Served,
    ) -> Result<Self, RequestFailure> {
        let asker = Asker::from_request_parts(parts, served).await;
        let asker = asker.unwrap_or_else(|never| match never {});
        let principal = asker.principal_or_visitor()?;
        let principal = paid(principal, parts, served).await?;
        if principal.is_visitor() {
            let from = Client::of(&parts.extensions).address;
            let begun = served.authenticator().begin_anonymous(from);
            begun.map_err(ApiError::from)?;
        }
        Ok(Self(principal))
    }
}

/// A body of JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned + Send + 'static> FromRequest<Served> for Body<T> {
    type Rejection = RequestFailure;

    async fn from_request(request: Request, served: &Served) -> Result<Self, RequestFailure> {
        let meter = request.extensions().get::<Arc<Meter>>().cloned();
        let body = served.bodies.json(request).await;
        let body = body.map_err(|(status, error)| RequestFailure::with_status(status, &error))?;
        let Some(meter) = meter else {
            return Ok(Self(read(&body)?));
        };
        meter.charge(price::body(body.len()));
        if body.len() <= LARGE_BODY {
            return Ok(Self(read(&body)?));
        }
        let reading = async move { read(&body) };
        Ok(Self(served.services.threads.run(&meter, reading).await??))
    }
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(ApiError::bad_input("the body is a JSON object"));
    }
    serde_json::from_slice(body).map_err(|fault| ApiError::bad_input(format!("the body: {fault}")))
}

/// An id in the path.
pub(super) struct Id<T>(pub(super) T);

impl<T: FromStr<Err = IdError>, S: Send + Sync> FromRequestParts<S> for Id<T> {
    type Rejection = RequestFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RequestFailure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let text = path.map_err(|_| ApiError::bad_input("the path is not UTF-8"))?;
        id(&text.0).map(Self)
    }
}

/// An id in a body.
pub(super) fn id<T: FromStr<Err = IdError>>(text: &str) -> Result<T, RequestFailure> {
    text.parse()
        .map_err(|fault: IdError| ApiError::bad_input(fault.to_string()).into())
}

/// The parameters of the URL; what is not known is refused.
pub(super) struct Parameters<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Parameters<T> {
    type Rejection = RequestFailure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, RequestFailure> {
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
