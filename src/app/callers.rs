//! Who may call, as the configuration says.

use std::sync::Arc;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;

use super::{
    App,
    assemble::{database_options, unusable_database, write_options},
};
use crate::{
    auth::{self, Authenticator, Keys, Mode, Roles},
    config::{AuthMode, Config},
    ids::IdSource,
    model::{Principal, TenantId},
    storage::{self, Storage},
    telemetry::metrics::Metrics,
};

/// What knows the callers of a node.
pub(super) struct Callers {
    pub(super) authenticator: Authenticator,
    pub(super) keys: Arc<Keys>,
}

impl Callers {
    /// Watches for revoked keys until `stop`.
    pub(super) fn of(app: &App, storage: &Storage, roles: Roles, stop: &CancellationToken) -> Self {
        let mode = mode(&app.config);
        let (storage, clock) = (storage.clone(), app.clock.clone());
        let keys = Keys::new(storage.clone(), app.ids.clone(), roles.clone());
        let authenticator = Authenticator::new(mode, storage, clock, roles);
        if mode == Mode::Required {
            tokio::spawn(authenticator.clone().watch_until(stop.clone()));
        }
        let keys = Arc::new(keys.serving(authenticator.clone()));
        Self {
            authenticator,
            keys,
        }
    }
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

fn mode(config: &Config) -> Mode {
    match config.auth.mode {
        AuthMode::Development => Mode::Development,
        AuthMode::Required => Mode::Required,
    }
}

pub(super) fn roles(config: &Config) -> anyhow::Result<Roles> {
    Roles::of(config.auth.roles.all()).context("auth.roles is refused")
}
