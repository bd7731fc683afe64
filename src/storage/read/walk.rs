//! Walks through a list from its beginning, a part at a time. Unlike a page, the next part begins at a place that is exact,
//! though the row that stood there is gone when the walk goes on.

use std::{fmt, str::FromStr};

use entity::execution;
use sea_orm::QueryResult;

use super::{
    super::{Error, Storage, db::Scoped, sql},
    ArtifactFilter, ExecutionFilter, artifacts,
    execution_filter::listing_of,
    executions::execution_of,
    list_key::ListKey,
    listing::{Listing, Order},
};
use crate::model::{Artifact, Execution, ExecutionId, Micros, TenantScope};
use sql::columns;

/// Where a walk has come to in a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPlace<K> {
    /// The time by which the list is ordered, or 0 where it is ordered by the key alone.
    pub at: Micros,
    /// The key of the row, by which those of one time are ordered.
    pub key: K,
}

impl<K: fmt::Display> fmt::Display for ListPlace<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.at, self.key)
    }
}

impl<K: FromStr> FromStr for ListPlace<K> {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parts = text.split_once('.');
        let place = parts.and_then(|(at, key)| {
            let (at, key) = (at.parse().ok()?, key.parse().ok()?);
            Some(Self { at, key })
        });
        place.ok_or(Error::Corrupt {
            what: "place in a list",
            source: None,
        })
    }
}

/// A part of a list, oldest first.
#[derive(Debug, Clone, PartialEq)]
pub struct Walked<K, T> {
    /// The items.
    pub items: Vec<T>,
    /// The place up to which it goes; none where nothing was looked at.
    pub end: Option<ListPlace<K>>,
    /// False if nothing is behind it.
    pub has_next: bool,
}

impl<K, T> Walked<K, T> {
    /// A list with nothing in it.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            items: Vec::new(),
            end: None,
            has_next: false,
        }
    }
}

impl Listing {
    /// The next part behind a place, of at most `limit` items. `item` makes one of a row, with its time and key.
    async fn walk_on<K: ListKey, T>(
        &self,
        db: &Scoped<'_>,
        columns: &str,
        (after, limit): (Option<ListPlace<K>>, u32),
        item: impl Fn(&QueryResult) -> Result<(Micros, K, T), Error>,
    ) -> Result<Walked<K, T>, Error> {
        let mut span = self.span_between(false, after.map(|it| (it.at, it.key)), None);
        let Some((way, cut)) = self.shortest(db, &span, limit).await? else {
            return Ok(Walked::nothing());
        };
        span.last = cut;
        let most = format!("LIMIT {}", u64::from(limit) + 1);
        let (text, values) = self.read(db, way, &span, columns, &most, &most);
        let mut rows = sql::query(db, &text, values).await?;
        let is_full = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        let (mut items, mut last) = (Vec::with_capacity(rows.len()), None);
        for row in &rows {
            let (created_at, key, found) = item(row)?;
            let at = if self.order == Order::Key {
                0
            } else {
                created_at
            };
            last = Some(ListPlace { at, key });
            items.push(found);
        }
        let cut = cut.map(|(at, key)| ListPlace { at, key });
        Ok(Walked {
            items,
            end: cut.filter(|_| !is_full).or(last),
            has_next: is_full || cut.is_some(),
        })
    }
}

impl Storage {
    /// The next part of the tenant's executions that fit, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn walk_executions(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        after: Option<ListPlace<ExecutionId>>,
        limit: u32,
    ) -> Result<Walked<ExecutionId, Execution>, Error> {
        let filter = ExecutionFilter {
            by_finish: false,
            ..filter.clone()
        };
        let db = &self.db.reader.of(scope);
        let listing = listing_of(scope, &filter, db.get_database_backend());
        let after = after.map(|it| ListPlace {
            at: it.at,
            key: it.key.0,
        });
        let item = |row: &QueryResult| {
            let found = execution_of(row)?;
            Ok((found.created_at, found.id.0, found))
        };
        let columns = columns::<execution::Entity>("t");
        let walked = listing.walk_on(db, &columns, (after, limit), item).await?;
        Ok(Walked {
            items: walked.items,
            end: walked.end.map(|it| ListPlace {
                at: it.at,
                key: ExecutionId(it.key),
            }),
            has_next: walked.has_next,
        })
    }

    /// The next part of the tenant's artifacts that fit, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn walk_artifacts(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        after: Option<ListPlace<i64>>,
        limit: u32,
    ) -> Result<Walked<i64, Artifact>, Error> {
        let db = &self.db.reader.of(scope);
        let listing = artifacts::listing_of(scope, filter);
        let item = |row: &QueryResult| {
            let (key, found) = artifacts::keyed(row)?;
            Ok((found.created_at, key, found))
        };
        let columns = columns::<entity::artifact::Entity>("t");
        listing.walk_on(db, &columns, (after, limit), item).await
    }
}
