//! Executions and their own state.

use entity::{execution::Column, execution_state};

use super::{
    super::{super::sql, rows::StateRow, working::Working},
    update,
};
use crate::model::ExecutionId;
use sql::{Combined, Rows};

/// The key, and what changes after the first write.
pub(super) const EXECUTION_CHANGES: &[Column] = &[
    Column::Id,
    Column::Status,
    Column::Epoch,
    Column::Attempt,
    Column::LostAttempts,
    Column::Crashes,
    Column::Interruptions,
    Column::Repetitions,
    Column::NextSeq,
    Column::LastTx,
    Column::LastHash,
    Column::CancelRequestedAt,
    Column::CancelReason,
    Column::Result,
    Column::Error,
    Column::ErrorCode,
    Column::StartedAt,
    Column::FinishedAt,
];

pub(super) fn executions(all: &mut Combined, working: &Working) {
    let made = working.executions.made().map(|(_, row)| row);
    all.insert(Rows::whole(made), "execution");
    let changed = working.executions.changed().map(|(_, row)| row);
    update(all, Rows::part(EXECUTION_CHANGES, changed), "execution", 1);
}

pub(super) fn states(all: &mut Combined, working: &Working) {
    let row = |(id, row): (&ExecutionId, &StateRow)| execution_state::Model {
        execution_id: id.0,
        tenant_id: row.tenant_id.to_string(),
        state: row.state.as_str().to_owned(),
        version: row.version,
        updated_at: working.now,
    };
    let made = working.states.made().map(row);
    all.insert(Rows::set(made), "execution_state");
    let changed = working.states.changed().map(row);
    update(all, Rows::set(changed), "execution_state", 1);
}
