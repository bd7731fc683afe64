//! The lines before a table: titles, notes, comments. They are left out when the caller says so, or
//! when the records after them leave no doubt, and the descriptor always says so.

use serde::Serialize;

use super::{
    delimited::{Dialect, Reader, Record},
    error::ParseError,
    literal::kind_of_cell,
    notation::Forms,
    position::split_line,
    sniff::commonest,
};

/// The bytes of the text, and the records, that are looked at.
const SAMPLE_BYTES: usize = 64 * 1024;
const SAMPLE_RECORDS: usize = 200;

/// The number of left-out lines that are shown, each cut to so many characters.
const SHOWN_LINES: usize = 10;
const SHOWN_CHARS: usize = 200;

/// The lines before a table that were left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skipped {
    /// The number of lines.
    pub lines: u64,
    /// True if they were found without `skip_rows`.
    pub detected: bool,
    /// The first ten, each cut to 200 characters.
    pub first: Vec<String>,
}

/// Where the table begins behind `lines` lines.
///
/// # Errors
/// `INVALID_OPTION` when nothing is left.
pub(super) fn behind(text: &str, lines: u32) -> Result<usize, ParseError> {
    let mut rest = text;
    for _ in 0..lines {
        rest = split_line(rest).1;
    }
    if rest.trim().is_empty() {
        return Err(ParseError::InvalidOption {
            option: "skip_rows",
            reason: "leaves nothing of the content",
        });
    }
    Ok(text.len() - rest.len())
}

/// Where the table begins behind comments and titles; 0 where there are none.
pub(super) fn found(text: &str, dialect: Dialect) -> usize {
    let records = sample(text, dialect);
    let widths: Vec<usize> = records
        .iter()
        .filter(|record| !record.is_hash)
        .map(|record| record.width)
        .collect();
    let (width, _) = commonest(&widths);
    let Some(first) = records.iter().position(|record| !record.is_before(width)) else {
        return 0;
    };
    let (before, table) = records.split_at(first);
    if before.is_empty() {
        return 0;
    }
    let of_width = table.iter().filter(|record| record.width == width).count();
    let is_table = table.len() > 1 && table[0].width == width && of_width * 5 >= table.len() * 4;
    let has_titles = before.iter().any(|record| !record.is_hash);
    let has_padded = before
        .iter()
        .any(|record| !record.is_hash && record.width > 1);
    if has_titles && !is_table || has_padded && !table[0].is_names {
        return 0;
    }
    table[0].start
}

/// Describes the lines of `text` up to `end`.
pub(super) fn described(text: &str, end: usize, detected: bool) -> Option<Skipped> {
    let mut skipped = Skipped {
        lines: 0,
        detected,
        first: Vec::new(),
    };
    let mut rest = &text[..end];
    while !rest.is_empty() {
        let (line, after) = split_line(rest);
        skipped.lines += 1;
        if skipped.first.len() < SHOWN_LINES {
            skipped.first.push(line.chars().take(SHOWN_CHARS).collect());
        }
        rest = after;
    }
    (skipped.lines > 0).then_some(skipped)
}

/// A record of the sample, as far as it tells titles from a table.
struct Sampled {
    start: usize,
    width: usize,
    /// Cells that are not empty.
    filled: usize,
    /// True if it begins with `#`, and if a space follows: then it is no name.
    is_hash: bool,
    is_spaced: bool,
    /// True if each cell is a text, as in a header.
    is_names: bool,
}

impl Sampled {
    fn of(record: &Record<'_>, text: &str) -> Self {
        let start = record.starts.first().copied().unwrap_or_default();
        let rest = &text[start..];
        let is_name = |cell: &str| {
            !cell.trim().is_empty() && !kind_of_cell(cell, Forms::default()).is_typed()
        };
        Self {
            start,
            width: record.cells.len(),
            filled: record
                .cells
                .iter()
                .filter(|cell| !cell.trim().is_empty())
                .count(),
            is_hash: rest.starts_with('#'),
            is_spaced: rest
                .strip_prefix('#')
                .is_some_and(|after| after.starts_with([' ', '\t', '#'])),
            is_names: record.cells.iter().all(|cell| is_name(cell)),
        }
    }

    /// Returns whether it stands before a table of `width` columns. A line `#name,value` is its
    /// header.
    fn is_before(&self, width: usize) -> bool {
        if self.is_hash {
            return self.is_spaced || self.width != width;
        }
        let is_title = width > 1 && self.width == 1;
        let is_padded_title = width > 2 && self.width == width && self.filled <= 1;
        is_title || is_padded_title
    }
}

fn sample(text: &str, dialect: Dialect) -> Vec<Sampled> {
    let cut = text.floor_char_boundary(SAMPLE_BYTES);
    let (sample, is_cut) = (&text[..cut], cut < text.len());
    let mut reader = Reader::new(sample, dialect);
    let mut record = Record::default();
    let mut records = Vec::new();
    while records.len() < SAMPLE_RECORDS && matches!(reader.next_into(&mut record), Ok(true)) {
        records.push(Sampled::of(&record, sample));
    }
    // The sample's last record may be half of one.
    if is_cut && records.len() > 1 && records.len() < SAMPLE_RECORDS {
        records.pop();
    }
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn before(text: &str) -> &str {
        let dialect = Dialect {
            delimiter: ',',
            comment: None,
        };
        &text[..found(text, dialect)]
    }

    #[test]
    fn titles_and_comments_stand_before_a_table() {
        for (text, expected) in [
            ("Report 2024\n\na,b\n1,2\n", "Report 2024\n\n"),
            ("# made by x, y\n#\na,b\n1,2\n", "# made by x, y\n#\n"),
            ("Sales,,\n,,\na,b,c\n1,2,3\n", "Sales,,\n,,\n"),
            ("Sales,,\na,b,c\n1,2,3\n", "Sales,,\n"),
            ("# note\nTitle\na,b\n1,2\n3,4\n", "# note\nTitle\n"),
        ] {
            assert_eq!(before(text), expected, "{text}");
        }
    }

    #[test]
    fn what_may_be_the_table_itself_is_not_left_out() {
        for text in [
            "a,b\n1,2\n",
            "#id,name\n1,x\n",
            "#1,x\n#2,y\n",
            "#fff\n#000\n",
            "# a\n# b\n",
            "a,b,c\n1,2\n1,2,3\n",
            "a\n1\n2\n",
            "x,,\n1,2,3\n4,5,6\n",
            "a,b\n1,2\n3\n4\n5\n",
            "title\na,b\n",
        ] {
            assert_eq!(before(text), "", "{text}");
        }
    }

    #[test]
    fn lines_are_left_out_by_number_and_said() {
        let text = "one\r\ntwo\na,b\n";
        let end = behind(text, 2).unwrap();
        assert_eq!(&text[end..], "a,b\n");
        let skipped = described(text, end, false).unwrap();
        assert_eq!(
            (skipped.lines, skipped.first),
            (2, vec!["one".to_owned(), "two".to_owned()])
        );
        assert_eq!(behind(text, 3).unwrap_err().code(), "INVALID_OPTION");
        assert_eq!(described(text, 0, true), None);
    }
}
