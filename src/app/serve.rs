//! The HTTP server of a node.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::util::option_layer;
use tower_http::{compression::CompressionLayer, cors::CorsLayer};

use super::{Node, connections, guard::Guard, probes, trace::Traced};
use crate::{
    api::{Bodies, TENANT_HEADER},
    config::{AuthMode, Config, Http},
    graphql, rest,
    telemetry::metrics::Metrics,
    uploads,
};

/// Where every caller is trusted nobody else may reach the server, and where others may reach it, it must have a
/// name by which they do.
pub(super) fn check_address(config: &Config) -> anyhow::Result<()> {
    let (bind, http) = (config.http.bind, &config.http);
    let is_local = bind.ip().is_loopback();
    match config.auth.mode {
        AuthMode::Development => {
            anyhow::ensure!(
                is_local,
                "http.bind is {bind}: with auth.mode = \"development\" every caller is trusted, so the server \
                 listens on loopback addresses only; set auth.mode to \"required\""
            );
            tracing::warn!(
                "auth.mode is development: whoever reaches the server on this machine is trusted"
            );
        }
        AuthMode::Required => anyhow::ensure!(
            is_local || http.public_url.is_some() || !http.allowed_hosts.list().is_empty(),
            "http.bind is {bind}, and the server would answer to the names of the loopback interface only: set \
             http.public_url or http.allowed_hosts to the names by which clients reach it"
        ),
    }
    Ok(())
}

pub(super) async fn bind(http: &Http) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(http.bind).await;
    bound.with_context(|| format!("cannot listen on http.bind {}", http.bind))
}

/// The parts of the routes besides the node.
pub(super) struct RouteParts {
    pub(super) gate: graphql::Gate,
    pub(super) guard: Guard,
    pub(super) connections: connections::ConnectionLimits,
    pub(super) metrics: Metrics,
}

/// A node with its API.
pub struct Server {
    node: Node,
    address: SocketAddr,
    stop: CancellationToken,
    sockets: TaskTracker,
    task: JoinHandle<()>,
}

impl Server {
    pub(super) fn run(node: Node, listener: TcpListener, http: &Http, parts: RouteParts) -> Self {
        let address = listener.local_addr().unwrap_or(http.bind);
        let stop = CancellationToken::new();
        let sockets = TaskTracker::new();
        let (limits, metrics) = (parts.connections, parts.metrics.clone());
        let threads = node.services.threads.clone();
        let routes = router(&node, http, parts, &stop, &sockets);
        let serving = connections::serve(listener, routes, limits, stop.clone(), metrics, threads);
        let task = tokio::spawn(serving);
        Self {
            node,
            address,
            stop,
            sockets,
            task,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The node behind it.
    #[must_use]
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Stops accepting, ends subscriptions, lets executions finish for a while.
    pub async fn stop(self) {
        self.stop.cancel();
        self.node.stop().await;
        // What is still open after the executions' grace is not waited for.
        let limit = Duration::from_secs(2);
        let ended = async {
            let _ = self.task.await;
            self.sockets.close();
            self.sockets.wait().await;
        };
        if tokio::time::timeout(limit, ended).await.is_err() {
            tracing::warn!("some connections were still open at the end");
        }
    }

    /// Ends at once, as if the process had been killed.
    pub fn crash(self) {
        self.task.abort();
        self.node.crash();
    }
}

fn router(
    node: &Node,
    http: &Http,
    parts: RouteParts,
    stop: &CancellationToken,
    sockets: &TaskTracker,
) -> Router {
    let RouteParts {
        gate,
        guard,
        metrics,
        ..
    } = parts;
    let answer_bytes = gate.answer_bytes();
    let api = graphql::Api::new(node.services.clone(), gate);
    let bodies = Bodies::new(http.max_body_bytes, http.max_bodies_bytes);
    let options = graphql::HttpOptions {
        bodies: bodies.clone(),
        stop: stop.clone(),
        websocket: graphql::WebSocketOptions {
            write_timeout: Duration::from_millis(http.write_timeout_ms),
            ..graphql::WebSocketOptions::default()
        },
        sockets: sockets.clone(),
    };
    let rest = rest::RestOptions {
        bodies,
        stop: stop.clone(),
        answer_bytes,
    };
    let apis = graphql::routes(api, &options).merge(rest::routes(node.services.clone(), &rest));
    let others =
        uploads::routes(node.services.uploads.clone()).merge(probes::routes(node, metrics.clone()));
    // Whatever is laid around routes is copied for each request, so all of it is one layer.
    let around = (
        Traced {
            metrics,
            guard: Arc::new(guard),
        },
        option_layer(cors(http.cors_origins.list())),
    );
    // What the APIs say is text; downloads have compression of their own.
    let apis = apis.layer((around.clone(), CompressionLayer::new()));
    apis.merge(others.layer(around))
}

/// Lets pages of these origins call the server; those of others cannot.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    if origins.is_empty() {
        return None;
    }
    let origins = origins
        .iter()
        .filter_map(|origin| HeaderValue::from_str(origin).ok());
    let headers = [
        "accept",
        "authorization",
        "content-digest",
        "content-type",
        "idempotency-key",
        "if-range",
        "last-event-id",
        "range",
        "traceparent",
        "x-content-sha256",
        "x-request-id",
        TENANT_HEADER,
    ];
    let exposed = [
        "accept-ranges",
        "content-digest",
        "content-disposition",
        "content-range",
        "etag",
        "x-request-id",
    ];
    let cors = CorsLayer::new()
        .allow_origin(origins.collect::<Vec<_>>())
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::PATCH])
        .allow_headers(headers.map(HeaderName::from_static))
        .expose_headers(exposed.map(HeaderName::from_static))
        .max_age(Duration::from_hours(1));
    Some(cors)
}

/// Returns when the process is asked to end.
pub(crate) async fn told_to_stop() {
    let interrupted = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminated) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupted => {}
                _ = terminated.recv() => {}
            }
            return;
        }
    }
    let _ = interrupted.await;
}
