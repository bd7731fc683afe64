//! What tenants may spend on all nodes together, as a budget sees it.

use std::{fmt, time::Duration};

use futures::future::BoxFuture;

use super::super::TenantId;

/// Points that tenants may spend in a second on all nodes together. A tenant without a quota is never refused.
pub trait CostQuota: fmt::Debug + Send + Sync {
    /// Takes `cost` if it is there.
    ///
    /// # Errors
    /// The time until it is.
    fn take<'a>(&'a self, tenant: &'a TenantId, cost: u64) -> BoxFuture<'a, Result<(), Duration>>;

    /// The time to wait for `cost`, if it is known without asking anybody that it is not there.
    fn refusal(&self, tenant: &TenantId, cost: u64) -> Option<Duration>;

    /// Takes `cost`, whether it is there or not.
    fn charge(&self, tenant: &TenantId, cost: u64);

    /// Puts back what was taken and not used.
    fn give_back(&self, tenant: &TenantId, cost: u64);

    /// The time after which to look again whether the tenant owes nothing; none when it owes nothing.
    fn debt(&self, tenant: &TenantId) -> Option<Duration>;
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    };

    use futures::FutureExt as _;

    use super::{super::Budget, *};

    /// A quota that does not come back.
    #[derive(Debug)]
    struct Fixed(AtomicI64);

    impl Fixed {
        fn left(&self) -> i64 {
            self.0.load(Ordering::Relaxed)
        }
    }

    impl CostQuota for Fixed {
        fn take<'a>(&'a self, of: &'a TenantId, cost: u64) -> BoxFuture<'a, Result<(), Duration>> {
            let taken = self.refusal(of, cost).map_or(Ok(()), Err);
            if taken.is_ok() {
                self.charge(of, cost);
            }
            async move { taken }.boxed()
        }

        fn refusal(&self, _: &TenantId, cost: u64) -> Option<Duration> {
            (self.left() < i64::try_from(cost).unwrap()).then_some(Duration::MAX)
        }

        fn charge(&self, _: &TenantId, cost: u64) {
            self.0
                .fetch_sub(i64::try_from(cost).unwrap(), Ordering::Relaxed);
        }

        fn give_back(&self, _: &TenantId, cost: u64) {
            self.0
                .fetch_add(i64::try_from(cost).unwrap(), Ordering::Relaxed);
        }

        fn debt(&self, _: &TenantId) -> Option<Duration> {
            (self.left() < 0).then_some(Duration::from_secs(1))
        }
    }

    #[tokio::test]
    async fn what_is_spent_is_spent_of_the_node_and_of_the_quota_or_of_neither() {
        let (tenant, quota) = ("one".parse().unwrap(), Arc::new(Fixed(1_000.into())));
        let budget = Budget::new(1, 500).with_quota(Some(Arc::clone(&quota) as Arc<dyn CostQuota>));
        // The node gives no more than 500, whatever the quota is.
        budget.take(&tenant, 600).await.unwrap_err();
        assert_eq!(quota.left(), 1_000);
        budget.take(&tenant, 300).await.unwrap();
        assert_eq!((quota.left(), budget.charged()), (700, 300));
        budget.give_back(&tenant, 100);
        assert_eq!((quota.left(), budget.charged()), (800, 200));
        budget.take_at_once(&tenant, 200).unwrap();
        budget.charge(&tenant, 700);
        assert_eq!((quota.left(), budget.charged()), (-100, 1_100));
        // The quota refuses, and the node keeps what it has.
        let other = "other".parse().unwrap();
        budget.take(&other, 1).await.unwrap_err();
        budget.take_at_once(&other, 1).unwrap_err();
        assert_eq!(budget.charged(), 1_100);
        assert_eq!(budget.debt(&other), Some(Duration::from_secs(1)));
    }
}
