//! The key rings of a node, each with a purpose of its own.

use super::key_files::{existing_ring, ring_or_file};
use crate::{config::Config, events::CheckpointKeys, model::KeyRing, storage};

/// The file of the keys that sign checkpoints, where none are configured.
const CHECKPOINT_KEY: &str = "checkpoint.key";

/// The file of the keys that seal data keys, where none are configured.
const SECRETS_KEY: &str = "secrets.key";

fn checkpoint_ring(config: &Config) -> Option<&KeyRing> {
    config.log.checkpoint_keys.as_ref()
}

/// The keys that sign checkpoints of the log. Nodes that share a database must be told theirs: each by a key of its
/// own they would sign what the others cannot check.
pub(super) fn checkpoint_keys(config: &Config) -> anyhow::Result<Option<CheckpointKeys>> {
    let configured = checkpoint_ring(config);
    if configured.is_none() && is_shared(config) {
        tracing::warn!(
            "the log is not signed: set log.checkpoint_keys to ID:SECRET, on all nodes alike"
        );
        return Ok(None);
    }
    let ring = ring_or_file(configured, &config.data_dir, CHECKPOINT_KEY)?;
    Ok(Some(CheckpointKeys::new(&ring)?))
}

/// Returns whether other nodes may have the database, too.
fn is_shared(config: &Config) -> bool {
    storage::sqlite_file(config.database.url.expose()).is_none()
}

/// The keys that seal data keys. Nodes that share a database must be told theirs.
pub(super) fn secrets_ring(config: &Config) -> anyhow::Result<Option<KeyRing>> {
    let configured = config.secrets.keys.as_ref();
    if configured.is_none() && is_shared(config) {
        return Ok(None);
    }
    ring_or_file(configured, &config.data_dir, SECRETS_KEY).map(Some)
}

/// The keys that seal data keys; none where there are no keys yet.
pub(super) fn existing_secrets_ring(config: &Config) -> anyhow::Result<Option<KeyRing>> {
    let configured = config.secrets.keys.as_ref();
    existing_ring(configured, &config.data_dir, SECRETS_KEY)
}

/// The keys that sign links.
pub(super) fn link_keys(config: &Config) -> anyhow::Result<KeyRing> {
    let configured = config.content.signing_keys.as_ref();
    ring_or_file(configured, &config.data_dir, "signing.key")
}

/// The keys that have signed checkpoints; none where there are no keys yet.
pub(super) fn existing_checkpoint_keys(config: &Config) -> anyhow::Result<Option<CheckpointKeys>> {
    let ring = existing_ring(checkpoint_ring(config), &config.data_dir, CHECKPOINT_KEY)?;
    Ok(ring.as_ref().map(CheckpointKeys::new).transpose()?)
}
