//! What executions are counted by when they are accepted and when they end.

use entity::execution_count;

use super::super::convert::error_code_of;
use crate::model::{Execution, Micros, TenantId};

/// The time that a row is about, by its level.
pub(in crate::storage) const LEVEL_MICROS: [i64; 3] = [60_000_000, 3_600_000_000, 86_400_000_000];
/// For so long rows stay at their level; those of the last one are then removed.
pub(super) const STAY_MICROS: [i64; 3] = [
    3 * LEVEL_MICROS[1],
    30 * LEVEL_MICROS[2],
    400 * LEVEL_MICROS[2],
];

/// Executions that are counted together.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct CountOf {
    pub(super) tenant_id: TenantId,
    /// When the time that is counted began.
    pub(super) bucket: Micros,
    pub(super) intent_type: String,
    /// What they have become; that of a created one if they were accepted.
    pub(super) status: i64,
    pub(super) is_root: i64,
    /// Empty unless they failed.
    pub(super) error_code: String,
}

impl CountOf {
    /// What an execution is counted by that has become what it is just now.
    pub(super) fn of(execution: &Execution, now: Micros) -> Self {
        Self {
            tenant_id: execution.intent.tenant_id.clone(),
            bucket: bucket_of(now, 0),
            intent_type: execution.intent.intent_type.clone(),
            status: execution.status.code(),
            is_root: i64::from(execution.parent_id.is_none()),
            error_code: error_code_of(execution).unwrap_or_default(),
        }
    }

    /// What the executions of a row are counted by at the next level.
    pub(super) fn above(row: &execution_count::Model) -> Self {
        let level = usize::try_from(row.level + 1).unwrap_or(usize::MAX);
        Self {
            tenant_id: TenantId::stored(&row.tenant_id),
            bucket: bucket_of(row.bucket, level),
            intent_type: row.intent_type.clone(),
            status: row.status,
            is_root: row.is_root,
            error_code: row.error_code.clone(),
        }
    }
}

/// When the time began in which another one is, by the level.
pub(super) fn bucket_of(at: Micros, level: usize) -> Micros {
    let length = LEVEL_MICROS.get(level).copied().unwrap_or(LEVEL_MICROS[2]);
    at.div_euclid(length) * length
}
