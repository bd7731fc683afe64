//! Signed checkpoints of the log.

use async_graphql::Object;

use super::scalars::{BigInt, DateTime};
use crate::model::Checkpoint;

/// A checkpoint with the text that it signs.
pub(crate) struct LogCheckpoint {
    pub(crate) checkpoint: Checkpoint,
    pub(crate) statement: String,
}

/// A signed statement of how the tenant's log stood. Whoever keeps one can ask for the checkpoint with its number
/// later: if it is not the same, or is not there, the log was changed or cut off before its place.
#[Object]
impl LogCheckpoint {
    /// 1, 2, 3, without gaps.
    async fn number(&self) -> BigInt {
        BigInt(self.checkpoint.number)
    }

    /// The cursor of the last entry that it covers; `walEntries` takes it as `after`.
    async fn position(&self) -> String {
        self.checkpoint.position.to_string()
    }

    /// The number of entries that it covers, from the first one on.
    async fn entries(&self) -> BigInt {
        BigInt(self.checkpoint.entries)
    }

    /// SHA-256 over all of them, as 64 hexadecimal digits.
    async fn hash(&self) -> String {
        self.checkpoint.hash.to_string()
    }

    /// When it was signed.
    async fn signed_at(&self) -> DateTime {
        DateTime(self.checkpoint.signed_at)
    }

    /// The text that is signed: what it is, the database, the tenant, the number, the position, the number of entries,
    /// the hash and the time in microseconds, a line each.
    async fn statement(&self) -> &str {
        &self.statement
    }

    /// The Ed25519 signature of the text, as base64.
    async fn signature(&self) -> &str {
        &self.checkpoint.signature
    }

    /// The first 16 hexadecimal digits of the SHA-256 of the public key: they tell keys apart.
    async fn key_id(&self) -> String {
        self.checkpoint.key_id()
    }

    /// The Ed25519 key that checks the signature, 32 bytes as base64. It proves something to whoever knows it from
    /// elsewhere.
    async fn public_key(&self) -> &str {
        &self.checkpoint.public_key
    }
}
