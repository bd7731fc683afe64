//! Keyset pages: a page begins after or before a key, so that what is inserted meanwhile neither
//! repeats nor skips an item. Besides, what statements that are put together have in common.

use std::{collections::HashSet, fmt::Write};

use sea_orm::Value;
use uuid::Uuid;

use super::super::sql::Rows;
use crate::model::{Micros, TenantScope};

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// The most items.
    pub limit: u32,
    /// Only items after this one.
    pub after: Option<K>,
    /// Only items before this one.
    pub before: Option<K>,
    /// Take them from the end of that range instead of its beginning.
    pub backward: bool,
}

impl<K> PageRequest<K> {
    /// The first `limit` items.
    #[must_use]
    pub fn first(limit: u32) -> Self {
        Self {
            limit,
            after: None,
            before: None,
            backward: false,
        }
    }

    /// The same part of the list by other keys.
    pub(in crate::storage) fn map<L>(self, key: impl Fn(K) -> L) -> PageRequest<L> {
        PageRequest {
            limit: self.limit,
            after: self.after.map(&key),
            before: self.before.map(&key),
            backward: self.backward,
        }
    }

    /// Returns whether the rows of a list that ascends, or does not, are read from the highest key
    /// down.
    pub(super) fn descends(&self, ascending: bool) -> bool {
        ascending == self.backward
    }
}

/// Part of a list, in the list's order, each item with its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<K, T> {
    /// The items.
    pub items: Vec<(K, T)>,
    /// True if there are items behind the last one.
    pub has_next: bool,
    /// True if there are items before the first one.
    pub has_previous: bool,
    /// Where it begins: its first item, or the last row that was looked at on the way back.
    pub start: Option<K>,
    /// Where it ends: its last item, or the last row that was looked at.
    pub end: Option<K>,
}

impl<K, T> Page<K, T> {
    /// A page of a list with nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            items: Vec::new(),
            has_next: false,
            has_previous: false,
            start: None,
            end: None,
        }
    }
}

/// Conditions and values of a statement with `$1`, `$2`, … as places.
#[derive(Debug, Default)]
pub(in crate::storage) struct Conditions {
    parts: Vec<String>,
    pub(in crate::storage) values: Vec<Value>,
}

impl Conditions {
    /// None yet; their values come behind these.
    pub(super) fn behind(values: Vec<Value>) -> Self {
        Self {
            parts: Vec::new(),
            values,
        }
    }

    /// Adds a condition that needs all of `values`; each `?` in it stands for one of them.
    pub(in crate::storage) fn add(
        &mut self,
        condition: &str,
        values: impl IntoIterator<Item = Value>,
    ) {
        let values: Vec<Value> = values.into_iter().collect();
        if values.iter().any(cannot_be_stored) {
            self.parts.push("1 = 0".to_owned());
            return;
        }
        let mut text = String::with_capacity(condition.len() + 8);
        let mut values = values.into_iter();
        for part in condition.split_inclusive('?') {
            match (part.strip_suffix('?'), values.next()) {
                (Some(before), Some(value)) => {
                    self.values.push(value);
                    text.push_str(before);
                    // Writing to a string cannot fail.
                    let _ = write!(text, "${}", self.values.len());
                }
                _ => text.push_str(part),
            }
        }
        self.parts.push(text);
    }

    /// `column IN (…)`, unless there is nothing to choose from.
    pub(in crate::storage) fn one_of<V: Into<Value>>(
        &mut self,
        column: &str,
        values: impl IntoIterator<Item = V>,
    ) {
        let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
        if values.is_empty() {
            return;
        }
        values.retain(|value| !cannot_be_stored(value));
        if values.is_empty() {
            self.parts.push("1 = 0".to_owned());
        } else {
            let places = vec!["?"; values.len()].join(", ");
            self.add(&format!("{column} IN ({places})"), values);
        }
    }

    /// `column IN (…)` with the numbers in the text, where a partial index can see them, unless
    /// there is nothing to choose from.
    pub(in crate::storage) fn one_of_codes(
        &mut self,
        column: &str,
        codes: impl IntoIterator<Item = i64>,
    ) {
        let mut codes: Vec<i64> = codes.into_iter().collect();
        codes.sort_unstable();
        codes.dedup();
        if !codes.is_empty() {
            let codes: Vec<String> = codes.iter().map(i64::to_string).collect();
            self.parts
                .push(format!("{column} IN ({})", codes.join(", ")));
        }
    }

    /// The time in a column is after one and before another.
    pub(super) fn within(
        &mut self,
        column: &str,
        (after, before): (Option<Micros>, Option<Micros>),
    ) {
        if let Some(after) = after {
            self.add(&format!("{column} > ?"), [after.into()]);
        }
        if let Some(before) = before {
            self.add(&format!("{column} < ?"), [before.into()]);
        }
    }

    /// `text` is within `column`, in whatever case.
    ///
    /// Both sides are folded by the database, so that a name is found by its own letters. Where it
    /// folds ASCII alone, both cases of the text are tried.
    pub(super) fn contains(&mut self, column: &str, text: &str) {
        let mut texts = vec![text.to_owned()];
        for variant in [text.to_lowercase(), text.to_uppercase()] {
            if !text.is_ascii() && !texts.contains(&variant) {
                texts.push(variant);
            }
        }
        let like = format!("LOWER({column}) LIKE LOWER(?) ESCAPE '\\'");
        let any = vec![like; texts.len()].join(" OR ");
        let patterns = texts.iter().map(|text| contains_pattern(text).into());
        self.add(&format!("({any})"), patterns);
    }

    /// The page's range over `key`, then `ORDER BY` and `LIMIT`; one row more than wanted shows
    /// whether there are more.
    pub(in crate::storage) fn page<K: Into<Value> + Copy>(
        &mut self,
        key: &str,
        ascending: bool,
        page: &PageRequest<K>,
    ) -> String {
        let (later, earlier) = if ascending { (">", "<") } else { ("<", ">") };
        if let Some(after) = page.after {
            self.add(&format!("{key} {later} ?"), [after.into()]);
        }
        if let Some(before) = page.before {
            self.add(&format!("{key} {earlier} ?"), [before.into()]);
        }
        let order = if page.descends(ascending) {
            "DESC"
        } else {
            "ASC"
        };
        format!("ORDER BY {key} {order} LIMIT {}", i64::from(page.limit) + 1)
    }

    /// The conditions so far as text; what is added from now on is apart, with its own places.
    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.parts).join(" AND ")
    }

    /// `WHERE …`.
    pub(in crate::storage) fn clause(&self) -> String {
        format!("WHERE {}", self.parts.join(" AND "))
    }
}

/// Cuts the row that was read to see whether there are more, and restores the list's order. Rows
/// behind `cut`, if there is one, were not looked at.
pub(in crate::storage) fn finish<K: Copy, T>(
    mut items: Vec<(K, T)>,
    request: &PageRequest<K>,
    cut: Option<K>,
) -> Page<K, T> {
    let is_full = items.len() > request.limit as usize;
    let more = is_full || cut.is_some();
    items.truncate(request.limit as usize);
    let last = items.last().map(|(key, _)| *key);
    let far = cut.filter(|_| !is_full).or(last);
    let near = items.first().map(|(key, _)| *key).or(far);
    if request.backward {
        items.reverse();
        return Page {
            items,
            has_next: request.before.is_some(),
            has_previous: more,
            start: far,
            end: near,
        };
    }
    Page {
        items,
        has_next: more,
        has_previous: request.after.is_some(),
        start: near,
        end: far,
    }
}

/// `%text%` for LIKE with `\` as the escape.
fn contains_pattern(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{escaped}%")
}

/// PostgreSQL has no text with a zero character and refuses one as a value; so nothing has it.
fn cannot_be_stored(value: &Value) -> bool {
    matches!(value, Value::String(Some(text)) if text.contains('\0'))
}

/// Returns the expression that is compared with the tenant. Where rows are found by a stream or by
/// a session it is an expression, which the indexes of what is in a session have too: by the column
/// itself the whole tenant might be read instead, to spare a sort or because it looks cheaper.
pub(super) fn tenant_column(is_of_less: bool) -> &'static str {
    if is_of_less {
        "tenant_id || ''"
    } else {
        "tenant_id"
    }
}

/// The tenant as the indexes of all of a tenant's rows in the order of their times have it.
pub(super) const WHOLE_TENANT: &str = "'' || tenant_id";

/// `x(id, tenant_id)`: each id once, with the tenant, so that an id that is asked for twice is
/// neither found twice nor takes the place of another within a limit.
pub(super) fn ids_of_tenant(scope: &TenantScope, ids: impl IntoIterator<Item = Uuid>) -> Rows {
    let mut rows = Rows::of(&["id", "tenant_id"]);
    let mut seen = HashSet::new();
    for id in ids {
        if seen.insert(id) {
            rows.push(vec![id.into(), scope.tenant().as_str().into()]);
        }
    }
    rows
}
