//! The search for live executions without a place, a slice of the live ones at a time: there may be
//! millions of them, all waiting in order.

use super::super::{
    Error,
    db::Reader,
    places::{LIVE, is_stranded},
    sql,
};
use crate::model::ExecutionId;

/// What a slice of the live executions has.
#[derive(Debug, Default)]
pub(in crate::storage) struct Slice {
    pub(in crate::storage) stranded: Vec<ExecutionId>,
    /// The last one that was looked at, when more may come after it.
    pub(in crate::storage) last: Option<ExecutionId>,
}

/// Looks at the next `most` live executions after one, in the order of their ids.
pub(in crate::storage) async fn stranded(
    db: &Reader,
    after: Option<ExecutionId>,
    most: u32,
) -> Result<Slice, Error> {
    let text = format!(
        "WITH live AS MATERIALIZED (SELECT id, finished_at FROM execution \
         WHERE {LIVE} AND id > $1 ORDER BY id LIMIT $2) \
         SELECT e.id AS id, 0 AS position FROM live e WHERE {} \
         UNION ALL SELECT id, $2 AS position FROM \
         (SELECT id FROM live ORDER BY id LIMIT 1 OFFSET $2 - 1) final",
        is_stranded()
    );
    let after = after.map_or_else(uuid::Uuid::nil, |id| id.0);
    let rows = sql::query(db, &text, [after.into(), i64::from(most).into()]).await?;
    let mut slice = Slice::default();
    for row in &rows {
        let id = ExecutionId(sql::get(row, "id")?);
        if sql::get::<i64>(row, "position")? == 0 {
            slice.stranded.push(id);
        } else {
            slice.last = Some(id);
        }
    }
    Ok(slice)
}
