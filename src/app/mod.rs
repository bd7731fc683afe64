//! A server put together: configuration in, a running node out.
//!
//! A team builds its own server with [`App`]: its solutions, then `serve`. The futures of [`App`] are boxed, so
//! that the whole server is compiled in this crate, and not again in each that starts one.

mod assemble;
mod beside;
mod browsers;
mod callers;
mod connections;
mod database;
mod guard;
mod key_files;
mod lock;
mod logins;
mod panics;
mod private;
mod probes;
mod proxies;
mod rings;
mod serve;
mod settings;
mod tls;
mod trace;

use std::sync::Arc;

pub use assemble::Node;
pub(crate) use beside::{outlook, rotate_secrets, verify, verify_chain};
pub(crate) use callers::keys;
pub(crate) use database::{database_options, unusable_database};
pub use panics::hide_panics_of_handlers;
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
    /// Whether it was started by `serve`: it then refuses to start where nobody could call it, or where clocks
    /// are far apart.
    is_the_server: bool,
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
            is_the_server: false,
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
        serve::check_addresses(&self.config)?;
        let (http, metrics) = (self.config.http.clone(), self.metrics.clone());
        // The address is taken before anything is written: a second server stops here.
        let listeners = serve::Listeners::bind(&http).await?;
        let gate = graphql::Gate::new(
            &graphql::export_schema(),
            &settings::gate_limits(&self.config),
        )?;
        let guard = guard::Guard::of(&http)?;
        let connections = connections::ConnectionLimits::of(&self.config)?;
        let tls = tls::Tls::of(&http)?;
        let logins = logins::logins(&self.config)?;
        let frame_ancestors = self.config.console.frame_ancestors.list().to_vec();
        let node = self.start().await?;
        let parts = serve::ServerParts {
            gate,
            guard,
            connections,
            tls,
            metrics,
            logins,
            frame_ancestors,
        };
        Ok(Server::run(node, listeners, &http, parts))
    }

    /// Serves until the process is told to stop, then shuts down in order.
    ///
    /// # Errors
    /// As [`Self::listen`]; where a proof is required and nobody has one: there is no issuer, no key was ever made,
    /// and no anonymous sessions are given away; where the clocks of machine and database are far apart.
    pub fn serve(mut self) -> BoxFuture<'static, anyhow::Result<()>> {
        self.is_the_server = true;
        Box::pin(async {
            let server = self.listen().await?;
            let operations = server.operations_address().map(tracing::field::display);
            tracing::info!(address = %server.address(), operations, "serving");
            told_to_stop().await;
            tracing::info!("shutting down");
            server.stop().await;
            Ok(())
        })
    }

    fn register(&self, works: &Works) -> Result<IntentRegistry, RegistrationError> {
        let labels = self.config.runtime.intent_labels.all().clone();
        let mut registry = IntentRegistry::with_labels(labels);
        for solution in &self.solutions {
            solution.register(&mut registry, works)?;
        }
        registry.check_labels()?;
        Ok(registry)
    }
}
