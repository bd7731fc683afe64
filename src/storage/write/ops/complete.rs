//! Ends an attempt: with a result, an error, a retry, or the slot given back.

#[cfg(test)]
mod tests;

use super::super::{
    super::{Error, places::TimerKind},
    artifacts,
    lifecycle::{Ending, lost_delay_micros},
    operation::{Needs, Operation},
    working::{Fence, Working},
};
use crate::model::{
    EventBody, ExecutionError, ExecutionStatus, NewArtifact, Payload, TransitionRequest,
};

/// The time for which an execution is parked when no end of a child is noticed.
const PARKED_MICROS: i64 = 120_000_000;

/// The end of an attempt.
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
        /// True if the runtime and not the handler is to blame: the attempt does not count, however
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
    /// The end.
    pub outcome: Outcome,
    /// The artifacts that it made.
    pub artifacts: Vec<NewArtifact>,
    /// The changes of artifacts' states that it made.
    pub transitions: Vec<TransitionRequest>,
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
        working.give_up(id);
        working.enqueue(id);
        ExecutionStatus::Running
    }

    fn park(&self, working: &mut Working) -> ExecutionStatus {
        let id = self.fence.execution_id;
        working.give_up(id);
        if let Some(execution) = working.executions.change(&id) {
            // It came as far as its wait.
            execution.interruptions = 0;
        }
        working.park(id, working.now + PARKED_MICROS);
        ExecutionStatus::Running
    }

    fn retry(
        &self,
        working: &mut Working,
        error: &ExecutionError,
        delay_micros: i64,
        cause: RetryCause,
    ) -> ExecutionStatus {
        let id = self.fence.execution_id;
        let next_attempt_at = working.now + delay_micros;
        let Some(execution) = working.executions.change(&id) else {
            return ExecutionStatus::Running;
        };
        match cause {
            RetryCause::Handler => {
                execution.error = Some(error.clone());
                execution.crashes = 0;
                execution.interruptions = 0;
            }
            // It lasts as long as it lasts, and is no fault of the execution.
            RetryCause::Outage => {
                execution.lost_attempts += 1;
                execution.interruptions += 1;
            }
            RetryCause::Overtaken => {
                execution.lost_attempts += 1;
                execution.repetitions += 1;
                execution.crashes = 0;
                execution.interruptions = 0;
            }
        }
        let (attempt, crashes) = (execution.attempt, Some(execution.crashes));
        working.release(id);
        working.set_timer(id, TimerKind::Retry, next_attempt_at);
        let error = error.clone();
        let body = EventBody::ExecutionRetrying {
            attempt,
            error,
            next_attempt_at,
            lost: cause != RetryCause::Handler,
            crashes,
        };
        working.append(id, body, None);
        ExecutionStatus::Running
    }
}

/// Why another attempt follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RetryCause {
    /// The handler returned an error.
    Handler,
    /// The runtime could not do what the handler asked of it.
    Outage,
    /// Another execution changed an artifact that this one registers or changes.
    Overtaken,
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
        needs.ending.push(self.fence.execution_id);
        artifacts::needs(&self.artifacts, &self.transitions, needs);
    }

    fn decide(&self, working: &mut Working) -> Result<ExecutionStatus, Error> {
        working.fenced(self.fence)?;
        if working.heed_mark(self.fence.execution_id) {
            return Ok(ExecutionStatus::Cancelled);
        }
        let execution = working.fenced(self.fence)?;
        // An accepted cancellation wins over whatever the handler did after it.
        let cancelled = execution.cancel_requested_at.is_some();
        let tenant = execution.intent.tenant_id.clone();
        let actor = execution.acts_for().to_owned();
        let deadline = execution.deadline_at;
        let (started_at, attempt) = (execution.started_at, execution.attempt);
        let (interruptions, repetitions) = (execution.interruptions, execution.repetitions);
        match &self.outcome {
            _ if cancelled => Ok(self.end(working, Ending::Cancelled)),
            Outcome::Failed(error) => Ok(self.end(working, Ending::Failed(error.clone()))),
            Outcome::Completed(result) => {
                let (artifacts, transitions) = (&self.artifacts, &self.transitions);
                if let Err(refused) = artifacts::check(working, &tenant, artifacts, transitions) {
                    let is_news = started_at.is_some_and(|began| {
                        artifacts::changed_since(working, artifacts, transitions, began)
                    });
                    if !is_news || repetitions >= MAX_REPETITIONS {
                        return Err(refused);
                    }
                    return Ok(self.retry(working, &overtaken(attempt), 0, RetryCause::Overtaken));
                }
                artifacts::register_all(working, self.fence.execution_id, &self.artifacts, &actor);
                artifacts::transition_all(working, self.fence.execution_id, &self.transitions);
                Ok(self.end(working, Ending::Completed(result.clone())))
            }
            Outcome::Retry {
                error,
                delay_micros,
                lost,
            } => {
                let (cause, delay_micros) = if *lost {
                    let least = lost_delay_micros(interruptions + 1);
                    (RetryCause::Outage, least.max(*delay_micros))
                } else {
                    (RetryCause::Handler, *delay_micros)
                };
                let too_late = deadline.is_some_and(|at| at <= working.now + delay_micros);
                if too_late {
                    return Ok(self.end(working, Ending::Failed(error.clone())));
                }
                Ok(self.retry(working, error, delay_micros, cause))
            }
            Outcome::Park => Ok(self.park(working)),
            // What was stopped though nobody asked for it was stopped by mistake.
            Outcome::Cancelled | Outcome::HandBack => Ok(self.hand_back(working)),
        }
    }
}
