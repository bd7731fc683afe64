//! Executions of intents, with their steps and errors.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    connection::{ArtifactConnection, ExecutionConnection, ExecutionEventConnection},
    counted::Listed,
    event::ExecutionEvent,
    intent::Intent,
    page::PageArgs,
    payload::PayloadPreview,
    scalars::{DateTime, Json, int},
    timeline::Timeline,
    total::Total,
};
use crate::{
    api::ApiError,
    artifact_registry::ArtifactFilter,
    events::LogRange,
    executions::{ExecutionFilter, MOST_OF_TIMELINE},
    graphql::{error::Nullable, loading::Caller},
    model,
    services::{Count, Members},
};

/// The status of an execution. Completed, failed and cancelled are final.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::ExecutionStatus")]
pub(crate) enum ExecutionStatus {
    /// Durable, not started.
    Created,
    /// Started; also while it backs off before another attempt or waits for children.
    Running,
    /// Ended with a result.
    Completed,
    /// Ended with an error.
    Failed,
    /// Ended by a cancellation.
    Cancelled,
}

/// Why a live execution is not running now.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::WaitReason")]
pub(crate) enum WaitReason {
    /// Waits for a free slot.
    Queue,
    /// Backs off before the next attempt.
    Retry,
    /// Its start time has not come.
    Schedule,
    /// Waits for its children.
    Children,
    /// No node or worker that serves its handler has taken it.
    Worker,
    /// As many run as a limit of its intent type allows, or have been started within its time.
    Limit,
    /// No living node may take it: none has the labels that its intent type needs, or those that have drain.
    Node,
}

/// Why an attempt failed, in words that are safe for the tenant.
#[derive(SimpleObject, Debug)]
pub(crate) struct ExecutionError {
    /// A machine-readable code, `SCREAMING_SNAKE`.
    code: String,
    /// The outermost message, then its causes.
    message: String,
    /// True if another attempt could have helped.
    retryable: bool,
    /// The attempt that failed, from 1.
    attempt: i32,
    /// The errors of earlier attempts, oldest first; at most the last ten.
    earlier: Vec<EarlierError>,
}

/// The error of an earlier attempt.
#[derive(SimpleObject, Debug)]
pub(crate) struct EarlierError {
    /// The attempt that failed, from 1.
    attempt: i32,
    /// Its machine-readable code.
    code: String,
    /// Its message.
    message: String,
}

impl From<&model::ExecutionError> for ExecutionError {
    fn from(error: &model::ExecutionError) -> Self {
        let earlier = error.earlier.iter().map(|link| EarlierError {
            attempt: int(link.attempt),
            code: link.code.clone(),
            message: link.message.clone(),
        });
        Self {
            code: error.code.clone(),
            message: error.message.clone(),
            retryable: error.retryable,
            attempt: int(error.attempt),
            earlier: earlier.collect(),
        }
    }
}

/// A recorded step.
pub(crate) struct ExecutionStep(model::Step);

/// A step whose result is recorded and never computed again.
#[Object]
impl ExecutionStep {
    /// Its name, unique within the execution.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The attempt that ran it, from 1.
    async fn attempt(&self) -> i32 {
        int(self.0.attempt)
    }

    /// The recorded result.
    async fn result(&self, ctx: &Context<'_>) -> Nullable<Json> {
        Some(Json::load(ctx, &self.0.result).await)
    }

    /// The size and the beginning of the recorded result.
    async fn result_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Bytes at most, 1 to 65,536.", default = 2048)] bytes: i32,
    ) -> Nullable<PayloadPreview> {
        let step = &self.0;
        let url = PayloadPreview::address(step.execution_id, "step", Some(&step.name));
        Some(PayloadPreview::load(ctx, &step.result, bytes, url).await)
    }

    /// When it began.
    async fn started_at(&self) -> DateTime {
        DateTime(self.0.started_at)
    }

    /// When its result became durable.
    async fn finished_at(&self) -> Option<DateTime> {
        Some(DateTime(self.0.finished_at))
    }
}

/// An execution with its intent.
pub(crate) struct Execution(pub(crate) Arc<model::Execution>);

impl Execution {
    /// The execution with that id, as it stands; none where it is absent or not the caller's.
    pub(crate) async fn find(ctx: &Context<'_>, id: model::ExecutionId) -> Nullable<Self> {
        let loaders = match Caller::of(ctx) {
            Ok(caller) => caller.loaders(),
            Err(error) => return Some(Err(error)),
        };
        let found = loaders.executions.load(id).await;
        found.map(|found| found.map(Self)).transpose()
    }
}

/// The execution of an intent.
#[Object]
impl Execution {
    /// Opaque id of the form `exe_…`.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its status.
    async fn status(&self) -> ExecutionStatus {
        self.0.status.into()
    }

    /// The intent that it executes.
    async fn intent(&self) -> Intent {
        Intent(Arc::clone(&self.0))
    }

    /// The handler that was chosen when the intent was submitted.
    async fn handler_name(&self) -> &str {
        &self.0.handler_name
    }

    /// Who submitted it: the name of the caller, for a child that of its root's. Null where an earlier
    /// version of the server submitted it.
    async fn submitted_by(&self) -> Option<&str> {
        self.0.submitted_by.as_deref()
    }

    /// 0 before the first start, then 1 and up.
    async fn attempt(&self) -> i32 {
        int(self.0.attempt)
    }

    /// 0 (first) to 9.
    async fn priority(&self) -> i32 {
        int(self.0.priority)
    }

    /// Why it is not running now; null while it runs and after its end.
    async fn waiting_for(&self, ctx: &Context<'_>) -> Nullable<WaitReason> {
        if self.0.status.is_terminal() {
            return None;
        }
        let reason = async {
            let loaders = Caller::of(ctx)?.loaders();
            let waiting = loaders.wait_reasons.load(self.0.id).await?;
            Ok(waiting.map(|waiting| waiting.reason.into()))
        };
        reason.await.transpose()
    }

    /// The name of the limit for which it waits; null unless `waitingFor` is `LIMIT`.
    async fn waiting_for_limit(&self, ctx: &Context<'_>) -> Nullable<String> {
        if self.0.status.is_terminal() || self.0.limits == 0 {
            return None;
        }
        let limit = async {
            let loaders = Caller::of(ctx)?.loaders();
            let waiting = loaders.wait_reasons.load(self.0.id).await?;
            Ok(waiting.and_then(|waiting| waiting.limit.as_deref().map(str::to_owned)))
        };
        limit.await.transpose()
    }

    /// The handler's result, once it is completed.
    async fn result(&self, ctx: &Context<'_>) -> Nullable<Json> {
        Some(Json::load(ctx, self.0.result.as_ref()?).await)
    }

    /// The size and the beginning of the result, once it is completed.
    async fn result_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Bytes at most, 1 to 65,536.", default = 2048)] bytes: i32,
    ) -> Nullable<PayloadPreview> {
        let result = self.0.result.as_ref()?;
        let url = PayloadPreview::address(self.0.id, "result", None);
        Some(PayloadPreview::load(ctx, result, bytes, url).await)
    }

    /// Why it failed, or why its last attempt did.
    async fn error(&self) -> Option<ExecutionError> {
        self.0.error.as_ref().map(Into::into)
    }

    /// Its recorded steps, oldest first.
    async fn steps(&self, ctx: &Context<'_>) -> Result<Listed<ExecutionStep>, ApiError> {
        let loaders = Caller::of(ctx)?.loaders();
        let steps = loaders.steps.load(self.0.id).await?.unwrap_or_default();
        Ok(steps.iter().cloned().map(ExecutionStep).collect())
    }

    /// The recorded step of that name; null where there is none.
    async fn step(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Its name.")] name: String,
    ) -> Nullable<ExecutionStep> {
        let found = async {
            let loaders = Caller::of(ctx)?.loaders();
            let steps = loaders.steps.load(self.0.id).await?.unwrap_or_default();
            let step = steps.iter().find(|step| step.name == name).cloned();
            Ok(step.map(ExecutionStep))
        };
        found.await.transpose()
    }

    /// The execution that submitted it, if one did.
    async fn parent(&self, ctx: &Context<'_>) -> Nullable<Execution> {
        Execution::find(ctx, self.0.parent_id?).await
    }

    /// The executions it submitted, oldest first.
    async fn children(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ExecutionConnection, ApiError> {
        let args = PageArgs::new(first, after, last, before);
        let caller = Caller::of(ctx)?;
        let total = Total::Members(Members::ExecutionsOfExecution, self.0.id.0);
        if let Some(size) = args.first_page()? {
            let page = caller
                .loaders()
                .child_executions
                .load((self.0.id, size))
                .await?;
            return Ok(ExecutionConnection::shared(page, total));
        }
        let filter = ExecutionFilter {
            parent_id: Some(self.0.id),
            oldest_first: true,
            ..ExecutionFilter::default()
        };
        let executions = &caller.services.executions;
        let page = executions
            .list(&caller.scope, &filter, &args.request()?)
            .await?;
        Ok(ExecutionConnection::of(page, total))
    }

    /// The finished execution that it repeats, if it does.
    async fn rerun_of(&self, ctx: &Context<'_>) -> Nullable<Execution> {
        Execution::find(ctx, self.0.rerun_of?).await
    }

    /// The artifacts it made, and those it found again because the same work had made them before, in
    /// order of registration.
    async fn artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ArtifactConnection, ApiError> {
        let args = PageArgs::new(first, after, last, before);
        let caller = Caller::of(ctx)?;
        let total = Total::Members(Members::ArtifactsOfExecution, self.0.id.0);
        if let Some(size) = args.first_page()? {
            let page = caller
                .loaders()
                .execution_artifacts
                .load((self.0.id, size))
                .await?;
            return Ok(ArtifactConnection::shared(page, total));
        }
        let filter = ArtifactFilter {
            execution_id: Some(self.0.id),
            oldest_first: true,
            ..ArtifactFilter::default()
        };
        let artifacts = &caller.services.artifacts;
        let page = artifacts
            .list(&caller.scope, &filter, None, &args.request()?)
            .await?;
        Ok(ArtifactConnection::of(page, total))
    }

    /// Its events, oldest first: the same items and cursors as `executionEvents`. With types, a page looks at 4,000
    /// events: it may have fewer items than asked for, or none, and another page after it. `totalCount` is that of all
    /// types.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only events after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only events before this cursor.")] before: Option<String>,
        #[graphql(
            desc = "Only events of one of these types, e.g. `step.completed`; of any when left out."
        )]
        types: Option<Vec<String>>,
    ) -> Result<ExecutionEventConnection, ApiError> {
        let range = LogRange {
            types: types.unwrap_or_default(),
            ..PageArgs::new(first, after, last, before).between()?
        };
        let caller = Caller::of(ctx)?;
        let events = &caller.services.events;
        let page = events.page(&caller.scope, &self.0, &range).await?;
        let events = page.items.iter();
        let nodes = events
            .filter_map(|(cursor, event)| Some((cursor.to_string(), ExecutionEvent::of(event)?)));
        let nodes: Vec<_> = nodes.collect();
        // The numbers are dense.
        let total = Total::Known(Count::of(self.0.next_seq - 1, true));
        Ok(ExecutionEventConnection::of_part(nodes, &page, total))
    }

    /// What it did, and when: its attempts, recorded steps and those that have been running for a second, the executions
    /// it submitted, and what it waited for. One flat list, by when they began.
    async fn timeline(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The most items; 1 to 1,000.", default = 200)] max_items: i32,
    ) -> Result<Timeline, ApiError> {
        let most = u32::try_from(max_items)
            .ok()
            .filter(|it| (1..=MOST_OF_TIMELINE).contains(it));
        let most = most.ok_or_else(|| {
            ApiError::bad_input(format!("maxItems must be from 1 to {MOST_OF_TIMELINE}"))
        })?;
        let caller = Caller::of(ctx)?;
        let executions = &caller.services.executions;
        let timeline = executions.timeline(&caller.scope, &self.0, most).await?;
        Ok(timeline.into())
    }

    /// When it was accepted.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// It does not start before this time.
    async fn run_at(&self) -> Option<DateTime> {
        self.0.run_at.map(DateTime)
    }

    /// It fails when this time comes before its end.
    async fn deadline_at(&self) -> Option<DateTime> {
        self.0.deadline_at.map(DateTime)
    }

    /// When its cancellation was accepted, whether or not that has taken effect.
    async fn cancel_requested_at(&self) -> Option<DateTime> {
        self.0.cancel_requested_at.map(DateTime)
    }

    /// When its first attempt began.
    async fn started_at(&self) -> Option<DateTime> {
        self.0.started_at.map(DateTime)
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.finished_at.map(DateTime)
    }
}
