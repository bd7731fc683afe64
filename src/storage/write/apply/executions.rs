//! Executions and their own state.

use super::{
    super::{super::sql, rows::Tracked, working::Working},
    update_tail,
};
use crate::model::Execution;
use sql::{Cell, Combined, Rows};

const EXECUTION_COLUMNS: &[&str] = &[
    "id",
    "tenant_id",
    "intent_id",
    "intent_type",
    "handler_name",
    "queue",
    "actor",
    "session_id",
    "solution_id",
    "parameters",
    "metadata",
    "idempotency_key",
    "intent_created_at",
    "parent_id",
    "root_id",
    "depth",
    "child_key",
    "rerun_of",
    "status",
    "epoch",
    "attempt",
    "lost_attempts",
    "crashes",
    "interruptions",
    "repetitions",
    "priority",
    "next_seq",
    "last_tx",
    "run_at",
    "deadline_at",
    "cancel_requested_at",
    "cancel_reason",
    "result",
    "error",
    "created_at",
    "started_at",
    "finished_at",
];

fn execution_cells(execution: &Execution) -> Vec<Cell> {
    let intent = &execution.intent;
    vec![
        execution.id.0.into(),
        intent.tenant_id.as_str().into(),
        intent.id.0.into(),
        intent.intent_type.as_str().into(),
        execution.handler_name.as_str().into(),
        execution.queue.name().into_owned().into(),
        execution.submitted_by.as_deref().map(str::to_owned).into(),
        intent.session_id.0.into(),
        intent.solution_id.as_str().into(),
        intent.parameters.as_str().into(),
        intent.metadata.as_str().into(),
        intent.idempotency_key.clone().into(),
        intent.created_at.into(),
        execution.parent_id.map(|id| id.0).into(),
        execution.root_id.map(|id| id.0).into(),
        execution.depth.into(),
        execution.child_key.clone().into(),
        execution.rerun_of.map(|id| id.0).into(),
        execution.status.code().into(),
        execution.epoch.into(),
        execution.attempt.into(),
        execution.lost_attempts.into(),
        execution.crashes.into(),
        execution.interruptions.into(),
        execution.repetitions.into(),
        execution.priority.into(),
        execution.next_seq.into(),
        execution.last_tx.into(),
        execution.run_at.into(),
        execution.deadline_at.into(),
        execution.cancel_requested_at.into(),
        execution.cancel_reason.clone().into(),
        execution
            .result
            .as_ref()
            .map(|result| result.as_str().to_owned())
            .into(),
        error_text(execution).into(),
        execution.created_at.into(),
        execution.started_at.into(),
        execution.finished_at.into(),
    ]
}

fn error_text(execution: &Execution) -> Option<String> {
    execution
        .error
        .as_ref()
        .and_then(|error| serde_json::to_string(error).ok())
}

pub(super) const EXECUTION_CHANGES: &[&str] = &[
    "id",
    "status",
    "epoch",
    "attempt",
    "lost_attempts",
    "crashes",
    "interruptions",
    "repetitions",
    "next_seq",
    "last_tx",
    "cancel_requested_at",
    "cancel_reason",
    "result",
    "error",
    "started_at",
    "finished_at",
];

fn change_cells(execution: &Execution) -> Vec<Cell> {
    vec![
        execution.id.0.into(),
        execution.status.code().into(),
        execution.epoch.into(),
        execution.attempt.into(),
        execution.lost_attempts.into(),
        execution.crashes.into(),
        execution.interruptions.into(),
        execution.repetitions.into(),
        execution.next_seq.into(),
        execution.last_tx.into(),
        execution.cancel_requested_at.into(),
        execution.cancel_reason.clone().into(),
        execution
            .result
            .as_ref()
            .map(|result| result.as_str().to_owned())
            .into(),
        error_text(execution).into(),
        execution.started_at.into(),
        execution.finished_at.into(),
    ]
}

pub(super) fn executions(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(EXECUTION_COLUMNS), Rows::of(EXECUTION_CHANGES));
    for Tracked { row, is_new, dirty } in working.executions.values() {
        if *is_new {
            made.push(execution_cells(row));
        } else if *dirty {
            changed.push(change_cells(row));
        }
    }
    all.insert(made, "execution");
    all.add(changed, update_tail("execution", EXECUTION_CHANGES, 1));
}

pub(super) const STATE_COLUMNS: &[&str] = &[
    "execution_id",
    "tenant_id",
    "state",
    "version",
    "updated_at",
];

pub(super) fn states(all: &mut Combined, working: &Working) {
    let (mut made, mut changed) = (Rows::of(STATE_COLUMNS), Rows::of(STATE_COLUMNS));
    for (id, Tracked { row, is_new, dirty }) in &working.states {
        let cells = vec![
            id.0.into(),
            row.tenant_id.as_str().into(),
            row.state.as_str().into(),
            row.version.into(),
            working.now.into(),
        ];
        if *is_new {
            made.push(cells);
        } else if *dirty {
            changed.push(cells);
        }
    }
    all.insert(made, "execution_state");
    all.add(changed, update_tail("execution_state", STATE_COLUMNS, 1));
}
