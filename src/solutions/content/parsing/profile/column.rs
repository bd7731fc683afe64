//! The statistics of one column, gathered while the rows go by.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::{
    super::{
        columns::{Column, ColumnType},
        error::Fault,
        json::Member,
        kinds::Kinds,
    },
    distinct::{Distinct, DistinctValues},
    extremes::Extremes,
    frequent::{FrequentValues, TopValues},
    quantiles::{Bins, Quantiles},
    shape::{Pattern, Shapes},
};

/// The profile of one column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnProfile {
    /// The column's name.
    pub name: String,
    /// The column's type.
    #[serde(rename = "type")]
    pub column_type: ColumnType,
    /// In how many rows it is null or absent.
    pub null_count: u64,
    /// The number of different values, nulls aside.
    pub distinct: Distinct,
    /// The least value: by value for numbers, by time for dates and times, by code point for text
    /// (cut to 128 characters). A number that no `i64` or `f64` holds is a string of its digits.
    /// Null for objects, arrays and mixed columns.
    pub min: Option<Value>,
    /// The greatest value, likewise.
    pub max: Option<Value>,
    /// The mean of a column of numbers; null where it is beyond a 64-bit float.
    pub mean: Option<f64>,
    /// Quantiles of a column of numbers.
    pub quantiles: Option<Quantiles>,
    /// The commonest values; null for objects, arrays, mixed columns and those without values.
    pub top_values: Option<TopValues>,
    /// The three commonest shapes of its texts and numbers: letters as `A`, digits as `9`, cut to 32
    /// characters; equally common ones in lexical order.
    pub patterns: Vec<Pattern>,
    /// False when there were too many shapes to count them all.
    pub patterns_exact: bool,
}

/// The figures of one column so far.
pub(super) struct Accumulator {
    column: Column,
    values: u64,
    last_row: u64,
    distinct: DistinctValues,
    extremes: Extremes,
    shapes: Shapes,
    frequent: Option<FrequentValues>,
    bins: Bins,
    sum: Sum,
}

impl Accumulator {
    /// `column_count` columns share what memory there is for values, bins and shapes.
    pub fn new(column: &Column, column_count: usize) -> Self {
        Self {
            column: column.clone(),
            values: 0,
            last_row: 0,
            distinct: DistinctValues::new(column_count),
            extremes: Extremes::new(column.column_type),
            shapes: Shapes::new(column_count),
            frequent: FrequentValues::of(column.column_type, column_count),
            bins: Bins::new(column_count),
            sum: Sum::default(),
        }
    }

    pub fn name(&self) -> &str {
        &self.column.name
    }

    /// Takes the column's value in row `row` (from 1). Of a name that a row repeats, the first counts.
    pub fn add(&mut self, member: &Member<'_, '_>, row: u64) -> Result<(), Fault> {
        if member.kind == Kinds::NULL || self.last_row == row {
            return Ok(());
        }
        self.last_row = row;
        self.values += 1;
        let text = text_of(member)?;
        self.distinct.add(member.kind, &text);
        self.extremes.add(member.kind, &text);
        if member.kind.is_scalar_text() {
            self.shapes.add(&text);
        }
        if let Some(frequent) = &mut self.frequent {
            frequent.add(&text);
        }
        if member.kind.is_number() {
            let value = text.parse().unwrap_or(f64::NAN);
            self.sum.add(value);
            self.bins.add(value);
        }
        Ok(())
    }

    pub fn finish(self, record_count: u64) -> ColumnProfile {
        let (min, max) = self.extremes.finish();
        let (patterns, patterns_exact) = self.shapes.finish();
        let is_numeric = matches!(
            self.column.column_type,
            ColumnType::Integer | ColumnType::Number
        );
        let column_type = self.column.column_type;
        let all = self.frequent.as_ref().and_then(FrequentValues::all);
        let quantiles = || match all {
            Some(all) => Quantiles::exact(column_type, all),
            None => self.bins.finish(),
        };
        ColumnProfile {
            name: self.column.name,
            column_type,
            null_count: record_count.saturating_sub(self.values),
            distinct: self.distinct.finish(),
            min,
            max,
            mean: if is_numeric { self.sum.mean() } else { None },
            quantiles: if is_numeric { quantiles() } else { None },
            top_values: self.frequent.as_ref().map(FrequentValues::finish),
            patterns,
            patterns_exact,
        }
    }
}

/// A string's text; any other value as it is written.
fn text_of<'m>(member: &Member<'_, 'm>) -> Result<Cow<'m, str>, Fault> {
    let broken = |_| Fault::new(member.offset, "a value that cannot be read");
    let written = std::str::from_utf8(member.value)
        .map_err(|_| Fault::new(member.offset, "a value that is not UTF-8"))?;
    match written
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    {
        None => Ok(Cow::Borrowed(written)),
        Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
        Some(_) => serde_json::from_str(written)
            .map(Cow::Owned)
            .map_err(broken),
    }
}

/// A sum of floats that loses no more than its last digit (Neumaier's compensated summation), in the
/// rows' order.
#[derive(Default)]
struct Sum {
    total: f64,
    compensation: f64,
    count: u32,
    /// Times `count` wrapped; keeps the count exact as a float.
    wraps: u32,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let total = self.total + value;
        self.compensation += if self.total.abs() >= value.abs() {
            (self.total - total) + value
        } else {
            (value - total) + self.total
        };
        self.total = total;
        let (count, wrapped) = self.count.overflowing_add(1);
        self.count = count;
        self.wraps += u32::from(wrapped);
    }

    fn mean(&self) -> Option<f64> {
        let count = f64::from(self.wraps) * 4_294_967_296.0 + f64::from(self.count);
        let mean = (self.total + self.compensation) / count;
        mean.is_finite().then_some(mean)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_do_not_lose_small_numbers_beside_large_ones() {
        let mut sum = Sum::default();
        for value in [1.0, 1e100, 1.0, -1e100] {
            sum.add(value);
        }
        assert_eq!(sum.mean(), Some(0.5));
    }

    #[test]
    fn a_mean_of_nothing_or_beyond_a_float_is_none() {
        assert_eq!(Sum::default().mean(), None);
        let mut sum = Sum::default();
        sum.add(f64::INFINITY);
        assert_eq!(sum.mean(), None);
    }
}
