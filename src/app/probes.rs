//! `/health`, `/ready` and `/metrics`. None of them writes: whether writes succeed is known from those
//! that the node makes anyway, and for content from one in ten seconds.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Node;
use crate::{
    content::ContentStore, model::Budget, redis::Redis, storage::Storage,
    telemetry::metrics::Metrics,
};

const LIMIT: Duration = Duration::from_secs(2);
/// The time between two probes of the content store.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Clone)]
struct Dependencies {
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

pub(super) fn routes(node: &Node, metrics: Metrics) -> Router {
    let dependencies = Dependencies {
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

async fn metrics_text(State(dependencies): State<Dependencies>) -> impl IntoResponse {
    dependencies.metrics.spent(dependencies.budget.charged());
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        dependencies.metrics.render(),
    )
}
