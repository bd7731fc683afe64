//! Rows of bulk operations.

use entity::operation;

use super::super::{Error, chain};
use crate::model::{
    BulkOperation, ChainHash, OperationCounts, OperationId, OperationKind, OperationStatus,
    RawJson, TenantId,
};

/// A bulk operation with the hash of the last entry of its stream.
#[derive(Debug, Clone)]
pub(in crate::storage) struct StoredOperation {
    pub(in crate::storage) operation: BulkOperation,
    pub(in crate::storage) last_hash: Option<ChainHash>,
}

fn corrupt(what: &'static str) -> Error {
    Error::Corrupt { what, source: None }
}

impl TryFrom<operation::Model> for StoredOperation {
    type Error = Error;

    fn try_from(row: operation::Model) -> Result<Self, Error> {
        let operation::Model {
            id,
            tenant_id,
            kind,
            wanted,
            reason,
            created_by,
            grants,
            status,
            expected,
            expected_exact,
            walked_to,
            batch,
            is_walked,
            matched,
            done,
            skipped,
            refused,
            refusals,
            error,
            due_at,
            failing_since,
            version,
            next_seq,
            created_at,
            updated_at,
            finished_at,
            last_hash,
        } = row;
        let grants = grants.parse();
        let operation = BulkOperation {
            id: OperationId(id),
            tenant_id: TenantId::stored(&tenant_id),
            kind: OperationKind::from_code(kind)
                .ok_or_else(|| corrupt("kind of a bulk operation"))?,
            filter: RawJson::trusted(wanted),
            reason,
            created_by,
            grants: grants.map_err(|e| Error::corrupt("grants of a bulk operation", e))?,
            status: OperationStatus::from_code(status)
                .ok_or_else(|| corrupt("status of a bulk operation"))?,
            expected,
            expected_exact: expected_exact != 0,
            position: walked_to,
            batch: serde_json::from_str(&batch)
                .map_err(|e| Error::corrupt("batch of a bulk operation", e))?,
            is_walked: is_walked != 0,
            counts: OperationCounts {
                matched,
                done,
                skipped,
                refused,
            },
            refusals: serde_json::from_str(&refusals)
                .map_err(|e| Error::corrupt("refusals of a bulk operation", e))?,
            error,
            due_at,
            failing_since,
            version,
            next_seq,
            created_at,
            updated_at,
            finished_at,
        };
        Ok(Self {
            operation,
            last_hash: chain::stored(last_hash)?,
        })
    }
}

impl From<StoredOperation> for operation::Model {
    fn from(row: StoredOperation) -> Self {
        let StoredOperation {
            operation,
            last_hash,
        } = row;
        let counts = operation.counts;
        Self {
            id: operation.id.0,
            tenant_id: operation.tenant_id.to_string(),
            kind: operation.kind.code(),
            wanted: operation.filter.as_str().to_owned(),
            reason: operation.reason,
            created_by: operation.created_by,
            grants: operation.grants.to_string(),
            status: operation.status.code(),
            expected: operation.expected,
            expected_exact: operation.expected_exact.into(),
            walked_to: operation.position,
            // Texts can be written as JSON.
            batch: serde_json::to_string(&operation.batch).unwrap_or_default(),
            is_walked: operation.is_walked.into(),
            matched: counts.matched,
            done: counts.done,
            skipped: counts.skipped,
            refused: counts.refused,
            refusals: serde_json::to_string(&operation.refusals).unwrap_or_default(),
            error: operation.error,
            due_at: operation.due_at,
            failing_since: operation.failing_since,
            version: operation.version,
            next_seq: operation.next_seq,
            created_at: operation.created_at,
            updated_at: operation.updated_at,
            finished_at: operation.finished_at,
            last_hash: last_hash.map(|hash| hash.0.to_vec()),
        }
    }
}
