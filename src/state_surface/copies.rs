//! Copies of states near by. A copy is taken only for the version that the database names, and only
//! if this cluster made it for this very key: it bears an HMAC over key, version and state.

use std::{sync::Arc, time::Duration};

use bytes::{BufMut, Bytes, BytesMut};
use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::{
    hot::HotCopies,
    model::{ExecutionId, RawJson, SessionId, TenantScope, hmac_by},
    storage::StateStamp,
};

/// The time for which a copy is kept after it was last written.
const TTL: Duration = Duration::from_mins(15);
const MARK_BYTES: usize = 32;
/// Mark, version, time.
const HEAD_BYTES: usize = MARK_BYTES + 16;

type Marker = Hmac<Sha256>;

/// The key that marks the copies of one cluster.
#[derive(Clone)]
pub struct CopyKey([u8; 32]);

impl CopyKey {
    /// A key that only who knows `secret` can make.
    #[must_use]
    pub fn derived(secret: &[u8]) -> Self {
        use sha2::Digest;
        let mut hasher = Sha256::new();
        hasher.update(b"takeoff hot copies 1\0");
        hasher.update(secret);
        Self(hasher.finalize().into())
    }
}

impl std::fmt::Debug for CopyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CopyKey")
    }
}

/// The copies of states. A failure is taken for absence.
pub(super) struct Copies {
    hot: Arc<dyn HotCopies>,
    marker: Marker,
}

impl std::fmt::Debug for Copies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Copies")
            .field("hot", &self.hot)
            .finish_non_exhaustive()
    }
}

pub(super) fn session_key(scope: &TenantScope, id: SessionId) -> String {
    format!("session:{}:{id}", scope.tenant())
}

pub(super) fn execution_key(scope: &TenantScope, id: ExecutionId) -> String {
    format!("execution:{}:{id}", scope.tenant())
}

impl Copies {
    pub(super) fn new(hot: Arc<dyn HotCopies>, key: &CopyKey) -> Self {
        let marker = hmac_by(&key.0);
        Self { hot, marker }
    }

    /// The state under `key` if it is that of `stamp`.
    pub(super) async fn find(&self, key: &str, stamp: StateStamp) -> Option<RawJson> {
        match self.hot.get(key).await {
            Ok(copy) => self.open(key, stamp, &copy?),
            Err(error) => {
                tracing::debug!(error = &error as &dyn std::error::Error, key, "no hot copy");
                None
            }
        }
    }

    /// Keeps `state`, which is that of `stamp`.
    pub(super) async fn keep(&self, key: &str, stamp: StateStamp, state: &RawJson) {
        let copy = self.seal(key, stamp, state);
        if let Err(error) = self.hot.put(key, copy, TTL).await {
            tracing::debug!(
                error = &error as &dyn std::error::Error,
                key,
                "not kept hot"
            );
        }
    }

    /// Drops what is under `key`.
    pub(super) async fn drop(&self, key: &str) {
        if let Err(error) = self.hot.remove(key).await {
            tracing::debug!(error = &error as &dyn std::error::Error, key, "not removed");
        }
    }

    fn seal(&self, key: &str, stamp: StateStamp, state: &RawJson) -> Bytes {
        let state = state.as_str().as_bytes();
        let mut copy = BytesMut::with_capacity(HEAD_BYTES + state.len());
        copy.put_bytes(0, MARK_BYTES);
        copy.put_i64(stamp.version);
        copy.put_i64(stamp.updated_at);
        copy.put_slice(state);
        let mark = self.marked(key, &copy[MARK_BYTES..]).finalize();
        copy[..MARK_BYTES].copy_from_slice(&mark.into_bytes());
        copy.freeze()
    }

    fn open(&self, key: &str, stamp: StateStamp, copy: &[u8]) -> Option<RawJson> {
        let (mark, marked) = copy.split_at_checked(MARK_BYTES)?;
        let (version, rest) = marked.split_first_chunk()?;
        let (updated_at, state) = rest.split_first_chunk()?;
        let found = StateStamp {
            version: i64::from_be_bytes(*version),
            updated_at: i64::from_be_bytes(*updated_at),
        };
        if found != stamp {
            return None;
        }
        self.marked(key, marked).verify_slice(mark).ok()?;
        let state = std::str::from_utf8(state).ok()?;
        Some(RawJson::trusted(state.to_owned()))
    }

    /// The key is framed by its length, so that no part of it can pass for a part of the rest.
    fn marked(&self, key: &str, rest: &[u8]) -> Marker {
        let mut marker = self.marker.clone();
        marker.update(&(key.len() as u64).to_be_bytes());
        marker.update(key.as_bytes());
        marker.update(rest);
        marker
    }
}
