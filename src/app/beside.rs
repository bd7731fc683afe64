//! What commands do with a configured database, beside whatever else uses it.

use anyhow::Context as _;

use super::{
    assemble::open_content,
    database::{database_options, unusable_database, write_options},
    rings::{existing_checkpoint_keys, secrets_ring},
    settings::retention,
};
use crate::{
    clock::Clock,
    config::Config,
    model::{KeptCheckpoint, Signed},
    runtime::{self, Outlook},
    storage::{self, Storage},
    telemetry::metrics::Metrics,
    vault,
};

/// Compares log and state of a configured database, beside whatever else uses it.
pub(crate) async fn verify(config: &Config) -> Result<storage::Report, storage::Error> {
    beside(config).await?.verify().await
}

/// What retention would remove of a configured database by now, and what it would leave.
pub(crate) async fn outlook(config: &Config) -> anyhow::Result<Vec<Outlook>> {
    let unusable = |error| unusable_database(config, error);
    let storage = beside(config).await.map_err(unusable)?;
    let content = open_content(config).await?;
    let retention = retention(config)?;
    match runtime::outlook(&storage, &content, &retention, Clock::System.now()).await {
        Err(runtime::Error::Storage(error)) => Err(unusable(error)),
        outlook => Ok(outlook?),
    }
}

/// Compares the log of a configured database with its hashes, with what was signed, and with the checkpoints that
/// were `kept` elsewhere, beside whatever else uses it.
pub(crate) async fn verify_chain(
    config: &Config,
    kept: &[KeptCheckpoint],
) -> anyhow::Result<storage::ChainReport> {
    let keys = existing_checkpoint_keys(config)?;
    let unusable = |error| unusable_database(config, error);
    let storage = beside(config).await.map_err(unusable)?;
    let installation = storage.installation_id().await.map_err(unusable)?;
    let is_signed = keys.map(|keys| move |signed: Signed<'_>| keys.is_signed(installation, signed));
    let is_signed = is_signed.as_ref().map(|check| check as _);
    let report = storage.verify_chain(is_signed, kept).await;
    report.map_err(unusable)
}

/// Seals the data keys of a configured database by the first one of the configured keys, and makes a new one; their
/// number.
pub(crate) async fn rotate_secrets(config: &Config) -> anyhow::Result<usize> {
    let ring = secrets_ring(config)?.context("there are no keys to rotate: set secrets.keys")?;
    let storage = beside(config).await;
    let storage = storage.map_err(|error| unusable_database(config, error))?;
    Ok(vault::rotate(&storage, &ring).await?)
}

async fn beside(config: &Config) -> Result<Storage, storage::Error> {
    let metrics = Metrics::new();
    Storage::connect(&database_options(config), write_options(config), &metrics).await
}
