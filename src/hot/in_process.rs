//! Hot copies in this process, for a server without Redis. Bounded by bytes, not by number.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt, ready};
use moka::{Expiry, sync::Cache};

use super::{Error, HotCopies};

/// The most bytes of all copies together.
const CAPACITY_BYTES: u64 = 32 * 1024 * 1024;
/// Bytes of a copy besides its key and value.
const ENTRY_OVERHEAD_BYTES: usize = 200;

#[derive(Debug, Clone)]
struct Copy {
    value: Bytes,
    ttl: Duration,
}

/// Each copy has its own time to live.
#[derive(Debug)]
struct OwnTtl;

impl Expiry<String, Copy> for OwnTtl {
    fn expire_after_create(&self, _: &String, copy: &Copy, _: Instant) -> Option<Duration> {
        Some(copy.ttl)
    }

    fn expire_after_update(
        &self,
        _: &String,
        copy: &Copy,
        _: Instant,
        _: Option<Duration>,
    ) -> Option<Duration> {
        Some(copy.ttl)
    }
}

/// Copies in memory, at most 32 MiB of them. Clones share them.
#[derive(Debug, Clone)]
pub struct InProcess(Cache<String, Copy>);

impl InProcess {
    /// No copies yet.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(CAPACITY_BYTES)
    }

    fn with_capacity(bytes: u64) -> Self {
        let weigh = |key: &String, copy: &Copy| {
            let bytes = key.len() + copy.value.len() + ENTRY_OVERHEAD_BYTES;
            u32::try_from(bytes).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder()
            .max_capacity(bytes)
            .weigher(weigh)
            .expire_after(OwnTtl);
        Self(cache.build())
    }
}

impl Default for InProcess {
    fn default() -> Self {
        Self::new()
    }
}

impl HotCopies for InProcess {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        ready(Ok(self.0.get(key).map(|copy| copy.value))).boxed()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        self.0.insert(key.to_owned(), Copy { value, ttl });
        ready(Ok(())).boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        self.0.invalidate(key);
        ready(Ok(())).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    #[tokio::test]
    async fn a_copy_is_kept_replaced_and_removed() {
        let copies = InProcess::new();
        assert_eq!(copies.get("k").await.unwrap(), None);
        copies
            .put("k", Bytes::from_static(b"a"), LONG)
            .await
            .unwrap();
        copies
            .put("k", Bytes::from_static(b"b"), LONG)
            .await
            .unwrap();
        assert_eq!(
            copies.get("k").await.unwrap(),
            Some(Bytes::from_static(b"b"))
        );
        copies.remove("k").await.unwrap();
        assert_eq!(copies.get("k").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_copy_without_time_left_is_gone() {
        let copies = InProcess::new();
        copies
            .put("k", Bytes::from_static(b"a"), Duration::ZERO)
            .await
            .unwrap();
        assert_eq!(copies.get("k").await.unwrap(), None);
    }

    #[tokio::test]
    async fn copies_do_not_outgrow_their_bytes() {
        let copies = InProcess::with_capacity(100_000);
        for n in 0..100 {
            let value = Bytes::from(vec![7; 10_000]);
            copies.put(&format!("k{n}"), value, LONG).await.unwrap();
        }
        copies.0.run_pending_tasks();
        assert!(copies.0.weighted_size() <= 100_000);
        assert!(copies.0.entry_count() > 0);
    }
}
