//! Quantiles of a column of numbers. With few different values they are exact. Else they come from
//! logarithmic bins (`DDSketch`) that are merged in pairs whenever there are too many of them
//! (`UDDSketch`): whatever the values and their order, each quantile is within a known share of the
//! true one, and the same values give the same figures.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Number, Value};

use super::{super::columns::ColumnType, extremes::shown};

/// The logarithm of the ratio of a bin's bounds to begin with: an error of one per cent.
const FIRST_LOG_RATIO: f64 = 0.02;

/// The most bins of one column, and of all columns together.
const MAX_PER_COLUMN: usize = 2_048;
const MIN_PER_COLUMN: usize = 256;
const MAX_IN_ALL: usize = 2_048_000;

/// The values that so many per cent of a column's numbers do not exceed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Quantiles {
    /// Five per cent.
    pub p5: Value,
    /// A quarter.
    pub p25: Value,
    /// The median.
    pub p50: Value,
    /// Three quarters.
    pub p75: Value,
    /// 95 per cent.
    pub p95: Value,
    /// Each is within this share of the true value, e.g. 0.01 for one per cent; 0 when they are exact.
    pub error: f64,
}

impl Quantiles {
    fn of(error: f64, mut at: impl FnMut(u64) -> Option<Value>) -> Option<Self> {
        Some(Self {
            p5: at(5)?,
            p25: at(25)?,
            p50: at(50)?,
            p75: at(75)?,
            p95: at(95)?,
            error,
        })
    }

    /// Of all values, as they are written, with their counts.
    pub fn exact(column_type: ColumnType, counted: Vec<(String, u64)>) -> Option<Self> {
        let number = |(text, count): (String, u64)| Some((text.parse::<f64>().ok()?, text, count));
        let mut all: Vec<(f64, String, u64)> =
            counted.into_iter().map(number).collect::<Option<_>>()?;
        all.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let total = all.iter().map(|(_, _, count)| count).sum();
        Self::of(0.0, |percent| {
            let mut left = rank(total, percent);
            let found = all.iter().find(|(_, _, count)| {
                left = left.saturating_sub(*count);
                left == 0
            });
            found.map(|(_, text, _)| shown(column_type, text))
        })
    }
}

/// The place, from 1, of the value that `percent` per cent of `total` do not exceed.
fn rank(total: u64, percent: u64) -> u64 {
    total.saturating_mul(percent).div_ceil(100).max(1)
}

/// Numbers counted in bins.
pub(super) struct Bins {
    /// By the logarithm of the magnitude.
    negative: BTreeMap<i32, u64>,
    zeros: u64,
    positive: BTreeMap<i32, u64>,
    bounds: Option<(f64, f64)>,
    log_ratio: f64,
    most: usize,
}

impl Bins {
    pub fn new(column_count: usize) -> Self {
        Self {
            negative: BTreeMap::new(),
            zeros: 0,
            positive: BTreeMap::new(),
            bounds: None,
            log_ratio: FIRST_LOG_RATIO,
            most: (MAX_IN_ALL / column_count.max(1)).clamp(MIN_PER_COLUMN, MAX_PER_COLUMN),
        }
    }

    /// Takes a number; what a float cannot hold counts as the greatest or least that it can.
    pub fn add(&mut self, value: f64) {
        if value.is_nan() {
            return;
        }
        let value = value.clamp(f64::MIN, f64::MAX);
        let (min, max) = self.bounds.unwrap_or((value, value));
        self.bounds = Some((min.min(value), max.max(value)));
        let bin = self.bin(value.abs());
        match bin {
            None => self.zeros += 1,
            Some(bin) if value < 0.0 => *self.negative.entry(bin).or_default() += 1,
            Some(bin) => *self.positive.entry(bin).or_default() += 1,
        }
        while self.negative.len() + self.positive.len() > self.most {
            self.negative = merged(&self.negative);
            self.positive = merged(&self.positive);
            self.log_ratio *= 2.0;
        }
    }

    /// The bin of a magnitude; none for zero.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "the logarithm of a float lies between -745 and 710"
    )]
    fn bin(&self, magnitude: f64) -> Option<i32> {
        (magnitude > 0.0).then(|| (magnitude.ln() / self.log_ratio).ceil() as i32)
    }

    /// The number from which both bounds of a bin differ by the same share of themselves.
    fn middle(&self, bin: i32) -> f64 {
        let upper = (f64::from(bin) * self.log_ratio).exp();
        upper * (2.0 / (1.0 + self.log_ratio.exp()))
    }

    /// The share by which a middle may differ from what lies in its bin.
    fn error(&self) -> f64 {
        (self.log_ratio / 2.0).tanh()
    }

    pub fn finish(&self) -> Option<Quantiles> {
        let (min, max) = self.bounds?;
        let negative = self.negative.iter().rev();
        let negative = negative.map(|(bin, count)| (-self.middle(*bin), *count));
        let positive = self.positive.iter();
        let positive = positive.map(|(bin, count)| (self.middle(*bin), *count));
        let ordered: Vec<(f64, u64)> = negative
            .chain([(0.0, self.zeros)])
            .chain(positive)
            .collect();
        let total = ordered.iter().map(|(_, count)| count).sum();
        Quantiles::of(self.error(), |percent| {
            let mut left = rank(total, percent);
            let (value, _) = ordered.iter().find(|(_, count)| {
                left = left.saturating_sub(*count);
                left == 0
            })?;
            Number::from_f64(value.clamp(min, max)).map(Value::Number)
        })
    }
}

/// The bins of twice the width.
fn merged(bins: &BTreeMap<i32, u64>) -> BTreeMap<i32, u64> {
    let mut merged = BTreeMap::new();
    for (bin, count) in bins {
        *merged.entry((bin + 1).div_euclid(2)).or_default() += count;
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(values: &[f64], column_count: usize) -> Quantiles {
        let mut bins = Bins::new(column_count);
        for value in values {
            bins.add(*value);
        }
        bins.finish().unwrap()
    }

    #[test]
    fn few_values_have_exact_quantiles_as_they_are_written() {
        let counted = [("10", 1), ("2.50", 2), ("-1", 1)];
        let counted = counted.map(|(text, count)| (text.to_owned(), count));
        let found = Quantiles::exact(ColumnType::Number, counted.into()).unwrap();
        assert_eq!(found.p5, json!(-1));
        assert_eq!(found.p50, json!(2.5));
        assert_eq!((found.p95, found.error), (json!(10), 0.0));
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(Bins::new(1).finish(), None);
        assert_eq!(Quantiles::exact(ColumnType::Integer, Vec::new()), None);
    }

    #[test]
    fn the_whole_range_of_floats_fits_with_an_error_that_is_said() {
        let powers = (-300..300).map(|power| 10_f64.powi(power));
        let values: Vec<f64> = powers.flat_map(|power| [power, -power]).collect();
        let found = of(&values, 10_000);
        assert!(found.error > 0.01 && found.error < 1.0, "{}", found.error);
    }

    proptest! {
        #[test]
        fn each_quantile_is_within_the_error_of_the_true_one(
            mut values in prop::collection::vec(
                prop_oneof![-1e9_f64..1e9, -1.0_f64..1.0, Just(0.0)], 1..3000),
            column_count in prop::sample::select(vec![1_usize, 10_000]),
        ) {
            let found = of(&values, column_count);
            values.reverse();
            prop_assert_eq!(&found, &of(&values, column_count));
            values.sort_unstable_by(f64::total_cmp);
            for (percent, quantile) in [(5, &found.p5), (25, &found.p25), (50, &found.p50), (95, &found.p95)] {
                let place = usize::try_from(rank(values.len() as u64, percent)).unwrap();
                let truth = values[place - 1];
                let allowed = truth.abs() * (found.error + 1e-9);
                let quantile = quantile.as_f64().unwrap();
                prop_assert!((quantile - truth).abs() <= allowed, "p{}: {} for {}", percent, quantile, truth);
            }
        }
    }
}
