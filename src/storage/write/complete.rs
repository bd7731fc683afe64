//! The end of an attempt: a result, an error, a retry, or the slot given back.

use super::{
    super::Error,
    artifact,
    operation::{Needs, Operation},
    recover::lost_delay_micros,
    submit::Queue,
    working::{Ending, Fence, TimerKind, Working},
};
use crate::model::{
    EventBody, ExecutionError, ExecutionStatus, NewArtifact, Payload, TransitionRequest,
};

/// So long an execution is parked when nobody says that one of its children has ended.
const PARKED_MICROS: i64 = 120_000_000;

/// How an attempt ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// With a result.
    Completed(Payload),
    /// With an error that no further attempt will mend.
    Failed(ExecutionError),
    /// Stopped by a cancellation. Without a recorded request the execution is given back instead.
    Cancelled,
    /// With an error; another attempt follows after the delay.
    Retry {
        /// The error.
        error: ExecutionError,
        /// The back-off.
        delay_micros: i64,
        /// Whether the runtime and not the handler is to blame: the attempt does not count, however
        /// many there are.
        lost: bool,
    },
    /// Not at all: the execution waits for its children outside of the node, and is run again when
    /// one of them has ended.
    Park,
    /// Not at all: the node shuts down and gives the execution back.
    HandBack,
}

/// Ends an attempt. Artifacts and transitions become durable with a completed outcome only.
#[derive(Debug, Clone)]
pub struct Complete {
    /// The attempt's right to write.
    pub fence: Fence,
    /// How it ended.
    pub outcome: Outcome,
    /// What it made.
    pub artifacts: Vec<NewArtifact>,
    /// What it changed.
    pub transitions: Vec<TransitionRequest>,
    /// Who the history names.
    pub actor: String,
}

impl Complete {
    /// The execution has failed instead, and what it made is not registered.
    pub fn fail(&mut self, error: ExecutionError) {
        self.outcome = Outcome::Failed(error);
        self.artifacts.clear();
        self.transitions.clear();
    }

    fn end(&self, working: &mut Working, ending: Ending) -> ExecutionStatus {
        let status = match ending {
            Ending::Completed(_) => ExecutionStatus::Completed,
            Ending::Failed(_) => ExecutionStatus::Failed,
            Ending::Cancelled => ExecutionStatus::Cancelled,
        };
        working.finish(self.fence.execution_id, ending);
        status
    }

    fn hand_back(&self, working: &mut Working) -> ExecutionStatus {
        let id = self.fence.execution_id;
        if let Some(execution) = working.execution_mut(id) {
            execution.lost_attempts += 1;
        }
        working.release(id);
        working.enqueue(id, &Queue::Node.name());
        ExecutionStatus::Running
    }

    fn retry(&self, working: &mut Working, error: &ExecutionError, delay_micros: i64, lost: bool) {
        let id = self.fence.execution_id;
        let next_attempt_at = working.now + delay_micros;
        let Some(execution) = working.execution_mut(id) else {
            return;
        };
        if lost {
            // An outage lasts as long as it lasts, and is no fault of the execution.
            execution.lost_attempts += 1;
        } else {
            execution.error = Some(error.clone());
            execution.crashes = 0;
        }
        let attempt = execution.attempt;
        working.release(id);
        working.set_timer(id, TimerKind::Retry, next_attempt_at, &Queue::Node);
        let error = error.clone();
        let body = EventBody::ExecutionRetrying {
            attempt,
            error,
            next_attempt_at,
            lost,
        };
        working.append(id, body, None);
    }
}

/// An attempt is run again so often because an artifact was changed while it ran.
const MAX_REPETITIONS: i64 = 3;

fn overtaken(attempt: i64) -> ExecutionError {
    ExecutionError {
        code: "ARTIFACT_CHANGED".into(),
        message: "another execution registered or changed the same artifact meanwhile".into(),
        retryable: true,
        attempt,
        earlier: Vec::new(),
    }
}

impl Operation for Complete {
    /// The status after; `Running` when another attempt follows.
    type Output = ExecutionStatus;

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
        artifact::needs(&self.artifacts, &self.transitions, needs);
    }

    fn decide(&self, working: &mut Working) -> Result<ExecutionStatus, Error> {
        let execution = working.fenced(self.fence)?;
        // An accepted cancellation wins over whatever the handler did after it.
        let cancelled = execution.cancel_requested_at.is_some();
        let tenant = execution.intent.tenant_id.clone();
        let deadline = execution.deadline_at;
        let (started_at, attempt) = (execution.started_at, execution.attempt);
        let lost_attempts = execution.lost_attempts;
        match &self.outcome {
            _ if cancelled => Ok(self.end(working, Ending::Cancelled)),
            Outcome::Failed(error) => Ok(self.end(working, Ending::Failed(error.clone()))),
            Outcome::Completed(result) => {
                let (artifacts, transitions) = (&self.artifacts, &self.transitions);
                if let Err(refused) = artifact::check(working, &tenant, artifacts, transitions) {
                    let is_news = started_at.is_some_and(|began| {
                        artifact::changed_since(working, artifacts, transitions, began)
                    });
                    if !is_news || lost_attempts >= MAX_REPETITIONS {
                        return Err(refused);
                    }
                    let error = overtaken(attempt);
                    self.retry(working, &error, 0, true);
                    return Ok(ExecutionStatus::Running);
                }
                artifact::write(
                    working,
                    self.fence.execution_id,
                    &self.artifacts,
                    &self.actor,
                );
                artifact::transition_all(working, self.fence.execution_id, &self.transitions);
                Ok(self.end(working, Ending::Completed(result.clone())))
            }
            Outcome::Retry {
                error,
                delay_micros,
                lost,
            } => {
                let delay_micros = if *lost {
                    lost_delay_micros(lost_attempts + 1).max(*delay_micros)
                } else {
                    *delay_micros
                };
                let too_late = deadline.is_some_and(|at| at <= working.now + delay_micros);
                if too_late {
                    return Ok(self.end(working, Ending::Failed(error.clone())));
                }
                self.retry(working, error, delay_micros, *lost);
                Ok(ExecutionStatus::Running)
            }
            Outcome::Park => {
                execution.lost_attempts += 1;
                let until = working.now + PARKED_MICROS;
                working.release(self.fence.execution_id);
                working.park(self.fence.execution_id, until);
                Ok(ExecutionStatus::Running)
            }
            // What was stopped though nobody asked for it was stopped by mistake.
            Outcome::Cancelled | Outcome::HandBack => Ok(self.hand_back(working)),
        }
    }
}
