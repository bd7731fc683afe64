//! What an execution did, and when: its attempts, its steps, its children and what it waited for, in one list.

use crate::{
    model::{Event, EventBody, Execution, ExecutionId, ExecutionStatus, Micros, Queue, WaitReason},
    storage::{ChildTime, StepTime},
};

/// The most spans of one timeline.
pub const MOST_OF_TIMELINE: u32 = 1_000;

/// What an execution did.
#[derive(Debug, Clone, PartialEq)]
pub struct Timeline {
    /// By when they began.
    pub spans: Vec<Span>,
    /// False if there are more than these.
    pub is_whole: bool,
}

/// Something that took time.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// What it was.
    pub of: SpanOf,
    /// How it ended; none while it goes on.
    pub outcome: Option<SpanOutcome>,
    /// When it began.
    pub started_at: Micros,
    /// When it ended; none while it goes on.
    pub finished_at: Option<Micros>,
}

/// What took time.
#[derive(Debug, Clone, PartialEq)]
pub enum SpanOf {
    /// An attempt of the handler.
    Attempt {
        /// From 1.
        number: i64,
        /// The code of the error that ended it.
        error_code: Option<String>,
    },
    /// A step.
    Step {
        /// Its name.
        name: String,
        /// The attempt that ran it.
        attempt: i64,
    },
    /// A child.
    Child {
        /// The child.
        id: ExecutionId,
        /// Its name among the children.
        name: Option<String>,
        /// The type of its intent.
        intent_type: String,
    },
    /// A wait between attempts, or within one for children.
    Wait {
        /// What for.
        reason: WaitReason,
    },
}

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SpanOutcome {
    /// With a result.
    Completed,
    /// With an error, for good.
    Failed,
    /// By a cancellation.
    Cancelled,
    /// With an error, and another attempt follows.
    Retried,
    /// Without an outcome: the attempt gave its place up, or a step was cut off with its attempt. When that was is
    /// not recorded: it ends here when the next attempt began.
    Suspended,
}

impl From<ExecutionStatus> for Option<SpanOutcome> {
    fn from(status: ExecutionStatus) -> Self {
        match status {
            ExecutionStatus::Created | ExecutionStatus::Running => None,
            ExecutionStatus::Completed => Some(SpanOutcome::Completed),
            ExecutionStatus::Failed => Some(SpanOutcome::Failed),
            ExecutionStatus::Cancelled => Some(SpanOutcome::Cancelled),
        }
    }
}

/// What a timeline is made of.
pub(super) struct Recorded<'a> {
    pub(super) execution: &'a Execution,
    /// The entries of its stream that tell of attempts and of steps that run, oldest first.
    pub(super) life: Vec<Event>,
    pub(super) steps: Vec<StepTime>,
    pub(super) children: Vec<ChildTime>,
    /// Why it does not run now.
    pub(super) waits_for: Option<WaitReason>,
    pub(super) is_whole: bool,
    /// So many spans at most.
    pub(super) most: usize,
}

impl Span {
    /// What has a lower one is shown first.
    fn rank(&self) -> u8 {
        match &self.of {
            _ if self.finished_at.is_none() => 0,
            SpanOf::Attempt { .. } | SpanOf::Wait { .. } => 1,
            SpanOf::Step { .. } | SpanOf::Child { .. } => 2,
        }
    }
}

impl Recorded<'_> {
    pub(super) fn timeline(self) -> Timeline {
        let mut walk = Walk::new(self.execution);
        let first = self.life.first().map(|event| &event.body);
        if !matches!(
            first,
            None | Some(EventBody::ExecutionStarted { attempt: 1, .. })
        ) && self.execution.started_at.is_some()
        {
            // The beginning is not among them.
            walk.waits.clear();
        }
        for event in &self.life {
            walk.take(event);
        }
        let last_child = self.children.iter().map(|child| child.created_at).max();
        walk.end(self.waits_for, last_child);
        let mut spans = walk.spans;
        let is_recorded = |name: &str| self.steps.iter().any(|step| step.name == name);
        walk.steps.retain(|(name, ..)| !is_recorded(name));
        for (name, attempt, started_at) in walk.steps {
            let end = walk.ends.iter().find(|(number, _)| *number == attempt);
            spans.push(Span {
                of: SpanOf::Step { name, attempt },
                outcome: end.map(|_| SpanOutcome::Suspended),
                started_at,
                finished_at: end.map(|(_, at)| *at),
            });
        }
        spans.extend(self.steps.into_iter().map(|step| Span {
            of: SpanOf::Step {
                name: step.name,
                attempt: step.attempt,
            },
            outcome: Some(SpanOutcome::Completed),
            started_at: step.started_at,
            finished_at: Some(step.finished_at),
        }));
        spans.extend(self.children.into_iter().map(|child| Span {
            of: SpanOf::Child {
                id: child.id,
                name: child.name,
                intent_type: child.intent_type,
            },
            outcome: child.status.into(),
            started_at: child.created_at,
            finished_at: child.finished_at,
        }));
        let is_whole = self.is_whole && spans.len() <= self.most;
        spans.sort_by_key(|span| (span.rank(), span.started_at));
        spans.truncate(self.most);
        spans.sort_by_key(|span| span.started_at);
        Timeline { spans, is_whole }
    }
}

/// Goes through the entries of a stream.
struct Walk<'a> {
    execution: &'a Execution,
    spans: Vec<Span>,
    /// The attempt that goes on: its number, and when it began.
    attempt: Option<(i64, Micros)>,
    /// The waits that go on, each from a time on until the next one's.
    waits: Vec<(WaitReason, Micros)>,
    /// Steps that were told of when they had run for a while.
    steps: Vec<(String, i64, Micros)>,
    /// When attempts ended.
    ends: Vec<(i64, Micros)>,
}

impl<'a> Walk<'a> {
    fn new(execution: &'a Execution) -> Self {
        let mut walk = Self {
            execution,
            spans: Vec::new(),
            attempt: None,
            waits: Vec::new(),
            steps: Vec::new(),
            ends: Vec::new(),
        };
        walk.wait(
            WaitReason::Schedule,
            execution.created_at,
            execution.run_at.unwrap_or(execution.created_at),
        );
        walk
    }

    /// Waits for something until a time, if that is to come, and then for a place to run.
    fn wait(&mut self, reason: WaitReason, from: Micros, until: Micros) {
        let place = match self.execution.queue {
            Queue::Node | Queue::Labelled { .. } => WaitReason::Queue,
            Queue::Worker { .. } => WaitReason::Worker,
        };
        self.waits.clear();
        if until > from {
            self.waits.push((reason, from));
        }
        self.waits.push((place, until.max(from)));
    }

    /// The waits have ended at `at`.
    fn end_waits(&mut self, at: Micros, outcome: SpanOutcome) {
        let waits = std::mem::take(&mut self.waits);
        let ends = waits.iter().skip(1).map(|(_, from)| (*from).min(at));
        let ends: Vec<Micros> = ends.chain([at]).collect();
        for ((reason, started_at), end) in waits.into_iter().zip(ends) {
            if end > started_at {
                self.spans.push(Span {
                    of: SpanOf::Wait { reason },
                    outcome: Some(outcome),
                    started_at,
                    finished_at: Some(end),
                });
            }
        }
    }

    fn end_attempt(&mut self, at: Micros, outcome: SpanOutcome, error_code: Option<String>) {
        if let Some((number, started_at)) = self.attempt.take() {
            self.ends.push((number, at));
            self.spans.push(Span {
                of: SpanOf::Attempt { number, error_code },
                outcome: Some(outcome),
                started_at,
                finished_at: Some(at),
            });
        }
    }

    fn take(&mut self, event: &Event) {
        let at = event.occurred_at;
        let (outcome, error_code) = match &event.body {
            EventBody::ExecutionStarted { attempt, .. } => {
                self.end_waits(at, SpanOutcome::Completed);
                self.end_attempt(at, SpanOutcome::Suspended, None);
                self.attempt = Some((*attempt, at));
                return;
            }
            EventBody::ExecutionRetrying {
                error,
                next_attempt_at,
                ..
            } => {
                self.end_attempt(at, SpanOutcome::Retried, Some(error.code.clone()));
                self.wait(WaitReason::Retry, at, *next_attempt_at);
                return;
            }
            EventBody::StepStarted {
                name,
                attempt,
                ran_micros,
            } => {
                self.steps.retain(|(other, ..)| other != name);
                let began = at.saturating_sub(*ran_micros);
                self.steps.push((name.clone(), *attempt, began));
                return;
            }
            EventBody::ExecutionCompleted {} => (SpanOutcome::Completed, None),
            EventBody::ExecutionFailed { error } => (SpanOutcome::Failed, Some(error.code.clone())),
            EventBody::ExecutionCancelled { .. } => (SpanOutcome::Cancelled, None),
            _ => return,
        };
        self.end_waits(at, outcome);
        self.end_attempt(at, outcome, error_code);
    }

    /// Adds what goes on.
    fn end(&mut self, waits_for: Option<WaitReason>, last_child: Option<Micros>) {
        let mut going_on = Vec::new();
        if let Some((number, started_at)) = self.attempt {
            going_on.push((
                SpanOf::Attempt {
                    number,
                    error_code: None,
                },
                started_at,
            ));
            if waits_for == Some(WaitReason::Children) {
                let reason = WaitReason::Children;
                going_on.push((SpanOf::Wait { reason }, last_child.unwrap_or(started_at)));
            }
        } else if let Some(reason) = waits_for {
            // Of several that follow each other, the one that it has come to.
            let known_as = match reason {
                // The log does not tell what keeps it from a slot.
                WaitReason::Limit | WaitReason::Node => WaitReason::Queue,
                other => other,
            };
            let reached = self.waits.iter().position(|(known, _)| *known == known_as);
            if let Some((_, from)) = reached.and_then(|place| self.waits.get(place).copied()) {
                self.waits.truncate(reached.unwrap_or_default());
                self.end_waits(from, SpanOutcome::Completed);
                going_on.push((SpanOf::Wait { reason }, from));
            }
        }
        self.spans
            .extend(going_on.into_iter().map(|(of, started_at)| Span {
                of,
                outcome: None,
                started_at,
                finished_at: None,
            }));
    }
}
