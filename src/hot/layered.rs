//! Copies in this process before those that all nodes share: asking the process costs nothing.
//!
//! A copy here may be older than the shared one. Whoever reads it compares it with the database
//! anyway, and puts the newer one in its place.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::{Error, HotCopies, InProcess};

/// The time for which a state of the shared copies is kept here.
const NEAR_TTL: Duration = Duration::from_mins(5);

/// Copies here and elsewhere.
#[derive(Debug)]
pub struct Layered<T> {
    near: InProcess,
    shared: T,
}

impl<T: HotCopies> Layered<T> {
    /// Nothing here yet, before `shared`.
    #[must_use]
    pub fn new(shared: T) -> Self {
        let near = InProcess::new();
        Self { near, shared }
    }
}

impl<T: HotCopies> HotCopies for Layered<T> {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            if let Some(copy) = self.near.get(key).await? {
                return Ok(Some(copy));
            }
            let found = self.shared.get(key).await?;
            if let Some(copy) = &found {
                self.near.put(key, copy.clone(), NEAR_TTL).await?;
            }
            Ok(found)
        }
        .boxed()
    }

    fn put<'a>(
        &'a self,
        key: &'a str,
        value: Bytes,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.near.put(key, value.clone(), ttl).await?;
            self.shared.put(key, value, ttl).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            self.near.remove(key).await?;
            self.shared.remove(key).await
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_mins(10);

    #[tokio::test]
    async fn what_another_node_keeps_is_found_and_then_is_here() {
        let shared = InProcess::new();
        let (ours, theirs) = (Layered::new(shared.clone()), Layered::new(shared.clone()));
        theirs
            .put("k", Bytes::from_static(b"a"), LONG)
            .await
            .unwrap();
        assert_eq!(ours.get("k").await.unwrap().as_deref(), Some(&b"a"[..]));
        shared.remove("k").await.unwrap();
        assert_eq!(ours.get("k").await.unwrap().as_deref(), Some(&b"a"[..]));
        ours.remove("k").await.unwrap();
        assert_eq!(ours.get("k").await.unwrap(), None);
    }
}
