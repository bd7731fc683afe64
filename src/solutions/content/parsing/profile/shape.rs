//! The shapes of values: what a reader sees at a glance, e.g. `AA-9999` for an order number.

use std::{cmp::Reverse, collections::HashMap};

use serde::Serialize;

/// The number of characters of a value that make its shape.
const MAX_CHARS: usize = 32;

/// The number of shapes that are told.
const TOLD: usize = 3;

/// The most shapes that are counted in one column, and in all columns together.
const MAX_PER_COLUMN: usize = 1_000;
const MAX_IN_ALL: usize = 400_000;

/// A shape and how many values have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pattern {
    /// The shape: `A` for a letter, `9` for a digit, anything else as it is.
    pub shape: String,
    /// The number of values that have it.
    pub count: u64,
}

/// The shapes counted so far.
pub(super) struct Shapes {
    counts: HashMap<String, u64>,
    scratch: String,
    cap: usize,
    is_exact: bool,
}

impl Shapes {
    pub fn new(column_count: usize) -> Self {
        let cap = (MAX_IN_ALL / column_count.max(1)).clamp(40, MAX_PER_COLUMN);
        Self {
            counts: HashMap::new(),
            scratch: String::new(),
            cap,
            is_exact: true,
        }
    }

    pub fn add(&mut self, text: &str) {
        self.scratch.clear();
        write_shape(&mut self.scratch, text);
        if let Some(count) = self.counts.get_mut(&self.scratch) {
            *count += 1;
        } else if self.counts.len() < self.cap {
            self.counts.insert(self.scratch.clone(), 1);
        } else {
            self.is_exact = false;
        }
    }

    /// The commonest shapes, and whether all were counted.
    pub fn finish(self) -> (Vec<Pattern>, bool) {
        let counts = self.counts.into_iter();
        let mut patterns: Vec<_> = counts
            .map(|(shape, count)| Pattern { shape, count })
            .collect();
        patterns.sort_unstable_by(|left, right| {
            (Reverse(left.count), &left.shape).cmp(&(Reverse(right.count), &right.shape))
        });
        patterns.truncate(TOLD);
        (patterns, self.is_exact)
    }
}

fn write_shape(out: &mut String, text: &str) {
    let mut characters = text.chars();
    let shape = |character: char| match character {
        _ if character.is_alphabetic() => 'A',
        _ if character.is_numeric() => '9',
        _ => character,
    };
    out.extend(characters.by_ref().take(MAX_CHARS).map(shape));
    if characters.next().is_some() {
        out.push('\u{2026}');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_abstract_from_letters_and_digits() {
        let mut shape = String::new();
        write_shape(&mut shape, "K\u{f6}-7, 12");
        assert_eq!(shape, "AA-9, 99");
    }

    #[test]
    fn the_commonest_come_first_and_equal_ones_in_lexical_order() {
        let mut shapes = Shapes::new(1);
        for text in ["b-", "a!", "1", "2", "x?", &"y".repeat(40)] {
            shapes.add(text);
        }
        let (patterns, is_exact) = shapes.finish();
        let told: Vec<_> = patterns
            .iter()
            .map(|one| (one.shape.as_str(), one.count))
            .collect();
        assert_eq!(told, [("9", 2), ("A!", 1), ("A-", 1)]);
        assert!(is_exact);
    }

    #[test]
    fn too_many_shapes_are_admitted() {
        let mut shapes = Shapes::new(1);
        for length in 0..=MAX_PER_COLUMN {
            shapes.add(&format!("{length:b}").replace('0', "-").replace('1', "+"));
        }
        assert!(!shapes.finish().1);
    }
}
