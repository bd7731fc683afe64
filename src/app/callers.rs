//! Who may call, as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    database::{database_options, unusable_database, write_options},
    key_files::ring_or_file,
};
use crate::{
    auth::{
        self, AccessTokens, AnonymousSessions, AnonymousSettings, Authenticator, IssuerSettings,
        Issuers, Keys, LoginSettings, Mode, Roles, TenantSource,
    },
    clock::Clock,
    config::{AuthMode, Config, ConsoleClient, IssuerConfig, LoginToken},
    ids::IdSource,
    model::{KeyRing, Micros, Principal, Rate, TenantId},
    storage::{self, Storage},
    telemetry::metrics::Metrics,
};

/// How far the clocks of a node and of its database may be apart.
const MOST_APART_MICROS: Micros = 30_000_000;

/// The parts that know the callers of a node.
pub(super) struct Callers {
    pub(super) authenticator: Authenticator,
    pub(super) keys: Arc<Keys>,
}

impl Callers {
    /// Watches for revoked keys until `stop`.
    pub(super) async fn start(
        app: &App,
        storage: &Storage,
        roles: Roles,
        stop: &CancellationToken,
    ) -> anyhow::Result<Self> {
        let mode = mode(&app.config);
        let (storage, clock) = (storage.clone(), app.clock.clone());
        let keys = Keys::new(storage.clone(), app.ids.clone(), roles.clone());
        let issuers = match mode {
            Mode::Development => Issuers::default(),
            Mode::Required => issuers(&app.config, &roles, &clock).await?,
        };
        let bad_proofs = Rate {
            burst: app.config.auth.failed_proofs_burst,
            per_second: app.config.auth.failed_proofs_per_second,
        };
        let anonymous = anonymous(&app.config)?;
        let tokens = AccessTokens::new(token_keys(&app.config)?, clock.clone());
        let known = tokens.clone();
        let authenticator = Authenticator::new(
            mode, storage, clock, roles, issuers, known, bad_proofs, anonymous,
        );
        if mode == Mode::Required {
            tokio::spawn(authenticator.clone().watch_until(stop.clone()));
        }
        let keys = Arc::new(keys.serving(authenticator.clone(), tokens));
        Ok(Self {
            authenticator,
            keys,
        })
    }
}

/// Refuses to serve where nobody could call, or where clocks are far apart.
pub(super) async fn check_use(app: &App, storage: &Storage) -> anyhow::Result<()> {
    if app.is_the_server {
        refuse_nobody(app, storage).await?;
        refuse_other_time(app, storage).await?;
    }
    Ok(())
}

/// Refuses to start a server that nobody could call.
async fn refuse_nobody(app: &App, storage: &Storage) -> anyhow::Result<()> {
    let auth = &app.config.auth;
    let has_other = !auth.issuers.list().is_empty() || auth.anonymous.tenant.is_some();
    if mode(&app.config) == Mode::Development || has_other {
        return Ok(());
    }
    anyhow::ensure!(
        storage.has_keys().await?,
        "nobody could call the server: auth.mode is required, auth.issuers is empty and there is no key; make the \
         first one by: takeoff keys create --admin"
    );
    Ok(())
}

/// Refuses to start beside a database whose clock shows another time: tokens and links end by this machine's clock,
/// and what is stored is dated by the database's.
async fn refuse_other_time(app: &App, storage: &Storage) -> anyhow::Result<()> {
    let before = app.clock.now();
    let theirs = storage.now().await?;
    let after = app.clock.now();
    // The database looked at its clock at some time in between.
    let off = (theirs - after).max(before - theirs).max(0);
    anyhow::ensure!(
        off <= MOST_APART_MICROS,
        "the clock of this machine and the database's are {} s apart, and may be {} s; set them, by NTP for example",
        off / 1_000_000,
        MOST_APART_MICROS / 1_000_000
    );
    Ok(())
}

/// Keys of a configured database, beside whatever else uses it, and whoever looks after those of a tenant.
pub(crate) async fn keys(config: &Config, tenant: TenantId) -> anyhow::Result<(Keys, Principal)> {
    let roles = roles(config)?;
    let options = database_options(config);
    let unusable = |error| unusable_database(config, error);
    storage::migrate(&options).await.map_err(unusable)?;
    let storage = Storage::connect(&options, write_options(config), &Metrics::new()).await;
    let keys = Keys::new(storage.map_err(unusable)?, IdSource::system(), roles);
    Ok((keys, auth::operator(tenant)))
}

/// The keys that sign access tokens.
fn token_keys(config: &Config) -> anyhow::Result<KeyRing> {
    let configured = config.auth.token_keys.as_ref();
    ring_or_file(configured, &config.data_dir, "token.key")
}

async fn issuers(config: &Config, roles: &Roles, clock: &Clock) -> anyhow::Result<Issuers> {
    let settings = config.auth.issuers.list().iter().map(settings);
    let settings = settings.collect::<anyhow::Result<_>>()?;
    let started = Issuers::start(settings, roles, clock).await;
    started.context("auth.issuers is refused")
}

/// How anonymous sessions are given away, if they are.
fn anonymous(config: &Config) -> anyhow::Result<Option<AnonymousSessions>> {
    let config = &config.auth.anonymous;
    let Some(tenant) = &config.tenant else {
        return Ok(None);
    };
    let sessions = AnonymousSessions::new(AnonymousSettings {
        tenant: tenant.parse().context("auth.anonymous.tenant is refused")?,
        grants: config
            .scopes
            .parse()
            .context("auth.anonymous.scopes is refused")?,
        burst: config.burst,
        per_minute: config.per_minute,
        ttl_seconds: i64::try_from(config.ttl_seconds).unwrap_or(i64::MAX),
    });
    Ok(Some(sessions.context("auth.anonymous.scopes is refused")?))
}

fn settings(config: &IssuerConfig) -> anyhow::Result<IssuerSettings> {
    let url = &config.url;
    let refused = || format!("auth.issuers: the issuer {url}");
    let tenant = match (&config.tenant, &config.tenant_claim) {
        (Some(tenant), None) => TenantSource::Fixed(tenant.parse().with_context(refused)?),
        (None, Some(claim)) => {
            let tenants = config.tenants.iter().map(|tenant| tenant.parse());
            let tenants = tenants.collect::<Result<_, _>>().with_context(refused)?;
            TenantSource::Claim(claim.clone(), tenants)
        }
        _ => anyhow::bail!("{}: set tenant, or else tenant_claim", refused()),
    };
    Ok(IssuerSettings {
        url: url.clone(),
        audience: config.audience.clone(),
        jwks_file: config.jwks_file.clone(),
        algorithms: config.algorithms.clone(),
        tenant,
        actor_claim: config.actor_claim.clone(),
        roles_claim: config.roles_claim.clone(),
        roles: config.roles.clone(),
        default_roles: config.default_roles.clone(),
        leeway_seconds: config.leeway_seconds,
        login: config.console.as_ref().map(|client| login(url, client)),
    })
}

fn login(issuer: &str, client: &ConsoleClient) -> LoginSettings {
    let host = url::Url::parse(issuer).ok();
    let host = host.and_then(|url| url.host_str().map(str::to_owned));
    let name = client.name.clone().or(host);
    let secret = client.client_secret.as_ref();
    LoginSettings {
        name: name.unwrap_or_else(|| issuer.to_owned()),
        client_id: client.client_id.clone(),
        client_secret: secret.map(|secret| secret.expose().to_owned()),
        scope: client.scope.clone(),
        audience: client.audience.clone(),
        is_by_id_token: client.token == LoginToken::Id,
    }
}

fn mode(config: &Config) -> Mode {
    match config.auth.mode {
        AuthMode::Development => Mode::Development,
        AuthMode::Required => Mode::Required,
    }
}

pub(super) fn roles(config: &Config) -> anyhow::Result<Roles> {
    Roles::of(config.auth.roles.all()).context("auth.roles is refused")
}
