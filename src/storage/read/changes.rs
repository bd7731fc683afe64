//! Which executions have changed behind a place of the log, and what a filter makes of them now.

use std::collections::{HashMap, HashSet};

use entity::execution;
use sea_orm::FromQueryResult;
use uuid::Uuid;

use super::{
    super::{Error, Storage, sql},
    events::{FILTERED_SCAN, WalFilter, walked},
    execution_filter::{ExecutionFilter, OfFound, of_found},
    listing::unguessed,
    page::{Conditions, tenant_column},
};
use crate::model::{Cursor, Execution, ExecutionId, StreamKind, TenantScope};
use sql::{columns, get};

/// Executions that have changed in a part of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangedIds {
    /// Each once, in the order in which they first changed.
    pub ids: Vec<ExecutionId>,
    /// The place up to which the log was looked at.
    pub last: Cursor,
    /// True if there was more of the log than was looked at.
    pub has_more: bool,
}

/// What a filter makes of executions as they are now. Those that never fit are in neither part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FoundChanges {
    /// Those that fit, in the order in which they were asked for.
    pub fitting: Vec<Execution>,
    /// Those that do not fit and may have fitted before.
    pub left: Vec<ExecutionId>,
}

impl Storage {
    /// The executions with entries of the log behind `after`: in the filter's session, of its types. One look goes
    /// through a bounded number of entries.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn changed_executions(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        after: Cursor,
    ) -> Result<ChangedIds, Error> {
        let mut conditions = Conditions::default();
        let within = WalFilter {
            session_id: filter.session_id,
            ..WalFilter::default()
        };
        walked(&mut conditions, scope, &within);
        self.add_range(&mut conditions, after).await?;
        let scanned = conditions.take();
        conditions.add("stream_kind = ?", [StreamKind::Execution.code().into()]);
        conditions.one_of("intent_type", filter.intent_types.iter().cloned());
        let fits = conditions.take();
        let text = format!(
            "SELECT s.stream_id, s.tx, s.ord, s.seq, s.place, s.is_change FROM (SELECT stream_id, tx, ord, seq, \
             (CASE WHEN {fits} THEN TRUE ELSE FALSE END) AS is_change, \
             ROW_NUMBER() OVER (ORDER BY tx, ord) AS place, LEAD(tx) OVER (ORDER BY tx, ord) AS later \
             FROM (SELECT stream_id, seq, intent_type, stream_kind, tx, ord FROM event WHERE {scanned} \
             ORDER BY tx, ord LIMIT {FILTERED_SCAN}) l) s \
             WHERE s.later IS NULL OR s.is_change ORDER BY s.tx, s.ord"
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, conditions.values).await?;
        let mut changed = ChangedIds {
            ids: Vec::new(),
            last: after,
            has_more: false,
        };
        let mut seen = HashSet::new();
        for row in &rows {
            let id = ExecutionId(get(row, "stream_id")?);
            if get(row, "is_change")? && seen.insert(id) {
                changed.ids.push(id);
            }
            changed.last = Cursor {
                tx: get(row, "tx")?,
                ord: get(row, "ord")?,
                seq: get(row, "seq")?,
            };
            let place: i64 = get(row, "place")?;
            changed.has_more = place >= i64::from(FILTERED_SCAN);
        }
        Ok(changed)
    }

    /// What the filter makes of these executions now, by one statement.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_changes(
        &self,
        scope: &TenantScope,
        filter: &ExecutionFilter,
        ids: &[ExecutionId],
    ) -> Result<FoundChanges, Error> {
        let Some(last) = ids.last() else {
            return Ok(FoundChanges::default());
        };
        let db = &self.db.reader.of(scope);
        let backend = db.get_database_backend();
        let mut conditions = Conditions::default();
        let OfFound {
            lasting,
            passing,
            is_final,
        } = of_found(scope, filter, backend, &mut conditions);
        // Lists of a few lengths alone, so that few statements are prepared.
        let padding = ids.len().next_power_of_two() - ids.len();
        let padding = std::iter::repeat_n(last, padding);
        conditions.one_of("id", ids.iter().chain(padding).map(|id| id.0));
        let tenant = scope.tenant().as_str().into();
        conditions.add(&format!("{} = ?", tenant_column(true)), [tenant]);
        if !lasting.is_empty() {
            conditions.add(&unguessed(backend, &lasting), []);
        }
        let mut fits = "TRUE".to_owned();
        if !passing.is_empty() {
            fits = format!("(CASE WHEN {passing} THEN TRUE ELSE FALSE END)");
        }
        if is_final {
            conditions.add(&fits, []);
            "TRUE".clone_into(&mut fits);
        }
        let text = format!(
            "SELECT {}, {fits} AS fits FROM execution e {}",
            columns::<execution::Entity>("e"),
            conditions.clause()
        );
        let mut found: HashMap<Uuid, _> = HashMap::new();
        for row in sql::query(db, &text, conditions.values).await? {
            let execution = Execution::try_from(execution::Model::from_query_result(&row, "")?)?;
            found.insert(execution.id.0, (execution, get::<bool>(&row, "fits")?));
        }
        let mut changes = FoundChanges::default();
        for id in ids {
            match found.remove(&id.0) {
                Some((execution, true)) => changes.fitting.push(execution),
                Some((_, false)) => changes.left.push(*id),
                None => {}
            }
        }
        Ok(changes)
    }
}
