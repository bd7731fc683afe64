//! Quotas, and what is left of them.

use async_graphql::{Enum, SimpleObject};

use super::scalars::BigInt;
use crate::quotas::{self, Left};

/// What is limited.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "quotas::Quota")]
pub(crate) enum QuotaKind {
    /// Intents that the tenant submits in a second.
    Submits,
    /// Intents that the caller's key submits in a second, or the user whose token it brings.
    CallerSubmits,
    /// Executions of the tenant that have not ended.
    Executions,
    /// Bytes of content of the tenant's artifacts.
    StoredBytes,
    /// Subscriptions and event streams of the tenant that are open.
    Subscriptions,
    /// Sockets of the API over WebSocket that the tenant has open.
    Sockets,
    /// Points of cost that the tenant spends in a second. A request of the largest cost is saved up, so more may be left
    /// than the limit.
    Cost,
}

/// A quota, and what is left of it.
#[derive(SimpleObject)]
pub(crate) struct RateLimit {
    /// What is limited.
    quota: QuotaKind,
    /// The most.
    limit: BigInt,
    /// What is left of it, as far as the node knows that answers.
    remaining: BigInt,
    /// Milliseconds until all of it is there again; 0 for what does not come back with time alone.
    reset_ms: BigInt,
}

impl From<Left> for RateLimit {
    fn from(left: Left) -> Self {
        let whole = |count: u64| BigInt(i64::try_from(count).unwrap_or(i64::MAX));
        let reset_ms = u64::try_from(left.reset.as_millis()).unwrap_or(u64::MAX);
        Self {
            quota: left.quota.into(),
            limit: whole(left.limit),
            remaining: whole(left.remaining),
            reset_ms: whole(reset_ms),
        }
    }
}
