//! The commonest values of a column: counted exactly while there are few different ones, and beyond
//! that by a frequent-items sketch, with the error that its counts may have.

use datasketches::frequencies::{ErrorType, FrequentItemsSketch};
use serde::Serialize;
use serde_json::Value;

use super::{super::columns::ColumnType, extremes::shown};

/// The number of values that are told.
const TOLD: usize = 10;

/// Longer texts are not counted.
const MAX_TEXT_BYTES: usize = 256;

/// Places in the sketch's table, a power of two, of one column and of all columns together. Three
/// quarters of them hold a value before the counts become inexact.
const MAX_PER_COLUMN: usize = 4_096;
const MIN_PER_COLUMN: usize = 32;
const MAX_IN_ALL: usize = 262_144;

/// The commonest values of a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TopValues {
    /// At most ten, the commonest first; equally common ones in lexical order. Where the counts are
    /// not exact, only values that occur more often than `error` are here.
    pub values: Vec<Frequency>,
    /// No count is too low by more than this, and no value that occurs more than twice this often is
    /// missed; 0 when the counts are exact.
    pub error: u64,
    /// The number of values that were not counted: texts of more than 256 bytes.
    pub too_long: u64,
}

/// A value and how often it occurs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frequency {
    /// The value as it is written; `1` and `1.0` are two.
    pub value: Value,
    /// The number of rows that have it; never too high.
    pub count: u64,
}

/// The values counted so far.
pub(super) struct FrequentValues {
    column_type: ColumnType,
    sketch: FrequentItemsSketch<String>,
    too_long: u64,
}

impl FrequentValues {
    /// None for columns whose values are not of one simple type.
    pub fn of(column_type: ColumnType, column_count: usize) -> Option<Self> {
        let is_simple = match column_type {
            ColumnType::Integer
            | ColumnType::Number
            | ColumnType::Boolean
            | ColumnType::Date
            | ColumnType::Datetime
            | ColumnType::String => true,
            ColumnType::Object | ColumnType::Array | ColumnType::Null | ColumnType::Mixed => false,
        };
        let sketch = FrequentItemsSketch::new(places(column_count)).ok()?;
        is_simple.then_some(Self {
            column_type,
            sketch,
            too_long: 0,
        })
    }

    pub fn add(&mut self, text: &str) {
        if text.len() > MAX_TEXT_BYTES {
            self.too_long += 1;
        } else {
            self.sketch.update_ref(text);
        }
    }

    /// Every value with its count, where all were counted.
    pub fn all(&self) -> Option<Vec<(String, u64)>> {
        let is_whole = self.sketch.maximum_error() == 0 && self.too_long == 0;
        is_whole.then(|| self.counted())
    }

    fn counted(&self) -> Vec<(String, u64)> {
        let rows = self.sketch.frequent_items(ErrorType::NoFalsePositives);
        rows.into_iter()
            .map(|row| (row.item().clone(), row.lower_bound()))
            .collect()
    }

    pub fn finish(&self) -> TopValues {
        let mut counted = self.counted();
        counted.sort_unstable_by(|left, right| right.1.cmp(&left.1).then(left.0.cmp(&right.0)));
        counted.truncate(TOLD);
        let frequency = |(text, count): (String, u64)| Frequency {
            value: shown(self.column_type, &text),
            count,
        };
        TopValues {
            values: counted.into_iter().map(frequency).collect(),
            error: self.sketch.maximum_error(),
            too_long: self.too_long,
        }
    }
}

fn places(column_count: usize) -> usize {
    let mut places = MAX_PER_COLUMN;
    while places > MIN_PER_COLUMN && places.saturating_mul(column_count) > MAX_IN_ALL {
        places /= 2;
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(values: &FrequentValues) -> Vec<(String, u64)> {
        let top = values.finish().values.into_iter();
        top.map(|one| (one.value.to_string(), one.count)).collect()
    }

    #[test]
    fn few_values_are_counted_exactly_and_the_commonest_come_first() {
        let mut values = FrequentValues::of(ColumnType::Integer, 1).unwrap();
        for text in ["3", "1", "2", "3", "1", "3"] {
            values.add(text);
        }
        assert_eq!(
            told(&values),
            [("3".into(), 3), ("1".into(), 2), ("2".into(), 1)]
        );
        assert_eq!(values.finish().error, 0);
        assert_eq!(values.all().unwrap().len(), 3);
    }

    #[test]
    fn among_many_values_the_common_ones_are_found_with_the_error_of_their_counts() {
        let mut values = FrequentValues::of(ColumnType::String, 1).unwrap();
        for number in 0..100_000_u32 {
            values.add(&format!("rare {number}"));
            if number % 10 == 0 {
                values.add("common");
            }
        }
        let top = values.finish();
        assert!(values.all().is_none());
        assert!(top.error > 0 && top.error < 1_000, "{}", top.error);
        assert_eq!(top.values[0].value, "common");
        let count = top.values[0].count;
        assert!((10_000 - top.error..=10_000).contains(&count), "{count}");
        assert!(top.values.iter().all(|one| one.count > top.error));
    }

    #[test]
    fn long_texts_are_not_counted_and_that_is_said() {
        let mut values = FrequentValues::of(ColumnType::String, 1).unwrap();
        values.add(&"x".repeat(MAX_TEXT_BYTES + 1));
        values.add("short");
        let top = values.finish();
        assert_eq!((top.values.len(), top.too_long), (1, 1));
        assert!(values.all().is_none());
    }

    #[test]
    fn columns_share_the_memory_there_is() {
        assert_eq!(places(1), MAX_PER_COLUMN);
        assert_eq!(places(1_000), 256);
        assert_eq!(places(10_000), MIN_PER_COLUMN);
    }
}
