//! Numbers of executions over time.

use async_graphql::{Enum, InputObject, SimpleObject};

use super::{
    counted::Listed,
    scalars::{BigInt, DateTime},
};
use crate::{
    executions::{self, StatsPoint, StatsRequest},
    model::Micros,
};

/// The length of the times that executions are counted by.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StatsBucket {
    /// A minute. Known for 3 hours at least.
    Minute,
    /// An hour. Known for 30 days at least.
    Hour,
    /// A day of UTC. Known for 400 days.
    Day,
}

impl StatsBucket {
    fn micros(self) -> i64 {
        match self {
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => 86_400_000_000,
        }
    }
}

/// Which executions to count.
#[derive(InputObject, Debug)]
pub(crate) struct ExecutionStatsFilter {
    /// From the bucket on in which this time is.
    after: DateTime,
    /// Until before this time; all that is there when left out.
    before: Option<DateTime>,
    /// Only of intents of these types.
    intent_type: Option<Vec<String>>,
    /// Only those that no other execution submitted, if true.
    roots_only: Option<bool>,
}

impl ExecutionStatsFilter {
    /// The request of the service.
    pub(crate) fn read(self, bucket: StatsBucket) -> StatsRequest {
        let bucket_micros = bucket.micros();
        StatsRequest {
            from: self.after.0.div_euclid(bucket_micros) * bucket_micros,
            until: self.before.map_or(Micros::MAX, |time| time.0),
            bucket_micros,
            intent_types: self.intent_type.unwrap_or_default(),
            roots_only: self.roots_only.unwrap_or_default(),
        }
    }
}

/// The numbers of executions over time.
#[derive(SimpleObject)]
pub(crate) struct ExecutionStats {
    /// By time and then by type. Where nothing happened there is none.
    points: Listed<ExecutionStatsPoint>,
}

/// The numbers of executions of one type in one bucket.
#[derive(SimpleObject)]
pub(crate) struct ExecutionStatsPoint {
    /// When the bucket begins. Older than it is known for, it stands for the longer bucket that begins then.
    started_at: DateTime,
    /// The type of their intents.
    intent_type: String,
    /// Those that were accepted.
    accepted: BigInt,
    /// Those that ended with a result.
    completed: BigInt,
    /// Those that ended with an error.
    failed: BigInt,
    /// Those that ended by a cancellation.
    cancelled: BigInt,
}

impl From<Vec<StatsPoint>> for ExecutionStats {
    fn from(found: Vec<StatsPoint>) -> Self {
        let points = found.into_iter().map(ExecutionStatsPoint::from);
        Self {
            points: points.collect(),
        }
    }
}

impl From<StatsPoint> for ExecutionStatsPoint {
    fn from(point: StatsPoint) -> Self {
        Self {
            started_at: DateTime(point.at),
            intent_type: point.intent_type,
            accepted: BigInt(point.accepted),
            completed: BigInt(point.completed),
            failed: BigInt(point.failed),
            cancelled: BigInt(point.cancelled),
        }
    }
}

/// Executions that failed alike.
#[derive(SimpleObject)]
pub(crate) struct FailureGroup {
    /// The code of their errors. `executions` with it as `errorCode` lists them.
    error_code: String,
    /// The type of their intents.
    intent_type: String,
    /// Their number.
    count: BigInt,
    /// The beginning of the minute in which the first one failed; of the hour or the day, if that is long ago.
    first_at: DateTime,
    /// The same of the last one.
    last_at: DateTime,
}

impl From<executions::FailureGroup> for FailureGroup {
    fn from(group: executions::FailureGroup) -> Self {
        Self {
            error_code: group.error_code,
            intent_type: group.intent_type,
            count: BigInt(group.count),
            first_at: DateTime(group.first_at),
            last_at: DateTime(group.last_at),
        }
    }
}
