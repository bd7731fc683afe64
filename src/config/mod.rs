//! The operator's settings, each with the layer that its value came from.
//!
//! Defaults, then a file, then the environment, then flags; the later layer wins. Each key, its
//! type, default, range and meaning is written once, in `sections`; the names of the environment
//! variables, the documented `takeoff.sample.toml` and the redaction follow from it. Invariant: a key or
//! variable that is not known, or a value that is not valid, is an error that names it and its
//! origin; a secret is in no error, no `Debug` and no printed configuration.

mod assemble;
mod check;
mod document;
mod environment;
mod error;
mod file;
mod intent_limits;
mod issuers;
mod key;
mod labels;
mod layers;
mod networks;
mod overrides;
mod quotas;
mod retention;
mod roles;
mod section;
mod sections;
mod setting;
#[cfg(test)]
mod tests;
mod webhooks;

pub use error::{Error, Origin};
pub use intent_limits::{IntentLimits, LimitSetting};
pub use issuers::{ConsoleClient, GraphiqlClient, IssuerConfig, Issuers, LoginToken};
pub use labels::IntentLabels;
pub use overrides::Overrides;
pub use retention::{KeptFor, KeptOtherwise};
pub use sections::{
    Anonymous, Auth, Console, Content, Database, Graphql, Http, Limits, Log, Policy, Quotas, Redis,
    Retention, Runtime, S3, Secrets, Sessions, Telemetry,
};
pub use setting::{
    AuthMode, Hosts, LogFormat, Networks, Origins, Roles, Secret, ServiceUrl, TenantQuotas,
};
pub use webhooks::Webhooks;

use std::path::PathBuf;

use layers::Entry;

/// The effective configuration of a process.
#[derive(Debug, Clone)]
pub struct Config {
    /// Folder of everything the process keeps on local disk.
    pub data_dir: PathBuf,
    /// The HTTP server.
    pub http: Http,
    /// Who may call.
    pub auth: Auth,
    /// The GraphQL API.
    pub graphql: Graphql,
    /// The database.
    pub database: Database,
    /// Redis.
    pub redis: Redis,
    /// The content store.
    pub content: Content,
    /// The log of what has happened.
    pub log: Log,
    /// Sensitive parameters.
    pub secrets: Secrets,
    /// What callers may do besides their scopes.
    pub policy: Policy,
    /// The engine.
    pub runtime: Runtime,
    /// Delivery of events to addresses outside.
    pub webhooks: Webhooks,
    /// How long what has ended is kept.
    pub retention: Retention,
    /// What a tenant may ask for.
    pub quotas: Quotas,
    /// Sizes that are refused when they are exceeded.
    pub limits: Limits,
    /// Sessions.
    pub sessions: Sessions,
    /// The console.
    pub console: Console,
    /// Logs and traces.
    pub telemetry: Telemetry,
    entries: Vec<Entry>,
}

impl Config {
    /// The configuration from defaults, file, `env` and flags.
    ///
    /// The file is the one `cli` names, else `takeoff.toml` in the working directory if there is
    /// one. Of `env` only the names that begin with `TAKEOFF_` are looked at.
    ///
    /// # Errors
    /// [`Error`], for the first thing that is wrong.
    pub fn load(
        cli: &Overrides,
        env: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, Error> {
        let file = file::find(cli.config.as_deref())?;
        Self::assemble(file.as_ref(), env, cli)
    }

    /// [`Self::load`] with the environment of this process.
    ///
    /// # Errors
    /// As [`Self::load`], and [`Error::NotUnicode`].
    pub fn from_process(cli: &Overrides) -> Result<Self, Error> {
        Self::load(cli, environment::of_process()?.into_iter())
    }

    /// Where the value of `key` came from; none if there is no such key.
    #[must_use]
    pub fn origin(&self, key: &str) -> Option<&Origin> {
        let entry = self.entries.iter().find(|entry| entry.key.path() == key)?;
        Some(&entry.origin)
    }

    /// This configuration as TOML, with the origin of each value, without its secrets.
    #[must_use]
    pub fn to_toml_redacted(&self) -> String {
        document::effective(&self.entries)
    }

    /// A configuration file that sets every key to its default and says what it means.
    ///
    /// # Errors
    /// [`Error`], if the defaults contradict each other.
    pub fn documented_toml() -> Result<String, Error> {
        let defaults = Self::assemble(None, std::iter::empty(), &Overrides::default())?;
        Ok(document::documented(&defaults.entries))
    }
}
