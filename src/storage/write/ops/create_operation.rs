//! Begins a bulk operation, within the number that may go on for a tenant.

use std::sync::Arc;

use super::super::{
    super::{Error, convert::StoredOperation},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{BulkOperation, EventBody, Fault, Payload, Refusal, TenantScope};

/// Begins a bulk operation.
#[derive(Debug, Clone)]
pub struct CreateOperation {
    /// The tenant.
    pub scope: TenantScope,
    /// Who asks.
    pub actor: Arc<str>,
    /// The operation. Its numbers and times are set here, but for when a node is to look at it.
    pub operation: BulkOperation,
    /// The most that may go on for the tenant.
    pub most: i64,
}

impl Operation for CreateOperation {
    type Output = BulkOperation;

    fn needs(&self, needs: &mut Needs) {
        needs.operation_counts.push(self.scope.tenant().clone());
    }

    fn decide(&self, working: &mut Working) -> Result<BulkOperation, Error> {
        let tenant = self.scope.tenant();
        let count = working.operation_counts.entry(tenant.clone()).or_default();
        if *count >= self.most {
            let message = format!(
                "at most {} bulk operations of a tenant go on at the same time; wait for one, or cancel it",
                self.most
            );
            return Err(Refusal::InvalidInput(vec![Fault::at([], message)]).into());
        }
        *count += 1;
        let operation = BulkOperation {
            version: 1,
            next_seq: 1,
            created_at: working.now,
            updated_at: working.now,
            ..self.operation.clone()
        };
        let body = EventBody::OperationStarted {
            kind: operation.kind,
            reason: operation.reason.clone(),
            grants: operation.grants.clone(),
        };
        let (id, filter) = (operation.id, Payload::inline(&operation.filter));
        let row = StoredOperation {
            operation,
            last_hash: None,
        };
        working.operations.make(id, row);
        working.append_to_operation(id, Some(&self.actor), body, Some(filter));
        let made = working.operations.see(&id);
        let made = made.ok_or(Error::Corrupt {
            what: "bulk operation",
            source: None,
        })?;
        Ok(made.operation.clone())
    }
}
