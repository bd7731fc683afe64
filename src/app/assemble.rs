//! A node from its parts: database, Redis, content store, registry, engine.

use std::{collections::HashMap, fs::File, num::NonZero, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context;
use tokio::{runtime::Handle, sync::watch};
use tokio_util::sync::CancellationToken;

use super::{
    App, callers,
    database::{database_options, unusable_database, write_options},
    keep_private, lock,
    panics::HANDLER_THREADS,
    probes,
    rings::{checkpoint_keys, existing_secrets_ring, link_keys, secrets_ring},
    settings::{
        budget, limit_overrides, limits, poll, quota_settings, settings, state_limits,
        upload_settings,
    },
};
use crate::{
    api::RequestThreads,
    artifact_registry::ArtifactRegistry,
    auth,
    config::Config,
    content::{ContentStore, Payloads, S3Options, Signer},
    events::{CheckpointKeys, Events},
    executions::Executions,
    hot::{HotCopies, InProcess, Layered},
    model::{Budget, KeyRing, Principal, TenantId},
    policy::Policies,
    quotas::{Quotas, SharedQuotas},
    redis::{HintBus, Redis, RedisCopies, RedisQuotas},
    runtime::{self, Catalog, Courier, Parts, Runtime, Works},
    services::Services,
    state_surface::{CopyKey, StateSurface},
    storage::{self, Storage},
    telemetry::metrics::Metrics,
    uploads::{UploadSettings, Uploads},
    vault::Vault,
};

/// About a tenth of the weight of a thread with normal priority.
#[cfg(target_os = "linux")]
const LOW_PRIORITY: i32 = 10;

/// The longest time that a node which stops takes to sign the end of the log.
const LAST_CHECKPOINT: Duration = Duration::from_secs(5);

/// A running node. It has to be stopped: dropping it leaves its lease to run out.
pub struct Node {
    /// The services that the API layers call.
    pub services: Services,
    pub(super) content_state: watch::Receiver<bool>,
    pub(super) redis: Option<Redis>,
    checkpoints: Option<CheckpointKeys>,
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
        let storage = open_storage(config, &app.metrics, heavy.handle()).await;
        let storage = storage.map_err(|error| unusable_database(config, error))?;
        callers::check_use(&app, &storage).await?;
        let redis = connect_redis(config).await?;
        let content = open_content(config).await?;
        let checkpoints = checkpoint_keys(config)?;
        let payloads = Payloads::new(content.clone(), config.limits.inline_bytes);

        let policies = open_policies(config, &storage)?;
        let registry_for = |types| ArtifactRegistry::new(storage.clone(), types, policies.clone());

        let works = Works {
            content: content.clone(),
            clock: app.clock.clone(),
            artifacts: registry_for(HashMap::new()),
            limits: limits(config),
            storage: storage.clone(),
        };
        let mut registry = app.register(&works)?;
        registry
            .override_limits(&limit_overrides(config))
            .context("runtime.intent_limits")?;
        let artifacts = registry_for(registry.catalog().eligible_types());

        let vault = open_vault(config, &storage, registry.catalog()).await?;
        let installation = storage.installation_id().await?;
        note_owner(&content, installation).await?;
        let events = events(&app, &storage, redis.as_ref(), installation);
        let quotas = quotas(&app, &storage, redis.as_ref(), installation)?;
        let budget = Arc::new(budget(config, &quotas));
        let state = StateSurface::new(
            storage.clone(),
            payloads.clone(),
            hot_copies(redis.as_ref()),
            &CopyKey::derived(storage.copy_secret().await?.as_bytes()),
            app.ids.clone(),
            state_limits(config),
        );
        let settings_of_uploads = upload_settings(config, quotas.clone(), policies.clone());
        let uploads = uploads(&app, &storage, &content, &budget, settings_of_uploads)?;
        let parts = Parts {
            storage: storage.clone(),
            content: content.clone(),
            payloads,
            vault,
            registry,
            events: events.clone(),
            checkpoints: checkpoints.clone(),
            state: state.clone(),
            artifacts: artifacts.clone(),
            courier: courier(&app)?,
            quotas: quotas.clone(),
            budget: Arc::clone(&budget),
            policies: policies.clone(),
            limits: limits(config),
            settings: settings(config, file.is_some())?,
            ids: app.ids.clone(),
            clock: app.clock.clone(),
            handlers: handlers.handle(),
            lease: lease.handle(),
            metrics: app.metrics.clone(),
        };
        let runtime = Runtime::start(parts).await;
        let runtime = runtime.map_err(|error| engine_failed(config, error))?;
        let stop = CancellationToken::new();
        maintain(&app.metrics, &uploads, &quotas, policies, &stop);
        sign(&events, checkpoints.as_ref(), &stop);
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
            quotas,
            threads: RequestThreads::new(costly.handle(), heavy.handle(), Handle::current()),
        };
        Ok(Self {
            services,
            content_state: probes::watch_content(content, stop.clone()),
            redis,
            checkpoints,
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

    /// Signs a checkpoint of the log of each tenant whose log has grown, if there are keys. A running node does so every
    /// minute, and when it stops.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_checkpoints(&self) -> Result<(), storage::Error> {
        let Some(keys) = &self.checkpoints else {
            return Ok(());
        };
        self.services.events.sign_checkpoints(keys).await
    }

    /// Lets executions finish for a while, gives the rest back, and ends the node's lease.
    pub async fn stop(mut self) {
        self.services.runtime.stop().await;
        let signed = tokio::time::timeout(LAST_CHECKPOINT, self.sign_checkpoints()).await;
        if !matches!(signed, Ok(Ok(()))) {
            tracing::warn!("the end of the log could not be signed");
        }
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
            Self::start(HANDLER_THREADS, cores.max(4), Priority::Normal)?,
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

/// Hot copies of states, in this process and in Redis if there is one.
fn hot_copies(redis: Option<&Redis>) -> Arc<dyn HotCopies> {
    match redis {
        Some(redis) => Arc::new(Layered::new(RedisCopies::new(redis))),
        None => Arc::new(InProcess::new()),
    }
}

/// Uploads, whose links are signed by the configured keys.
fn uploads(
    app: &App,
    storage: &Storage,
    content: &ContentStore,
    budget: &Arc<Budget>,
    settings: UploadSettings,
) -> anyhow::Result<Uploads> {
    let links = link_keys(&app.config)?;
    Ok(Uploads::new(
        storage.clone(),
        content.clone(),
        Signer::new(&links),
        app.clock.clone(),
        app.ids.clone(),
        Arc::clone(budget),
        settings,
    ))
}

/// Looks after metrics, content that is to go, quotas and policies until `stop`.
fn maintain(
    metrics: &Metrics,
    uploads: &Uploads,
    quotas: &Quotas,
    policies: Policies,
    stop: &CancellationToken,
) {
    let (metrics, stopped) = (metrics.clone(), stop.clone());
    tokio::spawn(async move { metrics.maintain(stopped).await });
    tokio::spawn(uploads.clone().release_until(stop.clone()));
    tokio::spawn(quotas.clone().maintain_until(stop.clone()));
    tokio::spawn(policies.renew_until(stop.clone()));
}

/// Signs checkpoints until `stop`, if there are keys.
fn sign(events: &Events, keys: Option<&CheckpointKeys>, stop: &CancellationToken) {
    if let Some(keys) = keys {
        tokio::spawn(events.clone().sign_until(keys.clone(), stop.clone()));
    }
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

pub(super) async fn open_content(config: &Config) -> anyhow::Result<ContentStore> {
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

/// Notes whose content it is, so that another installation removes nothing of what this one has stored there.
async fn note_owner(content: &ContentStore, installation: uuid::Uuid) -> anyhow::Result<()> {
    let noted = content.is_only_used_by(&installation.to_string()).await;
    noted.context("the content store cannot be used")?;
    Ok(())
}

fn open_policies(config: &Config, storage: &Storage) -> anyhow::Result<Policies> {
    let policy = &config.policy;
    let opened = Policies::open(
        storage.clone(),
        policy.folder.as_deref(),
        policy.log_decisions,
    );
    opened.context("policy.folder is refused: `takeoff policy check FOLDER` says the same")
}

async fn open_vault(
    config: &Config,
    storage: &Storage,
    catalog: &Catalog,
) -> anyhow::Result<Option<Vault>> {
    let ring = match catalog.find_sensitive() {
        Some((intent_type, handler)) => secrets_ring(config)?.with_context(|| {
            format!(
                "the handler {handler} of {intent_type} has sensitive parameters, which are stored encrypted: set \
                 secrets.keys to ID:SECRET, on all nodes alike (`openssl rand -hex 32` makes a secret)"
            )
        })?,
        // For the secrets of webhooks, and what a handler has sealed that is not registered any more.
        None => match webhook_ring(config, storage).await? {
            Some(ring) => ring,
            None => return Ok(None),
        },
    };
    let vault = Vault::open(storage.clone(), ring).await;
    Ok(Some(
        vault.context("sensitive parameters cannot be sealed")?,
    ))
}

/// The keys that seal secrets of webhooks; none where nodes share the database and were told none, or where the keys were
/// lost.
async fn webhook_ring(config: &Config, storage: &Storage) -> anyhow::Result<Option<KeyRing>> {
    if let Some(ring) = existing_secrets_ring(config)? {
        return Ok(Some(ring));
    }
    // Keys that are made anew open nothing of what others have sealed.
    if storage.data_keys().await?.is_empty() {
        return secrets_ring(config);
    }
    tracing::warn!(
        "no webhooks are made or delivered to: the keys in secrets.keys, or their file, are lost"
    );
    Ok(None)
}

/// Sends what is delivered to webhooks.
fn courier(app: &App) -> anyhow::Result<Courier> {
    let allows_private = app.config.webhooks.allow_private_addresses;
    let courier = Courier::new(allows_private, app.clock.clone());
    courier.context("nothing can be delivered to webhooks")
}

/// Starts the feeds of the log. Nodes with the same Redis tell each other what is new.
fn events(app: &App, storage: &Storage, redis: Option<&Redis>, installation: uuid::Uuid) -> Events {
    let bus = redis.map(|redis| HintBus::join(redis, installation, app.ids.node()));
    Events::start(storage.clone(), bus, poll(&app.config), app.metrics.clone())
}

/// Returns the quotas of the node, which other nodes with the same Redis count, too.
fn quotas(
    app: &App,
    storage: &Storage,
    redis: Option<&Redis>,
    installation: uuid::Uuid,
) -> anyhow::Result<Quotas> {
    let settings = quota_settings(&app.config)?;
    let shared = redis.map(|redis| RedisQuotas::new(redis, installation, app.ids.node()));
    let shared = shared.map(|shared| Arc::new(shared) as Arc<dyn SharedQuotas>);
    Ok(Quotas::new(settings, storage.clone(), shared))
}
