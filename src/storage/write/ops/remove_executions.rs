//! Removes executions that have ended, with all that is theirs but their artifacts.

use uuid::Uuid;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    removal::{RemovedLog, RetoldArtifact},
    working::Working,
};
use crate::model::TenantId;

/// Removes executions of a tenant that have ended.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RemoveExecutions {
    pub(in crate::storage) tenant: TenantId,
    pub(in crate::storage) executions: Vec<Uuid>,
    /// The keys by which those among them that have a parent are found.
    pub(in crate::storage) child_keys: Vec<String>,
    /// Their entries of the log.
    pub(in crate::storage) log: RemovedLog,
    /// The artifacts of which those entries tell.
    pub(in crate::storage) retold: Vec<RetoldArtifact>,
}

impl Operation for RemoveExecutions {
    /// The number of executions: all of them, or none if one is not there any more.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.trimmed.push(self.tenant.clone());
        needs.removable.extend(&self.executions);
        let retold = self.retold.iter().map(|artifact| artifact.id);
        needs.artifacts_locked.extend(retold);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let is_there = |id: &Uuid| working.removable.contains(id);
        if !self.executions.iter().all(is_there) {
            return Ok(0);
        }
        working.retell(&self.retold);
        working.trim(&self.tenant, &self.log);
        let removals = &mut working.changes.removals;
        removals.executions.extend(&self.executions);
        let keys = self.child_keys.iter();
        let keys = keys.map(|key| (self.tenant.clone(), key.clone()));
        removals.child_keys.extend(keys);
        Ok(self.executions.len())
    }
}
