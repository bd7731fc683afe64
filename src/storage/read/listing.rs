//! Lists with filters: an index leads to rows, and of these some fit. What is looked at is bounded, so
//! that a filter that next to nothing fits costs no more than another one.

use sea_orm::{DbBackend, QueryResult, TryGetable, Value};
use uuid::Uuid;

use super::{
    super::{Error, db::Scoped, sql},
    page::{Conditions, PageRequest, tenant_column},
};
use sql::get;

/// Items of a list are counted up to this number.
pub(super) const MOST_COUNTED: u32 = 10_000;
/// Among so many rows that an index leads to those that fit are counted.
const MOST_COUNTED_AMONG: u32 = 20_000;
/// In so many rows that an index leads to a page looks into the metadata.
const MOST_LOOKED_INTO: u32 = 10_000;

/// How many items a list has, as far as they were counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// How many there are at least.
    pub count: u32,
    /// Whether there are no more than that.
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

/// Whose rows a list has.
pub(super) struct OfTenant {
    pub(super) name: String,
    /// Whether a condition that an index answers names a session.
    pub(super) in_session: bool,
}

/// A list of rows of one table.
pub(super) struct Listing {
    /// The table with its alias.
    pub(super) table: &'static str,
    /// What it is ordered by.
    pub(super) key: &'static str,
    /// The columns that `fits` looks at.
    pub(super) looked_at: &'static str,
    /// The tenant, where the rows are found by it: by nothing else, or in a session of it.
    pub(super) of_tenant: Option<OfTenant>,
    /// The condition that an index answers; empty where there is none besides the tenant.
    pub(super) walked: String,
    /// The others; empty where there are none.
    pub(super) fits: String,
    /// Whether `fits` looks into metadata.
    pub(super) is_looked_into: bool,
    /// The values of both conditions.
    pub(super) values: Vec<Value>,
}

/// What was read of a list, and the last row that was looked at where more were left.
pub(super) type Rows<K> = (Vec<QueryResult>, Option<K>);

/// What a list is ordered by.
pub(super) trait Key: Into<Value> + TryGetable + Copy {
    /// No row has a lower one.
    const LEAST: Self;
    /// No row has a higher one.
    const GREATEST: Self;
}

impl Key for Uuid {
    const LEAST: Self = Self::nil();
    const GREATEST: Self = Self::max();
}

impl Key for i64 {
    const LEAST: Self = Self::MIN;
    const GREATEST: Self = Self::MAX;
}

/// The part of a list that is walked, and in which order.
pub(super) struct Walk {
    pub(super) conditions: Conditions,
    pub(super) walked: String,
    /// What rows are compared by.
    columns: String,
    pub(super) order: String,
    tenant: Option<Value>,
    descends: bool,
}

impl Walk {
    /// From the place `key` on, or up to it.
    fn add<K: Key>(&mut self, operator: &str, key: K) {
        let columns = &self.columns;
        let places = if self.tenant.is_some() { "(?, ?)" } else { "?" };
        let values = self.tenant.iter().cloned().chain([key.into()]);
        self.conditions
            .add(&format!("{columns} {operator} {places}"), values);
        self.walked = joined(&[&self.walked, &self.conditions.take()]);
    }
}

impl Listing {
    /// Both conditions, without an order.
    pub(super) fn condition(&mut self) -> String {
        if let Some(tenant) = self.of_tenant.take() {
            let mut conditions = Conditions::behind(std::mem::take(&mut self.values));
            let column = tenant_column(tenant.in_session);
            conditions.add(&format!("{column} = ?"), [tenant.name.into()]);
            self.walked = joined(&[&self.walked, &conditions.take()]);
            self.values = conditions.values;
        }
        joined(&[&self.walked, &self.fits])
    }

    /// Where a tenant's rows are found by the index of tenants alone, or of its sessions, on PostgreSQL the
    /// tenant is compared together with the key. It would otherwise take the order from the primary key where
    /// that looks cheaper, and step over the rows of all other tenants.
    pub(super) fn walk<K: Key>(
        &mut self,
        backend: DbBackend,
        descends: bool,
        after: Option<K>,
        before: Option<K>,
    ) -> Walk {
        let direction = if descends { "DESC" } else { "ASC" };
        let key = self.key;
        let mut walk = Walk {
            conditions: Conditions::behind(std::mem::take(&mut self.values)),
            walked: std::mem::take(&mut self.walked),
            columns: key.to_owned(),
            order: format!("ORDER BY {key} {direction}"),
            tenant: None,
            descends,
        };
        let (mut low, mut high) = (after, before);
        if let Some(tenant) = self.of_tenant.take() {
            let column = tenant_column(tenant.in_session);
            let name = Value::from(tenant.name);
            if backend == DbBackend::Postgres {
                // Not equal as it is in an index: with one value it would be no part of the order.
                let equal = format!("{column} || '' = ?");
                walk.conditions.add(&equal, [name.clone()]);
                walk.columns = format!("({column}, {key})");
                walk.order = format!("ORDER BY {column} {direction}, {key} {direction}");
                walk.tenant = Some(name);
                (low, high) = (low.or(Some(K::LEAST)), high.or(Some(K::GREATEST)));
            } else {
                walk.conditions.add(&format!("{column} = ?"), [name]);
            }
            walk.walked = joined(&[&walk.walked, &walk.conditions.take()]);
        }
        if let Some(low) = low {
            walk.add(">", low);
        }
        if let Some(high) = high {
            walk.add("<", high);
        }
        walk
    }

    /// The rows of a page, with one more if there are more.
    pub(super) async fn page<K: Key>(
        mut self,
        db: &Scoped<'_>,
        columns: &str,
        ascending: bool,
        page: &PageRequest<K>,
    ) -> Result<Rows<K>, Error> {
        let (low, high) = if ascending {
            (page.after, page.before)
        } else {
            (page.before, page.after)
        };
        let backend = db.get_database_backend();
        let mut walk = self.walk(backend, page.descends(ascending), low, high);
        let mut cut = None;
        if self.is_looked_into {
            cut = self.cut(db, &walk).await?;
            if let Some(last) = cut {
                walk.add(if walk.descends { ">=" } else { "<=" }, last);
            }
        }
        let text = format!(
            "SELECT {columns} FROM {} WHERE {} {} LIMIT {}",
            self.table,
            joined(&[&walk.walked, &self.fits]),
            walk.order,
            i64::from(page.limit) + 1
        );
        Ok((sql::query(db, &text, walk.conditions.values).await?, cut))
    }

    /// The last row that is looked into, if there are more.
    async fn cut<K: Key>(&self, db: &Scoped<'_>, walk: &Walk) -> Result<Option<K>, Error> {
        let text = format!(
            "SELECT {} AS place FROM {} WHERE {} {} LIMIT 2 OFFSET {}",
            self.key,
            self.table,
            walk.walked,
            walk.order,
            MOST_LOOKED_INTO - 1
        );
        let values = walk.conditions.values.clone();
        let places = sql::query(db, &text, values).await?;
        match places.as_slice() {
            [last, _] => get(last, "place").map(Some),
            _ => Ok(None),
        }
    }

    /// How many rows fit. Where there are conditions beside those of an index, the rows that are looked at
    /// are bounded, too.
    pub(super) async fn count<K: Key>(mut self, db: &Scoped<'_>) -> Result<Count, Error> {
        let walk = self.walk::<K>(db.get_database_backend(), true, None, None);
        let (table, walked, order) = (self.table, &walk.walked, &walk.order);
        let values = walk.conditions.values;
        if self.fits.is_empty() {
            let text = format!(
                "SELECT COUNT(*) AS total FROM (SELECT 1 AS one FROM {table} WHERE {walked} \
                 LIMIT {}) l",
                MOST_COUNTED + 1
            );
            let rows = sql::query(db, &text, values).await?;
            let total = rows.first().map_or(Ok(0), |row| get(row, "total"))?;
            return Ok(Count::of(total, true));
        }
        let among = if self.is_looked_into {
            MOST_LOOKED_INTO
        } else {
            MOST_COUNTED_AMONG
        };
        let text = format!(
            "SELECT COUNT(*) AS seen, COUNT(*) FILTER (WHERE {}) AS total FROM \
             (SELECT {} FROM {table} WHERE {walked} {order} LIMIT {}) l",
            self.fits,
            self.looked_at,
            among + 1
        );
        let rows = sql::query(db, &text, values).await?;
        let Some(row) = rows.first() else {
            return Ok(Count::NONE);
        };
        let seen: i64 = get(row, "seen")?;
        Ok(Count::of(get(row, "total")?, seen <= among.into()))
    }
}

fn joined(conditions: &[&str]) -> String {
    let mut given = Vec::from(conditions);
    given.retain(|condition| !condition.is_empty());
    given.join(" AND ")
}
