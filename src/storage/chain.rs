//! The chains of the log. The hash of an entry is the SHA-256 of the hash of the entry before it in its stream
//! (32 zero bytes for the first) and of all that is stored of the entry itself: numbers as eight bytes, the
//! highest first; ids as their sixteen bytes; text behind its length, and behind a byte that says whether there
//! is any where it may be absent. The hash over a tenant's log is the SHA-256 of the one before (zeros at first)
//! and the hash of the next entry, in the order of the whole log.
//!
//! The entries that an earlier version of the server wrote have no hash: the chain of a stream begins behind
//! them, and none comes after it has begun. In the hash over a tenant's log zeros stand for the hash of each.

use entity::event;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Error;
use crate::model::ChainHash;

const OF_ENTRY: &[u8] = b"takeoff log entry 1";
const OF_LOG: &[u8] = b"takeoff log 1";

/// The columns of an entry that its hash covers.
pub(super) struct Entry<'a> {
    pub(super) stream_id: Uuid,
    pub(super) seq: i64,
    pub(super) stream_kind: i64,
    pub(super) tenant_id: &'a str,
    pub(super) session_id: Uuid,
    pub(super) intent_type: Option<&'a str>,
    pub(super) event_type: &'a str,
    pub(super) data: &'a str,
    pub(super) payload: Option<&'a str>,
    pub(super) tx: i64,
    pub(super) ord: i64,
    pub(super) occurred_at: i64,
    pub(super) actor: Option<&'a str>,
}

impl<'a> Entry<'a> {
    /// An entry as it is stored.
    pub(super) fn of(row: &'a event::Model) -> Self {
        // By name, so that a new column cannot be forgotten.
        let event::Model {
            stream_id,
            seq,
            stream_kind,
            tenant_id,
            session_id,
            intent_type,
            event_type,
            data,
            payload,
            tx,
            ord,
            occurred_at,
            actor,
            hash: _,
        } = row;
        Self {
            stream_id: *stream_id,
            seq: *seq,
            stream_kind: *stream_kind,
            tenant_id,
            session_id: *session_id,
            intent_type: intent_type.as_deref(),
            event_type,
            data,
            payload: payload.as_deref(),
            tx: *tx,
            ord: *ord,
            occurred_at: *occurred_at,
            actor: actor.as_deref(),
        }
    }

    /// The hash of the entry, which comes after one with the hash `before`.
    pub(super) fn hash(&self, before: Option<ChainHash>) -> ChainHash {
        let mut hasher = Sha256::new();
        hasher.update(OF_ENTRY);
        hasher.update(before.unwrap_or(ChainHash::NONE).0);
        hasher.update(self.stream_id.as_bytes());
        hasher.update(self.session_id.as_bytes());
        for number in [
            self.seq,
            self.stream_kind,
            self.tx,
            self.ord,
            self.occurred_at,
        ] {
            hasher.update(number.to_be_bytes());
        }
        for text in [self.tenant_id, self.event_type, self.data] {
            add(&mut hasher, text);
        }
        for text in [self.intent_type, self.payload, self.actor] {
            hasher.update([u8::from(text.is_some())]);
            add(&mut hasher, text.unwrap_or_default());
        }
        ChainHash(hasher.finalize().into())
    }
}

fn add(hasher: &mut Sha256, text: &str) {
    hasher.update((text.len() as u64).to_be_bytes());
    hasher.update(text.as_bytes());
}

/// The hash over a tenant's log up to an entry: `before`, then the entry with the hash `entry`.
pub(super) fn joined(before: ChainHash, entry: ChainHash) -> ChainHash {
    let mut hasher = Sha256::new();
    hasher.update(OF_LOG);
    hasher.update(before.0);
    hasher.update(entry.0);
    ChainHash(hasher.finalize().into())
}

/// A hash as it is stored.
pub(super) fn stored(bytes: Option<Vec<u8>>) -> Result<Option<ChainHash>, Error> {
    let hash = |bytes: Vec<u8>| {
        ChainHash::of_bytes(&bytes).ok_or(Error::Corrupt {
            what: "hash of the log",
            source: None,
        })
    };
    bytes.map(hash).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> event::Model {
        event::Model {
            stream_id: Uuid::from_u128(1),
            seq: 2,
            stream_kind: 3,
            tenant_id: "t".into(),
            session_id: Uuid::from_u128(4),
            intent_type: Some("i".into()),
            event_type: "e".into(),
            data: "{}".into(),
            payload: Some("p".into()),
            tx: 5,
            ord: 6,
            occurred_at: 7,
            actor: Some("a".into()),
            hash: None,
        }
    }

    fn hash_of(change: impl FnOnce(&mut event::Model)) -> ChainHash {
        let mut row = entry();
        change(&mut row);
        Entry::of(&row).hash(None)
    }

    #[test]
    fn every_part_of_an_entry_is_under_its_hash() {
        let before = Entry::of(&entry()).hash(Some(ChainHash([1; 32])));
        let all = [
            hash_of(|_| {}),
            before,
            hash_of(|row| row.stream_id = Uuid::from_u128(9)),
            hash_of(|row| row.seq = 9),
            hash_of(|row| row.stream_kind = 9),
            hash_of(|row| row.tenant_id = "9".into()),
            hash_of(|row| row.session_id = Uuid::from_u128(9)),
            hash_of(|row| row.intent_type = None),
            hash_of(|row| row.intent_type = Some(String::new())),
            hash_of(|row| row.event_type = "9".into()),
            hash_of(|row| row.data = "9".into()),
            hash_of(|row| row.payload = None),
            hash_of(|row| row.tx = 9),
            hash_of(|row| row.ord = 9),
            hash_of(|row| row.occurred_at = 9),
            hash_of(|row| row.actor = None),
            // The same letters, divided otherwise.
            hash_of(|row| (row.tenant_id, row.event_type) = ("te".into(), String::new())),
        ];
        let distinct: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
    }

    #[test]
    fn the_hash_of_an_entry_never_changes() {
        // Databases hold hashes that were made by this.
        let hash = hash_of(|_| {}).to_string();
        let expected = "cd3356d0fb07db15c6cd6baeb3abf450335c65912870c5da78c079f8b9840b32";
        assert_eq!(hash, expected);
        let joined = joined(ChainHash::NONE, ChainHash([1; 32])).to_string();
        let expected = "15ff08fd9d2536b04b8a902d5426c64d8e16428c5a4589e91763536ee7c562f5";
        assert_eq!(joined, expected);
    }
}
