//! Counts different values: exactly up to a bound, and says when it was reached.

use std::collections::HashSet;

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::super::{
    columns::Kinds,
    number::{Exactness, exactness},
};

/// The most values that are counted in one column, and in all columns together.
const MAX_PER_COLUMN: usize = 10_000;
const MAX_IN_ALL: usize = 4_000_000;

/// How many different values a column has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Distinct {
    /// The number of different values, or the bound where there are more.
    pub count: u64,
    /// False where there are more than `count`.
    pub is_exact: bool,
}

/// The different values seen so far.
pub(super) struct DistinctValues {
    seen: HashSet<[u8; 16]>,
    cap: usize,
    is_exact: bool,
}

impl DistinctValues {
    pub fn new(column_count: usize) -> Self {
        let cap = (MAX_IN_ALL / column_count.max(1)).clamp(100, MAX_PER_COLUMN);
        Self {
            seen: HashSet::new(),
            cap,
            is_exact: true,
        }
    }

    pub fn add(&mut self, kind: Kinds, text: &str) {
        if !self.is_exact {
            return;
        }
        let key = key(kind, text);
        if self.seen.len() < self.cap {
            self.seen.insert(key);
        } else {
            self.is_exact = self.seen.contains(&key);
        }
    }

    pub fn finish(self) -> Distinct {
        Distinct {
            count: self.seen.len() as u64,
            is_exact: self.is_exact,
        }
    }
}

/// What makes a value the same as another: numbers by value, all else by its letters.
fn key(kind: Kinds, text: &str) -> [u8; 16] {
    if kind.is_number() {
        return number_key(text);
    }
    let tag = if kind.is_string() { b's' } else { b'o' };
    bytes_key(tag, text.as_bytes())
}

fn number_key(literal: &str) -> [u8; 16] {
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
fn bytes_key(tag: u8, bytes: &[u8]) -> [u8; 16] {
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
        assert_eq!(
            values.finish(),
            Distinct {
                count: 4,
                is_exact: true
            }
        );
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
    fn beyond_the_bound_it_says_so() {
        let mut values = DistinctValues::new(1);
        for number in 0..MAX_PER_COLUMN {
            values.add(Kinds::INTEGER, &number.to_string());
        }
        values.add(Kinds::INTEGER, "0");
        assert!(values.is_exact);
        values.add(Kinds::INTEGER, "-1");
        assert_eq!(
            values.finish(),
            Distinct {
                count: MAX_PER_COLUMN as u64,
                is_exact: false
            }
        );
    }
}
