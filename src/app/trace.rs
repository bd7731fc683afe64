//! A span, an id and a measurement for each request.

use std::{
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use axum::{
    BoxError,
    body::Body,
    extract::{MatchedPath, Request},
    http::{HeaderMap, HeaderName, HeaderValue, Method, Response},
};
use bytes::Bytes;
use futures::future::BoxFuture;
use tower::{Layer, Service};
use tracing::Instrument;

use super::{
    browsers::Browsers,
    guard::{self, Guard},
};
use crate::{
    api::{AskedBy, Client, RequestId, seconds},
    model::Principal,
    quotas::{Left, Quotas},
    telemetry::{self, metrics::Metrics},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Names each request, has it refused or served, traces it and counts it. A middleware from a
/// function would copy the routes once more for each request, and so would a second layer.
#[derive(Clone)]
pub(super) struct Traced {
    pub(super) metrics: Metrics,
    pub(super) guard: Arc<Guard>,
    pub(super) browsers: Browsers,
    /// None where nothing is limited.
    pub(super) quotas: Option<Quotas>,
}

impl<S> Layer<S> for Traced {
    type Service = TracedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        TracedService {
            inner,
            around: self.clone(),
        }
    }
}

/// The service that [`Traced`] makes of another.
#[derive(Clone)]
pub(super) struct TracedService<S> {
    inner: S,
    around: Traced,
}

impl<S, B> Service<Request> for TracedService<S>
where
    S: Service<Request, Response = Response<B>, Future: Send + 'static>,
    B: http_body::Body<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<Response<Body>, S::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request) -> Self::Future {
        let began = Instant::now();
        let id = request_id(&request);
        let matched = request.extensions().get::<MatchedPath>().cloned();
        let route = route_of(matched.as_ref());
        let method = method_name(request.method());
        let client = request.extensions().get::<Client>().copied();
        let address = client.map(|client| tracing::field::display(client.address));
        let span = tracing::info_span!(
            "request",
            method,
            route,
            request_id = &*id.0,
            client.address = address
        );
        let parent = request.headers().get(TRACEPARENT);
        telemetry::adopt(&span, parent.and_then(|value| value.to_str().ok()));
        request.extensions_mut().insert(id.clone());
        let quotas = self.around.quotas.clone();
        let quotas = quotas.map(|quotas| (quotas, AskedBy::default()));
        if let Some((_, asked_by)) = &quotas {
            request.extensions_mut().insert(asked_by.clone());
        }
        let around = &self.around;
        let answered = if let Some(refusal) = around.guard.refuse(&request, &id) {
            Err(refusal)
        } else {
            around.browsers.mark(&around.guard, &mut request);
            Ok(self.inner.call(request).instrument(span))
        };
        let metrics = self.around.metrics.clone();
        Box::pin(async move {
            let mut response = match answered {
                Ok(answered) => answered.await?.map(Body::new),
                Err(refusal) => refusal,
            };
            guard::finish(response.headers_mut(), client);
            if let Some((quotas, asked_by)) = quotas {
                rate_limit(response.headers_mut(), &quotas, asked_by.principal());
            }
            if let Ok(value) = HeaderValue::from_str(&id.0) {
                response.headers_mut().insert(REQUEST_ID, value);
            }
            let route = route_of(matched.as_ref());
            metrics.answered(method, route, response.status().as_u16(), began.elapsed());
            Ok(response)
        })
    }
}

/// Says how much is left of the quota of which least is left, in the form that clients know (draft 03 of the headers
/// that are to become a standard).
fn rate_limit(headers: &mut HeaderMap, quotas: &Quotas, caller: Option<&Principal>) {
    let left = caller.map(|caller| quotas.rates_left(caller));
    let left = left.unwrap_or_default().into_iter();
    // Compared as parts of their limits.
    let by_part = |one: &Left, other: &Left| {
        let [one, other] = [(one, other), (other, one)]
            .map(|(one, other)| u128::from(one.remaining) * u128::from(other.limit));
        one.cmp(&other)
    };
    let Some(least) = left.min_by(by_part) else {
        return;
    };
    headers.insert(LIMIT, HeaderValue::from(least.limit));
    headers.insert(REMAINING, HeaderValue::from(least.remaining));
    headers.insert(RESET, seconds(least.reset));
}

/// The caller's id when it is fit to be repeated, else one of our own.
#[expect(
    clippy::disallowed_methods,
    reason = "it tells requests apart in logs and is never stored"
)]
fn request_id(request: &Request) -> RequestId {
    let given = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok());
    let fit = given.filter(|id| {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        !id.is_empty() && id.len() <= 64 && id.bytes().all(allowed)
    });
    RequestId(fit.map_or_else(|| uuid::Uuid::now_v7().to_string().into(), Arc::from))
}

/// The pattern of the route, not the path that was asked for.
fn route_of(matched: Option<&MatchedPath>) -> &str {
    matched.map_or("unmatched", MatchedPath::as_str)
}

fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::HEAD => "HEAD",
        _ => "OTHER",
    }
}
