//! `/health`, `/ready` and `/metrics`. None of them writes: whether writes succeed is known from those
//! that the node makes anyway, and for content from one in ten seconds.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    body::Body,
    extract::State,
    http::{Response, StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{Node, guard};
use crate::{
    api::{Asker, Authenticates, Port},
    auth::Authenticator,
    content::ContentStore,
    model::Budget,
    redis::Redis,
    storage::Storage,
    telemetry::metrics::Metrics,
};

const LIMIT: Duration = Duration::from_secs(2);
/// The time between two probes of the content store.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Dependencies {
    port: Port,
    authenticator: Authenticator,
    storage: Storage,
    content: watch::Receiver<bool>,
    redis: Option<Redis>,
    budget: Arc<Budget>,
    metrics: Metrics,
}

/// Tries the content store by a small write again and again, until `stop`; what came of it last.
pub(super) fn watch_content(
    content: ContentStore,
    stop: CancellationToken,
) -> watch::Receiver<bool> {
    // It was written to when it was opened.
    let (found, last) = watch::channel(true);
    tokio::spawn(stop.run_until_cancelled_owned(async move {
        loop {
            tokio::time::sleep(EVERY).await;
            let checked = tokio::time::timeout(LIMIT, content.check()).await;
            found.send_replace(matches!(checked, Ok(Ok(()))));
        }
    }));
    last
}

impl Authenticates for Dependencies {
    fn authenticator(&self) -> &Authenticator {
        &self.authenticator
    }
}

pub(super) fn routes(node: &Node, metrics: Metrics, port: Port) -> Router {
    let dependencies = Dependencies {
        port,
        authenticator: node.services.authenticator.clone(),
        storage: node.services.storage.clone(),
        content: node.content_state.clone(),
        redis: node.redis.clone(),
        budget: Arc::clone(&node.services.budget),
        metrics,
    };
    Router::new()
        .route("/health", get(health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics_text))
        .with_state(dependencies)
}

/// The process lives.
async fn health() -> Json<Value> {
    Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")}))
}

/// Each dependency by name; 503 when one that answers depend on is away.
async fn ready(State(dependencies): State<Dependencies>) -> impl IntoResponse {
    let Dependencies {
        storage,
        content,
        redis,
        ..
    } = dependencies;
    let redis_state = async {
        match &redis {
            None => None,
            Some(redis) => Some(redis.ping(LIMIT).await.is_ok()),
        }
    };
    let (database, redis) = tokio::join!(storage.ping(LIMIT), redis_state);
    let (database, content) = (database.is_ok() && storage.is_writable(), *content.borrow());
    let word = |up: bool| if up { "up" } else { "down" };
    // Without Redis answers are slower and the same, so it does not make the node unready.
    let is_ready = database && content;
    let status = if is_ready {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let body = json!({
        "status": if is_ready { "ready" } else { "not ready" },
        "dependencies": {
            "database": word(database),
            "content": word(content),
            "redis": redis.map_or("not configured", word),
        }
    });
    (status, Json(body))
}

/// Figures of all tenants, for whoever looks after the installation.
async fn metrics_text(
    State(dependencies): State<Dependencies>,
    asker: Asker,
) -> Result<impl IntoResponse, Response<Body>> {
    let allowed = dependencies.port.check_asker(&asker);
    allowed.map_err(|error| guard::refusal(&error, asker.request_id.as_ref()))?;
    dependencies.metrics.spent(dependencies.budget.charged());
    Ok((
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        dependencies.metrics.render(),
    ))
}
