//! Hot copies in Redis, shared by all nodes.

use std::time::Duration;

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};

use super::Redis;
use crate::hot::{Error, HotCopies};

/// A copy that takes longer than this is no longer hot: the database is quicker.
const LIMIT: Duration = Duration::from_millis(250);

/// Copies under their keys in Redis. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisCopies(Redis);

impl RedisCopies {
    /// Copies that are reached by this connection.
    #[must_use]
    pub fn new(redis: &Redis) -> Self {
        Self(redis.clone())
    }

    async fn run<T: ::redis::FromRedisValue>(&self, command: &::redis::Cmd) -> Result<T, Error> {
        let result = self.0.run(command, LIMIT).await;
        result.map_err(|error| Error(Box::new(error)))
    }
}

impl HotCopies for RedisCopies {
    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        async move {
            let value: Option<Vec<u8>> = self.run(::redis::cmd("GET").arg(key)).await?;
            Ok(value.map(Bytes::from))
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
            // Redis refuses a time to live of zero.
            let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX).max(1);
            let mut command = ::redis::cmd("SET");
            command.arg(key).arg(value.as_ref()).arg("PX").arg(ttl_ms);
            self.run(&command).await
        }
        .boxed()
    }

    fn remove<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(), Error>> {
        async move { self.run(::redis::cmd("DEL").arg(key)).await }.boxed()
    }
}
