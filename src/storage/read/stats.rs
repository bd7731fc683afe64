//! The numbers of executions by time.

use super::{
    super::{Error, Storage, sql},
    page::Conditions,
};
use crate::model::{ExecutionStatus, Micros, TenantScope};
use sql::get;

/// The most points that one answer has.
pub const MOST_POINTS: usize = 10_000;

/// Which executions are counted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsRequest {
    /// From this time on; the beginning of a bucket.
    pub from: Micros,
    /// Until before this time.
    pub until: Micros,
    /// The length of each bucket.
    pub bucket_micros: i64,
    /// Of one of these types; of any if there are none.
    pub intent_types: Vec<String>,
    /// Only those without a parent.
    pub roots_only: bool,
}

/// The numbers of executions of a type in some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatsPoint {
    /// When the time began.
    pub at: Micros,
    /// The type of their intents.
    pub intent_type: String,
    /// The number that was accepted.
    pub accepted: i64,
    /// The number that ended with a result.
    pub completed: i64,
    /// The number that ended with an error.
    pub failed: i64,
    /// The number that ended by a cancellation.
    pub cancelled: i64,
}

/// The column of a point for those that became this.
const COLUMNS: [(&str, ExecutionStatus); 4] = [
    ("accepted", ExecutionStatus::Created),
    ("completed", ExecutionStatus::Completed),
    ("failed", ExecutionStatus::Failed),
    ("cancelled", ExecutionStatus::Cancelled),
];

/// Executions that failed alike.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureGroup {
    /// The code of their errors.
    pub error_code: String,
    /// The type of their intents.
    pub intent_type: String,
    /// Their number.
    pub count: i64,
    /// The beginning of the time in which the first one failed, as exactly as it is still known.
    pub first_at: Micros,
    /// The same of the last one.
    pub last_at: Micros,
}

impl StatsRequest {
    fn conditions(&self, scope: &TenantScope) -> Conditions {
        let mut conditions = Conditions::default();
        conditions.add("tenant_id = ?", [scope.tenant().as_str().into()]);
        conditions.add("bucket >= ?", [self.from.into()]);
        conditions.add("bucket < ?", [self.until.into()]);
        conditions.one_of("intent_type", self.intent_types.iter().cloned());
        if self.roots_only {
            conditions.add("is_root = 1", []);
        }
        conditions
    }
}

impl Storage {
    /// The numbers of executions by time and type; up to one more than [`MOST_POINTS`].
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_by_time(
        &self,
        scope: &TenantScope,
        request: &StatsRequest,
    ) -> Result<Vec<StatsPoint>, Error> {
        let conditions = request.conditions(scope);
        let bucket = request.bucket_micros.max(1);
        // A row for each status would be four rows to pass on for one.
        let numbers = COLUMNS.map(|(name, status)| {
            let code = status.code();
            format!(
                "CAST(SUM(CASE WHEN status = {code} THEN count ELSE 0 END) AS bigint) AS {name}"
            )
        });
        let text = format!(
            "SELECT bucket / {bucket} * {bucket} AS at, intent_type, {} FROM execution_count {} \
             GROUP BY 1, 2 ORDER BY 1, 2 LIMIT {}",
            numbers.join(", "),
            conditions.clause(),
            MOST_POINTS + 1
        );
        let mut points = Vec::new();
        for row in sql::query(&self.db.reader.of(scope), &text, conditions.values).await? {
            let number = |(name, _): (&str, ExecutionStatus)| get(&row, name);
            let [accepted, completed, failed, cancelled] = COLUMNS.map(number);
            points.push(StatsPoint {
                at: get(&row, "at")?,
                intent_type: get(&row, "intent_type")?,
                accepted: accepted?,
                completed: completed?,
                failed: failed?,
                cancelled: cancelled?,
            });
        }
        Ok(points)
    }

    /// The `most` groups with most failures.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_failure_groups(
        &self,
        scope: &TenantScope,
        request: &StatsRequest,
        most: u32,
    ) -> Result<Vec<FailureGroup>, Error> {
        let mut conditions = request.conditions(scope);
        let failed = ExecutionStatus::Failed.code();
        conditions.add("status = ?", [failed.into()]);
        let text = format!(
            "SELECT error_code, intent_type, CAST(SUM(count) AS bigint) AS total, \
             MIN(bucket) AS first_at, MAX(bucket) AS last_at FROM execution_count {} \
             GROUP BY error_code, intent_type ORDER BY total DESC, error_code, intent_type LIMIT {most}",
            conditions.clause()
        );
        let mut groups = Vec::new();
        for row in sql::query(&self.db.reader.of(scope), &text, conditions.values).await? {
            groups.push(FailureGroup {
                error_code: get(&row, "error_code")?,
                intent_type: get(&row, "intent_type")?,
                count: get(&row, "total")?,
                first_at: get(&row, "first_at")?,
                last_at: get(&row, "last_at")?,
            });
        }
        Ok(groups)
    }
}
