//! Quotas that all nodes count together, by scripts that Redis carries out as one.

use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use uuid::Uuid;

use super::Redis;
use crate::{
    model::{NodeId, Rate},
    quotas::{NotShared, SharedQuotas, Taken},
};

/// A node that waits longer takes its own share.
const LIMIT: Duration = Duration::from_millis(100);

/// A bucket of tokens: what is missing in it and when that was so, by the clock of Redis, in microseconds. Answers the
/// tokens taken, those left, and the milliseconds until as many as were needed are there. Fewer than none are put back.
const TAKE: &str = r"
local need, more = tonumber(ARGV[1]), tonumber(ARGV[2])
local burst, rate = tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local last = redis.call('HMGET', KEYS[1], 'missing', 'at')
local missing = tonumber(last[1] or '0')
missing = math.max(0, missing - math.max(0, now - tonumber(last[2] or now)) * rate / 1000000)
local there = burst - missing
local tokens, wait = 0, 0
if need < 0 or there >= need or missing == 0 then
  tokens = math.max(need, math.min(need + more, math.floor(there)))
  missing = math.max(0, missing + tokens)
else
  wait = math.ceil((math.min(need, burst) - there) * 1000 / rate)
end
redis.call('HSET', KEYS[1], 'missing', tostring(missing), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(missing * 1000 / rate) + 1000)
return {tokens, math.max(0, math.floor(burst - missing)), wait}
";

/// A place for each node: how many it holds, and until when. Answers how many it holds from now on.
const HOLD: &str = r"
local units, limit, ttl = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local others = 0
local held = redis.call('HGETALL', KEYS[1])
for i = 1, #held, 2 do
  local count, expires = string.match(held[i + 1], '^(%d+) (%d+)$')
  if tonumber(expires) <= now then
    redis.call('HDEL', KEYS[1], held[i])
  elseif held[i] ~= ARGV[1] then
    others = others + tonumber(count)
  end
end
local granted = math.max(0, math.min(units, limit - others))
if granted == 0 then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f %.0f', granted, now + ttl))
  redis.call('PEXPIRE', KEYS[1], ttl)
end
return granted
";

/// Quotas in Redis, apart for each database. Clones share the connection.
#[derive(Debug, Clone)]
pub struct RedisQuotas {
    redis: Redis,
    prefix: String,
    node: String,
}

impl RedisQuotas {
    /// Those of the nodes of a database, of which this is one.
    #[must_use]
    pub fn new(redis: &Redis, installation: Uuid, node: NodeId) -> Self {
        Self {
            redis: redis.clone(),
            prefix: format!("takeoff:{installation}:quota"),
            node: node.0.to_string(),
        }
    }

    async fn run<T: ::redis::FromRedisValue>(
        &self,
        script: &str,
        key: &str,
        arguments: &[String],
    ) -> Result<T, NotShared> {
        let mut command = ::redis::cmd("EVAL");
        let key = format!("{}:{key}", self.prefix);
        command.arg(script).arg(1).arg(key).arg(arguments);
        let answered = self.redis.run(&command, LIMIT).await;
        answered.map_err(|error| NotShared(Box::new(error)))
    }
}

impl SharedQuotas for RedisQuotas {
    fn take<'a>(
        &'a self,
        key: &'a str,
        rate: Rate,
        need: u64,
        more: u64,
    ) -> BoxFuture<'a, Result<Taken, NotShared>> {
        async move {
            let arguments = [need, more, rate.burst, rate.per_second].map(|it| it.to_string());
            let (tokens, left, wait) = self.run(TAKE, key, &arguments).await?;
            Ok(Taken {
                tokens,
                left,
                wait: Duration::from_millis(wait),
            })
        }
        .boxed()
    }

    fn give_back<'a>(
        &'a self,
        key: &'a str,
        rate: Rate,
        tokens: u64,
    ) -> BoxFuture<'a, Result<(), NotShared>> {
        async move {
            let [burst, per_second] = [rate.burst, rate.per_second].map(|it| it.to_string());
            let arguments = [format!("-{tokens}"), "0".to_owned(), burst, per_second];
            let _: (i64, u64, u64) = self.run(TAKE, key, &arguments).await?;
            Ok(())
        }
        .boxed()
    }

    fn hold<'a>(
        &'a self,
        key: &'a str,
        units: u64,
        limit: u64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<u64, NotShared>> {
        async move {
            let ttl = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
            let arguments = [
                self.node.clone(),
                units.to_string(),
                limit.to_string(),
                ttl.to_string(),
            ];
            self.run(HOLD, key, &arguments).await
        }
        .boxed()
    }
}
