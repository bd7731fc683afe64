//! Schedules: intents that are submitted again and again, at the times of a cron expression or at an interval.

use serde::{Deserialize, Serialize};

use super::{Grants, Micros, RawJson, ScheduleId, SessionId, TenantId, coded::codes};

/// The times at which a schedule is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScheduleTimes {
    /// A cron expression of five fields, read in a zone.
    Cron {
        /// The expression.
        cron: String,
        /// The name of the zone in the IANA database.
        zone: String,
    },
    /// An interval, counted from when the schedule was made.
    Every {
        /// Its length.
        seconds: i64,
    },
}

codes! {
    /// What is done when a schedule is due while an execution that it made has not ended.
    Overlap {
        /// The new one is left out.
        Skip = 0,
        /// One waits for the end; others are left out.
        QueueOne = 1,
        /// All wait, and run one after the other.
        QueueAll = 2,
        /// Those that have not ended are cancelled; the new one starts when they have.
        CancelPrevious = 3,
        /// The new one starts at once.
        Allow = 4,
    }
}

codes! {
    /// Whether a schedule is at work.
    ScheduleStatus {
        /// It is.
        Active = 0,
        /// It is not, until it is resumed.
        Paused = 1,
    }
}

/// Why a time of a schedule led to no execution.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleError {
    /// What a submit would have been told.
    pub message: String,
    /// The time of the schedule.
    pub at: Micros,
}

/// A schedule as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// Its id.
    pub id: ScheduleId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// A name for people.
    pub name: Option<String>,
    /// The session of its executions.
    pub session_id: SessionId,
    /// The type of its intents.
    pub intent_type: String,
    /// The handler, where several serve the type.
    pub handler_name: Option<String>,
    /// The solution; the session's, or `default`, if none.
    pub solution_id: Option<String>,
    /// The parameters of its intents as they are shown.
    pub parameters: RawJson,
    /// The parameters as the handler gets them, sealed, where some are sensitive.
    pub sealed: Option<String>,
    /// Notes of the client.
    pub metadata: RawJson,
    /// 0 to 9; that of an intent without one if none.
    pub priority: Option<i64>,
    /// When it is due.
    pub times: ScheduleTimes,
    /// What is done while an execution that it made has not ended.
    pub overlap: Overlap,
    /// For so long a time that was missed is made up for, the latest one alone.
    pub catch_up_micros: i64,
    /// Each execution is submitted up to so long after its time.
    pub jitter_micros: i64,
    /// Whether it is at work.
    pub status: ScheduleStatus,
    /// Who made it; its executions act for them.
    pub created_by: String,
    /// What its executions may do: what its maker's might when it was made.
    pub grants: Grants,
    /// The first of its times that was not looked at yet; none while it is paused, and where there is none.
    pub next_at: Option<Micros>,
    /// When a node looks at it next.
    pub due_at: Option<Micros>,
    /// Times that wait, oldest first.
    pub queued: Vec<Micros>,
    /// The last of its times that led to an execution.
    pub last_fired_at: Option<Micros>,
    /// The number of times that were left out: by overlap, or too late.
    pub skipped: i64,
    /// Why the last of its times that led to none did not, if it was refused.
    pub last_error: Option<ScheduleError>,
    /// Grows with each change of the row: what was decided on an older one is not written.
    pub version: i64,
    /// The number of its next entry in the log.
    pub next_seq: i64,
    /// When it was made, by the clock of the node that made it, for an interval is counted from then.
    pub created_at: Micros,
    /// When it was last changed by somebody.
    pub updated_at: Micros,
}
