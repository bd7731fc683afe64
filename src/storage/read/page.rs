//! Keyset pages: a page begins after or before a key, so that what is inserted meanwhile neither
//! repeats nor skips an item.

use std::fmt::Write;

use sea_orm::Value;

/// Which part of a list is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PageRequest<K> {
    /// How many items at most.
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
}

/// Part of a list, in the list's order, each item with its key.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<K, T> {
    /// The items.
    pub items: Vec<(K, T)>,
    /// Whether there are items behind the last one.
    pub has_next: bool,
    /// Whether there are items before the first one.
    pub has_previous: bool,
}

/// Conditions and values of a statement with `$1`, `$2`, … as places.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    parts: Vec<String>,
    pub(super) values: Vec<Value>,
}

impl Conditions {
    /// Adds a condition; each `?` in it stands for one of `values`.
    pub(super) fn add(&mut self, condition: &str, values: impl IntoIterator<Item = Value>) {
        let mut text = String::with_capacity(condition.len() + 8);
        let mut values = values.into_iter();
        for part in condition.split_inclusive('?') {
            match (part.strip_suffix('?'), values.next()) {
                (Some(before), Some(value)) => {
                    self.values.push(value);
                    text.push_str(before);
                    let _ = write!(text, "${}", self.values.len());
                }
                _ => text.push_str(part),
            }
        }
        self.parts.push(text);
    }

    /// `column IN (…)`, unless there is nothing to choose from.
    pub(super) fn one_of<V: Into<Value>>(
        &mut self,
        column: &str,
        values: impl IntoIterator<Item = V>,
    ) {
        let values: Vec<Value> = values.into_iter().map(Into::into).collect();
        if !values.is_empty() {
            let places = vec!["?"; values.len()].join(", ");
            self.add(&format!("{column} IN ({places})"), values);
        }
    }

    /// The page's range over `key`, then `ORDER BY` and `LIMIT`; one row more than wanted shows
    /// whether there are more.
    pub(super) fn page<K: Into<Value> + Copy>(
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
        let order = if ascending == page.backward {
            "DESC"
        } else {
            "ASC"
        };
        format!("ORDER BY {key} {order} LIMIT {}", i64::from(page.limit) + 1)
    }

    /// `WHERE …`.
    pub(super) fn clause(&self) -> String {
        format!("WHERE {}", self.parts.join(" AND "))
    }
}

/// Cuts the row that was read to see whether there are more, and restores the list's order.
pub(super) fn finish<K, T>(mut items: Vec<(K, T)>, request: &PageRequest<K>) -> Page<K, T> {
    let more = items.len() > request.limit as usize;
    items.truncate(request.limit as usize);
    if request.backward {
        items.reverse();
        return Page {
            items,
            has_next: request.before.is_some(),
            has_previous: more,
        };
    }
    Page {
        items,
        has_next: more,
        has_previous: request.after.is_some(),
    }
}

/// `%text%` for LIKE with `\` as the escape.
pub(super) fn contains_pattern(text: &str) -> String {
    let escaped = text
        .replace('\\', "\\\\")
        .replace('%', "\\%")
        .replace('_', "\\_");
    format!("%{}%", escaped.to_lowercase())
}
