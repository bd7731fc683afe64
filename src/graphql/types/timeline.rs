//! The timeline of an execution.

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    counted::Listed,
    execution::{Execution, WaitReason},
    scalars::{DateTime, int},
};
use crate::{
    executions::{self, Span, SpanOf},
    graphql::error::Nullable,
    model::ExecutionId,
};

/// What something in a timeline is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TimelineItemKind {
    /// An attempt of the handler.
    Attempt,
    /// A step: recorded, or one that has been running for a second.
    Step,
    /// An execution that it submitted.
    Child,
    /// A wait before an attempt, or within one for children.
    Wait,
}

/// How something in a timeline ended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "executions::SpanOutcome")]
pub(crate) enum TimelineOutcome {
    /// With a result; of a wait, what was waited for has come.
    Completed,
    /// With an error, for good.
    Failed,
    /// By a cancellation.
    Cancelled,
    /// With an error, and another attempt follows.
    Retried,
    /// Without an outcome: the attempt gave its place up, as when it waits for children, or a step was cut off with its
    /// attempt. When that was is not recorded: it ends here when the next attempt began.
    Suspended,
}

/// Something that took time.
pub(crate) struct TimelineItem(Span);

/// Something that took time.
#[Object]
impl TimelineItem {
    /// Tells it from the others of its execution, the same at every reading.
    async fn id(&self) -> ID {
        let span = &self.0;
        ID(match &span.of {
            SpanOf::Attempt { number, .. } => format!("attempt/{number}"),
            SpanOf::Step { name, .. } => format!("step/{name}"),
            SpanOf::Child { id, .. } => format!("child/{id}"),
            SpanOf::Wait { reason } => format!("wait/{reason:?}/{}", span.started_at),
        })
    }

    /// What it is.
    async fn kind(&self) -> TimelineItemKind {
        match &self.0.of {
            SpanOf::Attempt { .. } => TimelineItemKind::Attempt,
            SpanOf::Step { .. } => TimelineItemKind::Step,
            SpanOf::Child { .. } => TimelineItemKind::Child,
            SpanOf::Wait { .. } => TimelineItemKind::Wait,
        }
    }

    /// The name of a step; of an execution, that among those of its parent.
    async fn name(&self) -> Option<&str> {
        match &self.0.of {
            SpanOf::Step { name, .. } => Some(name),
            SpanOf::Child { name, .. } => name.as_deref(),
            SpanOf::Attempt { .. } | SpanOf::Wait { .. } => None,
        }
    }

    /// The number of an attempt, from 1; of a step, that of the attempt which ran it.
    async fn attempt(&self) -> Option<i32> {
        match &self.0.of {
            SpanOf::Attempt { number, .. } => Some(int(*number)),
            SpanOf::Step { attempt, .. } => Some(int(*attempt)),
            SpanOf::Child { .. } | SpanOf::Wait { .. } => None,
        }
    }

    /// Of an attempt: the code of the error that ended it.
    async fn error_code(&self) -> Option<&str> {
        match &self.0.of {
            SpanOf::Attempt { error_code, .. } => error_code.as_deref(),
            _ => None,
        }
    }

    /// Of an execution: the type of its intent.
    async fn intent_type(&self) -> Option<&str> {
        match &self.0.of {
            SpanOf::Child { intent_type, .. } => Some(intent_type),
            _ => None,
        }
    }

    /// Of an execution: its id.
    async fn child_id(&self) -> Option<ID> {
        self.child_execution_id().map(ID::from)
    }

    /// Of an execution: itself.
    async fn child(&self, ctx: &Context<'_>) -> Nullable<Execution> {
        Execution::find(ctx, self.child_execution_id()?).await
    }

    /// Of a wait: what for.
    async fn waiting_for(&self) -> Option<WaitReason> {
        match &self.0.of {
            SpanOf::Wait { reason } => Some((*reason).into()),
            _ => None,
        }
    }

    /// How it ended; null while it goes on.
    async fn outcome(&self) -> Option<TimelineOutcome> {
        self.0.outcome.map(Into::into)
    }

    /// When it began.
    async fn started_at(&self) -> DateTime {
        DateTime(self.0.started_at)
    }

    /// When it ended; null while it goes on.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.finished_at.map(DateTime)
    }
}

impl TimelineItem {
    fn child_execution_id(&self) -> Option<ExecutionId> {
        match &self.0.of {
            SpanOf::Child { id, .. } => Some(*id),
            _ => None,
        }
    }
}

/// What an execution did, and when.
#[derive(SimpleObject)]
pub(crate) struct Timeline {
    /// By when they began.
    items: Listed<TimelineItem>,
    /// True if there is more: what goes on is shown before all else, then the last attempts with their waits, then
    /// the first steps and executions.
    truncated: bool,
}

impl From<executions::Timeline> for Timeline {
    fn from(timeline: executions::Timeline) -> Self {
        Self {
            items: timeline.spans.into_iter().map(TimelineItem).collect(),
            truncated: !timeline.is_whole,
        }
    }
}
