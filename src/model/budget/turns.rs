//! The turns of tenants: the most that each may have going on at once while others ask, too.
//!
//! A tenant that is alone may use all of the node. Once another one asks, its requests, its costly
//! requests and its statements take turns, so that what the other one asks meets few of them.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OwnedSemaphorePermit;

use super::super::{Places, TenantId};

/// A tenant counts as asking for so long after it did.
const ASKS_FOR: Duration = Duration::from_secs(1);

/// A kind of work that a tenant has going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A request, or a batch of events on its way to a subscriber.
    Request,
    /// A request that costs more than [`price::COSTLY`](super::price::COSTLY).
    Costly,
    /// A statement of the database.
    Statement,
    /// A part of an upload that is stored, or of a download that is read.
    Content,
}

/// The turns of the tenants of a node.
#[derive(Debug)]
pub(super) struct Turns {
    asked: Mutex<Asked>,
    requests: Places,
    costly: Places,
    statements: Places,
    content: Places,
}

/// The tenant that asked last, and the last one to ask before it that is not the same.
#[derive(Debug, Default)]
struct Asked {
    last: Option<(TenantId, Instant)>,
    before: Option<(TenantId, Instant)>,
}

/// A place among the work of a tenant; none where it needs none. Given back when it is dropped.
pub type Turn = Option<OwnedSemaphorePermit>;

impl Turns {
    pub(super) fn new(cores: usize) -> Self {
        Self {
            asked: Mutex::default(),
            requests: Places::new(8 * cores),
            costly: Places::new(1),
            statements: Places::new(cores.div_ceil(2)),
            content: Places::new(cores.div_ceil(2)),
        }
    }

    /// Notes that a tenant asks.
    pub(super) fn note(&self, tenant: &TenantId, now: Instant) {
        let mut asked = lock(&self.asked);
        match &mut asked.last {
            Some((last, at)) if last == tenant => *at = now,
            _ => asked.before = asked.last.replace((tenant.clone(), now)),
        }
    }

    /// Returns whether another tenant asks, too.
    pub(super) fn are_bounded(&self, tenant: &TenantId, now: Instant) -> bool {
        let asked = lock(&self.asked);
        let is_another = |asked: &&(TenantId, Instant)| asked.0 != *tenant;
        let other = asked.last.as_ref().filter(is_another);
        let other = other.or(asked.before.as_ref().filter(is_another));
        other.is_some_and(|(_, at)| now.saturating_duration_since(*at) < ASKS_FOR)
    }

    /// Waits until the tenant may have one more going on.
    pub(super) async fn turn(&self, tenant: &TenantId, work: Work, now: Instant) -> Turn {
        if !self.are_bounded(tenant, now) {
            return None;
        }
        let places = match work {
            Work::Request => &self.requests,
            Work::Costly => &self.costly,
            Work::Statement => &self.statements,
            Work::Content => &self.content,
        };
        places.take(tenant).await
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn tenants() -> [TenantId; 2] {
        ["one", "two"].map(|name| name.parse().unwrap())
    }

    #[tokio::test]
    async fn a_tenant_takes_turns_only_while_another_one_asks() {
        let (turns, [one, two], now) = (Turns::new(2), tenants(), Instant::now());
        turns.note(&one, now);
        assert!(turns.turn(&one, Work::Costly, now).await.is_none());
        turns.note(&two, now);
        turns.note(&one, now);
        let held = turns.turn(&one, Work::Costly, now).await;
        assert!(held.is_some());
        assert!(turns.turn(&one, Work::Costly, now).now_or_never().is_none());
        assert!(turns.turn(&one, Work::Statement, now).await.is_some());
        assert!(turns.turn(&two, Work::Costly, now).await.is_some());
        drop(held);
        assert!(turns.turn(&one, Work::Costly, now).await.is_some());
        let later = now + ASKS_FOR;
        for _ in 0..3 {
            let alone = turns.turn(&one, Work::Costly, later).now_or_never();
            assert!(matches!(alone, Some(None)));
        }
    }
}
