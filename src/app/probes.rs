//! `/health`, `/ready` and `/metrics`.

use std::time::Duration;

use axum::{
    Json, Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use serde_json::{Value, json};

use super::Node;
use crate::{content::ContentStore, redis::Redis, storage::Storage, telemetry::metrics::Metrics};

const LIMIT: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Dependencies {
    storage: Storage,
    content: ContentStore,
    redis: Option<Redis>,
    metrics: Metrics,
}

pub(super) fn routes(node: &Node, metrics: Metrics) -> Router {
    let dependencies = Dependencies {
        storage: node.services.storage.clone(),
        content: node.content.clone(),
        redis: node.redis.clone(),
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
    let content = tokio::time::timeout(LIMIT, content.check());
    let redis_state = async {
        match &redis {
            None => None,
            Some(redis) => Some(redis.ping(LIMIT).await.is_ok()),
        }
    };
    let (database, content, redis) = tokio::join!(storage.ping(LIMIT), content, redis_state);
    let (database, content) = (database.is_ok(), matches!(content, Ok(Ok(()))));
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
    (
        [(header::CONTENT_TYPE, "text/plain; version=0.0.4")],
        dependencies.metrics.render(),
    )
}
