//! Intents and their executions.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{
    ChainHash, ExecutionId, Grants, IntentId, Labels, Micros, Payload, RawJson, SessionId, TenantId,
};

/// `created → running → completed | failed | cancelled`; a created execution may be cancelled, or
/// fail at its deadline, without having run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ExecutionStatus {
    /// Durable, not started.
    Created,
    /// Started; also while it backs off before another attempt.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended by a cancellation.
    Cancelled,
}

impl ExecutionStatus {
    /// Every status, in the order of [`Self::code`].
    pub const ALL: [Self; 5] = [
        Self::Created,
        Self::Running,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// Returns whether this status is for ever.
    #[must_use]
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }

    /// Returns whether an execution may go from this status to `next`.
    #[must_use]
    pub fn can_become(self, next: Self) -> bool {
        match self {
            Self::Created => matches!(next, Self::Running | Self::Failed | Self::Cancelled),
            Self::Running => next.is_terminal(),
            Self::Completed | Self::Failed | Self::Cancelled => false,
        }
    }

    /// The number that the database keeps.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The status with that number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// The name in the REST contract and in logs.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a live execution is not running now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum WaitReason {
    /// Waits for a free slot.
    Queue,
    /// Backs off before the next attempt.
    Retry,
    /// Its start time has not come.
    Schedule,
    /// Waits for children.
    Children,
    /// No node that serves its handler has taken it.
    Worker,
    /// As many run as a limit allows, or have been started within its time.
    Limit,
    /// No living node may take it: none has the labels that its intent type needs, or those that have drain.
    Node,
}

/// What a live execution that does not run waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The kind of thing.
    pub reason: WaitReason,
    /// The name of the limit, if it is one.
    pub limit: Option<Arc<str>>,
}

impl WaitReason {
    /// Every reason.
    pub const ALL: [Self; 7] = [
        Self::Queue,
        Self::Retry,
        Self::Schedule,
        Self::Children,
        Self::Worker,
        Self::Limit,
        Self::Node,
    ];
}

/// Where an execution waits whenever it is to be run: before its first attempt and each further one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Queue {
    /// Any node runs it.
    Node,
    /// A node with these labels runs it.
    Labelled {
        /// At least one.
        labels: Labels,
    },
    /// A remote worker that serves this handler runs it.
    Worker {
        /// `intent_type/handler_name`.
        handler: String,
    },
}

impl Queue {
    const NODE: &'static str = "node";
    const LABELLED: &'static str = "labels:";
    /// Before the handler in the names of the queues of workers.
    pub(crate) const WORKERS: &'static str = "worker:";

    /// The name in the database and in the log.
    #[must_use]
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Node => Self::NODE.into(),
            Self::Labelled { labels } => format!("{}{labels}", Self::LABELLED).into(),
            Self::Worker { handler } => format!("{}{handler}", Self::WORKERS).into(),
        }
    }

    /// The queue with that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        if name == Self::NODE {
            return Some(Self::Node);
        }
        if let Some(labels) = name.strip_prefix(Self::LABELLED) {
            let labels: Labels = labels.parse().ok()?;
            return (!labels.is_empty()).then_some(Self::Labelled { labels });
        }
        let handler = name.strip_prefix(Self::WORKERS)?.to_owned();
        Some(Self::Worker { handler })
    }

    /// The queue of the nodes that have these labels.
    #[must_use]
    pub fn of_labels(labels: Labels) -> Self {
        if labels.is_empty() {
            Self::Node
        } else {
            Self::Labelled { labels }
        }
    }

    /// Returns whether a node with these labels takes from it.
    #[must_use]
    pub fn is_served_by(&self, node: &Labels) -> bool {
        match self {
            Self::Node => true,
            Self::Labelled { labels } => node.include(labels),
            Self::Worker { .. } => false,
        }
    }
}

/// A client's request for work. Immutable.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// Its id.
    pub id: IntentId,
    /// The type of work.
    pub intent_type: String,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The session it was submitted in.
    pub session_id: SessionId,
    /// The solution it is meant for.
    pub solution_id: String,
    /// The handler's parameters, with `***` for sensitive ones.
    pub parameters: Payload,
    /// The parameters as the handler gets them, sealed; none where none is sensitive.
    pub sealed: Option<Payload>,
    /// The client's notes; the runtime does not read them.
    pub metadata: RawJson,
    /// The caller's key, when there was one.
    pub idempotency_key: Option<String>,
    /// When it was accepted.
    pub created_at: Micros,
}

/// One execution with its intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Its id.
    pub id: ExecutionId,
    /// The intent that it executes.
    pub intent: Intent,
    /// The handler that was chosen at submit.
    pub handler_name: String,
    /// Where it waits to be run.
    pub queue: Queue,
    /// Whose limits it is under: 0 for none, 1 for those within its tenant, 2 for those of all tenants, 3 for
    /// both.
    pub limits: i64,
    /// Who submitted it: the caller's name, for a child that of the root. None where a version submitted
    /// it that did not record this.
    pub submitted_by: Option<Arc<str>>,
    /// The user that its session had when it was submitted.
    pub user_id: Option<Arc<str>>,
    /// What its attempts may do.
    pub grants: Grants,
    /// Where it is in its life.
    pub status: ExecutionStatus,
    /// Grows by one each time a node takes the execution; fences writes of older holders.
    pub epoch: i64,
    /// 0 before the first start, then 1 and up.
    pub attempt: i64,
    /// The number of attempts that do not count against the handler's policy, whatever ended them:
    /// the node went away or gave the execution back, an outage, a wait outside of the node, an
    /// artifact that another execution changed meanwhile.
    pub lost_attempts: i64,
    /// The number of times in a row that the process that ran it ended without a word.
    pub crashes: i64,
    /// The number of times in a row that an outage ended its attempt, or the lease of a node that
    /// lived on.
    pub interruptions: i64,
    /// The number of attempts that were run again because another execution changed an artifact
    /// meanwhile.
    pub repetitions: i64,
    /// 0 (first) to 9.
    pub priority: i64,
    /// Sequence of the next event.
    pub next_seq: i64,
    /// The transaction of the last event; the next one has a higher number.
    pub last_tx: i64,
    /// The hash of the last event of its stream; none where an earlier version wrote it, and in what a write
    /// answers.
    pub last_hash: Option<ChainHash>,
    /// The execution that submitted it.
    pub parent_id: Option<ExecutionId>,
    /// The topmost of its ancestors; none when it has no parent.
    pub root_id: Option<ExecutionId>,
    /// The number of its ancestors.
    pub depth: i64,
    /// Its name among its parent's children.
    pub child_key: Option<String>,
    /// The finished execution that it repeats.
    pub rerun_of: Option<ExecutionId>,
    /// Not before.
    pub run_at: Option<Micros>,
    /// Fails when this time comes first.
    pub deadline_at: Option<Micros>,
    /// When a cancellation was accepted that has not taken effect yet, or has.
    pub cancel_requested_at: Option<Micros>,
    /// The reason given with it.
    pub cancel_reason: Option<String>,
    /// The result that the handler returned.
    pub result: Option<Payload>,
    /// Why it failed, or why its last attempt did.
    pub error: Option<ExecutionError>,
    /// When it was accepted.
    pub created_at: Micros,
    /// When its first attempt began.
    pub started_at: Option<Micros>,
    /// When it ended.
    pub finished_at: Option<Micros>,
}

impl Execution {
    /// For whom its attempts act: whoever submitted it, or the runtime itself where that was not
    /// recorded.
    #[must_use]
    pub fn acts_for(&self) -> &str {
        self.submitted_by.as_deref().unwrap_or("runtime")
    }
}

/// Why an attempt failed, in words that are safe for the tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecutionError {
    /// A machine-readable code, `SCREAMING_SNAKE`.
    pub code: String,
    /// The outermost message, then its causes, joined by `: `.
    pub message: String,
    /// True if another attempt could have helped.
    pub retryable: bool,
    /// The attempt that failed.
    pub attempt: i64,
    /// The errors of earlier attempts, oldest first; at most the last ten.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub earlier: Vec<ErrorLink>,
}

/// The error of one earlier attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorLink {
    /// The attempt that failed.
    pub attempt: i64,
    /// Its code.
    pub code: String,
    /// Its message.
    pub message: String,
}

/// A recorded step of an execution.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The execution.
    pub execution_id: ExecutionId,
    /// Its name, unique within the execution.
    pub name: String,
    /// The attempt that ran it.
    pub attempt: i64,
    /// The result that it returned.
    pub result: Payload,
    /// When it began.
    pub started_at: Micros,
    /// When its result became durable.
    pub finished_at: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_status_is_for_ever_and_nothing_goes_back() {
        for from in ExecutionStatus::ALL {
            assert!(!from.can_become(from));
            assert!(!from.can_become(ExecutionStatus::Created));
            for to in ExecutionStatus::ALL {
                assert!(
                    !(from.is_terminal() && from.can_become(to)),
                    "{from:?} {to:?}"
                );
            }
            assert_eq!(ExecutionStatus::from_code(from.code()), Some(from));
        }
    }

    #[test]
    fn a_queue_is_read_back_from_its_name_and_served_by_nodes_with_its_labels() {
        let labels: Labels = "zone=a,gpu=true".parse().unwrap();
        let labelled = Queue::of_labels(labels.clone());
        assert_eq!(labelled.name(), "labels:gpu=true,zone=a");
        let worker = Queue::Worker {
            handler: "echo/remote".into(),
        };
        let none = Labels::default();
        assert_eq!(Queue::of_labels(none.clone()), Queue::Node);
        for (queue, by_labelled, by_none) in [
            (Queue::Node, true, true),
            (labelled, true, false),
            (worker, false, false),
        ] {
            assert_eq!(Queue::from_name(&queue.name()).as_ref(), Some(&queue));
            let served = (queue.is_served_by(&labels), queue.is_served_by(&none));
            assert_eq!(served, (by_labelled, by_none), "{queue:?}");
        }
        for bad in ["labels:", "labels:gpu", "labels:a='b", "nodes"] {
            assert_eq!(Queue::from_name(bad), None, "{bad}");
        }
    }
}
