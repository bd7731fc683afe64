//! Makes a schedule, within the number that a tenant may have.

use std::sync::Arc;

use super::super::{
    super::{Error, convert::StoredSchedule},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{EventBody, Fault, Payload, Refusal, Schedule, SessionKey, TenantScope};

/// Makes a schedule.
#[derive(Debug, Clone)]
pub struct CreateSchedule {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The schedule. Its numbers are set here; when it was made the node's clock says, for an interval is counted from
    /// then.
    pub schedule: Schedule,
    /// The most that the tenant may have.
    pub most: i64,
}

impl CreateSchedule {
    fn session_key(&self) -> SessionKey {
        SessionKey::of(&self.scope, self.schedule.session_id)
    }
}

impl Operation for CreateSchedule {
    type Output = Schedule;

    fn needs(&self, needs: &mut Needs) {
        needs.sessions.push(self.session_key());
        needs.schedule_counts.push(self.scope.tenant().clone());
    }

    fn decide(&self, working: &mut Working) -> Result<Schedule, Error> {
        let standing = working.standing(&self.session_key());
        standing
            .ok_or_else(|| Refusal::not_found("session", "sessionId"))?
            .check(working.now)?;
        let tenant = self.scope.tenant();
        let count = working.schedule_counts.entry(tenant.clone()).or_default();
        if *count >= self.most {
            let message = format!("a tenant has at most {} schedules; delete one", self.most);
            return Err(Refusal::InvalidInput(vec![Fault::at([], message)]).into());
        }
        *count += 1;
        let schedule = Schedule {
            version: 1,
            next_seq: 1,
            updated_at: working.now,
            ..self.schedule.clone()
        };
        let body = EventBody::ScheduleCreated {
            name: schedule.name.clone(),
            intent_type: schedule.intent_type.clone(),
            handler_name: schedule.handler_name.clone(),
            session_id: schedule.session_id,
            solution_id: schedule.solution_id.clone(),
            metadata: schedule.metadata.clone(),
            priority: schedule.priority,
            times: schedule.times.clone(),
            overlap: schedule.overlap,
            catch_up_micros: schedule.catch_up_micros,
            jitter_micros: schedule.jitter_micros,
            grants: schedule.grants.clone(),
        };
        let (id, parameters) = (schedule.id, Payload::inline(&schedule.parameters));
        let row = StoredSchedule {
            schedule,
            last_hash: None,
        };
        working.schedules.make(id, row);
        working.append_to_schedule(id, Some(&self.actor), body, Some(parameters));
        let made = working.schedules.see(&id);
        let made = made.ok_or(Error::Corrupt {
            what: "schedule",
            source: None,
        })?;
        Ok(made.schedule.clone())
    }
}
