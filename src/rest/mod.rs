//! The REST contract: thin routes over the services that GraphQL stands on, with the same checks
//! and the same codes. Names are in `snake_case`, states in lower case, times in RFC 3339.
//!
//! A route that the router serves is in the OpenAPI document, and the other way round.

mod answers;
mod artifact;
mod body;
mod content;
mod error;
mod event;
mod execution;
mod executions;
mod export;
mod intent;
mod lineage;
mod openapi;
mod payload;
mod session;
mod stream;
mod timeline;

use axum::{
    Router,
    routing::{get, patch, post, put},
};
use chrono::SecondsFormat;
use error::RequestFailure;
use tokio_util::sync::CancellationToken;

use crate::{
    api::{Authenticates, Bodies, Port},
    auth::Authenticator,
    model::{Micros, Principal, time_of},
    services::Services,
};

/// Items of a page.
const DEFAULT_LIMIT: u32 = 50;
const MAX_LIMIT: u32 = 200;

/// Options of the routes.
#[derive(Debug, Clone)]
pub struct RestOptions {
    /// The port that the routes are served on.
    pub port: Port,
    /// Reads bodies.
    pub bodies: Bodies,
    /// Ends the streams that would last for ever.
    pub stop: CancellationToken,
    /// The most bytes of records that are read for one answer.
    pub answer_bytes: u64,
}

/// State that the routes share.
#[derive(Clone)]
struct Served {
    services: Services,
    port: Port,
    bodies: Bodies,
    stop: CancellationToken,
    answer_bytes: u64,
}

impl Authenticates for Served {
    fn authenticator(&self) -> &Authenticator {
        &self.services.authenticator
    }
}

/// The routes under `/api`.
pub fn routes(services: Services, options: &RestOptions) -> Router {
    let pages = if options.port.has_pages(services.authenticator.mode()) {
        Router::new().route("/api/docs", get(openapi::page))
    } else {
        Router::new()
    };
    Router::new()
        .route("/api/session/create", post(session::create))
        .route("/api/session/anonymous", post(session::create_anonymous))
        .route("/api/session/{session_id}", get(session::read))
        .route("/api/session/{session_id}/upgrade", patch(session::upgrade))
        .route("/api/session/{session_id}/state", put(session::write_state))
        .route("/api/intent/submit", post(intent::submit))
        .route("/api/intents", get(intent::list))
        .route(
            "/api/execution/{execution_id}/status",
            get(execution::status),
        )
        .route(
            "/api/execution/{execution_id}/cancel",
            post(execution::cancel),
        )
        .route(
            "/api/execution/{execution_id}/rerun",
            post(execution::rerun),
        )
        .route("/api/execution/{execution_id}/stream", get(stream::follow))
        .route(
            "/api/execution/{execution_id}/timeline",
            get(timeline::timeline),
        )
        .route(
            "/api/execution/{execution_id}/payload",
            get(payload::payload),
        )
        .route("/api/execution/list", post(executions::list))
        .route("/api/execution/export", get(export::export))
        .route("/api/artifact/resolve", post(artifact::resolve))
        .route("/api/artifact/list", post(artifact::list))
        .route("/api/artifact/{artifact_id}/lineage", get(lineage::lineage))
        .route(
            "/api/artifact/{artifact_id}/download",
            get(content::download),
        )
        .route("/api/upload/create", post(content::create_upload))
        .route("/api/openapi.json", get(openapi::document))
        .merge(pages)
        .with_state(Served {
            services,
            port: options.port,
            bodies: options.bodies.clone(),
            stop: options.stop.clone(),
            answer_bytes: options.answer_bytes,
        })
}

/// A time as clients see it.
fn shown(time: Micros) -> String {
    time_of(time).to_rfc3339_opts(SecondsFormat::Micros, true)
}

/// Refuses a request that names another tenant than its caller's by what it answers where nothing is there.
fn check_tenant(
    principal: &Principal,
    named: Option<&str>,
    absent: impl FnOnce() -> RequestFailure,
) -> Result<(), RequestFailure> {
    let is_own = named.is_none_or(|tenant| tenant == principal.tenant().as_str());
    if is_own { Ok(()) } else { Err(absent()) }
}
