//! For how long what has ended is kept.

use std::{collections::HashMap, time::Duration};

use crate::{
    model::{ExecutionStatus, Micros, TenantId},
    storage::Ended,
};

/// For how long executions are kept after their end, by how they ended; for ever if none.
pub type KeptTimes = HashMap<ExecutionStatus, Option<Micros>>;

/// The settings of retention.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Retention {
    /// Unless something else is set.
    pub executions: KeptTimes,
    /// For a tenant.
    pub tenants: HashMap<TenantId, KeptTimes>,
    /// For an intent type, which counts more than the tenant.
    pub types: HashMap<String, KeptTimes>,
    /// What has ended besides executions, each kind with its time; for ever if it is not there.
    pub ended: HashMap<Ended, Micros>,
    /// For how long content is kept to which nothing refers, and then once more as long withdrawn; for ever if none.
    pub unreferenced: Option<Micros>,
    /// The period at which is looked for what may go.
    pub period: Duration,
}

/// The ends of executions.
pub(super) const ENDS: [ExecutionStatus; 3] = [
    ExecutionStatus::Completed,
    ExecutionStatus::Failed,
    ExecutionStatus::Cancelled,
];

impl Retention {
    /// For how long executions of a tenant and a type are kept that ended in this way; for ever if none.
    pub(super) fn kept_for(
        &self,
        tenant: &TenantId,
        intent_type: &str,
        end: ExecutionStatus,
    ) -> Option<Micros> {
        let of_type = self.types.get(intent_type);
        match of_type.and_then(|times| times.get(&end)) {
            Some(kept) => *kept,
            None => self.of_tenant(tenant, end),
        }
    }

    /// The shortest of these times, of whatever type.
    pub(super) fn least(&self, tenant: &TenantId, end: ExecutionStatus) -> Option<Micros> {
        let of_types = self.types.values();
        let of_types = of_types.filter_map(|times| times.get(&end).copied().flatten());
        of_types.chain(self.of_tenant(tenant, end)).min()
    }

    fn of_tenant(&self, tenant: &TenantId, end: ExecutionStatus) -> Option<Micros> {
        let own = self.tenants.get(tenant);
        let own = own.and_then(|times| times.get(&end));
        own.or_else(|| self.executions.get(&end)).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_counts_more_than_a_tenant_and_a_tenant_more_than_the_rest() {
        let own = |completed| KeptTimes::from([(ExecutionStatus::Completed, completed)]);
        let acme = TenantId::stored("acme");
        let retention = Retention {
            executions: KeptTimes::from([
                (ExecutionStatus::Completed, Some(90)),
                (ExecutionStatus::Failed, Some(80)),
                (ExecutionStatus::Cancelled, None),
            ]),
            tenants: HashMap::from([(acme.clone(), own(Some(30)))]),
            types: HashMap::from([("log".into(), own(Some(5))), ("deed".into(), own(None))]),
            ended: HashMap::new(),
            unreferenced: None,
            period: Duration::ZERO,
        };
        let (other, completed) = (TenantId::stored("other"), ExecutionStatus::Completed);
        let kept = |tenant, name, end| retention.kept_for(tenant, name, end);
        assert_eq!(kept(&acme, "echo", completed), Some(30));
        assert_eq!(kept(&other, "echo", completed), Some(90));
        assert_eq!(kept(&acme, "log", completed), Some(5));
        assert_eq!(kept(&acme, "deed", completed), None);
        assert_eq!(kept(&acme, "log", ExecutionStatus::Failed), Some(80));
        assert_eq!(kept(&acme, "log", ExecutionStatus::Cancelled), None);
        assert_eq!(retention.least(&other, completed), Some(5));
        assert_eq!(retention.least(&acme, ExecutionStatus::Failed), Some(80));
        assert_eq!(retention.least(&acme, ExecutionStatus::Cancelled), None);
    }
}
