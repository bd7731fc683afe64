//! Rows of schedules.

use entity::schedule;

use super::super::{Error, chain};
use crate::model::{
    ChainHash, Overlap, RawJson, Schedule, ScheduleId, ScheduleStatus, ScheduleTimes, SessionId,
    TenantId,
};

/// A schedule with the hash of the last entry of its stream.
#[derive(Debug, Clone)]
pub(in crate::storage) struct StoredSchedule {
    pub(in crate::storage) schedule: Schedule,
    pub(in crate::storage) last_hash: Option<ChainHash>,
}

fn corrupt(what: &'static str) -> Error {
    Error::Corrupt { what, source: None }
}

impl TryFrom<schedule::Model> for StoredSchedule {
    type Error = Error;

    fn try_from(row: schedule::Model) -> Result<Self, Error> {
        let schedule::Model {
            id,
            tenant_id,
            name,
            session_id,
            intent_type,
            handler_name,
            solution_id,
            parameters,
            sealed,
            metadata,
            priority,
            cron,
            zone,
            every_seconds,
            overlap,
            catch_up_micros,
            jitter_micros,
            status,
            created_by,
            grants,
            next_at,
            due_at,
            queued,
            last_fired_at,
            skipped,
            last_error,
            version,
            next_seq,
            created_at,
            updated_at,
            last_hash,
        } = row;
        let times = match (cron, zone, every_seconds) {
            (Some(cron), Some(zone), None) => ScheduleTimes::Cron { cron, zone },
            (None, None, Some(seconds)) => ScheduleTimes::Every { seconds },
            _ => return Err(corrupt("times of a schedule")),
        };
        let grants = grants.parse();
        let last_error = last_error.map(|text| serde_json::from_str(&text));
        let schedule = Schedule {
            id: ScheduleId(id),
            tenant_id: TenantId::stored(&tenant_id),
            name,
            session_id: SessionId(session_id),
            intent_type,
            handler_name,
            solution_id,
            parameters: RawJson::trusted(parameters),
            sealed,
            metadata: RawJson::trusted(metadata),
            priority,
            times,
            overlap: Overlap::from_code(overlap).ok_or_else(|| corrupt("overlap of a schedule"))?,
            catch_up_micros,
            jitter_micros,
            status: ScheduleStatus::from_code(status)
                .ok_or_else(|| corrupt("status of a schedule"))?,
            created_by,
            grants: grants.map_err(|e| Error::corrupt("grants of a schedule", e))?,
            next_at,
            due_at,
            queued: serde_json::from_str(&queued)
                .map_err(|e| Error::corrupt("queue of a schedule", e))?,
            last_fired_at,
            skipped,
            last_error: last_error
                .transpose()
                .map_err(|e| Error::corrupt("error of a schedule", e))?,
            version,
            next_seq,
            created_at,
            updated_at,
        };
        Ok(Self {
            schedule,
            last_hash: chain::stored(last_hash)?,
        })
    }
}

impl From<StoredSchedule> for schedule::Model {
    fn from(row: StoredSchedule) -> Self {
        let StoredSchedule {
            schedule,
            last_hash,
        } = row;
        let (cron, zone, every_seconds) = match schedule.times {
            ScheduleTimes::Cron { cron, zone } => (Some(cron), Some(zone), None),
            ScheduleTimes::Every { seconds } => (None, None, Some(seconds)),
        };
        Self {
            id: schedule.id.0,
            tenant_id: schedule.tenant_id.to_string(),
            name: schedule.name,
            session_id: schedule.session_id.0,
            intent_type: schedule.intent_type,
            handler_name: schedule.handler_name,
            solution_id: schedule.solution_id,
            parameters: schedule.parameters.as_str().to_owned(),
            sealed: schedule.sealed,
            metadata: schedule.metadata.as_str().to_owned(),
            priority: schedule.priority,
            cron,
            zone,
            every_seconds,
            overlap: schedule.overlap.code(),
            catch_up_micros: schedule.catch_up_micros,
            jitter_micros: schedule.jitter_micros,
            status: schedule.status.code(),
            created_by: schedule.created_by,
            grants: schedule.grants.to_string(),
            next_at: schedule.next_at,
            due_at: schedule.due_at,
            // Numbers and texts can be written as JSON.
            queued: serde_json::to_string(&schedule.queued).unwrap_or_default(),
            last_fired_at: schedule.last_fired_at,
            skipped: schedule.skipped,
            last_error: schedule
                .last_error
                .and_then(|error| serde_json::to_string(&error).ok()),
            version: schedule.version,
            next_seq: schedule.next_seq,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
            last_hash: last_hash.map(|hash| hash.0.to_vec()),
        }
    }
}
