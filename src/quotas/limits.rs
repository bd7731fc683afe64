//! The limits of tenants and callers.

use std::{collections::BTreeMap, fmt};

use crate::model::TenantId;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Quota {
    /// Intents that a tenant submits, in a second.
    Submits,
    /// Intents that one key, one user of an issuer, or one actor of a key's access tokens, submits, in a second.
    CallerSubmits,
    /// Executions of a tenant that have not ended.
    Executions,
    /// Bytes of content of a tenant.
    StoredBytes,
    /// Subscriptions and event streams of a tenant that are open.
    Subscriptions,
    /// Sockets of the API over WebSocket that a tenant has open.
    Sockets,
    /// Points of cost that a tenant spends, in a second.
    Cost,
}

impl Quota {
    /// Each of them.
    pub const ALL: [Self; 7] = [
        Self::Submits,
        Self::CallerSubmits,
        Self::Executions,
        Self::StoredBytes,
        Self::Subscriptions,
        Self::Sockets,
        Self::Cost,
    ];

    /// Its name in the configuration and in keys of Redis.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Submits => "submits_per_second",
            Self::CallerSubmits => "caller_submits_per_second",
            Self::Executions => "executions",
            Self::StoredBytes => "stored_bytes",
            Self::Subscriptions => "subscriptions",
            Self::Sockets => "sockets",
            Self::Cost => "cost_per_second",
        }
    }
}

impl fmt::Display for Quota {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The limits of one tenant; what is not there is not limited.
pub type QuotaLimits = BTreeMap<Quota, u64>;

/// The limits of all tenants.
#[derive(Debug, Clone, Default)]
pub struct QuotaSettings {
    /// Those of a tenant that has none of its own.
    pub default: QuotaLimits,
    /// Those that some tenants have instead.
    pub tenants: BTreeMap<TenantId, QuotaLimits>,
    /// The most points that one request costs. As many can always be saved up.
    pub largest_cost: u64,
}

impl QuotaSettings {
    /// Returns whether nothing is limited.
    #[must_use]
    pub fn are_none(&self) -> bool {
        self.default.is_empty() && self.tenants.values().all(QuotaLimits::is_empty)
    }

    /// The limit of a tenant, if there is one.
    #[must_use]
    pub fn limit(&self, tenant: &TenantId, quota: Quota) -> Option<u64> {
        let own = self.tenants.get(tenant);
        let own = own.and_then(|limits| limits.get(&quota));
        own.or_else(|| self.default.get(&quota)).copied()
    }
}
