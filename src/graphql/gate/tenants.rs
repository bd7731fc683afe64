//! The bound on the requests of a tenant that run on this node at the same time.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::GateLimits;
use crate::{
    api::{ApiError, ErrorCode},
    model::TenantId,
};

/// The tenants whose requests run.
pub(super) struct Tenants {
    running: Arc<Mutex<HashMap<TenantId, usize>>>,
    most_running: usize,
}

/// A place among the operations that run; given back when it is dropped.
pub(crate) struct Ticket {
    tenant: TenantId,
    running: Arc<Mutex<HashMap<TenantId, usize>>>,
}

impl Tenants {
    pub(super) fn new(limits: &GateLimits) -> Self {
        Self {
            running: Arc::default(),
            most_running: limits.concurrent_operations,
        }
    }

    /// Takes a place to run.
    pub(super) fn take(&self, tenant: &TenantId) -> Result<Ticket, ApiError> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let count = running.entry(tenant.clone()).or_default();
        if *count >= self.most_running {
            let message = "too many operations of the tenant run at the same time; try again";
            return Err(ApiError::new(ErrorCode::RateLimited, message));
        }
        *count += 1;
        Ok(Ticket {
            tenant: tenant.clone(),
            running: Arc::clone(&self.running),
        })
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
        let tenants = Tenants::new(&GateLimits {
            concurrent_operations: 1,
            ..GateLimits::default()
        });
        let (one, two): (TenantId, TenantId) = ("one".parse().unwrap(), "two".parse().unwrap());
        let ticket = tenants.take(&one).unwrap();
        let refused = tenants.take(&one);
        assert_eq!(refused.err().unwrap().code(), ErrorCode::RateLimited);
        assert!(tenants.take(&two).is_ok());
        drop(ticket);
        assert!(tenants.take(&one).is_ok());
        assert!(tenants.running.lock().unwrap().is_empty());
    }
}
