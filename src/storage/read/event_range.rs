//! Parts of an execution's stream between two of its places, from either end, by types.

use entity::event;
use sea_orm::FromQueryResult;

use super::{
    super::{Error, Storage, sql},
    page::{Conditions, Page, PageRequest, finish, tenant_column},
};
use crate::model::{Cursor, Event, Execution, TenantScope};

/// The events that a page looks at where it wants those of some types.
const LOOKED_AT: i64 = 4_000;

/// A part of an execution's events.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRange {
    /// The most events.
    pub limit: u32,
    /// Only those after this place.
    pub after: Option<Cursor>,
    /// Only those before this place.
    pub before: Option<Cursor>,
    /// Take them from the end of that range instead of its beginning.
    pub backward: bool,
    /// One of these types; any if there are none.
    pub types: Vec<String>,
}

impl LogRange {
    /// The first and last number that is looked at, of a stream that ends with `head`; and the one of them behind
    /// which more may fit.
    fn numbers(&self, head: i64) -> (i64, i64, Option<i64>) {
        let low = self.after.map_or(0, |cursor| cursor.seq);
        let high = self.before.map_or(head, |cursor| cursor.seq - 1).min(head);
        let looked_at = if self.types.is_empty() {
            // The numbers are dense.
            i64::from(self.limit) + 1
        } else {
            LOOKED_AT
        };
        let (first, last, edge) = if self.backward {
            let first = high.saturating_sub(looked_at - 1).max(low + 1);
            (first, high, (first > low + 1).then_some(first))
        } else {
            let last = low.saturating_add(looked_at).min(high);
            (low + 1, last, (last < high).then_some(last))
        };
        (first, last, edge.filter(|_| !self.types.is_empty()))
    }
}

impl Storage {
    /// A page of the events of an execution, as far as they were there when it was read.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn events_between(
        &self,
        scope: &TenantScope,
        execution: &Execution,
        range: &LogRange,
    ) -> Result<Page<Cursor, Event>, Error> {
        let (first, last, edge) = range.numbers(execution.next_seq - 1);
        if first > last {
            return Ok(Page::empty());
        }
        let mut conditions = Conditions::default();
        conditions.add("stream_id = ?", [execution.id.0.into()]);
        let tenant = scope.tenant().as_str();
        conditions.add(&format!("{} = ?", tenant_column(true)), [tenant.into()]);
        conditions.add("seq >= ? AND seq <= ?", [first.into(), last.into()]);
        let walked = conditions.take();
        conditions.one_of("event_type", range.types.iter().cloned());
        let mut fits = conditions.take();
        if let (false, Some(edge)) = (fits.is_empty(), edge) {
            // The last one that is looked at says where to go on.
            fits = format!("({fits} OR seq = {edge})");
        }
        let and = if fits.is_empty() { "" } else { " AND " };
        let order = if range.backward { "DESC" } else { "ASC" };
        let text = format!(
            "SELECT {} FROM event e WHERE {walked}{and}{fits} ORDER BY seq {order} LIMIT {}",
            sql::columns::<event::Entity>("e"),
            u64::from(range.limit) + 2
        );
        let mut cut = None;
        let mut items = Vec::new();
        for row in sql::query(&self.db.reader.of(scope), &text, conditions.values).await? {
            let event = Event::try_from(event::Model::from_query_result(&row, "")?)?;
            if edge == Some(event.cursor.seq) {
                cut = Some(event.cursor);
            }
            if range.types.is_empty() || range.types.contains(&event.body.type_name()) {
                items.push((event.cursor, event));
            }
        }
        let request = PageRequest {
            limit: range.limit,
            after: range.after,
            before: range.before,
            backward: range.backward,
        };
        Ok(finish(items, &request, cut))
    }
}
