//! A span, an id and a measurement for each request.

use std::{sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderName, HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tracing::Instrument;

use crate::{
    api::RequestId,
    telemetry::{self, metrics::Metrics},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Names the request, traces it and counts it.
pub(super) async fn request(
    State(metrics): State<Metrics>,
    mut request: Request,
    next: Next,
) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    let matched = request.extensions().get::<MatchedPath>().cloned();
    let route = matched.as_ref().map_or("unmatched", MatchedPath::as_str);
    let method = method_name(request.method());
    let span = tracing::info_span!("request", method, route, request_id = %id.0);
    let parent = request
        .headers()
        .get("traceparent")
        .and_then(|value| value.to_str().ok());
    telemetry::adopt(&span, parent);
    request.extensions_mut().insert(id.clone());
    let mut response = next.run(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(&id.0) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    metrics.answered(method, route, response.status().as_u16(), began.elapsed());
    response
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
