//! Counts different values: exactly up to a bound, and beyond it by a `HyperLogLog` sketch with its
//! error.

use std::collections::HashSet;

use datasketches::hll::{HllSketch, HllType};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::{
    kinds::Kinds,
    number::{Exactness, exactness},
};

/// The most values that are counted exactly in one column, and in all columns together.
const MAX_PER_COLUMN: usize = 10_000;
const MAX_IN_ALL: usize = 1_000_000;

/// The logarithm of the number of registers, of a byte each.
const LOG_REGISTERS: u8 = 12;
/// The relative standard error with so many: 1.04 divided by the root of their number.
const STANDARD_ERROR: f64 = 1.04 / 64.0;

/// The number of different values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distinct {
    /// The number of different values, or a bound that they exceed where it is not exact.
    pub count: u64,
    /// False where there are more than `count`.
    pub is_exact: bool,
    /// The number of different values: `count` where that is exact, else estimated.
    pub estimate: u64,
    /// The relative standard error of the estimate: two times out of three it is nearer to the truth
    /// than this share of it. 0 where it is exact.
    pub error: f64,
}

/// The key under which a value is the same as another.
type Key = [u8; 16];

/// The different values seen so far.
pub(super) struct DistinctValues {
    seen: Seen,
    cap: usize,
}

enum Seen {
    All(HashSet<Key>),
    Sketched(HllSketch),
}

impl DistinctValues {
    pub fn new(column_count: usize) -> Self {
        let cap = (MAX_IN_ALL / column_count.max(1)).clamp(100, MAX_PER_COLUMN);
        Self {
            seen: Seen::All(HashSet::new()),
            cap,
        }
    }

    pub fn add(&mut self, kind: Kinds, text: &str) {
        let key = key(kind, text);
        match &mut self.seen {
            Seen::Sketched(sketch) => sketch.update(key),
            Seen::All(keys) => {
                keys.insert(key);
                if keys.len() > self.cap {
                    self.seen = Seen::Sketched(sketch_of(keys));
                }
            }
        }
    }

    pub fn finish(self) -> Distinct {
        match self.seen {
            Seen::All(keys) => Distinct {
                count: keys.len() as u64,
                is_exact: true,
                estimate: keys.len() as u64,
                error: 0.0,
            },
            Seen::Sketched(sketch) => Distinct {
                count: self.cap as u64,
                is_exact: false,
                estimate: estimate(&sketch).max(self.cap as u64 + 1),
                error: STANDARD_ERROR,
            },
        }
    }
}

#[expect(
    clippy::expect_used,
    reason = "a sketch is only refused for a number of registers out of range"
)]
fn sketch_of(keys: &HashSet<Key>) -> HllSketch {
    let mut sketch = HllSketch::new(LOG_REGISTERS, HllType::Hll8).expect("a number in range");
    for key in keys {
        sketch.update(key);
    }
    sketch
}

/// The estimate that does not depend on the order of the values.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the estimate is positive, and the conversion saturates"
)]
fn estimate(sketch: &HllSketch) -> u64 {
    sketch.composite_estimate().round() as u64
}

/// Numbers are the same by value, all else by its letters.
fn key(kind: Kinds, text: &str) -> Key {
    if kind.is_number() {
        return number_key(text);
    }
    let tag = if kind.is_string() { b's' } else { b'o' };
    bytes_key(tag, text.as_bytes())
}

fn number_key(literal: &str) -> Key {
    match (
        exactness(literal),
        literal.parse::<i64>(),
        literal.parse::<f64>(),
    ) {
        (Exactness::WideInteger, Ok(value), _) => bytes_key(b'i', &value.to_be_bytes()),
        // Adding zero turns minus zero into zero.
        (Exactness::Integer | Exactness::Float, _, Ok(value)) => {
            bytes_key(b'f', &(value + 0.0).to_be_bytes())
        }
        _ => bytes_key(b'n', literal.as_bytes()),
    }
}

/// Short values are their own key; longer ones are known by their digest.
fn bytes_key(tag: u8, bytes: &[u8]) -> Key {
    let mut key = [0; 16];
    key[0] = tag;
    if let Some(room) = key[2..].get_mut(..bytes.len()) {
        room.copy_from_slice(bytes);
        key[1] = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    } else {
        let digest = Sha256::digest(bytes);
        key[1] = u8::MAX;
        key[2..].copy_from_slice(&digest[..14]);
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_the_same_by_value_and_texts_by_letters() {
        let mut values = DistinctValues::new(1);
        for literal in [
            "1",
            "1.0",
            "-0",
            "0",
            "9007199254740993",
            "9007199254740992",
        ] {
            values.add(Kinds::NUMBER, literal);
        }
        let found = values.finish();
        assert_eq!((found.count, found.estimate, found.is_exact), (4, 4, true));
        let mut values = DistinctValues::new(1);
        for text in [
            "1",
            "1.0",
            "fifteen letters",
            "fifteen letterz",
            "fifteen letters",
        ] {
            values.add(Kinds::STRING, text);
        }
        assert_eq!(values.finish().count, 4);
    }

    #[test]
    fn beyond_the_bound_the_number_is_estimated_with_its_error() {
        let mut values = DistinctValues::new(1);
        for number in 0..MAX_PER_COLUMN {
            values.add(Kinds::INTEGER, &number.to_string());
        }
        values.add(Kinds::INTEGER, "0");
        assert!(matches!(values.seen, Seen::All(_)));
        for number in 0..200_000 {
            values.add(Kinds::INTEGER, &number.to_string());
        }
        let found = values.finish();
        assert_eq!(
            (found.count, found.is_exact),
            (MAX_PER_COLUMN as u64, false)
        );
        assert!((found.error - 0.016).abs() < 0.001);
        // Three times the standard error.
        assert!(
            (190_000..=210_000).contains(&found.estimate),
            "{}",
            found.estimate
        );
    }

    #[test]
    fn the_estimate_does_not_depend_on_the_order_of_the_values() {
        let of = |numbers: &mut dyn Iterator<Item = u32>| {
            let mut values = DistinctValues::new(1);
            for number in numbers {
                values.add(Kinds::INTEGER, &number.to_string());
            }
            values.finish()
        };
        assert_eq!(of(&mut (0..30_000)), of(&mut (0..30_000).rev()));
    }
}
