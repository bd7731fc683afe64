//! Counts of executions whose time has come to be part of others.

use entity::execution_count;
use sea_orm::FromQueryResult;

use super::{
    super::{
        super::{Error, db::Transaction, sql},
        counts::{LEVEL_MICROS, STAY_MICROS, bucket_of},
        operation::Needs,
        working::Working,
    },
    rows::lock_clause,
};
use sql::columns;

/// Locks those of one level, the lowest first, whose rows another node has not locked.
pub(super) async fn load(
    db: &Transaction,
    needs: &Needs,
    working: &mut Working,
) -> Result<(), Error> {
    let Some(most) = needs.counts_due else {
        return Ok(());
    };
    for (level, stays) in STAY_MICROS.into_iter().enumerate() {
        // Only what has a whole bucket of the next level behind it.
        let next = (level + 1).min(LEVEL_MICROS.len() - 1);
        let until = bucket_of(working.now - stays, next);
        let text = format!(
            "SELECT {} FROM execution_count c WHERE c.level = $1 AND c.bucket < $2 \
             ORDER BY c.level, c.bucket LIMIT {most} {}",
            columns::<execution_count::Entity>("c"),
            lock_clause(db, "FOR UPDATE OF c SKIP LOCKED")
        );
        let level = i64::try_from(level).unwrap_or(i64::MAX);
        let rows = sql::query(db, &text, [level.into(), until.into()]).await?;
        let rows = rows
            .iter()
            .map(|row| execution_count::Model::from_query_result(row, ""));
        working.counts_due = rows.collect::<Result<_, _>>()?;
        if !working.counts_due.is_empty() {
            return Ok(());
        }
    }
    Ok(())
}
