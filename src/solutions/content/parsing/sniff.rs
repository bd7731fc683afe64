//! Finds what separates the cells of a text: the delimiter by which most of the first records have the
//! same number of cells, quotes taken into account.

use std::collections::BTreeMap;

use super::{
    delimited::{Dialect, Reader, Record},
    format::Format,
    position::split_line,
};

/// The delimiters that are looked for, in order of preference.
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];

/// The bytes of the text, and the records, that decide on the delimiter.
const SAMPLE_BYTES: usize = 64 * 1024;
const SAMPLE_RECORDS: usize = 200;

/// The most likely delimiter of a text.
pub(super) struct Sniffed {
    pub delimiter: char,
    /// True if the text would be taken for a table even without a name that says so.
    pub is_convincing: bool,
}

/// Tries each delimiter on the beginning of `text`, behind comments.
pub(super) fn sniff(text: &str, hint: Option<Format>, comment: Option<char>) -> Sniffed {
    let text = behind_comments(text);
    let cut = text.floor_char_boundary(SAMPLE_BYTES);
    let (sample, is_cut) = (&text[..cut], cut < text.len());
    let mut best: Option<(Score, char)> = None;
    for delimiter in DELIMITERS {
        let dialect = Dialect { delimiter, comment };
        let score = Score::of(sample, is_cut, dialect);
        let better = best.as_ref().is_none_or(|(leader, _)| score.beats(leader));
        if score.width > 1 && better {
            best = Some((score, delimiter));
        }
    }
    match best {
        Some((score, delimiter)) => Sniffed {
            delimiter,
            is_convincing: score.is_convincing(),
        },
        None if hint == Some(Format::Tsv) => Sniffed {
            delimiter: '\t',
            is_convincing: false,
        },
        None => Sniffed {
            delimiter: ',',
            is_convincing: false,
        },
    }
}

/// Returns the rest of the text behind its first lines that begin with `#`; all of it if there are
/// none.
fn behind_comments(text: &str) -> &str {
    let mut rest = text;
    loop {
        let start = rest.trim_start();
        if start.is_empty() {
            return text;
        }
        if !start.starts_with('#') {
            return start;
        }
        rest = split_line(start).1;
    }
}

/// The score of a delimiter on a sample: the share of records with the commonest number of cells.
struct Score {
    width: usize,
    records: usize,
    of_width: usize,
    /// A cell that begins with a space: as in prose, after a comma.
    has_spaced_cell: bool,
}

impl Score {
    fn of(sample: &str, is_cut: bool, dialect: Dialect) -> Self {
        let mut reader = Reader::new(sample, dialect);
        let mut record = Record::default();
        let mut widths: Vec<usize> = Vec::new();
        let mut has_spaced_cell = false;
        let mut fault = false;
        while widths.len() < SAMPLE_RECORDS {
            match reader.next_into(&mut record) {
                Ok(true) => widths.push(record.cells.len()),
                Ok(false) => break,
                Err(_) => {
                    fault = !is_cut;
                    break;
                }
            }
            has_spaced_cell |= record.cells.iter().any(|cell| cell.starts_with(' '));
        }
        // The sample's last record may be half of one.
        if is_cut && widths.len() > 1 && widths.len() < SAMPLE_RECORDS {
            widths.pop();
        }
        let (width, of_width) = commonest(&widths);
        Self {
            width,
            records: widths.len() + usize::from(fault),
            of_width,
            has_spaced_cell,
        }
    }

    fn beats(&self, other: &Self) -> bool {
        let ours = self.of_width * other.records;
        let theirs = other.of_width * self.records;
        ours > theirs || (ours == theirs && self.width > other.width)
    }

    fn is_convincing(&self) -> bool {
        self.records > 1 && self.of_width == self.records && !self.has_spaced_cell
    }
}

/// The commonest width, the greater where two are equally common, and how often it occurs.
pub(super) fn commonest(widths: &[usize]) -> (usize, usize) {
    let mut counts = BTreeMap::new();
    for width in widths {
        *counts.entry(*width).or_insert(0) += 1;
    }
    counts
        .into_iter()
        .max_by_key(|(width, count)| (*count, *width))
        .unwrap_or((0, 0))
}
