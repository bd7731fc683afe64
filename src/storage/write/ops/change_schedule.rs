//! What somebody, or the runtime, does to a schedule: pauses, resumes, fills up its queue, deletes it.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    EventBody, Micros, Refusal, Schedule, ScheduleError, ScheduleId, ScheduleStatus, TenantScope,
};

/// A change of a schedule.
#[derive(Debug, Clone)]
pub enum ScheduleChange {
    /// It is not due any more until it is resumed; what waits is dropped.
    Pause {
        /// The reason.
        reason: Option<String>,
        /// The refusal for which the runtime does it.
        error: Option<ScheduleError>,
    },
    /// It is due again from `next_at` on.
    Resume {
        /// Its next time.
        next_at: Option<Micros>,
        /// When a node looks at it.
        due_at: Option<Micros>,
    },
    /// Earlier times are put into its queue.
    Backfill {
        /// The first time that was wanted.
        from: Micros,
        /// The time before which they are.
        until: Micros,
        /// The times.
        times: Vec<Micros>,
        /// The most that may wait.
        most: usize,
        /// When a node looks at it.
        due_at: Micros,
    },
    /// It is removed.
    Delete {
        /// The reason.
        reason: Option<String>,
    },
}

/// Changes a schedule. Paused, it can be paused again and stays as it is, and so it is with one at work.
#[derive(Debug, Clone)]
pub struct ChangeSchedule {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it; none for the runtime.
    pub actor: Option<Arc<str>>,
    /// The schedule.
    pub id: ScheduleId,
    /// The change.
    pub change: ScheduleChange,
}

impl Working {
    /// A schedule of the tenant, if it is there.
    pub(in crate::storage::write) fn schedule(
        &self,
        scope: &TenantScope,
        id: ScheduleId,
    ) -> Result<&Schedule, Error> {
        let row = self.schedules.see(&id).map(|row| &row.schedule);
        let row = row.filter(|it| {
            it.tenant_id == *scope.tenant() && !self.changes.schedules_out.contains(&id)
        });
        Ok(row.ok_or_else(|| Refusal::not_found("schedule", "id"))?)
    }

    pub(in crate::storage::write) fn change_schedule(
        &mut self,
        id: ScheduleId,
        change: impl FnOnce(&mut Schedule),
    ) -> Result<Schedule, Error> {
        let row = self.schedules.change(&id);
        let row = row.ok_or_else(|| Refusal::not_found("schedule", "id"))?;
        row.schedule.version += 1;
        change(&mut row.schedule);
        Ok(row.schedule.clone())
    }
}

impl Operation for ChangeSchedule {
    type Output = Schedule;

    fn needs(&self, needs: &mut Needs) {
        needs.schedules.push(self.id);
    }

    fn decide(&self, working: &mut Working) -> Result<Schedule, Error> {
        let (id, now) = (self.id, working.now);
        let known = working.schedule(&self.scope, id)?.clone();
        let body = match &self.change {
            ScheduleChange::Pause { reason, error } => {
                if known.status == ScheduleStatus::Paused {
                    return Ok(known);
                }
                working.change_schedule(id, |it| {
                    it.status = ScheduleStatus::Paused;
                    (it.next_at, it.due_at) = (None, None);
                    it.queued.clear();
                    it.updated_at = now;
                    if error.is_some() {
                        it.last_error.clone_from(error);
                    }
                })?;
                EventBody::SchedulePaused {
                    reason: reason.clone(),
                }
            }
            ScheduleChange::Resume { next_at, due_at } => {
                if known.status == ScheduleStatus::Active {
                    return Ok(known);
                }
                working.change_schedule(id, |it| {
                    it.status = ScheduleStatus::Active;
                    (it.next_at, it.due_at) = (*next_at, *due_at);
                    it.last_error = None;
                    it.updated_at = now;
                })?;
                EventBody::ScheduleResumed {}
            }
            ScheduleChange::Backfill {
                from,
                until,
                times,
                most,
                due_at,
            } => {
                let mut queued = [known.queued.as_slice(), times.as_slice()].concat();
                queued.sort_unstable();
                queued.dedup();
                if queued.len() > *most {
                    let message = format!("at most {most} times wait in the queue of a schedule");
                    return Err(Refusal::invalid(["until"], message).into());
                }
                if known.status == ScheduleStatus::Paused {
                    let message = "the schedule is paused: resume it first";
                    return Err(Refusal::invalid(["id"], message).into());
                }
                working.change_schedule(id, |it| {
                    it.queued = queued;
                    it.due_at = Some(it.due_at.map_or(*due_at, |at| at.min(*due_at)));
                    it.updated_at = now;
                })?;
                EventBody::ScheduleBackfilled {
                    from: *from,
                    until: *until,
                    times: i64::try_from(times.len()).unwrap_or(i64::MAX),
                }
            }
            ScheduleChange::Delete { reason } => EventBody::ScheduleDeleted {
                reason: reason.clone(),
            },
        };
        let is_gone = matches!(self.change, ScheduleChange::Delete { .. });
        working.append_to_schedule(id, self.actor.as_ref(), body, None);
        let changed = working.schedule(&self.scope, id)?.clone();
        if is_gone {
            working.changes.schedules_out.insert(id);
        }
        Ok(changed)
    }
}
