//! Making, changing and deleting schedules.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            execution::Execution,
            ids,
            scalars::{DateTime, Json, int, json_or_empty},
            schedule::{Schedule, ScheduleOverlap},
            user_error::UserError,
        },
    },
    model::{self, Overlap, Refusal, ScheduleId, ScheduleTimes},
    runtime::{NewSchedule, Submitted},
};

/// A schedule to make: an intent, and either `cron` or `everySeconds`.
#[derive(InputObject)]
struct CreateScheduleInput {
    /// A name for people, 1 to 200 characters.
    name: Option<String>,
    /// The type of work, e.g. `ingest_file`.
    intent_type: String,
    /// The session of its executions; it must be active. The schedule is paused when it ends.
    session_id: ID,
    /// The solution it is meant for; the session's, or `default`, when left out.
    solution_id: Option<String>,
    /// The handler, where several serve the type.
    handler_name: Option<String>,
    /// The handler's parameters; `{}` when left out. At most 64 KiB.
    parameters: Option<Json>,
    /// Notes of the client, which its intents get.
    metadata: Option<Json>,
    /// 0 (first) to 9; 5 when left out.
    priority: Option<i32>,
    /// Five fields: minute, hour, day of month, month, day of week; or `@hourly`, `@daily`, `@weekly`, `@monthly`,
    /// `@yearly`.
    cron: Option<String>,
    /// The IANA name of the zone in which `cron` is read; `UTC` when left out.
    time_zone: Option<String>,
    /// An interval instead, counted from now.
    every_seconds: Option<i32>,
    /// What is done when it is due while an execution that it made has not ended; `SKIP` when left out.
    overlap: Option<ScheduleOverlap>,
    /// For so many seconds a time that was missed is made up for, the latest one alone; 60 to 2678400, 3600 when left
    /// out.
    catch_up_seconds: Option<i32>,
    /// Each execution is submitted up to so many seconds after its time; 0 to 3600, 0 when left out.
    jitter_seconds: Option<i32>,
}

impl CreateScheduleInput {
    fn read(self) -> Result<NewSchedule, MutationFailure> {
        let session_id = ids::input(&self.session_id, &["input", "sessionId"])?;
        let zone = self.time_zone;
        let times = match (self.cron, self.every_seconds) {
            (Some(cron), None) => ScheduleTimes::Cron {
                cron,
                zone: zone.unwrap_or_else(|| "UTC".to_owned()),
            },
            (None, Some(seconds)) if zone.is_none() => ScheduleTimes::Every {
                seconds: seconds.into(),
            },
            _ => {
                let message = "a schedule has cron, with timeZone if you like, or everySeconds";
                return Err(Refusal::invalid(["cron"], message).into());
            }
        };
        Ok(NewSchedule {
            name: self.name,
            session_id,
            intent_type: self.intent_type,
            handler_name: self.handler_name,
            solution_id: self.solution_id,
            parameters: json_or_empty(self.parameters),
            metadata: json_or_empty(self.metadata),
            priority: self.priority.map(Into::into),
            times,
            overlap: self.overlap.map_or(Overlap::Skip, Into::into),
            catch_up_seconds: self.catch_up_seconds.map(Into::into),
            jitter_seconds: self.jitter_seconds.map(Into::into),
        })
    }
}

/// A schedule to pause.
#[derive(InputObject)]
struct PauseScheduleInput {
    /// The schedule.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// A schedule to resume.
#[derive(InputObject)]
struct ResumeScheduleInput {
    /// The schedule.
    id: ID,
}

/// A schedule to delete.
#[derive(InputObject)]
struct DeleteScheduleInput {
    /// The schedule.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// A schedule that is to submit at once.
#[derive(InputObject)]
struct TriggerScheduleInput {
    /// The schedule.
    id: ID,
    /// At most 255 characters. A repetition with the same key answers with the first one's execution.
    idempotency_key: Option<String>,
}

/// Times of a schedule that have passed and are to be made up for.
#[derive(InputObject)]
struct BackfillScheduleInput {
    /// The schedule; it must be at work.
    id: ID,
    /// Times from this one on.
    from: DateTime,
    /// Times before this one, which has passed.
    until: DateTime,
}

/// Payloads with a schedule.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The schedule; null when there are errors.
            schedule: Option<Schedule>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<model::Schedule>> for $name {
            fn from(outcome: MutationResult<model::Schedule>) -> Self {
                let (schedule, errors) = parts(outcome);
                Self {
                    schedule: schedule.map(|it| Schedule(Arc::new(it))),
                    errors,
                }
            }
        }
    )*};
}

payloads! {
    /// The result of `createSchedule`.
    CreateSchedulePayload;
    /// The result of `pauseSchedule`.
    PauseSchedulePayload;
    /// The result of `resumeSchedule`.
    ResumeSchedulePayload;
    /// The result of `deleteSchedule`: the schedule as it was.
    DeleteSchedulePayload;
}

/// The result of `triggerSchedule`.
#[derive(SimpleObject)]
struct TriggerSchedulePayload {
    /// The execution; null when there are errors.
    execution: Option<Execution>,
    /// True if the same request was accepted before and this is its execution.
    replayed: bool,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<Submitted>> for TriggerSchedulePayload {
    fn from(outcome: MutationResult<Submitted>) -> Self {
        let (submitted, errors) = parts(outcome);
        Self {
            replayed: submitted.as_ref().is_some_and(|it| it.replayed),
            execution: submitted.map(|it| Execution(Arc::new(it.execution))),
            errors,
        }
    }
}

/// The result of `backfillSchedule`.
#[derive(SimpleObject)]
struct BackfillSchedulePayload {
    /// The schedule; null when there are errors.
    schedule: Option<Schedule>,
    /// The number of times that were put into its queue.
    times: i32,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<(model::Schedule, usize)>> for BackfillSchedulePayload {
    fn from(outcome: MutationResult<(model::Schedule, usize)>) -> Self {
        let (filled, errors) = parts(outcome);
        let (schedule, times) = filled.unzip();
        Self {
            schedule: schedule.map(|it| Schedule(Arc::new(it))),
            times: int(times.unwrap_or_default()),
            errors,
        }
    }
}

fn schedule_id(id: &ID) -> Result<ScheduleId, MutationFailure> {
    Ok(ids::input(id, &["input", "id"])?)
}

#[derive(Default)]
pub(super) struct ScheduleMutation;

#[Object]
impl ScheduleMutation {
    /// Makes a schedule, for whoever may submit its intents. Its executions act for the caller, with the permissions
    /// that they have now.
    async fn create_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule to make.")] input: CreateScheduleInput,
    ) -> Result<CreateSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let runtime = &caller.services.runtime;
            let new = input.read()?;
            Ok(runtime.create_schedule(&caller.principal, new).await?)
        };
        payload(caller, change.await)
    }

    /// Pauses a schedule; what waits in its queue is dropped. One that is paused stays as it is.
    async fn pause_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule to pause.")] input: PauseScheduleInput,
    ) -> Result<PauseSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, schedule_id(&input.id)?);
            let paused = runtime.pause_schedule(&caller.principal, id, input.reason);
            Ok(paused.await?)
        };
        payload(caller, change.await)
    }

    /// Resumes a schedule from now on; the times meanwhile are left out. One that is at work stays as it is.
    async fn resume_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule to resume.")] input: ResumeScheduleInput,
    ) -> Result<ResumeSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, schedule_id(&input.id)?);
            Ok(runtime.resume_schedule(&caller.principal, id).await?)
        };
        payload(caller, change.await)
    }

    /// Submits the intent of a schedule at once, whatever it has running, and also while it is paused.
    async fn trigger_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule.")] input: TriggerScheduleInput,
    ) -> Result<TriggerSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, schedule_id(&input.id)?);
            let key = caller.idempotency_key(input.idempotency_key)?;
            Ok(runtime.trigger_schedule(&caller.principal, id, key).await?)
        };
        payload(caller, change.await)
    }

    /// Puts times of a schedule that have passed into its queue, at most 1,000. They are submitted one after the other,
    /// or all at once where the schedule allows overlap. Times that led to an execution are not repeated for as long
    /// as idempotency keys are remembered.
    async fn backfill_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule and its times.")] input: BackfillScheduleInput,
    ) -> Result<BackfillSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, schedule_id(&input.id)?);
            let (DateTime(from), DateTime(until)) = (input.from, input.until);
            let filled = runtime.backfill_schedule(&caller.principal, id, from, until);
            Ok(filled.await?)
        };
        payload(caller, change.await)
    }

    /// Deletes a schedule. Its executions stay and go on.
    async fn delete_schedule(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The schedule to delete.")] input: DeleteScheduleInput,
    ) -> Result<DeleteSchedulePayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, schedule_id(&input.id)?);
            let deleted = runtime.delete_schedule(&caller.principal, id, input.reason);
            Ok(deleted.await?)
        };
        payload(caller, change.await)
    }
}
