//! The search for live executions without a place, a slice of the live ones at a time: there may be
//! millions of them, all waiting in order.

use uuid::Uuid;

use super::super::{Error, db::Reader, places::is_stranded, sql};
use crate::model::{ExecutionId, Micros};

/// `listed_as` is lower for live executions.
const FIRST_ENDED: i64 = 2;

/// Where an execution is among the live ones, in the order of their index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LivePlace {
    listed_as: i64,
    tenant: String,
    created_at: Micros,
    id: Uuid,
}

impl LivePlace {
    /// Before all of them.
    fn first() -> Self {
        Self {
            listed_as: 0,
            tenant: String::new(),
            created_at: Micros::MIN,
            id: Uuid::nil(),
        }
    }
}

/// A slice of the live executions.
#[derive(Debug, Default)]
pub(in crate::storage) struct Slice {
    pub(in crate::storage) stranded: Vec<ExecutionId>,
    /// The last one that was looked at, when more may come after it.
    pub(in crate::storage) last: Option<LivePlace>,
}

/// Looks at the next `most` live executions after one.
pub(in crate::storage) async fn stranded(
    db: &Reader,
    after: Option<LivePlace>,
    most: u32,
) -> Result<Slice, Error> {
    const PLACE: &str = "listed_as, tenant_id, created_at, id";
    let text = format!(
        "WITH live AS MATERIALIZED (SELECT {PLACE}, finished_at FROM execution \
         WHERE ({PLACE}) > ($1, $2, $3, $4) AND listed_as < (SELECT {FIRST_ENDED}) \
         ORDER BY {PLACE} LIMIT $5) \
         SELECT {PLACE}, 0 AS position FROM live e WHERE {} \
         UNION ALL SELECT {PLACE}, $5 AS position FROM \
         (SELECT {PLACE} FROM live ORDER BY {PLACE} LIMIT 1 OFFSET $5 - 1) final",
        is_stranded()
    );
    let after = after.unwrap_or_else(LivePlace::first);
    let values = [
        after.listed_as.into(),
        after.tenant.into(),
        after.created_at.into(),
        after.id.into(),
        i64::from(most).into(),
    ];
    let mut slice = Slice::default();
    for row in &sql::query(db, &text, values).await? {
        let id = sql::get(row, "id")?;
        if sql::get::<i64>(row, "position")? == 0 {
            slice.stranded.push(ExecutionId(id));
        } else {
            slice.last = Some(LivePlace {
                listed_as: sql::get(row, "listed_as")?,
                tenant: sql::get(row, "tenant_id")?,
                created_at: sql::get(row, "created_at")?,
                id,
            });
        }
    }
    Ok(slice)
}
