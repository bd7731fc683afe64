//! Rows that lenient reading leaves out: all are counted, the first are kept with their line and the
//! reason.

use serde::Serialize;

use super::{
    error::Fault,
    position::{Position, split_line},
};

/// The number of rows that are kept.
pub const MAX_REJECTED_ROWS: usize = 1_000;

/// A kept row is cut to so many characters.
const MAX_CHARS: usize = 500;

/// The rows that were left out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rejected {
    /// The number of rows.
    pub count: u64,
    /// The first thousand.
    pub rows: Vec<RejectedRow>,
}

/// A row that was left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RejectedRow {
    /// The line on which it begins, from 1.
    pub line: u64,
    /// Why it was left out.
    pub reason: String,
    /// Its first line, cut to 500 characters.
    pub text: String,
}

/// Collects the rows of `text` that are left out, from the first to the last.
pub(super) struct Rejections<'a> {
    text: &'a str,
    /// The number of bytes that have `line` - 1 ends of lines.
    counted: usize,
    line: u64,
    found: Rejected,
}

impl<'a> Rejections<'a> {
    pub fn of(text: &'a str) -> Self {
        Self {
            text,
            counted: 0,
            line: 1,
            found: Rejected::default(),
        }
    }

    /// Adds the row that begins at `start`.
    pub fn add(&mut self, start: usize, fault: Fault) {
        self.found.count += 1;
        if self.found.rows.len() == MAX_REJECTED_ROWS {
            return;
        }
        let passed = Position::of(&self.text[self.counted..], start - self.counted);
        self.line += passed.line - 1;
        self.counted = start;
        let line = split_line(&self.text[start..]).0;
        self.found.rows.push(RejectedRow {
            line: self.line,
            reason: fault.reason,
            text: line.chars().take(MAX_CHARS).collect(),
        });
    }

    pub fn into_found(self) -> Rejected {
        self.found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_kept_with_their_line() {
        let text = "good\r\nbad\r\nlong\n".to_owned() + &"x\n".repeat(MAX_REJECTED_ROWS);
        let mut rejections = Rejections::of(&text);
        rejections.add(6, Fault::new(8, "why"));
        let mut start = 16;
        for _ in 0..MAX_REJECTED_ROWS {
            rejections.add(start, Fault::new(start, "why not"));
            start += 2;
        }
        let found = rejections.into_found();
        assert_eq!(found.count, MAX_REJECTED_ROWS as u64 + 1);
        assert_eq!(found.rows.len(), MAX_REJECTED_ROWS);
        let row = |line, reason: &str, text: &str| RejectedRow {
            line,
            reason: reason.to_owned(),
            text: text.to_owned(),
        };
        assert_eq!(found.rows[0], row(2, "why", "bad"));
        assert_eq!(found.rows[2], row(5, "why not", "x"));
    }

    #[test]
    fn a_kept_row_is_cut() {
        let text = "\u{e9}".repeat(MAX_CHARS * 2);
        let mut rejections = Rejections::of(&text);
        rejections.add(0, Fault::new(0, "why"));
        let kept = &rejections.into_found().rows[0];
        assert_eq!(kept.text.chars().count(), MAX_CHARS);
    }
}
