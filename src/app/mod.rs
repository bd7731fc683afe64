//! A server put together: configuration in, a running node out.
//!
//! A team builds its own server with [`App`]: its solutions, then `serve`. The futures of [`App`] are boxed, so
//! that the whole server is compiled in this crate, and not again in each that starts one.

mod assemble;
mod callers;
mod connections;
mod database;
mod guard;
mod key_files;
mod lock;
mod private;
mod probes;
mod serve;
mod trace;

use std::sync::Arc;

pub use assemble::Node;
pub(crate) use assemble::verify;
pub(crate) use callers::keys;
pub(crate) use database::{database_options, unusable_database};
pub(crate) use private::keep_private;
pub use serve::Server;
pub(crate) use serve::told_to_stop;

use futures::future::BoxFuture;

use crate::{
    clock::Clock,
    config::Config,
    graphql,
    ids::IdSource,
    runtime::{IntentRegistry, RegistrationError, Solution, Works},
    solutions::content::ContentSolution,
    telemetry::metrics::Metrics,
};

/// A server to be: configuration and solutions.
pub struct App {
    config: Config,
    solutions: Vec<Arc<dyn Solution>>,
    ids: IdSource,
    clock: Clock,
    metrics: Metrics,
}

impl App {
    /// A server with the content solution that ships with Takeoff.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self {
            config,
            solutions: vec![Arc::new(ContentSolution)],
            ids: IdSource::system(),
            clock: Clock::System,
            metrics: Metrics::new(),
        }
    }

    /// Adds a solution.
    #[must_use]
    pub fn solution(mut self, solution: impl Solution) -> Self {
        self.solutions.push(Arc::new(solution));
        self
    }

    /// Takes ids from `ids`.
    #[must_use]
    pub fn ids(mut self, ids: IdSource) -> Self {
        self.ids = ids;
        self
    }

    /// Takes time from `clock`.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Connects, brings the schema up to date and begins to run executions, without an API.
    ///
    /// # Errors
    /// When a dependency is not there, or a solution's registration is refused.
    pub fn start(self) -> BoxFuture<'static, anyhow::Result<Node>> {
        Box::pin(Node::assemble(self))
    }

    /// Starts and serves the API in the background.
    ///
    /// # Errors
    /// As [`Self::start`]; when callers without proof could reach the server from elsewhere, or the address is in use.
    pub fn listen(self) -> BoxFuture<'static, anyhow::Result<Server>> {
        Box::pin(self.listening())
    }

    async fn listening(self) -> anyhow::Result<Server> {
        serve::check_address(&self.config)?;
        let (http, metrics) = (self.config.http.clone(), self.metrics.clone());
        // The address is taken before anything is written: a second server stops here.
        let listener = serve::bind(&http).await?;
        let gate = graphql::Gate::new(
            &graphql::export_schema(),
            &assemble::gate_limits(&self.config),
        )?;
        let guard = guard::Guard::of(&self.config.http)?;
        let connections = connections::ConnectionLimits::of(&self.config)?;
        let node = self.start().await?;
        let routes = serve::RouteParts {
            gate,
            guard,
            connections,
            metrics,
        };
        Ok(Server::run(node, listener, &http, routes))
    }

    /// Serves until the process is told to stop, then shuts down in order.
    ///
    /// # Errors
    /// As [`Self::listen`].
    pub fn serve(self) -> BoxFuture<'static, anyhow::Result<()>> {
        Box::pin(async {
            let server = self.listen().await?;
            tracing::info!(address = %server.address(), "serving");
            told_to_stop().await;
            tracing::info!("shutting down");
            server.stop().await;
            Ok(())
        })
    }

    fn register(&self, works: &Works) -> Result<IntentRegistry, RegistrationError> {
        let mut registry = IntentRegistry::default();
        for solution in &self.solutions {
            solution.register(&mut registry, works)?;
        }
        Ok(registry)
    }
}
