//! Schedules: intents that are submitted again and again.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, InputObject, Object, SimpleObject};

use super::{
    connection::ExecutionConnection,
    counted::Listed,
    ids,
    page::PageArgs,
    scalars::{BigInt, DateTime, Json, int},
    total::Total,
};
use crate::{
    api::ApiError,
    graphql::{error::Nullable, loading::Caller},
    model::{self, ExecutionId, ScheduleTimes},
    runtime,
    services::{Count, Page},
};

/// Whether a schedule is at work.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::ScheduleStatus")]
pub(crate) enum ScheduleStatus {
    /// It submits at its times.
    Active,
    /// It submits nothing until it is resumed: somebody has paused it, or its session has ended.
    Paused,
}

/// What is done when a schedule is due while an execution that it made has not ended.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::Overlap")]
pub(crate) enum ScheduleOverlap {
    /// The new one is left out.
    Skip,
    /// One waits until the others have ended; further ones are left out.
    QueueOne,
    /// All wait, at most 1,000, and run one after the other.
    QueueAll,
    /// Those that have not ended are cancelled; the new one starts when they have ended.
    CancelPrevious,
    /// The new one starts at once.
    Allow,
}

/// Why the last time of a schedule that was refused led to no execution.
#[derive(SimpleObject, Debug)]
pub(crate) struct ScheduleError {
    /// What a submit would have been told.
    message: String,
    /// The time of the schedule.
    at: DateTime,
}

/// A schedule as it stands.
#[derive(Clone)]
pub(crate) struct Schedule(pub(crate) Arc<model::Schedule>);

/// An intent that is submitted again and again, at the times of a cron expression or at an interval.
#[Object]
impl Schedule {
    /// Opaque id of the form `sch_…`.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// A name for people.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Whether it is at work.
    async fn status(&self) -> ScheduleStatus {
        self.0.status.into()
    }

    /// The type of its intents.
    async fn intent_type(&self) -> &str {
        &self.0.intent_type
    }

    /// The session of its executions.
    async fn session_id(&self) -> ID {
        self.0.session_id.into()
    }

    /// The handler that was named; null where none was.
    async fn handler_name(&self) -> Option<&str> {
        self.0.handler_name.as_deref()
    }

    /// The solution that was named; null where none was.
    async fn solution_id(&self) -> Option<&str> {
        self.0.solution_id.as_deref()
    }

    /// The parameters of its intents; `***` stands for those that the handler's schema marks as sensitive.
    async fn parameters(&self) -> Json {
        Json(self.0.parameters.clone())
    }

    /// Notes of the client, which its intents get.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    /// The priority of its executions; null where none was given.
    async fn priority(&self) -> Option<i32> {
        self.0.priority.map(int)
    }

    /// The cron expression; null where it has an interval.
    async fn cron(&self) -> Option<&str> {
        match &self.0.times {
            ScheduleTimes::Cron { cron, .. } => Some(cron),
            ScheduleTimes::Every { .. } => None,
        }
    }

    /// The IANA name of the zone in which the expression is read; null where it has an interval.
    async fn time_zone(&self) -> Option<&str> {
        match &self.0.times {
            ScheduleTimes::Cron { zone, .. } => Some(zone),
            ScheduleTimes::Every { .. } => None,
        }
    }

    /// The interval in seconds; null where it has a cron expression.
    async fn every_seconds(&self) -> Option<i32> {
        match &self.0.times {
            ScheduleTimes::Cron { .. } => None,
            ScheduleTimes::Every { seconds } => Some(int(*seconds)),
        }
    }

    /// What is done when it is due while an execution that it made has not ended.
    async fn overlap(&self) -> ScheduleOverlap {
        self.0.overlap.into()
    }

    /// For so many seconds a time that was missed is made up for, the latest one alone.
    async fn catch_up_seconds(&self) -> i32 {
        int(self.0.catch_up_micros / 1_000_000)
    }

    /// Each execution is submitted up to so many seconds after its time.
    async fn jitter_seconds(&self) -> i32 {
        int(self.0.jitter_micros / 1_000_000)
    }

    /// The name of whoever made it; its executions act for them.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// Its next times, for a schedule that is paused those that it would have; each execution is submitted up to
    /// `jitterSeconds` later.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn next_times(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many, 1 to 100; 5 when left out.")] count: Option<i32>,
    ) -> Result<Listed<DateTime>, ApiError> {
        let count = usize::try_from(count.unwrap_or(5)).unwrap_or_default();
        if count == 0 {
            return Err(ApiError::bad_input("count: 1 to 100 times are told"));
        }
        let runtime = &Caller::of(ctx)?.services.runtime;
        let times = runtime.next_times(&self.0, count)?;
        Ok(times.into_iter().map(DateTime).collect())
    }

    /// The times that wait, oldest first; at most 1,000.
    async fn queued_times(&self) -> Listed<DateTime> {
        self.0.queued.iter().copied().map(DateTime).collect()
    }

    /// The last of its times that led to an execution.
    async fn last_fired_at(&self) -> Option<DateTime> {
        self.0.last_fired_at.map(DateTime)
    }

    /// The number of its times that were left out, by overlap or because they were refused, and of the looks at it
    /// that came too late for all of them.
    async fn skipped_count(&self) -> BigInt {
        BigInt(self.0.skipped)
    }

    /// Why a time was refused, if the last one that was tried was.
    async fn last_error(&self) -> Option<ScheduleError> {
        let error = self.0.last_error.as_ref()?;
        Some(ScheduleError {
            message: error.message.clone(),
            at: DateTime(error.at),
        })
    }

    /// The last hundred executions that it has made, newest first, as far as they are still there and the caller may
    /// read them.
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
    ) -> Result<ExecutionConnection, ApiError> {
        let page = PageArgs::forward(first, after).request()?;
        let caller = Caller::of(ctx)?;
        let runs = caller
            .services
            .runtime
            .runs_of_schedule(&caller.scope, self.0.id);
        let runs = runs.await?;
        let total = Total::Known(Count::of(
            i64::try_from(runs.len()).unwrap_or(i64::MAX),
            true,
        ));
        let behind = |id: &ExecutionId| page.after.is_none_or(|after| *id < after);
        let mut ids = runs.into_iter().filter(behind);
        let shown: Vec<ExecutionId> = ids.by_ref().take(page.limit as usize).collect();
        let has_next = ids.next().is_some();
        let found = &caller.services.executions;
        let mut found: std::collections::HashMap<_, _> = found
            .find_many(&caller.scope, &shown)
            .await?
            .into_iter()
            .map(|it| (it.id, it))
            .collect();
        let (start, end) = (shown.first().copied(), shown.last().copied());
        let items = shown.into_iter();
        let items = items.filter_map(|id| Some((id, found.remove(&id)?)));
        let page = Page {
            items: items.collect(),
            has_next,
            has_previous: page.after.is_some(),
            start,
            end,
        };
        Ok(ExecutionConnection::of(page, total))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When somebody last changed it.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

impl Schedule {
    /// The schedule with that id; none where it is absent or not the caller's.
    pub(crate) async fn find(ctx: &Context<'_>, id: model::ScheduleId) -> Nullable<Self> {
        let found = async {
            let caller = Caller::of(ctx)?;
            let runtime = &caller.services.runtime;
            let found = runtime.find_schedule(&caller.scope, id).await?;
            Ok(found.map(|it| Self(Arc::new(it))))
        };
        found.await.transpose()
    }
}

/// Which schedules to list; all conditions hold together.
#[derive(InputObject, Debug, Default)]
pub(crate) struct ScheduleFilter {
    /// Only in one of these states.
    status: Option<Vec<ScheduleStatus>>,
    /// Only of intents of these types.
    intent_type: Option<Vec<String>>,
    /// Only of this session.
    session_id: Option<ID>,
    /// Only with this name.
    name: Option<String>,
}

impl ScheduleFilter {
    /// The filter of the service.
    pub(crate) fn read(self) -> Result<runtime::ScheduleFilter, ApiError> {
        let statuses = self.status.unwrap_or_default();
        Ok(runtime::ScheduleFilter {
            statuses: statuses.into_iter().map(Into::into).collect(),
            intent_types: self.intent_type.unwrap_or_default(),
            session_id: ids::optional(self.session_id.as_ref(), "sessionId")?,
            name: self.name,
        })
    }
}
