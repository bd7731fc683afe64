//! Each tenant's share of this node: how much its requests may cost in a second, and how many of
//! them run at the same time.

use std::{
    collections::HashMap,
    num::NonZeroU32,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use async_graphql::parser::types::OperationType;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use super::Limits;
use crate::{
    api::{ApiError, ErrorCode},
    model::TenantId,
};

/// The shares.
pub(super) struct Tenants {
    costs: DefaultKeyedRateLimiter<TenantId>,
    running: Arc<Mutex<HashMap<TenantId, usize>>>,
    most_running: usize,
    taken: AtomicU64,
}

/// After so many requests, tenants that have asked for nothing lately are forgotten.
const FORGET_EVERY: u64 = 4096;

/// A place among the operations that run; given back when it is dropped.
pub(crate) struct Ticket {
    tenant: TenantId,
    running: Arc<Mutex<HashMap<TenantId, usize>>>,
}

impl Tenants {
    pub(super) fn new(limits: &Limits) -> Self {
        let per_second = u32::try_from(limits.cost_per_second).unwrap_or(u32::MAX);
        // What one request may cost must fit into what is saved up.
        let most = u32::try_from(limits.cost).unwrap_or(u32::MAX);
        let at_least_one = |number: u32| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::per_second(at_least_one(per_second));
        let quota = quota.allow_burst(at_least_one(per_second.max(most)));
        Self {
            costs: RateLimiter::keyed(quota),
            running: Arc::default(),
            most_running: limits.concurrent_operations,
            taken: AtomicU64::default(),
        }
    }

    /// Takes what something costs, at least 1.
    pub(super) fn pay(&self, tenant: &TenantId, cost: u64) -> Result<(), ApiError> {
        if self.taken.fetch_add(1, Ordering::Relaxed) % FORGET_EVERY == FORGET_EVERY - 1 {
            self.costs.retain_recent();
            self.costs.shrink_to_fit();
        }
        let cost = u32::try_from(cost).ok().and_then(NonZeroU32::new);
        let cost = cost.unwrap_or(NonZeroU32::MIN);
        if matches!(self.costs.check_key_n(tenant, cost), Ok(Ok(()))) {
            return Ok(());
        }
        let message = "the tenant asks for more than its share; try again in a second";
        Err(ApiError::new(ErrorCode::RateLimited, message))
    }

    /// Takes what a request costs, and for a query or mutation a place to run.
    pub(super) fn take(
        &self,
        tenant: &TenantId,
        cost: u64,
        kind: OperationType,
    ) -> Result<Option<Ticket>, ApiError> {
        let busy = |message| Err(ApiError::new(ErrorCode::RateLimited, message));
        self.pay(tenant, cost)?;
        if kind == OperationType::Subscription {
            return Ok(None);
        }
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(tenant.clone()).or_default();
        if *count >= self.most_running {
            return busy("too many operations of the tenant run at the same time; try again");
        }
        *count += 1;
        Ok(Some(Ticket {
            tenant: tenant.clone(),
            running: Arc::clone(&self.running),
        }))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = running.get_mut(&self.tenant) {
            *count -= 1;
            if *count == 0 {
                running.remove(&self.tenant);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn one_tenant_cannot_take_the_places_of_another() {
        let tenants = Tenants::new(&Limits {
            concurrent_operations: 1,
            ..Limits::default()
        });
        let (one, two): (TenantId, TenantId) = ("one".parse().unwrap(), "two".parse().unwrap());
        let ticket = tenants.take(&one, 1, OperationType::Query).unwrap();
        let refused = tenants.take(&one, 1, OperationType::Query);
        assert_eq!(refused.err().unwrap().code(), ErrorCode::RateLimited);
        assert!(
            tenants
                .take(&one, 1, OperationType::Subscription)
                .unwrap()
                .is_none()
        );
        assert!(tenants.take(&two, 1, OperationType::Mutation).is_ok());
        drop(ticket);
        assert!(tenants.take(&one, 1, OperationType::Query).is_ok());
    }

    #[test]
    fn tenants_that_ask_no_more_are_forgotten() {
        let tenants = Tenants::new(&Limits::default());
        for n in 0..3 * FORGET_EVERY {
            let tenant = format!("t{n}").parse().unwrap();
            assert!(tenants.take(&tenant, 1, OperationType::Query).is_ok());
        }
        assert!(tenants.costs.len() < 3 * usize::try_from(FORGET_EVERY).unwrap());
        assert!(tenants.running.lock().unwrap().is_empty());
    }

    #[test]
    fn what_is_used_up_is_used_up_for_one_tenant() {
        let tenants = Tenants::new(&Limits {
            cost: 100,
            cost_per_second: 1,
            ..Limits::default()
        });
        let (one, two): (TenantId, TenantId) = ("one".parse().unwrap(), "two".parse().unwrap());
        assert!(tenants.take(&one, 100, OperationType::Query).is_ok());
        let refused = tenants.take(&one, 100, OperationType::Query);
        assert_eq!(refused.err().unwrap().code(), ErrorCode::RateLimited);
        assert!(tenants.take(&two, 100, OperationType::Query).is_ok());
    }
}
