//! How schedules move on: a node holds those that are due for a while, submits, and writes down what comes next.
//! Each change of a row gives it another version; what was decided on an older one is not written.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{Micros, Schedule, ScheduleId, TenantScope};

/// Holds schedules that are due: no other node looks at them before `until`.
#[derive(Debug, Clone)]
pub(in crate::storage) struct HoldSchedules {
    /// The schedules with the versions that were seen as due.
    pub(in crate::storage) seen: Vec<(ScheduleId, i64)>,
    /// When they are due again if this node does not move them on.
    pub(in crate::storage) until: Micros,
}

impl Operation for HoldSchedules {
    /// Those that were held.
    type Output = Vec<Schedule>;

    fn needs(&self, needs: &mut Needs) {
        needs.schedules.extend(self.seen.iter().map(|(id, _)| *id));
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<Schedule>, Error> {
        let mut held = Vec::with_capacity(self.seen.len());
        for (id, version) in &self.seen {
            let row = working.schedules.see(id).map(|row| &row.schedule);
            let is_due = row.is_some_and(|it| it.version == *version && it.due_at.is_some());
            if is_due && !working.changes.schedules_out.contains(id) {
                held.push(working.change_schedule(*id, |it| it.due_at = Some(self.until))?);
            }
        }
        Ok(held)
    }
}

/// Where a schedule goes on.
#[derive(Debug, Clone)]
pub struct AdvanceSchedule {
    /// The tenant.
    pub scope: TenantScope,
    /// The schedule as it was held, with all that moves set anew: its next time, when a node looks at it, its queue,
    /// what it has fired and left out, its last error.
    pub schedule: Schedule,
}

impl Operation for AdvanceSchedule {
    /// False when somebody has changed it meanwhile: then nothing is written.
    type Output = bool;

    fn needs(&self, needs: &mut Needs) {
        needs.schedules.push(self.schedule.id);
    }

    fn decide(&self, working: &mut Working) -> Result<bool, Error> {
        let new = &self.schedule;
        let known = working.schedule(&self.scope, new.id);
        if !known.is_ok_and(|known| known.version == new.version) {
            return Ok(false);
        }
        working.change_schedule(new.id, |it| {
            it.next_at = new.next_at;
            it.due_at = new.due_at;
            it.queued.clone_from(&new.queued);
            it.last_fired_at = new.last_fired_at;
            it.skipped = new.skipped;
            it.last_error.clone_from(&new.last_error);
        })?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{
            Grants, Overlap, RawJson, Reach, Refusal, ScheduleStatus, ScheduleTimes, SessionId,
        },
        storage::{
            ChangeSchedule, CreateSchedule, ScheduleChange, ScheduleRun,
            read_tests::{on_each_database, scope_of},
            write::tests::{ACTOR, Scene, TENANT, alone, refusal},
        },
    };
    use uuid::Uuid;

    fn schedule(id: u128, session_id: SessionId) -> CreateSchedule {
        let schedule = Schedule {
            id: ScheduleId(Uuid::from_u128(id)),
            tenant_id: scope_of(TENANT).tenant().clone(),
            name: None,
            session_id,
            intent_type: "echo".to_owned(),
            handler_name: None,
            solution_id: None,
            parameters: RawJson::empty_object(),
            sealed: None,
            metadata: RawJson::empty_object(),
            priority: None,
            times: ScheduleTimes::Every { seconds: 60 },
            overlap: Overlap::Skip,
            catch_up_micros: 0,
            jitter_micros: 0,
            status: ScheduleStatus::Active,
            created_by: ACTOR.to_owned(),
            grants: Grants::all(),
            next_at: Some(5),
            due_at: Some(5),
            queued: Vec::new(),
            last_fired_at: None,
            skipped: 0,
            last_error: None,
            version: 0,
            next_seq: 0,
            created_at: 1,
            updated_at: 0,
        };
        CreateSchedule {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            schedule,
            most: 10,
        }
    }

    #[tokio::test]
    async fn one_of_those_who_saw_it_due_holds_it_and_moves_it_on() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let made = alone(world, schedule(1, scene.session)).await.unwrap();
            let storage = &world.storage;
            assert_eq!(storage.due_schedules(4, 9).await.unwrap(), []);
            let seen = storage.due_schedules(5, 9).await.unwrap();
            assert_eq!(seen, [(made.id, made.version)]);
            let held = storage.hold_schedules(seen.clone(), 100).await.unwrap();
            assert_eq!(held.len(), 1);
            assert_eq!(storage.hold_schedules(seen, 100).await.unwrap(), []);
            assert_eq!(storage.due_schedules(99, 9).await.unwrap(), []);
            assert_eq!(storage.next_schedule_at().await.unwrap(), Some(100));
            let mut schedule = held[0].clone();
            (schedule.next_at, schedule.due_at) = (Some(60), Some(61));
            (schedule.queued, schedule.last_fired_at) = (vec![3, 4], Some(5));
            let advance = AdvanceSchedule {
                scope: scope_of(TENANT),
                schedule,
            };
            assert!(storage.advance_schedule(advance.clone()).await.unwrap());
            assert!(
                !storage.advance_schedule(advance.clone()).await.unwrap(),
                "it has moved on"
            );
            let scope = scope_of(TENANT);
            let found = storage
                .find_schedule(&scope, &Reach::Tenant, made.id)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                found,
                Schedule {
                    version: found.version,
                    ..advance.schedule
                }
            );
            let of_others = scope_of("theirs");
            let theirs = storage.find_schedule(&of_others, &Reach::Tenant, made.id);
            assert_eq!(theirs.await.unwrap(), None);
        })
        .await;
    }

    #[tokio::test]
    async fn nothing_is_submitted_for_one_that_was_changed_since_it_was_held() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let made = alone(world, schedule(1, scene.session)).await.unwrap();
            let submit = |version| {
                let mut submit = scene.submit();
                submit.run = Some(ScheduleRun {
                    schedule_id: made.id,
                    version,
                    scheduled_at: Some(5),
                    triggered_by: None,
                });
                submit
            };
            let change = |change| ChangeSchedule {
                scope: scope_of(TENANT),
                actor: Some(ACTOR.into()),
                id: made.id,
                change,
            };
            alone(world, submit(Some(made.version))).await.unwrap();
            let reason = None;
            let pause = ScheduleChange::Pause {
                reason,
                error: None,
            };
            alone(world, change(pause)).await.unwrap();
            let late = alone(world, submit(Some(made.version))).await;
            assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
            alone(world, submit(None)).await.unwrap();
            let scope = scope_of(TENANT);
            let runs = world
                .storage
                .runs_of_schedule(&scope, made.id)
                .await
                .unwrap();
            assert_eq!(runs.len(), 2);
            let delete = change(ScheduleChange::Delete { reason: None });
            let mut theirs = delete.clone();
            theirs.scope = scope_of("theirs");
            assert_eq!(
                refusal(alone(world, theirs).await),
                Refusal::not_found("schedule", "id")
            );
            alone(world, delete).await.unwrap();
            let gone = alone(world, submit(None)).await;
            assert!(matches!(gone, Err(Error::Fenced)), "{gone:?}");
            assert_eq!(
                world
                    .storage
                    .runs_of_schedule(&scope, made.id)
                    .await
                    .unwrap(),
                []
            );
        })
        .await;
    }

    #[tokio::test]
    async fn of_each_schedule_the_last_hundred_executions_are_remembered() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let made = alone(world, schedule(1, scene.session)).await.unwrap();
            let mut all = Vec::new();
            for number in 0..105 {
                let mut submit = scene.submit();
                submit.execution.id = crate::model::ExecutionId(Uuid::from_u128(9_000 + number));
                submit.execution.intent_id = crate::model::IntentId(submit.execution.id.0);
                submit.run = Some(ScheduleRun {
                    schedule_id: made.id,
                    version: None,
                    scheduled_at: None,
                    triggered_by: None,
                });
                all.push(alone(world, submit).await.unwrap().execution.id);
            }
            all.reverse();
            let scope = scope_of(TENANT);
            let runs = world
                .storage
                .runs_of_schedule(&scope, made.id)
                .await
                .unwrap();
            assert_eq!(runs, all[..100]);
        })
        .await;
    }
}
