//! Requests of GET and POST: read, and let through the gate. HTTP and server-sent events share them.
//!
//! A POST takes `application/json` only, so that no form of another site can send one; a GET runs
//! queries only.

use async_graphql::parser::types::OperationType;
use axum::{
    extract::{FromRequest, RawQuery, Request},
    http::{HeaderMap, HeaderName, Method, StatusCode},
};
use tokio_util::sync::CancellationToken;

use super::response::Rejection;
use crate::{
    api::{ApiError, Asker, Authenticates, Bodies, Client},
    auth::Authenticator,
    graphql::{
        Api,
        executor::Ready,
        gate::{Incoming, Refused},
        loading::Asking,
    },
};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// State that the routes share.
pub(crate) struct Served {
    pub(crate) api: Api,
    pub(crate) bodies: Bodies,
    pub(crate) stop: CancellationToken,
}

/// Reads a request of GET or POST and lets it through the gate. A visitor may begin an anonymous session; whatever else
/// they ask is answered as one who has no proof.
pub(crate) async fn accept(
    served: &Served,
    asker: Asker,
    request: Request,
) -> Result<Ready, Rejection> {
    let asking = asking(asker, request.headers()).map_err(unknown)?;
    if !asking.principal.is_visitor() {
        return accept_from(served, asking, request).await;
    }
    let from = Client::of(request.extensions()).address;
    let ready = accept_from(served, asking, request).await;
    let ready = ready.map_err(|rejection| {
        if rejection.refused.code().is_retryable() {
            return rejection;
        }
        unknown(ApiError::unauthenticated())
    })?;
    if !ready.is_one_visit() {
        return Err(unknown(ApiError::unauthenticated()));
    }
    let begun = served.authenticator().begin_anonymous(from);
    begun.map_err(|wait| unknown(wait.into()))?;
    Ok(ready)
}

async fn accept_from(
    served: &Served,
    asking: Asking,
    request: Request,
) -> Result<Ready, Rejection> {
    let bad = |error| Rejection::new(StatusCode::BAD_REQUEST, error);
    let entered = served.api.enter(&asking.principal).await;
    let entered = entered.map_err(Refused::from)?;
    let is_get = request.method() != Method::POST;
    let incoming = if is_get {
        let RawQuery(query) = RawQuery::from_request(request, &())
            .await
            .unwrap_or(RawQuery(None));
        let query = query.unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Incoming::from_pairs(pairs).map_err(bad)?
    } else {
        let body = served.bodies.json(request).await;
        let body = body.map_err(|(status, error)| Rejection::new(status, error))?;
        served.api.read(&entered, body).await.map_err(bad)?
    };
    if !incoming.has_document() {
        return Err(bad(ApiError::bad_input("the request has no query")));
    }
    let ready = served.api.admit(entered, incoming, asking).await?;
    if is_get && ready.kind() == OperationType::Mutation {
        let error = ApiError::bad_input("GET runs no mutations");
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, error));
    }
    Ok(ready)
}

impl Authenticates for Served {
    fn authenticator(&self) -> &Authenticator {
        self.api.authenticator()
    }
}

/// A request whose caller, or whose headers, cannot be known.
pub(crate) fn unknown(error: ApiError) -> Rejection {
    let status = StatusCode::from_u16(error.code().http_status());
    Rejection::new(status.unwrap_or(StatusCode::BAD_REQUEST), error)
}

/// The caller and the headers that a request is run with.
fn asking(asker: Asker, headers: &HeaderMap) -> Result<Asking, ApiError> {
    let principal = asker.principal_or_visitor()?;
    let mut asking = Asking::new(principal, asker.request_id);
    let text = |name: HeaderName| {
        let value = headers.get(&name).map(|value| value.to_str());
        let value = value.transpose();
        value.map_err(|_| ApiError::bad_input(format!("the header {name} is not visible ASCII")))
    };
    asking.idempotency_key = text(IDEMPOTENCY_KEY)?.map(Into::into);
    asking.last_event_id = text(LAST_EVENT_ID)?.map(Into::into);
    Ok(asking)
}
