//! What several nodes count together.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;

use crate::model::Rate;

/// The nodes cannot count together for now.
#[derive(Debug, thiserror::Error)]
#[error("what nodes share of quotas is not available")]
pub struct NotShared(#[source] pub Box<dyn std::error::Error + Send + Sync>);

/// Tokens that a node takes out of a bucket that all nodes share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// The tokens that were there and were taken; 0 if there were fewer than were needed.
    pub tokens: u64,
    /// The tokens that are left.
    pub left: u64,
    /// The time until as many as were needed are there.
    pub wait: Duration,
}

/// Counts for all nodes.
pub trait SharedQuotas: fmt::Debug + Send + Sync {
    /// Takes `need` tokens out of a bucket, and `more` besides if they are there.
    fn take<'a>(
        &'a self,
        key: &'a str,
        rate: Rate,
        need: u64,
        more: u64,
    ) -> BoxFuture<'a, Result<Taken, NotShared>>;

    /// Puts back tokens that were taken and not used.
    fn give_back<'a>(
        &'a self,
        key: &'a str,
        rate: Rate,
        tokens: u64,
    ) -> BoxFuture<'a, Result<(), NotShared>>;

    /// Holds `units` of `limit` for this node from now on, for `ttl`, instead of those that it held; as many as
    /// other nodes leave.
    fn hold<'a>(
        &'a self,
        key: &'a str,
        units: u64,
        limit: u64,
        ttl: Duration,
    ) -> BoxFuture<'a, Result<u64, NotShared>>;
}
