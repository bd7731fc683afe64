//! Checkpoints of the log: every minute what each tenant's has grown by is hashed together with what was there
//! before, and signed. Whoever keeps one can tell later that the log was changed before its place, or cut off.

use std::{sync::Arc, time::Duration};

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use data_encoding::BASE64;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Events;
use crate::{
    model::{Action, Checkpoint, KeyRing, RemovedEntry, Signed, TenantScope, hmac_by},
    storage::{Error, GrownLog},
};

/// The time between two checkpoints of a log that grows.
const PERIOD: Duration = Duration::from_mins(1);
/// Checkpoints that are recorded together.
const TOGETHER: usize = 100;

/// The keys that sign checkpoints and check them. Clones share them.
#[derive(Clone)]
pub struct CheckpointKeys(Arc<Vec<Key>>);

struct Key {
    pair: Ed25519KeyPair,
    public: String,
    /// Makes the seals of removed entries.
    seals: Hmac<Sha256>,
}

/// A ring's keys that Ed25519 does not take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a key that signs checkpoints cannot be made")]
pub struct BadCheckpointKey;

impl std::fmt::Debug for CheckpointKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let public = self.0.iter().map(|key| &key.public);
        f.debug_list().entries(public).finish()
    }
}

impl CheckpointKeys {
    /// The keys of a ring; the first signs.
    ///
    /// # Errors
    /// When Ed25519 does not take them.
    pub fn new(ring: &KeyRing) -> Result<Self, BadCheckpointKey> {
        let keys = ring.iter().map(|key| {
            let seed = key.bytes_for("log checkpoints");
            let pair = Ed25519KeyPair::from_seed_unchecked(&seed).map_err(|_| BadCheckpointKey)?;
            let public = BASE64.encode(pair.public_key().as_ref());
            let seals = hmac_by(&key.bytes_for("removed log entries"));
            Ok(Key {
                pair,
                public,
                seals,
            })
        });
        Ok(Self(Arc::new(keys.collect::<Result<_, _>>()?)))
    }

    /// Signs how a log stands.
    fn sign(&self, installation: Uuid, log: GrownLog) -> Checkpoint {
        // No ring is empty.
        let key = &self.0[0];
        let head = log.head;
        let mut checkpoint = Checkpoint {
            tenant_id: head.tenant_id,
            number: log.number,
            position: head.position,
            entries: head.entries,
            hash: head.hash,
            signed_at: log.now,
            public_key: key.public.clone(),
            signature: String::new(),
            kept: None,
        };
        let statement = checkpoint.statement(installation);
        checkpoint.signature = BASE64.encode(key.pair.sign(statement.as_bytes()).as_ref());
        checkpoint
    }

    /// Seals an entry that retention removes.
    pub(crate) fn seal(&self, installation: Uuid, entry: &mut RemovedEntry) {
        // No ring is empty.
        entry.seal = over(&self.0[0], installation, entry);
    }

    /// Signs what retention has kept of the entries under a checkpoint.
    pub(crate) fn sign_kept(&self, installation: Uuid, checkpoint: &mut Checkpoint) {
        // No ring is empty.
        let key = &self.0[0];
        if let Some(mut kept) = checkpoint.kept.take() {
            let statement = checkpoint.kept_statement(&kept, installation);
            kept.public_key.clone_from(&key.public);
            kept.signature = BASE64.encode(key.pair.sign(statement.as_bytes()).as_ref());
            checkpoint.kept = Some(kept);
        }
    }

    /// Returns whether one of the keys has signed or sealed this.
    #[must_use]
    pub fn is_signed(&self, installation: Uuid, signed: Signed<'_>) -> bool {
        match signed {
            Signed::Checkpoint(checkpoint) => self.is_by(
                &checkpoint.public_key,
                &checkpoint.statement(installation),
                &checkpoint.signature,
            ),
            Signed::Kept(checkpoint, kept) => self.is_by(
                &kept.public_key,
                &checkpoint.kept_statement(kept, installation),
                &kept.signature,
            ),
            Signed::Removed(entry) => self
                .0
                .iter()
                .any(|key| over(key, installation, entry) == entry.seal),
        }
    }

    fn is_by(&self, public_key: &str, statement: &str, signature: &str) -> bool {
        let key = self.0.iter().find(|key| key.public == public_key);
        let signature = BASE64.decode(signature.as_bytes());
        let (Some(key), Ok(signature)) = (key, signature) else {
            return false;
        };
        let public = UnparsedPublicKey::new(&ED25519, key.pair.public_key().as_ref());
        public.verify(statement.as_bytes(), &signature).is_ok()
    }
}

/// The bytes of a seal.
const SEAL_BYTES: usize = 16;

fn over(key: &Key, installation: Uuid, entry: &RemovedEntry) -> Vec<u8> {
    let mut seal = key.seals.clone();
    seal.update(entry.sealed(installation).as_bytes());
    seal.finalize().into_bytes()[..SEAL_BYTES].to_vec()
}

impl Events {
    /// Signs checkpoints until `stop`, every minute. Other nodes may do so as well: of two with one number the
    /// first one stays.
    pub async fn sign_until(self, keys: CheckpointKeys, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PERIOD) => {}
            }
            if let Err(error) = self.sign_checkpoints(&keys).await {
                tracing::warn!(%error, "the log could not be signed");
            }
        }
    }

    /// Signs a checkpoint for each tenant whose log has grown since its last one.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn sign_checkpoints(&self, keys: &CheckpointKeys) -> Result<(), Error> {
        let installation = self.storage.installation_id().await?;
        let (mut after, mut signed) = (None, Vec::new());
        while let Some(log) = self.storage.find_next_log(after.as_ref()).await? {
            let has_more = log.has_more;
            if !has_more {
                after = Some(log.head.tenant_id.clone());
            }
            if log.has_grown {
                signed.push(keys.sign(installation, log));
            }
            // The next one of the same tenant goes on from this one, once it is recorded.
            if signed.len() == TOGETHER || has_more {
                let signed = std::mem::take(&mut signed);
                self.storage.record_checkpoints(signed).await?;
            }
        }
        if signed.is_empty() {
            return Ok(());
        }
        self.storage.record_checkpoints(signed).await
    }

    /// A checkpoint of the tenant's log, the last one or that with a number, and the text that it signs.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_checkpoint(
        &self,
        scope: &TenantScope,
        number: Option<i64>,
    ) -> Result<Option<(Checkpoint, String)>, Error> {
        scope.check_all(Action::ReadLog)?;
        let found = self.storage.find_checkpoint(scope, number).await?;
        let Some(checkpoint) = found else {
            return Ok(None);
        };
        let statement = checkpoint.statement(self.storage.installation_id().await?);
        Ok(Some((checkpoint, statement)))
    }
}
