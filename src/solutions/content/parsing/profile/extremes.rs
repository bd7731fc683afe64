//! The least and the greatest value of a column, in the order of its type.

use std::cmp::Ordering;

use serde_json::Value;

use super::super::{
    columns::ColumnType,
    kinds::Kinds,
    literal::instant,
    number::{Exactness, compare, exactness},
};

/// The number of characters of a text that are shown as an extreme.
const MAX_CHARS: usize = 128;

/// The extremes so far.
pub(super) struct Extremes {
    column_type: ColumnType,
    bounds: Option<(Bound, Bound)>,
}

/// A value as it is written, with its point in time where it is one.
struct Bound {
    text: String,
    instant: Option<i128>,
}

impl Extremes {
    pub fn new(column_type: ColumnType) -> Self {
        Self {
            column_type,
            bounds: None,
        }
    }

    pub fn add(&mut self, kind: Kinds, text: &str) {
        if !has_order(self.column_type, kind) {
            return;
        }
        let is_time = self.column_type == ColumnType::Datetime;
        let instant = if is_time { instant(text) } else { None };
        let bound = || Bound {
            text: text.to_owned(),
            instant,
        };
        let column_type = self.column_type;
        let against = |other: &Bound| {
            let by_time = instant.cmp(&other.instant);
            by_time.then_with(|| order(column_type, text, &other.text))
        };
        match &mut self.bounds {
            None => self.bounds = Some((bound(), bound())),
            Some((min, _)) if against(min).is_lt() => *min = bound(),
            Some((_, max)) if against(max).is_gt() => *max = bound(),
            Some(_) => {}
        }
    }

    pub fn finish(self) -> (Option<Value>, Option<Value>) {
        let shown = |bound: Bound| shown(self.column_type, &bound.text);
        let (min, max) = self.bounds.unzip();
        (min.map(shown), max.map(shown))
    }
}

fn has_order(column_type: ColumnType, kind: Kinds) -> bool {
    match column_type {
        ColumnType::Integer | ColumnType::Number => kind.is_number(),
        ColumnType::Boolean => kind == Kinds::BOOLEAN,
        ColumnType::Date | ColumnType::Datetime | ColumnType::String => kind.is_string(),
        ColumnType::Object | ColumnType::Array | ColumnType::Null | ColumnType::Mixed => false,
    }
}

/// Values that are equal, such as `1` and `1.0`, are ordered by their letters, so that the outcome
/// does not depend on which comes first.
fn order(column_type: ColumnType, left: &str, right: &str) -> Ordering {
    match column_type {
        ColumnType::Integer | ColumnType::Number => compare(left, right).then(left.cmp(right)),
        _ => left.cmp(right),
    }
}

/// A value as it is written, a number that no `i64` or `f64` holds as a string of its digits, a text cut.
pub(super) fn shown(column_type: ColumnType, text: &str) -> Value {
    let is_numeric = matches!(column_type, ColumnType::Integer | ColumnType::Number);
    let as_written = match column_type {
        ColumnType::Boolean => true,
        _ => is_numeric && exactness(text) != Exactness::Neither,
    };
    if as_written && let Ok(value) = serde_json::from_str(text) {
        return value;
    }
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => Value::String(format!("{}\u{2026}", &text[..end])),
        None => Value::String(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn extremes(column_type: ColumnType, kind: Kinds, texts: &[&str]) -> (Value, Value) {
        let mut extremes = Extremes::new(column_type);
        for text in texts {
            extremes.add(kind, text);
        }
        let (min, max) = extremes.finish();
        (min.unwrap(), max.unwrap())
    }

    #[test]
    fn numbers_are_ordered_by_value_to_their_last_digit() {
        let found = extremes(
            ColumnType::Number,
            Kinds::NUMBER,
            &[
                "10",
                "9",
                "-1e400",
                "12345678901234567890124",
                "12345678901234567890123",
            ],
        );
        assert_eq!(found, (json!("-1e400"), json!("12345678901234567890124")));
        assert_eq!(
            extremes(ColumnType::Integer, Kinds::INTEGER, &["10", "9"]),
            (json!(9), json!(10))
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let long = "\u{e9}".repeat(200);
        let (min, _) = extremes(ColumnType::String, Kinds::STRING, &[&long]);
        assert_eq!(min.as_str().unwrap().chars().count(), MAX_CHARS + 1);
    }

    #[test]
    fn columns_without_an_order_have_no_extremes() {
        let mut mixed = Extremes::new(ColumnType::Mixed);
        mixed.add(Kinds::INTEGER, "1");
        assert_eq!(mixed.finish(), (None, None));
    }
}
