//! The HTTP server of a node.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use anyhow::Context;
use axum::{
    Router,
    http::{HeaderName, HeaderValue, Method},
};
use futures::future::OptionFuture;
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::{
    sync::CancellationToken,
    task::{AbortOnDropHandle, TaskTracker},
};
use tower::util::option_layer;
use tower_http::{compression::CompressionLayer, cors::CorsLayer};

use super::{
    Node, browsers::Browsers, connections, guard::Guard, probes, proxies::Proxies, tls::Tls,
    trace::Traced,
};
use crate::{
    api::{Bodies, Port, TENANT_HEADER},
    config::{AuthMode, Config, Http},
    console, graphql, rest,
    telemetry::metrics::Metrics,
    uploads,
};

/// Where every caller is trusted nobody else may reach the server, and where others may reach it, it must have a
/// name by which they do.
pub(super) fn check_addresses(config: &Config) -> anyhow::Result<()> {
    let operations = config.http.operations_bind;
    let operations = operations.map(|bind| ("http.operations_bind", bind));
    for (key, bind) in std::iter::once(("http.bind", config.http.bind)).chain(operations) {
        check_address(config, key, bind)?;
    }
    if config.auth.mode == AuthMode::Development {
        tracing::warn!(
            "auth.mode is development: whoever reaches the server on this machine is trusted"
        );
    }
    Ok(())
}

fn check_address(config: &Config, key: &str, bind: SocketAddr) -> anyhow::Result<()> {
    let http = &config.http;
    let is_local = bind.ip().is_loopback();
    match config.auth.mode {
        AuthMode::Development => anyhow::ensure!(
            is_local,
            "{key} is {bind}: with auth.mode = \"development\" every caller is trusted, so the server \
             listens on loopback addresses only; set auth.mode to \"required\""
        ),
        AuthMode::Required => anyhow::ensure!(
            is_local || http.public_url.is_some() || !http.allowed_hosts.list().is_empty(),
            "{key} is {bind}, and the server would answer to the names of the loopback interface only: set \
             http.public_url or http.allowed_hosts to the names by which clients reach it"
        ),
    }
    Ok(())
}

/// The sockets that a server listens on.
pub(super) struct Listeners {
    main: TcpListener,
    operations: Option<TcpListener>,
}

impl Listeners {
    pub(super) async fn bind(http: &Http) -> anyhow::Result<Self> {
        let main = listener("http.bind", http.bind).await?;
        let operations = match http.operations_bind {
            Some(bind) => Some(listener("http.operations_bind", bind).await?),
            None => None,
        };
        Ok(Self { main, operations })
    }
}

async fn listener(key: &str, bind: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(bind).await;
    bound.with_context(|| format!("cannot listen on {key} {bind}"))
}

/// A node with its API.
pub struct Server {
    node: Node,
    address: SocketAddr,
    operations_address: Option<SocketAddr>,
    stop: CancellationToken,
    sockets: TaskTracker,
    task: JoinHandle<()>,
    _renewal: Option<AbortOnDropHandle<()>>,
}

/// The parts of a server besides the node.
pub(super) struct ServerParts {
    pub(super) gate: graphql::Gate,
    pub(super) guard: Guard,
    pub(super) connections: connections::ConnectionLimits,
    pub(super) tls: Option<Tls>,
    pub(super) metrics: Metrics,
    pub(super) logins: Vec<graphql::PageLogin>,
    /// Origins whose pages may embed pages of the console.
    pub(super) frame_ancestors: Vec<String>,
}

impl Server {
    /// Serves the API of a node on its ports.
    pub(super) fn run(node: Node, listeners: Listeners, http: &Http, parts: ServerParts) -> Self {
        let ServerParts {
            gate,
            guard,
            connections: limits,
            tls,
            metrics,
            logins,
            frame_ancestors,
        } = parts;
        let stop = CancellationToken::new();
        let sockets = TaskTracker::new();
        let routes = Routes {
            bodies: Bodies::new(http.max_body_bytes, http.max_bodies_bytes),
            answer_bytes: gate.answer_bytes(),
            api: graphql::Api::new(node.services.clone(), gate),
            guard,
            node: &node,
            http,
            metrics: &metrics,
            stop: &stop,
            sockets: &sockets,
            logins: &logins,
            frame_ancestors: &frame_ancestors,
        };
        let serving = |port, tls, limits| connections::Serving {
            routes: routes.on(port),
            limits,
            proxies: Proxies::of(http),
            tls,
            stop: stop.clone(),
            metrics: metrics.clone(),
            threads: node.services.threads.clone(),
        };
        let acceptor = tls.as_ref().map(Tls::acceptor);
        let address = listeners.main.local_addr().unwrap_or(http.bind);
        let main = serving(Port::Main, acceptor.clone(), limits);
        let main = connections::serve(listeners.main, main);
        let mut operations_address = None;
        let mut operations = None;
        if let Some(listener) = listeners.operations {
            let address = listener.local_addr().ok().or(http.operations_bind);
            let is_local = address.is_some_and(|address| address.ip().is_loopback());
            // Nobody listens on the way to a loopback address, and no certificate names one.
            let acceptor = acceptor.filter(|_| !is_local);
            let serving = serving(Port::Operations, acceptor, limits.of_operations());
            operations = Some(connections::serve(listener, serving));
            operations_address = address;
        }
        let operations = OptionFuture::from(operations);
        let task = tokio::spawn(async { _ = tokio::join!(main, operations) });
        Self {
            node,
            address,
            operations_address,
            stop,
            sockets,
            task,
            _renewal: tls.map(|tls| AbortOnDropHandle::new(tokio::spawn(tls.renew_for_ever()))),
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where it listens for whoever looks after the installation.
    #[must_use]
    pub fn operations_address(&self) -> Option<SocketAddr> {
        self.operations_address
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

/// What the routes of all ports share.
struct Routes<'a> {
    api: graphql::Api,
    bodies: Bodies,
    answer_bytes: u64,
    guard: Guard,
    node: &'a Node,
    http: &'a Http,
    metrics: &'a Metrics,
    stop: &'a CancellationToken,
    sockets: &'a TaskTracker,
    logins: &'a [graphql::PageLogin],
    frame_ancestors: &'a [String],
}

impl Routes<'_> {
    /// Those of one port.
    fn on(&self, port: Port) -> Router {
        let Self { node, http, .. } = self;
        let options = graphql::HttpOptions {
            port,
            bodies: self.bodies.clone(),
            stop: self.stop.clone(),
            websocket: graphql::WebSocketOptions {
                write_timeout: Duration::from_millis(http.write_timeout_ms),
                ..graphql::WebSocketOptions::default()
            },
            sockets: self.sockets.clone(),
            logins: self.logins.to_vec(),
        };
        let rest = rest::RestOptions {
            port,
            bodies: self.bodies.clone(),
            stop: self.stop.clone(),
            answer_bytes: self.answer_bytes,
        };
        let services = node.services.clone();
        let apis = graphql::routes(&self.api, &options).merge(rest::routes(services, &rest));
        let others = uploads::routes(node.services.uploads.clone())
            .merge(probes::routes(node, self.metrics.clone(), port))
            .merge(console::routes(
                port,
                &node.services.authenticator,
                self.frame_ancestors,
            ));
        // Whatever is laid around routes is copied for each request, so all of it is one layer.
        let around = (
            Traced {
                metrics: self.metrics.clone(),
                guard: Arc::new(self.guard.of_port(port)),
                browsers: Browsers::at(port, &node.services.authenticator),
                quotas: Some(node.services.quotas.clone()).filter(|quotas| !quotas.are_none()),
            },
            option_layer(cors(http.cors_origins.list())),
        );
        // What the APIs say is text; downloads and the console have compression of their own.
        let apis = apis.layer((around.clone(), CompressionLayer::new()));
        apis.merge(others.layer(around))
    }
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
        "ratelimit-limit",
        "ratelimit-remaining",
        "ratelimit-reset",
        "retry-after",
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
