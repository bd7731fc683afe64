//! The log, read by ranges: by an execution's sequence, or in the order of the whole log.
//!
//! On PostgreSQL transactions commit out of the order of their numbers. A feed therefore reads only
//! what is below every writer still at work (`settled`): what it has passed, nothing can appear behind.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use entity::event;
use sea_orm::{FromQueryResult, QueryResult};
use uuid::Uuid;

use super::{
    super::{Error, Storage, db::Reader, sql},
    count::{Count, MOST_COUNTED, MOST_COUNTED_AMONG},
    gather::Gather,
    page::{Conditions, tenant_column},
};
use crate::model::{
    Cursor, Event, EventBody, ExecutionId, Micros, SessionId, StreamKind, TenantId, TenantScope,
};
use sql::{Rows, columns, get};

/// A filtered feed looks at so many rows, then comes back, so that a filter that fits next to
/// nothing neither holds a connection for long nor looks at the same rows again.
pub(super) const FILTERED_SCAN: u32 = 4_000;

/// About so much an event holds besides its payload.
const EVENT_BYTES: u64 = 256;

/// Which events of many executions are wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Feed {
    /// Those of one session.
    Session(SessionId),
    /// Those of the tenant that fit; an empty list of values means any.
    Tenant {
        /// One of these types, e.g. `execution.completed`.
        types: HashSet<String>,
        /// Of executions of one of these intent types.
        intent_types: HashSet<String>,
        /// In this session.
        session_id: Option<SessionId>,
    },
}

/// Part of a feed.
#[derive(Debug, Clone, PartialEq)]
pub struct FeedPage {
    /// The events that fit, in order.
    pub events: Vec<Event>,
    /// The place up to which the log was looked at; the next page begins after it.
    pub last: Cursor,
}

/// A stream of the log, as a client names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamName {
    /// An execution's or an artifact's, which has its id.
    Id(Uuid),
    /// The stream of the tenant's session with this id.
    Session(SessionId),
    /// Whatever has this UUID.
    Any(Uuid),
}

/// Which entries of the log are wanted; an empty list of values means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WalFilter {
    /// One of these types.
    pub types: Vec<String>,
    /// Of this execution, session or artifact.
    pub stream: Option<StreamName>,
    /// In this session.
    pub session_id: Option<SessionId>,
    /// After this time.
    pub created_after: Option<Micros>,
    /// Before this time.
    pub created_before: Option<Micros>,
}

/// Adds the conditions of a filter that an index answers.
pub(super) fn walked(conditions: &mut Conditions, scope: &TenantScope, filter: &WalFilter) {
    let tenant = scope.tenant().as_str();
    if let Some(name) = filter.stream {
        name.add_to(conditions, tenant);
    }
    if let Some(id) = filter.session_id {
        conditions.add("session_id = ?", [id.0.into()]);
    }
    let column = tenant_column(filter.stream.is_some() || filter.session_id.is_some());
    conditions.add(&format!("{column} = ?"), [tenant.into()]);
}

impl StreamName {
    fn add_to(self, conditions: &mut Conditions, tenant: &str) {
        const OF_SESSION: &str = "(SELECT COALESCE(s.stream_id, s.id) FROM session s \
             WHERE s.id = ? AND s.tenant_id = ?)";
        match self {
            Self::Id(id) => conditions.add("stream_id = ?", [id.into()]),
            Self::Session(id) => {
                let values = [id.0.into(), tenant.into()];
                conditions.add(&format!("stream_id = {OF_SESSION}"), values);
            }
            Self::Any(id) => {
                let values = [id.into(), id.into(), tenant.into()];
                conditions.add(&format!("stream_id IN (?, {OF_SESSION})"), values);
            }
        }
    }
}

fn fits(conditions: &mut Conditions, filter: &WalFilter) {
    conditions.one_of("event_type", filter.types.iter().cloned());
    if let Some(time) = filter.created_after {
        conditions.add("occurred_at > ?", [time.into()]);
    }
    if let Some(time) = filter.created_before {
        conditions.add("occurred_at < ?", [time.into()]);
    }
}

fn event_of(row: &QueryResult) -> Result<Event, Error> {
    Event::try_from(event::Model::from_query_result(row, "")?)
}

impl Feed {
    fn wants(&self, event: &Event) -> bool {
        if event.stream_kind != StreamKind::Execution {
            return false;
        }
        let Self::Tenant {
            types,
            intent_types,
            session_id,
        } = self
        else {
            return true;
        };
        let any_or =
            |wanted: &HashSet<String>, value: &str| wanted.is_empty() || wanted.contains(value);
        any_or(types, &event.body.type_name())
            && any_or(
                intent_types,
                event.intent_type.as_deref().unwrap_or_default(),
            )
            && session_id.is_none_or(|id| id == event.session_id)
    }
}

/// Part of an execution's stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::storage) struct EventPage {
    tenant: TenantId,
    id: ExecutionId,
    after_seq: i64,
    limit: u32,
}

/// Events of executions of whatever tenant, for [`Storage::events_after`] alone.
pub(in crate::storage) type EventPages = Gather<EventPage, Arc<Vec<Event>>>;

/// Reads parts of streams, those that are asked for at the same time in one query.
pub(in crate::storage) fn event_pages(db: &Reader) -> EventPages {
    let db = db.clone();
    Gather::start(QUERIES, MOST_PAGES, move |pages| {
        load_pages(db.clone(), pages)
    })
}

const QUERIES: usize = 2;
/// Payloads of up to 8 KiB are in the rows, a hundred rows a page.
const MOST_PAGES: usize = 64;

async fn load_pages(
    db: Reader,
    pages: Vec<EventPage>,
) -> Result<HashMap<EventPage, Arc<Vec<Event>>>, Error> {
    let mut rows = Rows::of(&["id", "tenant_id", "after_seq", "last_seq"]);
    for page in &pages {
        // The numbers are dense: so many rows are so many numbers.
        let last = page.after_seq.saturating_add(page.limit.into());
        rows.push(vec![
            page.id.0.into(),
            page.tenant.as_str().into(),
            page.after_seq.into(),
            last.into(),
        ]);
    }
    let join = sql::join(&db);
    let tail = format!(
        "SELECT {}, x.after_seq AS page_after, x.last_seq AS page_last FROM x {join} event e \
         ON e.stream_id = x.id AND e.seq > x.after_seq AND e.seq <= x.last_seq \
         AND e.tenant_id || '' = x.tenant_id ORDER BY e.seq",
        columns::<event::Entity>("e")
    );
    let mut found: HashMap<EventPage, Vec<Event>> = HashMap::new();
    for row in rows.query(&db, &tail).await? {
        let event = event_of(&row)?;
        let (after_seq, last): (i64, i64) = (get(&row, "page_after")?, get(&row, "page_last")?);
        let page = EventPage {
            tenant: event.tenant_id.clone(),
            id: ExecutionId(event.stream_id),
            after_seq,
            limit: u32::try_from(last.saturating_sub(after_seq)).unwrap_or(u32::MAX),
        };
        found.entry(page).or_default().push(event);
    }
    let shared = found
        .into_iter()
        .map(|(page, events)| (page, Arc::new(events)));
    Ok(shared.collect())
}

impl Storage {
    /// Up to `limit` events of an execution after a sequence: dense and ascending. All who ask for
    /// the same at the same time share one answer.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events_after(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
        after_seq: i64,
        limit: u32,
    ) -> Result<Arc<Vec<Event>>, Error> {
        let page = EventPage {
            tenant: scope.tenant().clone(),
            id,
            after_seq,
            limit,
        };
        let found = self.event_pages.get(page).await?.unwrap_or_default();
        if let Some(meter) = scope.meter() {
            for event in found.iter() {
                let payload = event.payload.as_ref().map_or(0, |it| it.as_str().len());
                meter.read(EVENT_BYTES + payload as u64)?;
            }
        }
        Ok(found)
    }

    /// The next part of a feed. It may be empty though more follows: then `last` has moved on.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn feed_after(
        &self,
        scope: &TenantScope,
        feed: &Feed,
        after: Cursor,
        limit: u32,
    ) -> Result<FeedPage, Error> {
        let mut conditions = Conditions::default();
        let session = match feed {
            Feed::Session(id) => Some(*id),
            Feed::Tenant { session_id, .. } => *session_id,
        };
        let within = WalFilter {
            session_id: session,
            ..WalFilter::default()
        };
        walked(&mut conditions, scope, &within);
        let rows = match feed {
            Feed::Tenant {
                types,
                intent_types,
                ..
            } if !types.is_empty() || !intent_types.is_empty() => {
                self.add_range(&mut conditions, after).await?;
                let scanned = conditions.take();
                conditions.add("s.stream_kind = ?", [StreamKind::Execution.code().into()]);
                conditions.one_of("s.event_type", types.iter().cloned());
                conditions.one_of("s.intent_type", intent_types.iter().cloned());
                self.scan(scope, &scanned, conditions, limit).await?
            }
            _ => self.log_after(scope, conditions, after, limit).await?,
        };
        let mut page = FeedPage {
            events: Vec::new(),
            last: after,
        };
        for event in rows {
            page.last = event.cursor;
            if feed.wants(&event) {
                page.events.push(event);
            }
            if page.events.len() == limit as usize {
                break;
            }
        }
        Ok(page)
    }

    /// Up to `limit` entries of the tenant's log after a position, of all streams.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn wal_after(
        &self,
        scope: &TenantScope,
        filter: &WalFilter,
        after: Cursor,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let mut conditions = Conditions::default();
        walked(&mut conditions, scope, filter);
        fits(&mut conditions, filter);
        self.log_after(scope, conditions, after, limit).await
    }

    /// Returns the number of entries of the tenant's log that fit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_wal(&self, scope: &TenantScope, filter: &WalFilter) -> Result<Count, Error> {
        let mut conditions = Conditions::default();
        walked(&mut conditions, scope, filter);
        if let Some(settled) = self.settled_log().await? {
            conditions.add("tx < ?", [settled.into()]);
        }
        let walked = conditions.take();
        fits(&mut conditions, filter);
        let fits = conditions.take();
        let (fits, order, among) = if fits.is_empty() {
            ("TRUE", "", MOST_COUNTED)
        } else {
            (fits.as_str(), "ORDER BY tx DESC", MOST_COUNTED_AMONG)
        };
        let text = format!(
            "SELECT COUNT(*) AS seen, COUNT(*) FILTER (WHERE {fits}) AS total FROM \
             (SELECT event_type, occurred_at FROM event e WHERE {walked} {order} LIMIT {}) l",
            among + 1
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, conditions.values).await?;
        let Some(row) = rows.first() else {
            return Ok(Count::NONE);
        };
        let seen: i64 = get(row, "seen")?;
        Ok(Count::of(get(row, "total")?, seen <= among.into()))
    }

    async fn log_after(
        &self,
        scope: &TenantScope,
        mut conditions: Conditions,
        after: Cursor,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        self.add_range(&mut conditions, after).await?;
        let text = format!(
            "SELECT {} FROM event e {} ORDER BY tx, ord LIMIT {limit}",
            columns::<event::Entity>("e"),
            conditions.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, conditions.values).await?;
        rows.into_iter().map(|row| event_of(&row)).collect()
    }

    /// Of the first [`FILTERED_SCAN`] entries that are `scanned`, those that fit, up to `limit`.
    /// Unless there are as many, the last one is how far the log was looked at, fit or not.
    async fn scan(
        &self,
        scope: &TenantScope,
        scanned: &str,
        mut fits: Conditions,
        limit: u32,
    ) -> Result<Vec<Event>, Error> {
        let fit = fits.take();
        let text = format!(
            "SELECT {} FROM (SELECT stream_id, seq, event_type, intent_type, stream_kind, \
             LEAD(tx) OVER (ORDER BY tx, ord) AS later FROM (SELECT stream_id, seq, event_type, \
             intent_type, stream_kind, tx, ord FROM event WHERE {scanned} \
             ORDER BY tx, ord LIMIT {FILTERED_SCAN}) scanned) s \
             JOIN event e ON e.stream_id = s.stream_id AND e.seq = s.seq \
             WHERE s.later IS NULL OR ({fit}) ORDER BY e.tx, e.ord LIMIT {limit}",
            columns::<event::Entity>("e")
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, fits.values).await?;
        rows.into_iter().map(|row| event_of(&row)).collect()
    }

    /// Behind `after`, and settled: no writer still at work has a lower number.
    pub(super) async fn add_range(
        &self,
        conditions: &mut Conditions,
        after: Cursor,
    ) -> Result<(), Error> {
        conditions.add("(tx, ord) > (?, ?)", [after.tx.into(), after.ord.into()]);
        if let Some(settled) = self.settled_log().await? {
            conditions.add("tx < ?", [settled.into()]);
        }
        Ok(())
    }

    /// The number below which no writer is at work; none where one writer is alone.
    pub(in crate::storage) async fn settled_log(&self) -> Result<Option<i64>, Error> {
        let Some(settled) = &self.settled else {
            return Ok(None);
        };
        Ok(Some(settled.get(()).await?.unwrap_or_default()))
    }

    /// Returns the last progress that an execution reported, from 0 to 1; none when it never did.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_last_progress(
        &self,
        scope: &TenantScope,
        id: ExecutionId,
    ) -> Result<Option<f64>, Error> {
        let text = format!(
            "SELECT {} FROM event e WHERE stream_id = $1 AND event_type = 'progress.reported' \
             AND tenant_id || '' = $2 ORDER BY seq DESC LIMIT 1",
            columns::<event::Entity>("e")
        );
        let values = [id.0.into(), scope.tenant().as_str().into()];
        let rows = sql::query(&self.db.reader, &text, values).await?;
        let last = rows.first().map(event_of).transpose()?;
        Ok(match last {
            Some(Event {
                body: EventBody::ProgressReported { fraction, .. },
                ..
            }) => Some(fraction),
            _ => None,
        })
    }

    /// The last sequence of each execution's stream.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn stream_heads(
        &self,
        ids: &[ExecutionId],
    ) -> Result<HashMap<ExecutionId, i64>, Error> {
        let rows = Rows::column("id", ids.iter().map(|id| id.0));
        let join = sql::join(&self.db.reader);
        let tail =
            format!("SELECT e.id, e.next_seq - 1 AS head FROM x {join} execution e ON e.id = x.id");
        let rows = rows.query(&self.db.reader, &tail).await?;
        rows.iter()
            .map(|row| Ok((ExecutionId(get(row, "id")?), get(row, "head")?)))
            .collect()
    }
}
