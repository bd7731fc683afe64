//! An execution as the log tells it.

use super::{Report, field};
use crate::model::{Event, EventBody, Execution, ExecutionId, ExecutionStatus, Grants};

/// Where an execution belongs in its tree.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Place {
    pub(super) root_id: Option<ExecutionId>,
    pub(super) depth: i64,
}

/// An execution as the log has told it so far.
#[derive(Debug)]
struct Told {
    status: ExecutionStatus,
    epoch: i64,
    attempt: i64,
    /// None while the entries are of before this was told.
    crashes: Option<i64>,
    last_seq: i64,
    last_tx: i64,
    cancel_requested_at: Option<i64>,
    started_at: Option<i64>,
    finished_at: Option<i64>,
    result: Option<String>,
    error: Option<String>,
    steps: u64,
}

/// Tells an execution again, entry by entry, beside its row.
pub(super) struct Retelling<'a> {
    execution: &'a Execution,
    told: Told,
    is_begun: bool,
}

impl<'a> Retelling<'a> {
    pub(super) fn new(execution: &'a Execution) -> Self {
        let told = Told {
            status: ExecutionStatus::Created,
            epoch: 0,
            attempt: 0,
            crashes: Some(0),
            last_seq: 0,
            last_tx: 0,
            cancel_requested_at: None,
            started_at: None,
            finished_at: None,
            result: None,
            error: None,
            steps: 0,
        };
        Self {
            execution,
            told,
            is_begun: false,
        }
    }

    /// Takes the next entry of its stream. The first one is compared at once.
    pub(super) fn hear(&mut self, event: &Event, report: &mut Report) {
        let (id, told) = (self.execution.id, &mut self.told);
        if !std::mem::replace(&mut self.is_begun, true) {
            compare_beginning(self.execution, event, report);
        }
        if event.cursor.seq != told.last_seq + 1 {
            report.differ(id, format!("its stream lacks event {}", told.last_seq + 1));
        }
        if event.cursor.tx < told.last_tx {
            let what = format!("event {} is out of order in the feeds", event.cursor.seq);
            report.differ(id, what);
        }
        if told.status.is_terminal() {
            let name = event.body.type_name();
            report.differ(id, format!("its stream goes on after the end with {name}"));
        }
        told.last_seq = event.cursor.seq;
        told.last_tx = event.cursor.tx;
        told.take(event);
    }

    /// Compares the row with what was told, and with what other rows say: how many steps it has, and
    /// where it belongs in its tree if it has a parent.
    pub(super) fn compare(mut self, steps: u64, place: Option<&Place>, report: &mut Report) {
        let (id, row) = (self.execution.id, self.execution);
        self.compare_place(place, report);
        if !self.is_begun {
            report.differ(id, "the state has it, the log has not");
            return;
        }
        // Given up since the last entry.
        if row.epoch > self.told.epoch {
            self.told.given_up();
        }
        let told = &self.told;
        if row.epoch < told.epoch {
            field(report, id, "epoch", &told.epoch, &row.epoch);
        }
        field(report, id, "status", &told.status, &row.status);
        field(report, id, "attempt", &told.attempt, &row.attempt);
        if let Some(crashes) = &told.crashes {
            field(report, id, "crashes", crashes, &row.crashes);
        }
        let next_seq = told.last_seq + 1;
        field(report, id, "next_seq", &next_seq, &row.next_seq);
        field(report, id, "last_tx", &told.last_tx, &row.last_tx);
        let requested_at = &row.cancel_requested_at;
        let name = "cancel_requested_at";
        field(report, id, name, &told.cancel_requested_at, requested_at);
        field(report, id, "started_at", &told.started_at, &row.started_at);
        let finished_at = &row.finished_at;
        field(report, id, "finished_at", &told.finished_at, finished_at);
        let result = row.result.as_ref().map(|result| result.as_str().to_owned());
        field(report, id, "result", &told.result, &result);
        let error = row.error.as_ref();
        let error = error.and_then(|error| serde_json::to_string(error).ok());
        field(report, id, "error", &told.error, &error);
        field(report, id, "number of steps", &told.steps, &steps);
    }

    fn compare_place(&self, place: Option<&Place>, report: &mut Report) {
        let row = self.execution;
        if row.parent_id.is_some() && place.is_none() {
            report.differ(row.id, "its parent does not exist");
            return;
        }
        let alone = Place::default();
        let place = place.unwrap_or(&alone);
        field(report, row.id, "root_id", &place.root_id, &row.root_id);
        field(report, row.id, "depth", &place.depth, &row.depth);
    }
}

impl Told {
    fn take(&mut self, event: &Event) {
        let error_text = |error| serde_json::to_string(error).ok();
        match &event.body {
            EventBody::ExecutionStarted { attempt, epoch, .. } => {
                if *epoch > self.epoch + 1 {
                    self.given_up();
                }
                self.epoch = *epoch;
                self.status = ExecutionStatus::Running;
                self.attempt = *attempt;
                self.started_at.get_or_insert(event.occurred_at);
            }
            EventBody::ExecutionRetrying {
                error,
                lost,
                crashes,
                ..
            } => {
                self.epoch += 1;
                self.crashes = *crashes;
                // The error of a lost attempt is told and not kept in the row.
                if !lost {
                    self.error = error_text(error);
                }
            }
            EventBody::CancelRequested { .. } => self.cancel_requested_at = Some(event.occurred_at),
            EventBody::StepCompleted { .. } => self.steps += 1,
            EventBody::ExecutionCompleted {} => {
                self.end(ExecutionStatus::Completed, event);
                let result = event.payload.as_ref();
                self.result = result.map(|result| result.as_str().to_owned());
                self.error = None;
            }
            EventBody::ExecutionFailed { error } => {
                self.end(ExecutionStatus::Failed, event);
                // The last of several crashes in a row is told by the end alone.
                if let Some(crashes) = &mut self.crashes
                    && *crashes > 0
                    && error.code == "ATTEMPT_LOST"
                {
                    *crashes += 1;
                }
                self.error = error_text(error);
            }
            EventBody::ExecutionCancelled { .. } => self.end(ExecutionStatus::Cancelled, event),
            _ => {}
        }
    }

    /// An attempt ended without an entry: it was parked or handed back, and has not crashed.
    fn given_up(&mut self) {
        self.crashes = Some(0);
    }

    fn end(&mut self, status: ExecutionStatus, event: &Event) {
        self.status = status;
        self.epoch += 1;
        self.finished_at = Some(event.occurred_at);
    }
}

fn compare_beginning(execution: &Execution, first: &Event, report: &mut Report) {
    let id = execution.id;
    let EventBody::ExecutionCreated {
        intent_id,
        intent_type,
        session_id,
        solution_id,
        metadata,
        idempotency_key,
        intent_created_at,
        handler_name,
        priority,
        run_at,
        deadline_at,
        parent_id,
        child_key,
        rerun_of,
        queue,
        user_id,
        grants,
    } = &first.body
    else {
        report.differ(id, "its stream does not begin with its creation");
        return;
    };
    let intent = &execution.intent;
    let parameters = first
        .payload
        .as_ref()
        .map(|payload| payload.as_str().to_owned());
    field(
        report,
        id,
        "parameters",
        &parameters,
        &Some(intent.parameters.as_str().to_owned()),
    );
    field(report, id, "tenant_id", &first.tenant_id, &intent.tenant_id);
    field(report, id, "intent_id", intent_id, &intent.id);
    field(report, id, "intent_type", intent_type, &intent.intent_type);
    field(report, id, "session_id", session_id, &intent.session_id);
    field(report, id, "solution_id", solution_id, &intent.solution_id);
    field(report, id, "metadata", metadata, &intent.metadata);
    field(
        report,
        id,
        "idempotency_key",
        idempotency_key,
        &intent.idempotency_key,
    );
    field(
        report,
        id,
        "intent_created_at",
        intent_created_at,
        &intent.created_at,
    );
    field(
        report,
        id,
        "handler_name",
        handler_name,
        &execution.handler_name,
    );
    field(report, id, "priority", priority, &execution.priority);
    field(report, id, "run_at", run_at, &execution.run_at);
    field(
        report,
        id,
        "deadline_at",
        deadline_at,
        &execution.deadline_at,
    );
    field(report, id, "parent_id", parent_id, &execution.parent_id);
    field(report, id, "child_key", child_key, &execution.child_key);
    field(report, id, "rerun_of", rerun_of, &execution.rerun_of);
    let submitted_by = &execution.submitted_by;
    field(report, id, "actor", &first.actor, submitted_by);
    field(report, id, "user_id", user_id, &execution.user_id);
    let of_row = (execution.grants != Grants::all()).then(|| execution.grants.clone());
    field(report, id, "grants", grants, &of_row);
    if let Some(queue) = queue {
        let of_row = execution.queue.name().into_owned();
        field(report, id, "queue", queue, &of_row);
    }
    field(
        report,
        id,
        "created_at",
        &first.occurred_at,
        &execution.created_at,
    );
}
