//! Schedules: made and changed by whoever may submit what they submit, and moved on by the engine
//! (`engine/schedules.rs`).

pub(super) mod plan;
pub(super) mod timetable;

use std::sync::Arc;

use super::{Error, Runtime, SubmitIntent, Submitted};
use crate::{
    model::{
        Action, ExecutionId, Fault, Micros, Overlap, Principal, RawJson, Refusal, Schedule,
        ScheduleId, ScheduleStatus, ScheduleTimes, SessionId, TenantScope, check_reason, is_name,
    },
    storage::{self, ChangeSchedule, Count, CreateSchedule, Page, PageRequest, ScheduleChange},
};
use plan::{MAX_QUEUED, submitted_at};
use timetable::Timetable;

pub use crate::storage::ScheduleFilter;

/// The time for which a missed time is made up for unless the schedule says otherwise, the shortest and the longest.
const CATCH_UP_SECONDS: i64 = 3_600;
const CATCH_UP_WITHIN: (i64, i64) = (60, 31 * 86_400);
/// The longest delay by which executions are spread.
const MAX_JITTER_SECONDS: i64 = 3_600;
/// The most times of a schedule that are told beforehand.
const MAX_NEXT_TIMES: usize = 100;

/// A schedule to be made.
#[derive(Debug, Clone)]
pub struct NewSchedule {
    /// A name for people.
    pub name: Option<String>,
    /// The session of its executions; it exists in the tenant and is active.
    pub session_id: SessionId,
    /// The type of work.
    pub intent_type: String,
    /// The handler, where several serve the type.
    pub handler_name: Option<String>,
    /// The solution; the session's, or `default`, if none.
    pub solution_id: Option<String>,
    /// The handler's parameters, an object.
    pub parameters: RawJson,
    /// Notes of the client, an object.
    pub metadata: RawJson,
    /// 0 (first) to 9; 5 if none.
    pub priority: Option<i64>,
    /// When it is due.
    pub times: ScheduleTimes,
    /// What is done while an execution that it made has not ended.
    pub overlap: Overlap,
    /// For so long a time that was missed is made up for; an hour if none.
    pub catch_up_seconds: Option<i64>,
    /// Each execution is submitted up to so long after its time; on time if none.
    pub jitter_seconds: Option<i64>,
}

impl NewSchedule {
    fn check(&self) -> Result<(), Refusal> {
        let mut faults = Vec::new();
        if self.name.as_deref().is_some_and(|name| !is_name(name, 200)) {
            let message = "a name has 1 to 200 characters, none of them a control character";
            faults.push(Fault::at(["name"], message));
        }
        let (least, most) = CATCH_UP_WITHIN;
        if !(least..=most).contains(&self.catch_up_seconds.unwrap_or(CATCH_UP_SECONDS)) {
            let message = format!("a missed time is made up for within {least} to {most} seconds");
            faults.push(Fault::at(["catchUpSeconds"], message));
        }
        if !(0..=MAX_JITTER_SECONDS).contains(&self.jitter_seconds.unwrap_or_default()) {
            let message =
                format!("executions are spread over at most {MAX_JITTER_SECONDS} seconds");
            faults.push(Fault::at(["jitterSeconds"], message));
        }
        if faults.is_empty() {
            return Ok(());
        }
        Err(Refusal::InvalidInput(faults))
    }

    fn intent(&self) -> SubmitIntent {
        SubmitIntent {
            solution_id: self.solution_id.clone(),
            handler_name: self.handler_name.clone(),
            metadata: self.metadata.clone(),
            priority: self.priority,
            ..SubmitIntent::new(&self.intent_type, self.session_id, self.parameters.clone())
        }
    }
}

fn refused(fault: Fault) -> Error {
    Refusal::InvalidInput(vec![fault]).into()
}

/// Whoever makes a schedule submit has to have what its executions may do: they act for whoever made it.
fn check_covers(principal: &Principal, schedule: &Schedule) -> Result<(), Refusal> {
    let has = principal.grants_of_attempts();
    let mut needed = schedule.grants.scopes();
    match needed.find(|scope| !has.contains(scope)) {
        Some(scope) => Err(Refusal::Forbidden { scope }),
        None => Ok(()),
    }
}

impl Runtime {
    /// Makes a schedule. Its executions act for whoever makes it, with the permissions that they have now.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong: what could not be submitted now cannot be scheduled.
    pub async fn create_schedule(
        &self,
        principal: &Principal,
        new: NewSchedule,
    ) -> Result<Schedule, Error> {
        principal.check_submit(&new.intent_type)?;
        if principal.is_handed_out() {
            let message =
                "a schedule outlives a token of minutes: it is made by a key or by a user";
            return Err(Refusal::invalid([], message).into());
        }
        new.check()?;
        let engine = &self.0;
        let now = engine.clock.now();
        let timetable = Timetable::of(&new.times, now).map_err(refused)?;
        let Some(next_at) = timetable.next(now) else {
            return Err(Refusal::invalid(["cron"], "the expression is never due").into());
        };
        let id = engine.ids.schedule();
        let stored = engine.check_schedule(principal, id, &new.intent()).await?;
        let seconds = |seconds: Option<i64>, default| seconds.unwrap_or(default) * 1_000_000;
        let mut schedule = Schedule {
            id,
            tenant_id: principal.tenant().clone(),
            name: new.name,
            session_id: new.session_id,
            intent_type: new.intent_type,
            handler_name: new.handler_name,
            solution_id: new.solution_id,
            parameters: stored.shown,
            sealed: stored.sealed,
            metadata: new.metadata,
            priority: new.priority,
            times: new.times,
            overlap: new.overlap,
            catch_up_micros: seconds(new.catch_up_seconds, CATCH_UP_SECONDS),
            jitter_micros: seconds(new.jitter_seconds, 0),
            status: ScheduleStatus::Active,
            created_by: principal.actor().to_string(),
            grants: principal.grants_of_attempts().clone(),
            next_at: Some(next_at),
            due_at: None,
            queued: Vec::new(),
            last_fired_at: None,
            skipped: 0,
            last_error: None,
            version: 1,
            next_seq: 1,
            created_at: now,
            updated_at: now,
        };
        schedule.due_at = Some(submitted_at(&schedule, next_at));
        let create = CreateSchedule {
            scope: principal.scope(),
            actor: Arc::clone(principal.actor()),
            schedule,
            most: engine.limits.schedules,
        };
        let made = engine.storage.create_schedule(create).await?;
        engine.schedules_changed.notify_one();
        Ok(made)
    }

    /// A schedule that whoever asks may read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_schedule(
        &self,
        scope: &TenantScope,
        id: ScheduleId,
    ) -> Result<Option<Schedule>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        Ok(self.0.storage.find_schedule(scope, &reach, id).await?)
    }

    /// A page of the schedules that whoever asks may read, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_schedules(
        &self,
        scope: &TenantScope,
        filter: &ScheduleFilter,
        page: &PageRequest<ScheduleId>,
    ) -> Result<Page<ScheduleId, Schedule>, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        let storage = &self.0.storage;
        Ok(storage.list_schedules(scope, &reach, filter, page).await?)
    }

    /// Returns the number of schedules that [`Self::list_schedules`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_schedules(
        &self,
        scope: &TenantScope,
        filter: &ScheduleFilter,
    ) -> Result<Count, Error> {
        let reach = scope.check(Action::ReadExecutions)?;
        Ok(self
            .0
            .storage
            .count_schedules(scope, &reach, filter)
            .await?)
    }

    /// The last executions that a schedule has made, newest first; a hundred at most. Whoever asks has been shown the
    /// schedule.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn runs_of_schedule(
        &self,
        scope: &TenantScope,
        id: ScheduleId,
    ) -> Result<Vec<ExecutionId>, Error> {
        let _reach = scope.check(Action::ReadExecutions)?;
        Ok(self.0.storage.runs_of_schedule(scope, id).await?)
    }

    /// The next times of a schedule, also of one that is paused; a hundred at most.
    ///
    /// # Errors
    /// [`Error::Refused`] for a number beyond that.
    pub fn next_times(&self, schedule: &Schedule, count: usize) -> Result<Vec<Micros>, Error> {
        if count > MAX_NEXT_TIMES {
            let message = format!("at most {MAX_NEXT_TIMES} times are told");
            return Err(Refusal::invalid(["count"], message).into());
        }
        let timetable = Timetable::of(&schedule.times, schedule.created_at).map_err(refused)?;
        let now = self.0.clock.now();
        let first = schedule.next_at.or_else(|| timetable.next(now));
        let times = std::iter::successors(first, |at| timetable.next(*at));
        Ok(times.take(count).collect())
    }

    /// The schedule, for whoever may change it.
    async fn own_schedule(&self, principal: &Principal, id: ScheduleId) -> Result<Schedule, Error> {
        let reach = principal.reach_of_submits();
        let scope = principal.scope();
        let found = self.0.storage.find_schedule(&scope, &reach, id).await?;
        let found = found.ok_or_else(|| Refusal::not_found("schedule", "id"))?;
        principal.check_submit(&found.intent_type)?;
        Ok(found)
    }

    async fn change_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        change: ScheduleChange,
    ) -> Result<Schedule, Error> {
        let change = ChangeSchedule {
            scope: principal.scope(),
            actor: Some(Arc::clone(principal.actor())),
            id,
            change,
        };
        let changed = self.0.storage.change_schedule(change).await?;
        self.0.schedules_changed.notify_one();
        Ok(changed)
    }

    /// Pauses a schedule: it submits nothing until it is resumed, and what waits in its queue is dropped. One that is
    /// paused stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn pause_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        reason: Option<String>,
    ) -> Result<Schedule, Error> {
        principal.check_submits()?;
        check_reason(reason.as_deref())?;
        self.own_schedule(principal, id).await?;
        let error = None;
        let change = ScheduleChange::Pause { reason, error };
        self.change_schedule(principal, id, change).await
    }

    /// Resumes a schedule from now on; the times meanwhile are left out. One that is at work stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn resume_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
    ) -> Result<Schedule, Error> {
        principal.check_submits()?;
        let schedule = self.own_schedule(principal, id).await?;
        check_covers(principal, &schedule)?;
        let timetable = Timetable::of(&schedule.times, schedule.created_at).map_err(refused)?;
        let next_at = timetable.next(self.0.clock.now());
        let due_at = next_at.map(|at| submitted_at(&schedule, at));
        let change = ScheduleChange::Resume { next_at, due_at };
        self.change_schedule(principal, id, change).await
    }

    /// Submits what a schedule submits at once, whatever else it has running, and also while it is paused.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent, or the intent is refused.
    pub async fn trigger_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        idempotency_key: Option<String>,
    ) -> Result<Submitted, Error> {
        principal.check_submits()?;
        let schedule = self.own_schedule(principal, id).await?;
        check_covers(principal, &schedule)?;
        let actor = principal.actor();
        match self.0.trigger(&schedule, actor, idempotency_key).await {
            // It was deleted meanwhile.
            Err(Error::Storage(storage::Error::Fenced)) => {
                Err(Refusal::not_found("schedule", "id").into())
            }
            other => other,
        }
    }

    /// Puts the times of a schedule from `from` on and before `until` into its queue, as if it had been there then.
    /// Those that led to an execution already, as far as that is remembered, do not lead to another one.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or paused, or more than a thousand times would wait.
    pub async fn backfill_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        from: Micros,
        until: Micros,
    ) -> Result<(Schedule, usize), Error> {
        principal.check_submits()?;
        let now = self.0.clock.now();
        if from >= until || until > now {
            let message = "a range of times that have passed is filled up: from < until <= now";
            return Err(Refusal::invalid(["until"], message).into());
        }
        let schedule = self.own_schedule(principal, id).await?;
        check_covers(principal, &schedule)?;
        let timetable = Timetable::of(&schedule.times, schedule.created_at).map_err(refused)?;
        let first = timetable.next(from.saturating_sub(1));
        let times = std::iter::successors(first, |at| timetable.next(*at));
        let times = times.take_while(|at| *at < until);
        let times: Vec<Micros> = times.take(MAX_QUEUED + 1).collect();
        let count = times.len();
        let change = ScheduleChange::Backfill {
            from,
            until,
            times,
            most: MAX_QUEUED,
            due_at: now,
        };
        let changed = self.change_schedule(principal, id, change).await?;
        Ok((changed, count))
    }

    /// Deletes a schedule. Its executions stay and go on.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn delete_schedule(
        &self,
        principal: &Principal,
        id: ScheduleId,
        reason: Option<String>,
    ) -> Result<Schedule, Error> {
        principal.check_submits()?;
        check_reason(reason.as_deref())?;
        self.own_schedule(principal, id).await?;
        let change = ScheduleChange::Delete { reason };
        self.change_schedule(principal, id, change).await
    }
}
