//! Signed statements of how a tenant's log stands.

use std::str::FromStr;

use data_encoding::{BASE64, HEXLOWER, HEXLOWER_PERMISSIVE};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::{ChainHash, Cursor, Micros, TenantId};

/// How a tenant's log stands at a place: from the first entry to this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogHead {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The last entry.
    pub position: Cursor,
    /// The number of entries.
    pub entries: i64,
    /// The hash over all of them; zeros while there are none.
    pub hash: ChainHash,
}

/// What somebody kept of a checkpoint, to compare it later: `TENANT:NUMBER:HASH` as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptCheckpoint {
    /// The tenant.
    pub tenant_id: TenantId,
    /// The number of the checkpoint.
    pub number: i64,
    /// Its hash.
    pub hash: ChainHash,
}

/// The text is no checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a checkpoint is TENANT:NUMBER:HASH, the hash with 64 hexadecimal digits, as logCheckpoint tells them"
)]
pub struct BadKeptCheckpoint;

impl FromStr for KeptCheckpoint {
    type Err = BadKeptCheckpoint;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let read = || {
            let mut parts = text.rsplitn(3, ':');
            let hash = HEXLOWER_PERMISSIVE.decode(parts.next()?.as_bytes()).ok()?;
            Some(Self {
                hash: ChainHash::of_bytes(&hash)?,
                number: parts.next()?.parse().ok()?,
                tenant_id: parts.next()?.parse().ok()?,
            })
        };
        read().ok_or(BadKeptCheckpoint)
    }
}

/// A statement of how a tenant's log stood, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The tenant.
    pub tenant_id: TenantId,
    /// 1, 2, 3, without gaps.
    pub number: i64,
    /// The last entry that it covers.
    pub position: Cursor,
    /// The number of entries that it covers.
    pub entries: i64,
    /// The hash over all of them.
    pub hash: ChainHash,
    /// When it was signed.
    pub signed_at: Micros,
    /// The Ed25519 key that checks the signature, 32 bytes as base64.
    pub public_key: String,
    /// The Ed25519 signature of [`Self::statement`], 64 bytes as base64; empty until it is signed.
    pub signature: String,
    /// What retention has kept of the entries since the checkpoint before, if it has removed any and signed the
    /// others anew.
    pub kept: Option<KeptEntries>,
}

/// The entries that are kept of those under one checkpoint or several that follow each other, signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptEntries {
    /// The number of the first checkpoint; the others up to this one are not there any more.
    pub first: i64,
    /// The number of entries that were kept.
    pub entries: i64,
    /// The hash over them.
    pub hash: ChainHash,
    /// The Ed25519 key that checks the signature, 32 bytes as base64.
    pub public_key: String,
    /// The Ed25519 signature of [`Checkpoint::kept_statement`], 64 bytes as base64.
    pub signature: String,
}

/// An entry that retention has removed. Its hash stands for it in the hash over its tenant's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemovedEntry {
    /// The tenant.
    pub tenant_id: TenantId,
    /// Where it was.
    pub position: Cursor,
    /// Its hash, if it had one.
    pub hash: Option<ChainHash>,
    /// By which one knows that retention removed it: a code over [`Self::sealed`] that only who has the keys of
    /// checkpoints can make.
    pub seal: Vec<u8>,
}

impl RemovedEntry {
    /// The text that its seal is made of.
    #[must_use]
    pub fn sealed(&self, installation: Uuid) -> String {
        format!(
            "takeoff removed entry 1\n{installation}\n{}\n{}\n{}\n",
            self.tenant_id,
            self.position,
            self.hash.unwrap_or(ChainHash::NONE)
        )
    }
}

/// What the keys of checkpoints vouch for.
#[derive(Debug, Clone, Copy)]
pub enum Signed<'a> {
    /// How the log stood.
    Checkpoint(&'a Checkpoint),
    /// What of it was kept.
    Kept(&'a Checkpoint, &'a KeptEntries),
    /// That retention removed an entry.
    Removed(&'a RemovedEntry),
}

impl Checkpoint {
    /// The text that is signed: eight lines, each ended by a line feed.
    #[must_use]
    pub fn statement(&self, installation: Uuid) -> String {
        format!(
            "takeoff log checkpoint 1\n{installation}\n{}\n{}\n{}\n{}\n{}\n{}\n",
            self.tenant_id, self.number, self.position, self.entries, self.hash, self.signed_at
        )
    }

    /// The text that is signed of the entries that were kept: seven lines, each ended by a line feed.
    #[must_use]
    pub fn kept_statement(&self, kept: &KeptEntries, installation: Uuid) -> String {
        format!(
            "takeoff log kept 1\n{installation}\n{}\n{}-{}\n{}\n{}\n{}\n",
            self.tenant_id, kept.first, self.number, self.hash, kept.entries, kept.hash
        )
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the public key.
    #[must_use]
    pub fn key_id(&self) -> String {
        let bytes = BASE64.decode(self.public_key.as_bytes());
        HEXLOWER.encode(&Sha256::digest(bytes.unwrap_or_default())[..8])
    }
}
