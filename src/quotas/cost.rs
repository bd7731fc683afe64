//! The points of cost that a tenant may spend in a second, which budgets take from whatever way a request comes in by.

use std::{sync::Arc, time::Duration};

use futures::future::{BoxFuture, FutureExt as _};

use super::{Quota, Quotas, drawn::Allowance, rates::Uses};
use crate::model::{CostQuota, TenantId};

impl Quotas {
    /// The quotas of cost for the budget of the node; none where no tenant has one.
    #[must_use]
    pub fn of_cost(&self) -> Option<Arc<dyn CostQuota>> {
        let settings = &self.0.settings;
        let mut limits = settings.tenants.values().chain([&settings.default]);
        let is_any = limits.any(|limits| limits.contains_key(&Quota::Cost));
        is_any.then(|| Arc::new(self.clone()) as Arc<dyn CostQuota>)
    }

    /// What a tenant spends, if it has a quota.
    pub(super) fn cost(&self, tenant: &TenantId) -> Option<Arc<Uses>> {
        let this = &*self.0;
        let limit = this.settings.limit(tenant, Quota::Cost)?;
        let new = || {
            let of = Allowance::of_cost(limit, this.settings.largest_cost);
            Arc::new(Uses::new(format!("{}:{tenant}", Quota::Cost), of))
        };
        Some(match this.cost.get(tenant) {
            Some(uses) => uses,
            None => this.cost.get_with(tenant.clone(), new),
        })
    }
}

impl CostQuota for Quotas {
    fn take<'a>(&'a self, tenant: &'a TenantId, cost: u64) -> BoxFuture<'a, Result<(), Duration>> {
        async move {
            match self.cost(tenant) {
                Some(uses) => uses.take(&self.0.common, cost).await,
                None => Ok(()),
            }
        }
        .boxed()
    }

    fn refusal(&self, tenant: &TenantId, cost: u64) -> Option<Duration> {
        self.cost(tenant)?.refusal(&self.0.common, cost)
    }

    fn charge(&self, tenant: &TenantId, cost: u64) {
        if let Some(uses) = self.cost(tenant) {
            uses.charge(&self.0.common, cost);
        }
    }

    fn give_back(&self, tenant: &TenantId, cost: u64) {
        if let Some(uses) = self.cost(tenant) {
            uses.give_back(&self.0.common, cost);
        }
    }

    fn debt(&self, tenant: &TenantId) -> Option<Duration> {
        self.cost(tenant)?.debt(&self.0.common)
    }
}
