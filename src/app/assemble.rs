//! A node from its parts: database, Redis, content store, registry, engine.

use std::{fs::File, num::NonZero, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    App, callers,
    database::{database_options, unusable_database, write_options},
    keep_private,
    key_files::ring_or_file,
    lock, probes,
};
use crate::{
    api::RequestThreads,
    artifact_registry::ArtifactRegistry,
    auth,
    config::Config,
    content::{ContentStore, Payloads, S3Options, Signer},
    events::Events,
    executions::Executions,
    graphql,
    hot::{HotCopies, InProcess, Layered},
    model::{Budget, KeyRing, Principal, TenantId},
    redis::{HintBus, Redis, RedisCopies},
    runtime::{self, Limits, Parts, Runtime, Settings, Works},
    services::Services,
    state_surface::{self, CopyKey, StateSurface},
    storage::{self, Storage},
    telemetry::metrics::Metrics,
    uploads::{self, Uploads},
};

/// About a tenth of the weight of a thread with normal priority.
#[cfg(target_os = "linux")]
const LOW_PRIORITY: i32 = 10;

/// A running node. It has to be stopped: dropping it leaves its lease to run out.
pub struct Node {
    /// The services that the API layers call.
    pub services: Services,
    pub(super) content_state: watch::Receiver<bool>,
    pub(super) redis: Option<Redis>,
    stop: CancellationToken,
    /// One that never yields stops neither the API nor the engine.
    handlers: Threads,
    /// Nothing else that runs here can hold it up.
    lease: Threads,
    /// One request that takes long holds up none that does not.
    costly: Threads,
    /// A tenant that asks very much holds up no other one.
    heavy: Threads,
    _lock: Option<File>,
}

impl Node {
    pub(super) async fn assemble(app: App) -> anyhow::Result<Self> {
        // What speaks TLS takes the provider that the process installed first.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let config = &app.config;
        keep_private(config);
        let roles = callers::roles(config)?;
        let file = sqlite_file(config);
        let lock = file.as_deref().map(lock::take).transpose()?;
        let [handlers, lease, costly, heavy] = Threads::of_a_node()?;
        let storage = open_storage(config, &app.metrics, heavy.handle())
            .await
            .map_err(|error| unusable_database(config, error))?;
        let redis = connect_redis(config).await?;
        let content = open_content(config).await?;
        let links = link_keys(config)?;
        let budget = Arc::new(budget(config));
        let payloads = Payloads::new(content.clone(), config.limits.inline_bytes);

        let artifacts = ArtifactRegistry::new(storage.clone(), std::collections::HashMap::new());
        let works = Works {
            content: content.clone(),
            clock: app.clock.clone(),
            artifacts,
            limits: limits(config),
            storage: storage.clone(),
        };
        let registry = app.register(&works)?;
        let artifacts = ArtifactRegistry::new(storage.clone(), registry.catalog().eligible_types());

        let installation = storage.installation_id().await?;
        let bus = redis
            .as_ref()
            .map(|redis| HintBus::join(redis, installation, app.ids.node()));
        let events = Events::start(storage.clone(), bus, poll(config), app.metrics.clone());
        let hot: Arc<dyn HotCopies> = match &redis {
            Some(redis) => Arc::new(Layered::new(RedisCopies::new(redis))),
            None => Arc::new(InProcess::new()),
        };
        let state = StateSurface::new(
            storage.clone(),
            payloads.clone(),
            hot,
            &CopyKey::derived(storage.copy_secret().await?.as_bytes()),
            app.ids.clone(),
            state_limits(config),
        );
        let uploads = Uploads::new(
            storage.clone(),
            content.clone(),
            Signer::new(&links),
            app.clock.clone(),
            app.ids.clone(),
            Arc::clone(&budget),
            upload_settings(config),
        );
        let parts = Parts {
            storage: storage.clone(),
            content: content.clone(),
            payloads,
            registry,
            events: events.clone(),
            state: state.clone(),
            limits: limits(config),
            settings: settings(config, file.is_some())?,
            ids: app.ids.clone(),
            clock: app.clock.clone(),
            handlers: handlers.handle(),
            lease: lease.handle(),
            metrics: app.metrics.clone(),
        };
        let runtime = Runtime::start(parts)
            .await
            .map_err(|error| engine_failed(config, error))?;
        let stop = CancellationToken::new();
        let (metrics, stopped) = (app.metrics.clone(), stop.clone());
        tokio::spawn(async move { metrics.maintain(stopped).await });
        tokio::spawn(uploads.clone().release_until(stop.clone()));
        let callers = callers::Callers::start(&app, &storage, roles, &stop).await?;
        let services = Services {
            runtime,
            authenticator: callers.authenticator,
            keys: callers.keys,
            executions: Executions::new(storage.clone()),
            storage,
            state,
            artifacts,
            events,
            uploads,
            budget,
            threads: RequestThreads::new(costly.handle(), heavy.handle(), Handle::current()),
        };
        Ok(Self {
            services,
            content_state: probes::watch_content(content, stop.clone()),
            redis,
            stop,
            handlers,
            lease,
            costly,
            heavy,
            _lock: lock,
        })
    }

    /// Whoever asks for `tenant` by the program that the node is part of, as its own clients and its tests
    /// do. Handlers are given no node, and so no tenant but their own.
    #[must_use]
    pub fn principal(&self, tenant: TenantId) -> Principal {
        auth::program(tenant)
    }

    /// Lets executions finish for a while, gives the rest back, and ends the node's lease.
    pub async fn stop(mut self) {
        self.services.runtime.stop().await;
        self.end();
    }

    /// Ends at once without recording anything, as if the process had been killed.
    pub fn crash(mut self) {
        self.services.runtime.crash();
        self.end();
    }

    fn end(&mut self) {
        self.stop.cancel();
        self.handlers.end();
        self.lease.end();
        self.costly.end();
        self.heavy.end();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.end();
    }
}

/// Threads for one purpose alone. Dropping them waits for nothing, so that a start that fails half way
/// may do so within a task.
struct Threads(Option<tokio::runtime::Runtime>, Handle);

/// Which threads the system lets run first.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Priority {
    Normal,
    Low,
}

impl Threads {
    /// Those for handlers, for the lease, for requests that take long, and for tenants that ask very much:
    /// half of the processor is theirs at most.
    fn of_a_node() -> anyhow::Result<[Self; 4]> {
        let cores = std::thread::available_parallelism().map_or(2, NonZero::get);
        Ok([
            Self::start("takeoff-handler", cores.max(4), Priority::Normal)?,
            Self::start("takeoff-lease", 1, Priority::Normal)?,
            Self::start("takeoff-costly", cores.max(2), Priority::Low)?,
            Self::start("takeoff-heavy", cores.div_ceil(2), Priority::Low)?,
        ])
    }

    fn start(name: &'static str, count: usize, priority: Priority) -> anyhow::Result<Self> {
        let threads = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .thread_name(name)
            .on_thread_start(move || {
                if priority == Priority::Low {
                    lower_priority();
                }
            })
            .enable_all()
            .build()
            .with_context(|| format!("the threads {name} cannot be started"))?;
        let handle = threads.handle().clone();
        Ok(Self(Some(threads), handle))
    }

    fn handle(&self) -> Handle {
        self.1.clone()
    }

    fn end(&mut self) {
        if let Some(threads) = self.0.take() {
            threads.shutdown_background();
        }
    }
}

/// Lets other threads of the process run before this one. Linux has a priority for each thread; elsewhere
/// it is the process's and stays.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, LOW_PRIORITY) {
        tracing::warn!(%error, "the priority of a thread cannot be lowered");
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.end();
    }
}

/// Compares log and state of a configured database, beside whatever else uses it.
pub(crate) async fn verify(config: &Config) -> Result<storage::Report, storage::Error> {
    let metrics = Metrics::new();
    let storage =
        Storage::connect(&database_options(config), write_options(config), &metrics).await?;
    storage.verify().await
}

fn sqlite_file(config: &Config) -> Option<PathBuf> {
    storage::sqlite_file(config.database.url.expose())
}

fn engine_failed(config: &Config, error: runtime::Error) -> anyhow::Error {
    let error = match error {
        runtime::Error::Storage(error) => unusable_database(config, error),
        other => other.into(),
    };
    error.context("the engine cannot start")
}

async fn open_storage(
    config: &Config,
    metrics: &Metrics,
    low: Handle,
) -> Result<Storage, storage::Error> {
    let mut database = database_options(config);
    database.low = Some(low);
    let applied = storage::migrate(&database).await?;
    if !applied.is_empty() {
        tracing::info!(?applied, "the schema was brought up to date");
    }
    Storage::connect(&database, write_options(config), metrics).await
}

async fn connect_redis(config: &Config) -> anyhow::Result<Option<Redis>> {
    let Some(url) = &config.redis.url else {
        return Ok(None);
    };
    let redis = Redis::connect(url.expose()).await;
    Ok(Some(redis.with_context(|| {
        format!("Redis at {url} cannot be used")
    })?))
}

async fn open_content(config: &Config) -> anyhow::Result<ContentStore> {
    let s3 = &config.content.s3;
    let options = S3Options {
        endpoint: s3.endpoint.as_ref().map(|url| url.expose().to_owned()),
        region: s3.region.clone(),
        access_key_id: s3.access_key_id.clone(),
        secret_access_key: s3
            .secret_access_key
            .as_ref()
            .map(|key| key.expose().to_owned()),
        allow_http: s3.allow_http,
        path_style: s3.path_style,
    };
    let url = &config.content.url;
    let opened = ContentStore::open(url.expose(), &options).await;
    opened.with_context(|| format!("the content store {url} cannot be used"))
}

/// The keys that sign links.
fn link_keys(config: &Config) -> anyhow::Result<KeyRing> {
    let configured = config.content.signing_keys.as_ref();
    ring_or_file(configured, &config.data_dir, "signing.key")
}

fn limits(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        parameters_bytes: limits.parameters_bytes as u64,
        metadata_bytes: limits.metadata_bytes as u64,
        result_bytes: limits.result_bytes as u64,
        state_bytes: limits.state_bytes as u64,
        descriptor_bytes: limits.artifact_descriptor_bytes as u64,
        batch_submit: limits.batch_submit,
        tree_depth: i64::try_from(limits.tree_depth).unwrap_or(i64::MAX),
        tree_executions: limits.tree_executions,
    }
}

/// Returns the period of looking for changes that hints may have missed.
fn poll(config: &Config) -> Duration {
    Duration::from_millis(config.runtime.poll_ms)
}

/// Returns the budget of the node's tenants.
fn budget(config: &Config) -> Budget {
    let budget = Budget::new(config.graphql.cost_per_second, config.graphql.max_cost);
    if config.database.url.scheme() == "sqlite" {
        // Its reads for heavy tenants have threads of low priority.
        budget
    } else {
        budget.with_rests()
    }
}

/// Returns the limits of a GraphQL request.
pub(super) fn gate_limits(config: &Config) -> graphql::GateLimits {
    let limits = config.graphql.clone();
    graphql::GateLimits {
        document_bytes: limits.max_document_bytes,
        tokens: limits.max_tokens,
        selections: limits.max_selections,
        depth: limits.max_depth,
        aliases: limits.max_aliases,
        directives: limits.max_directives,
        root_fields: limits.max_root_fields,
        cost: limits.max_cost,
        concurrent_operations: limits.max_concurrent_operations,
        answer_bytes: limits.max_answer_bytes,
        timeout: Duration::from_millis(limits.timeout_ms),
        cached_documents: limits.cached_documents,
        documents: limits.documents,
        trusted_only: limits.trusted_only,
        introspection: limits.introspection,
    }
}

/// The longest life of a session that its creator gives a time, unless sessions live longer by
/// default.
const MAX_SESSION_TTL_SECONDS: i64 = 90 * 24 * 3600;

fn state_limits(config: &Config) -> state_surface::StateLimits {
    let ttl = i64::try_from(config.sessions.ttl_seconds).unwrap_or(i64::MAX);
    state_surface::StateLimits {
        state_bytes: config.limits.state_bytes as u64,
        metadata_bytes: config.limits.metadata_bytes as u64,
        session_ttl_seconds: ttl,
        session_ttl_max_seconds: MAX_SESSION_TTL_SECONDS.max(ttl),
    }
}

fn upload_settings(config: &Config) -> uploads::UploadSettings {
    uploads::UploadSettings {
        max_upload_bytes: config.content.max_upload_bytes,
        max_announced_bytes: config.content.max_announced_bytes,
        deleted_grace: Duration::from_secs(config.content.deleted_grace_seconds),
        url_ttl_seconds: i64::try_from(config.content.url_ttl_seconds).unwrap_or(i64::MAX),
        public_url: config
            .http
            .public_url
            .as_ref()
            .map(|url| url.expose().to_owned()),
    }
}

fn settings(config: &Config, is_alone: bool) -> anyhow::Result<Settings> {
    let runtime = &config.runtime;
    let hours = i64::try_from(runtime.idempotency_ttl_hours).unwrap_or(i64::MAX);
    let weights = runtime.tenant_weights.all().iter();
    let weights = weights.map(|(tenant, weight)| Ok((tenant.parse()?, *weight)));
    Ok(Settings {
        node_name: config.http.bind.to_string(),
        max_concurrent_executions: runtime.max_concurrent_executions,
        lease: Duration::from_secs(runtime.lease_seconds),
        heartbeat: Duration::from_secs(runtime.heartbeat_seconds),
        poll: Duration::from_millis(runtime.poll_ms),
        tenant_slots_percent: runtime.tenant_slots_percent,
        tenant_weights: weights
            .collect::<anyhow::Result<_>>()
            .context("runtime.tenant_weights names no tenant")?,
        sweep: Duration::from_secs(runtime.sweep_seconds),
        shutdown_grace: Duration::from_secs(runtime.shutdown_grace_seconds),
        idempotency_ttl_micros: hours.saturating_mul(3_600_000_000),
        is_alone,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Overrides;

    #[test]
    fn the_documented_limits_are_those_of_the_gate_and_of_websockets() {
        let config = Config::load(&Overrides::default(), std::iter::empty()).unwrap();
        assert_eq!(gate_limits(&config), graphql::GateLimits::default());
        let socket = graphql::WebSocketOptions::default().write_timeout;
        assert_eq!(socket.as_millis(), u128::from(config.http.write_timeout_ms));
    }
}
