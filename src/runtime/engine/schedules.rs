//! Moving schedules on. What is due is held for the time of a lease, which is written down, so one node looks at it;
//! when that node dies, another one does when the time has passed. What was submitted and not written down yet is
//! found again by its idempotency key, the schedule and its time.
//!
//! However many are due, one batch after the other is held and worked off; what is submitted takes its turn with what
//! others submit, as all submits do.

use std::{sync::Arc, time::Duration};

use futures::{StreamExt as _, stream};

use super::{super::Error, Engine};
use crate::{
    model::{
        Micros, Overlap, Principal, Refusal, Schedule, ScheduleError, ScheduleId, ScheduleStatus,
    },
    runtime::schedules::{
        plan::{self, LiveRun},
        timetable::Timetable,
    },
    storage::{self, AdvanceSchedule, ChangeSchedule, ScheduleChange},
};

/// Schedules held in one transaction.
const HELD: u32 = 256;
/// Schedules that are moved on at the same time.
const AT_ONCE: usize = 32;

/// What became of a time that was tried.
enum Tried {
    Submitted,
    /// It stays in the queue until then.
    Later(Micros),
    /// It leads to nothing.
    Dropped(ScheduleError),
    /// The schedule cannot submit any more.
    Over(ScheduleError),
}

impl Engine {
    pub(super) async fn schedule_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            let pause = match self.move_due_schedules().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "schedules could not be moved on");
                    self.settings.poll
                }
            };
            tokio::select! {
                () = self.schedules_changed.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Moves on what is due; how long until the next look.
    async fn move_due_schedules(self: &Arc<Self>) -> Result<Duration, storage::Error> {
        while !self.draining.is_cancelled() {
            let now = self.clock.now();
            let due = self.storage.due_schedules(now, HELD).await?;
            if due.is_empty() {
                let next = self.storage.next_schedule_at().await?;
                let pause = next.map_or(i64::MAX, |at| at.saturating_sub(now)).max(0);
                let pause = Duration::from_micros(pause.unsigned_abs());
                return Ok(pause.min(self.settings.poll));
            }
            let held = self.hold_schedules(due, now).await?;
            let moving = stream::iter(held).for_each_concurrent(AT_ONCE, |schedule| async {
                let id = schedule.id;
                if let Err(error) = self.move_schedule(schedule).await {
                    tracing::warn!(%error, schedule_id = %id, "a schedule was not moved on");
                }
            });
            moving.await;
        }
        Ok(self.settings.poll)
    }

    /// Holds what is due. One that cannot be read does not keep the others.
    async fn hold_schedules(
        &self,
        due: Vec<(ScheduleId, i64)>,
        now: Micros,
    ) -> Result<Vec<Schedule>, storage::Error> {
        let lease = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
        let until = now.saturating_add(lease);
        match self.storage.hold_schedules(due.clone(), until).await {
            Err(storage::Error::Corrupt { .. }) => {}
            held => return held,
        }
        let mut held = Vec::new();
        for one in due {
            match self.storage.hold_schedules(vec![one], until).await {
                Ok(mut one) => held.append(&mut one),
                Err(error) => {
                    tracing::error!(%error, schedule_id = %one.0, "a schedule cannot be read");
                }
            }
        }
        if held.is_empty() {
            // Nothing but what cannot be read is due: not at once again.
            tokio::time::sleep(self.settings.poll).await;
        }
        Ok(held)
    }

    /// Does what a schedule that this node holds is due for, and writes down where it goes on.
    async fn move_schedule(self: &Arc<Self>, mut schedule: Schedule) -> Result<(), Error> {
        let now = self.clock.now();
        if schedule.status == ScheduleStatus::Paused {
            return Ok(());
        }
        let scope = Principal::of_schedule(&schedule).scope();
        let timetable = match Timetable::of(&schedule.times, schedule.created_at) {
            Ok(timetable) => timetable,
            // A zone may be gone from the database of zones.
            Err(fault) => return self.end_schedule(&schedule, fault.message).await,
        };
        let mut live = Vec::new();
        if let Some(at) = plan::take_due(&mut schedule, &timetable, now) {
            live = self.live_runs(&schedule).await?;
            if plan::put(&mut schedule, at, &live) {
                self.cancel_runs(&schedule, at, &live).await?;
                live = self.live_runs(&schedule).await?;
            }
        } else if !schedule.queued.is_empty() {
            live = self.live_runs(&schedule).await?;
        }
        let mut not_before = None;
        while let Some(at) = plan::ready(&schedule, &live) {
            match self.try_time(&schedule, at, now).await {
                Ok(Tried::Submitted) => {
                    let last = schedule.last_fired_at.map_or(at, |last| last.max(at));
                    schedule.last_fired_at = Some(last);
                    schedule.last_error = None;
                }
                Ok(Tried::Dropped(error)) => {
                    schedule.skipped += 1;
                    schedule.last_error = Some(error);
                }
                Ok(Tried::Later(at)) => {
                    not_before = Some(at);
                    break;
                }
                Ok(Tried::Over(error)) => {
                    return self.end_schedule(&schedule, error.message).await;
                }
                // Somebody has changed it: what was decided counts no more.
                Err(Error::Storage(storage::Error::Fenced)) => return Ok(()),
                Err(error) => return Err(error),
            }
            schedule.queued.remove(0);
            if schedule.overlap != Overlap::Allow {
                break;
            }
        }
        schedule.due_at = plan::due_at(&schedule, now, not_before);
        let advance = AdvanceSchedule { scope, schedule };
        self.storage.advance_schedule(advance).await?;
        Ok(())
    }

    /// The executions of a schedule that have not ended, where its overlap rule asks for them.
    async fn live_runs(&self, schedule: &Schedule) -> Result<Vec<LiveRun>, Error> {
        if schedule.overlap == Overlap::Allow {
            return Ok(Vec::new());
        }
        let scope = Principal::of_schedule(schedule).scope();
        let live = self
            .storage
            .live_runs_of_schedule(&scope, schedule.id)
            .await?;
        let live = live
            .into_iter()
            .map(|(execution_id, scheduled_at)| LiveRun {
                execution_id,
                scheduled_at,
            });
        Ok(live.collect())
    }

    /// Cancels what runs for other times than `at`.
    async fn cancel_runs(
        &self,
        schedule: &Schedule,
        at: Micros,
        live: &[LiveRun],
    ) -> Result<(), Error> {
        let scope = Principal::of_schedule(schedule).scope();
        for run in live.iter().filter(|run| run.scheduled_at != Some(at)) {
            let reason = format!("the schedule {} is due again", schedule.id);
            let (scope, actor) = (scope.clone(), schedule.created_by.clone());
            let cancelled = self
                .storage
                .cancel(scope, run.execution_id, Some(reason), actor);
            match cancelled.await {
                // It has ended meanwhile.
                Ok(_) | Err(storage::Error::Refused(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn try_time(
        self: &Arc<Self>,
        schedule: &Schedule,
        at: Micros,
        now: Micros,
    ) -> Result<Tried, Error> {
        let refusal = match self.fire(schedule, at).await {
            Ok(_) => return Ok(Tried::Submitted),
            Err(Error::Refused(refusal)) => refusal,
            Err(Error::Fingerprint {
                message,
                is_outage: false,
            }) => Refusal::invalid(["parameters"], message),
            Err(error) => return Err(error),
        };
        let error = ScheduleError {
            message: refusal.to_string(),
            at,
        };
        Ok(match refusal {
            Refusal::QuotaExceeded { retry_after_ms, .. } => {
                let after = i64::try_from(retry_after_ms).unwrap_or(i64::MAX);
                Tried::Later(now.saturating_add(after.saturating_mul(1_000)))
            }
            // Another node may have the handler, or this one after its next start.
            Refusal::UnknownIntentType { .. }
                if now.saturating_sub(at) <= schedule.catch_up_micros =>
            {
                let lease = i64::try_from(self.settings.lease.as_micros()).unwrap_or(i64::MAX);
                Tried::Later(now.saturating_add(lease))
            }
            Refusal::SessionNotActive { .. }
            | Refusal::NotFound {
                what: "session", ..
            } => Tried::Over(error),
            _ => Tried::Dropped(error),
        })
    }

    /// Pauses a schedule that cannot submit any more.
    async fn end_schedule(&self, schedule: &Schedule, message: String) -> Result<(), Error> {
        tracing::warn!(schedule_id = %schedule.id, "a schedule is paused: {message}");
        let error = ScheduleError {
            message: message.clone(),
            at: self.clock.now(),
        };
        let change = ChangeSchedule {
            scope: Principal::of_schedule(schedule).scope(),
            actor: None,
            id: schedule.id,
            change: ScheduleChange::Pause {
                reason: Some(message),
                error: Some(error),
            },
        };
        match self.storage.change_schedule(change).await {
            // It was deleted meanwhile.
            Ok(_) | Err(storage::Error::Refused(_)) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}
