//! Checkpoints of the log to rows and back.

use entity::{checkpoint, removed_entry};

use super::{
    super::{Error, chain},
    known,
};
use crate::model::{ChainHash, Checkpoint, Cursor, KeptEntries, RemovedEntry, TenantId};

/// What cannot be read.
const WHAT: &str = "checkpoint";

impl From<Checkpoint> for checkpoint::Model {
    fn from(checkpoint: Checkpoint) -> Self {
        let position = checkpoint.position;
        let kept = checkpoint.kept;
        Self {
            tenant_id: checkpoint.tenant_id.to_string(),
            number: checkpoint.number,
            tx: position.tx,
            ord: position.ord,
            seq: position.seq,
            entries: checkpoint.entries,
            hash: checkpoint.hash.0.to_vec(),
            signed_at: checkpoint.signed_at,
            public_key: checkpoint.public_key,
            signature: checkpoint.signature,
            kept_first: kept.as_ref().map(|kept| kept.first),
            kept_entries: kept.as_ref().map(|kept| kept.entries),
            kept_hash: kept.as_ref().map(|kept| kept.hash.0.to_vec()),
            kept_public_key: kept.as_ref().map(|kept| kept.public_key.clone()),
            kept_signature: kept.map(|kept| kept.signature),
        }
    }
}

impl TryFrom<checkpoint::Model> for Checkpoint {
    type Error = Error;

    fn try_from(row: checkpoint::Model) -> Result<Self, Error> {
        let checkpoint::Model {
            tenant_id,
            number,
            tx,
            ord,
            seq,
            entries,
            hash,
            signed_at,
            public_key,
            signature,
            kept_first,
            kept_entries,
            kept_hash,
            kept_public_key,
            kept_signature,
        } = row;
        let kept = match kept_first {
            None => None,
            Some(first) => Some(KeptEntries {
                first,
                entries: known(kept_entries, WHAT)?,
                hash: known(kept_hash.and_then(|hash| ChainHash::of_bytes(&hash)), WHAT)?,
                public_key: known(kept_public_key, WHAT)?,
                signature: known(kept_signature, WHAT)?,
            }),
        };
        Ok(Self {
            tenant_id: TenantId::stored(&tenant_id),
            number,
            position: Cursor { tx, ord, seq },
            entries,
            hash: known(ChainHash::of_bytes(&hash), "hash of a checkpoint")?,
            signed_at,
            public_key,
            signature,
            kept,
        })
    }
}

impl From<RemovedEntry> for removed_entry::Model {
    fn from(entry: RemovedEntry) -> Self {
        Self {
            tenant_id: entry.tenant_id.to_string(),
            tx: entry.position.tx,
            ord: entry.position.ord,
            seq: entry.position.seq,
            hash: entry.hash.map(|hash| hash.0.to_vec()),
            seal: Some(entry.seal),
        }
    }
}

impl TryFrom<removed_entry::Model> for RemovedEntry {
    type Error = Error;

    fn try_from(row: removed_entry::Model) -> Result<Self, Error> {
        let removed_entry::Model {
            tenant_id,
            tx,
            ord,
            seq,
            hash,
            seal,
        } = row;
        Ok(Self {
            tenant_id: TenantId::stored(&tenant_id),
            position: Cursor { tx, ord, seq },
            hash: chain::stored(hash)?,
            seal: seal.unwrap_or_default(),
        })
    }
}
