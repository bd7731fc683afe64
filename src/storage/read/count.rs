//! Counts of the items of lists, no further than a bound.

use super::{
    super::{Error, db::Scoped, sql},
    list_key::ListKey,
    listing::{Listing, SHORT_PAGE, Way, ranges_of},
};
use sql::get;

/// Items of a list are counted up to this number.
pub(in crate::storage) const MOST_COUNTED: u32 = 10_000;
/// Among so many rows those that fit are counted.
pub(super) const MOST_COUNTED_AMONG: u32 = 20_000;
/// Among so many rows, where their metadata or names are looked into.
const MOST_LOOKED_INTO: u32 = 10_000;
/// The number of items of a list, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// The number of items; there are at least so many.
    pub count: u32,
    /// True if there are no more than that.
    pub exact: bool,
}

impl Count {
    /// Of a list with nothing in it.
    pub const NONE: Self = Self {
        count: 0,
        exact: true,
    };

    /// Of a list that has `total` items, if `is_whole`, or more.
    #[must_use]
    pub fn of(total: i64, is_whole: bool) -> Self {
        let total = u32::try_from(total.max(0)).unwrap_or(u32::MAX);
        Self {
            count: total.min(MOST_COUNTED),
            exact: is_whole && total <= MOST_COUNTED,
        }
    }
}

impl Listing {
    /// Returns the number of rows that fit. Where ranges do not answer the whole filter, the rows
    /// that are looked at are bounded.
    pub(super) async fn count<K: ListKey>(&self, db: &Scoped<'_>) -> Result<Count, Error> {
        let backend = db.get_database_backend();
        let span = self.span_between::<K>(true, None, None);
        let Some((way, _)) = self.shortest(db, &span, SHORT_PAGE).await? else {
            return Ok(Count::NONE);
        };
        if way.fits.is_empty() {
            let limit = format!("LIMIT {}", MOST_COUNTED + 1);
            let (all, values) = self.union(backend, way, &span, |_| "1 AS one".into(), &limit);
            let text =
                format!("SELECT COUNT(*) AS total FROM (SELECT one FROM ({all}) u {limit}) l");
            let rows = sql::query(db, &text, values).await?;
            let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
            return Ok(Count::of(total, true));
        }
        let most = if self.is_looked_into {
            MOST_LOOKED_INTO
        } else {
            MOST_COUNTED_AMONG
        };
        let each = (i64::from(most) / ranges_of(way) / way.rows_each).max(1);
        let looked_at = |part| format!("{part} AS part, {}", self.looked_at);
        let limit = format!("LIMIT {}", each + 1);
        let all = Way {
            ranges: way.ranges.clone(),
            fits: String::new(),
            values: way.values.clone(),
            ..Way::default()
        };
        let (all, values) = self.union(backend, &all, &span, looked_at, &limit);
        let text = format!(
            "SELECT COUNT(*) AS seen, COUNT(*) FILTER (WHERE {}) AS total FROM ({all}) u GROUP BY part",
            way.fits
        );
        let (mut total, mut is_whole) = (0, true);
        for row in sql::query(db, &text, values).await? {
            total += get::<i64>(&row, "total")?;
            is_whole &= get::<i64>(&row, "seen")? <= each;
        }
        Ok(Count::of(total, is_whole))
    }
}
