//! Lists with filters. A list is read by ranges of indexes, each of which has its rows in the list's order. Where
//! they do not answer the whole filter, the rows that are looked at are bounded by the length of the page: the page
//! may then have fewer items, and says where it stopped.

use sea_orm::{DbBackend, QueryResult, Value};

use super::{
    super::{Error, db::Scoped, sql},
    list_key::ListKey,
    page::{Conditions, PageRequest, WHOLE_TENANT, tenant_column},
};
use crate::model::{Micros, SessionId};
use sql::get;

/// The rows that a page looks at for each item that is asked for.
const LOOKED_AT_FOR_EACH: u32 = 16;
/// Pages of fewer items look at as many rows as one of this length.
pub(super) const SHORT_PAGE: u32 = 50;
/// A list is read by so many ranges at most: each is read as far as a page may go.
pub(super) const MOST_RANGES: usize = 18;

/// Stands for no index but the number of SQLite's rows, where that is the key.
pub(super) const BY_ROW: &str = "by row";

/// A range of an index in which rows are in the list's order.
#[derive(Debug, Clone, Default)]
pub(super) struct Range {
    /// Which index it is, for SQLite, which has no statistics.
    pub(super) index: &'static str,
    /// The first columns of the index, each with the one value that it has in the range.
    pub(super) equal: Vec<(&'static str, Value)>,
    /// The condition of a partial index, as the index has it.
    pub(super) rule: &'static str,
    /// A condition that another index answers with few rows, with `?` for its values.
    pub(super) found_by: Option<(String, Vec<Value>)>,
}

impl Range {
    /// The rows that have these values in the first columns of an index.
    pub(super) fn of<const N: usize>(
        index: &'static str,
        equal: [(&'static str, Value); N],
    ) -> Self {
        Self {
            index,
            equal: equal.into(),
            ..Self::default()
        }
    }

    /// The rows of a session.
    pub(super) fn of_session(index: &'static str, session: SessionId, tenant: &str) -> Self {
        let equal = [
            ("session_id", session.0.into()),
            (tenant_column(true), tenant.into()),
        ];
        Self::of(index, equal)
    }

    /// The rows of a user.
    pub(super) fn of_user(index: &'static str, user: &str, tenant: &str) -> Self {
        let equal = [("user_id", user.into()), ("tenant_id", tenant.into())];
        Self {
            rule: "user_id IS NOT NULL",
            ..Self::of(index, equal)
        }
    }
}

/// Ranges without a row in common that have, together, every row of a list, and perhaps others.
#[derive(Debug, Default)]
pub(super) struct Way {
    pub(super) ranges: Vec<Range>,
    /// The condition that tells the rows of the list from others; empty where there are no others.
    pub(super) fits: String,
    pub(super) values: Vec<Value>,
    /// The rows that are read to tell of one whether it fits, itself included.
    pub(super) rows_each: i64,
}

impl Way {
    pub(super) fn new(ranges: Vec<Range>, mut fits: Conditions) -> Self {
        Self {
            ranges,
            fits: fits.take(),
            values: fits.values,
            rows_each: 1,
        }
    }

    /// The ways that a filter has, or else the one through all rows of the tenant.
    pub(super) fn among<const N: usize>(
        ways: [Option<Self>; N],
        all: impl FnOnce() -> Self,
    ) -> Vec<Self> {
        let mut ways: Vec<Self> = ways.into_iter().flatten().collect();
        if ways.is_empty() {
            ways.push(all());
        }
        ways
    }
}

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// The time, then the key.
    Time,
    /// The time of the end, then the key.
    Finish,
    Key,
}

impl Order {
    /// The column with the time by which rows are ordered.
    fn time(self) -> Option<&'static str> {
        match self {
            Self::Time => Some("created_at"),
            Self::Finish => Some("finished_at"),
            Self::Key => None,
        }
    }
}

/// A list of rows of one table.
#[derive(Debug)]
pub(super) struct Listing {
    pub(super) table: &'static str,
    /// The column whose value one row of the tenant has alone.
    pub(super) key: &'static str,
    pub(super) order: Order,
    pub(super) tenant: String,
    /// The columns that conditions look at.
    pub(super) looked_at: &'static str,
    /// True if conditions look into texts.
    pub(super) is_looked_into: bool,
    /// After this time and before that one.
    pub(super) window: (Option<Micros>, Option<Micros>),
    /// All have the same list; at least one. Those with fewer rows come first, if that is known.
    pub(super) ways: Vec<Way>,
}

/// The rows that were read of a list, and the last one that was looked at where more were left.
pub(super) type ListedRows<K> = (Vec<QueryResult>, Option<K>);

/// Where a row is in a list; the time is the same for all where a list is ordered by key alone.
type Place<K> = (Micros, K);

/// A part of a list, and in which direction it is read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span<K> {
    low: Option<Place<K>>,
    high: Option<Place<K>>,
    descends: bool,
    /// The last row that is read, where there are more.
    pub(super) last: Option<Place<K>>,
}

impl<K: ListKey> Span<K> {
    /// Of two places the one that is reached first.
    fn nearer(&self, one: Place<K>, other: Place<K>) -> Place<K> {
        if self.descends {
            one.max(other)
        } else {
            one.min(other)
        }
    }

    /// Both ends with how rows are compared with them.
    fn bounds(&self) -> [(&'static str, Option<Place<K>>); 2] {
        match self.last {
            Some(last) if self.descends => [(">=", Some(last)), ("<", self.high)],
            Some(last) => [(">", self.low), ("<=", Some(last))],
            None => [(">", self.low), ("<", self.high)],
        }
    }
}

/// A statement with its values.
type Text = (String, Vec<Value>);

impl Listing {
    /// The rows of a page, with one more if there are more.
    pub(super) async fn page<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        columns: &str,
        ascending: bool,
        page: &PageRequest<K>,
    ) -> Result<ListedRows<K>, Error> {
        let mut span = self.span(db, ascending, page).await?;
        let Some((way, cut)) = self.shortest(db, &span, page.limit).await? else {
            return Ok((Vec::new(), None));
        };
        span.last = cut;
        let limit = format!("LIMIT {}", u64::from(page.limit) + 1);
        let (text, values) = self.read(db, way, &span, columns, &limit, &limit);
        let rows = sql::query(db, &text, values).await?;
        Ok((rows, cut.map(|(_, key)| key)))
    }

    /// Rows by their number in a list that descends. What is skipped is read.
    pub(super) async fn slice<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        columns: &str,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<QueryResult>, Error> {
        let span = self.span_between::<K>(true, None, None);
        let all: Option<&Way> = self.ways.iter().find(|way| way.fits.is_empty());
        let way = all.or(self.ways.first());
        let Some(way) = way.filter(|way| !way.ranges.is_empty()) else {
            return Ok(Vec::new());
        };
        let most = format!("LIMIT {}", u64::from(limit) + u64::from(offset));
        let part = format!("LIMIT {limit} OFFSET {offset}");
        let (text, values) = self.read(db, way, &span, columns, &most, &part);
        sql::query(db, &text, values).await
    }

    async fn span<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        ascending: bool,
        page: &PageRequest<K>,
    ) -> Result<Span<K>, Error> {
        let (after, before) = (self.place(db, page.after), self.place(db, page.before));
        let (after, before) = (after.await?, before.await?);
        let (low, high) = if ascending {
            (after, before)
        } else {
            (before, after)
        };
        Ok(self.span_between(page.descends(ascending), low, high))
    }

    /// The part of the list between two of its places that is within the window of time.
    pub(super) fn span_between<K: ListKey>(
        &self,
        descends: bool,
        low: Option<Place<K>>,
        high: Option<Place<K>>,
    ) -> Span<K> {
        let (after, before) = match self.order {
            Order::Time | Order::Finish => self.window,
            Order::Key => (None, None),
        };
        let after = after.map(|time| (time, K::GREATEST));
        let before = before.map(|time| (time, K::LEAST));
        Span {
            low: low.max(after),
            high: high.into_iter().chain(before).min(),
            descends,
            last: None,
        }
    }

    /// Where the row with this key is, or would be, if it is absent: by the time in its key, or else behind all rows of
    /// the tenant or before them. Rows of other tenants must not decide, for that would tell of them.
    async fn place<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        key: Option<K>,
    ) -> Result<Option<Place<K>>, Error> {
        let Some(key) = key else { return Ok(None) };
        let Some(at) = self.order.time() else {
            return Ok(Some((0, key)));
        };
        let (table, column) = (self.table, self.key);
        let of_tenant = tenant_column(true);
        let text =
            format!("SELECT {at} AS at FROM {table} WHERE {column} = $1 AND {of_tenant} = $2");
        let values = [key.into(), self.tenant.as_str().into()];
        let rows = sql::query(db, &text, values).await?;
        let time: Option<Option<Micros>> = rows.first().map(|row| get(row, "at")).transpose()?;
        if let Some(time) = time.flatten().or_else(|| key.made_at()) {
            return Ok(Some((time, key)));
        }
        let text = format!(
            "SELECT created_at AS at, {column} AS place FROM {table} WHERE {WHOLE_TENANT} = $1 \
             ORDER BY created_at DESC, {column} DESC LIMIT 1"
        );
        let rows = sql::query(db, &text, [self.tenant.as_str().into()]).await?;
        let newest = rows.first().map(|row| {
            let (time, place): (Micros, K) = (get(row, "at")?, get(row, "place")?);
            Ok::<_, Error>((key > place).then_some(time))
        });
        let time = newest.transpose()?.flatten().unwrap_or(Micros::MIN);
        Ok(Some((time, key)))
    }

    /// The way that has nothing but the list; else the one whose rows thin out most, and how far it is looked at
    /// for a page of `limit` items, if it goes further.
    pub(super) async fn shortest<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        span: &Span<K>,
        limit: u32,
    ) -> Result<Option<(&Way, Option<Place<K>>)>, Error> {
        if self.ways.iter().any(|way| way.ranges.is_empty()) {
            return Ok(None);
        }
        if let Some(exact) = self.ways.iter().find(|way| way.fits.is_empty()) {
            return Ok(Some((exact, None)));
        }
        let mut furthest: Option<(&Way, Place<K>)> = None;
        for way in &self.ways {
            let Some(cut) = self.cut(db, way, span, limit).await? else {
                return Ok(Some((way, None)));
            };
            let is_nearer = |(_, reached): &(&Way, Place<K>)| span.nearer(cut, *reached) == cut;
            if !furthest.as_ref().is_some_and(is_nearer) {
                furthest = Some((way, cut));
            }
        }
        Ok(furthest.map(|(way, cut)| (way, Some(cut))))
    }

    /// The last row that is looked at, if there are more.
    async fn cut<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        way: &Way,
        span: &Span<K>,
        limit: u32,
    ) -> Result<Option<Place<K>>, Error> {
        let each = i64::from(limit.max(SHORT_PAGE) * LOOKED_AT_FOR_EACH);
        let each = (each / ranges_of(way) / way.rows_each).max(1);
        let bare = Way {
            ranges: way.ranges.clone(),
            ..Way::default()
        };
        let columns = |part| format!("CAST({part} AS bigint) AS part, {}", self.place_columns());
        let limit = format!("LIMIT 2 OFFSET {}", each - 1);
        let (text, values) = self.union(db.get_database_backend(), &bare, span, columns, &limit);
        let mut ends: Vec<(i64, Place<K>)> = Vec::new();
        for row in sql::query(db, &text, values).await? {
            let time = match self.order.time() {
                Some(_) => get(&row, "at")?,
                None => 0,
            };
            ends.push((get(&row, "part")?, (time, get(&row, "place")?)));
        }
        // A range with one row here ends there.
        let cuts = ends.chunk_by(|(one, _), (other, _)| one == other);
        let cuts = cuts.filter_map(|places| match places {
            [(_, one), (_, other)] => Some(span.nearer(*one, *other)),
            _ => None,
        });
        Ok(cuts.reduce(|one, other| span.nearer(one, other)))
    }

    /// The rows of a way, of each range up to `most` and then together up to `limit`.
    pub(super) fn read<K: ListKey>(
        &self,
        db: &Scoped<'_>,
        way: &Way,
        span: &Span<K>,
        columns: &str,
        most: &str,
        limit: &str,
    ) -> Text {
        let backend = db.get_database_backend();
        let join = sql::join(db);
        let (places, mut values) = self.union(backend, way, span, |_| self.place_columns(), most);
        values.push(self.tenant.as_str().into());
        let order = |prefix: &str| {
            let direction = direction(span.descends);
            match self.order.time() {
                Some(_) => format!("{prefix}at {direction}, {prefix}place {direction}"),
                None => format!("{prefix}place {direction}"),
            }
        };
        let text = format!(
            "SELECT {columns} FROM (SELECT * FROM ({places}) u ORDER BY {} {limit}) k \
             {join} {} t ON t.{} = k.place AND t.{} = ${} ORDER BY {}",
            order(""),
            self.table,
            self.key,
            tenant_column(true),
            values.len(),
            order("k.")
        );
        (text, values)
    }

    fn place_columns(&self) -> String {
        match self.order.time() {
            Some(at) => format!("{at} AS at, {} AS place", self.key),
            None => format!("{} AS place", self.key),
        }
    }

    /// The rows of each range one after the other, as far as `limit` says; `columns` gets the number of the range.
    pub(super) fn union<K: ListKey>(
        &self,
        backend: DbBackend,
        way: &Way,
        span: &Span<K>,
        columns: impl Fn(usize) -> String,
        limit: &str,
    ) -> Text {
        let mut conditions = Conditions::behind(way.values.clone());
        let parts = way.ranges.iter().enumerate().map(|(number, range)| {
            let order = self.walk(backend, range, span, &mut conditions);
            if !range.rule.is_empty() {
                conditions.add(range.rule, []);
            }
            if let Some((condition, values)) = &range.found_by {
                conditions.add(condition, values.iter().cloned());
            }
            if !way.fits.is_empty() {
                conditions.add(&unguessed(backend, &way.fits), []);
            }
            let index = match (backend, range.index) {
                (DbBackend::Postgres, _) | (_, "") => String::new(),
                // Those of the key itself are not of this kind.
                (_, BY_ROW) => " NOT INDEXED".to_owned(),
                (_, index) => format!(" INDEXED BY {index}"),
            };
            format!(
                "SELECT * FROM (SELECT {} FROM {}{} WHERE {} {order} {limit}) r{number}",
                columns(number),
                self.table,
                index,
                conditions.take()
            )
        });
        let text = parts.collect::<Vec<_>>().join(" UNION ALL ");
        (text, conditions.values)
    }

    /// Adds what makes a range of an index, and returns its order.
    ///
    /// Where PostgreSQL might take the order from the primary key, and step over what is not in the range, it
    /// compares all columns of the index together.
    fn walk<K: ListKey>(
        &self,
        backend: DbBackend,
        range: &Range,
        span: &Span<K>,
        conditions: &mut Conditions,
    ) -> String {
        let mut columns: Vec<&str> = Vec::new();
        let mut first: Vec<Value> = Vec::new();
        let is_compared_together =
            backend == DbBackend::Postgres && self.order == Order::Key && !range.equal.is_empty();
        for (column, value) in &range.equal {
            if is_compared_together {
                columns.push(column);
                first.push(value.clone());
            } else {
                conditions.add(&format!("{column} = ?"), [value.clone()]);
            }
        }
        columns.extend(self.order.time());
        columns.push(self.key);
        let ends = [(Micros::MIN, K::LEAST), (Micros::MAX, K::GREATEST)];
        for ((operator, bound), end) in span.bounds().into_iter().zip(ends) {
            let Some((time, key)) = bound.or(is_compared_together.then_some(end)) else {
                continue;
            };
            let mut values = first.clone();
            values.extend(self.order.time().map(|_| Value::from(time)));
            values.push(key.into());
            let places = vec!["?"; values.len()];
            let condition = format!(
                "({}) {operator} ({})",
                columns.join(", "),
                places.join(", ")
            );
            conditions.add(&condition, values);
        }
        let direction = direction(span.descends);
        let order = columns.iter().map(|column| format!("{column} {direction}"));
        format!("ORDER BY {}", order.collect::<Vec<_>>().join(", "))
    }
}

/// A condition of which PostgreSQL thinks that every other row fits. Where it thinks that fewer fit than a page has, it
/// takes whatever index costs least to be read to its end.
pub(super) fn unguessed(backend: DbBackend, fits: &str) -> String {
    match backend {
        DbBackend::Postgres => format!("(CASE WHEN {fits} THEN TRUE ELSE FALSE END)"),
        _ => fits.to_owned(),
    }
}

pub(super) fn ranges_of(way: &Way) -> i64 {
    i64::try_from(way.ranges.len().max(1)).unwrap_or(i64::MAX)
}

fn direction(descends: bool) -> &'static str {
    if descends { "DESC" } else { "ASC" }
}
