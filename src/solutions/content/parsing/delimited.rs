//! Splits delimited text into records as RFC 4180 has it: a quoted cell may hold delimiters, line
//! breaks and doubled quotes. Records end with `\n`, `\r\n` or `\r`; empty lines are skipped; a quote
//! inside an unquoted cell is text. What is not closed or goes on after a closing quote is a fault.

use std::borrow::Cow;

use super::{columns::MAX_COLUMNS, error::Fault, position::split_line};

/// One record: its cells, unquoted, and where each begins in the text.
#[derive(Debug, Default)]
pub(super) struct Record<'a> {
    pub cells: Vec<Cow<'a, str>>,
    pub starts: Vec<usize>,
    /// Where the record ends, before its line break.
    pub end: usize,
}

/// The characters that separate cells, quote them and begin comments.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dialect {
    pub delimiter: char,
    /// Lines that begin with it are left out.
    pub comment: Option<char>,
}

/// Reads records one after the other.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    text: &'a str,
    delimiter: [u8; 4],
    delimiter_length: usize,
    comment: Option<char>,
    comments: u64,
    position: usize,
    record_start: usize,
}

impl<'a> Reader<'a> {
    pub fn new(text: &'a str, dialect: Dialect) -> Self {
        Self::at(text, 0, dialect)
    }

    /// From `position` on; places are those in the whole text.
    pub fn at(text: &'a str, position: usize, dialect: Dialect) -> Self {
        let mut bytes = [0; 4];
        let delimiter_length = dialect.delimiter.encode_utf8(&mut bytes).len();
        Self {
            text,
            delimiter: bytes,
            delimiter_length,
            comment: dialect.comment,
            comments: 0,
            position,
            record_start: position,
        }
    }

    /// Where the last record that was read, or tried, begins.
    pub fn record_start(&self) -> usize {
        self.record_start
    }

    /// Goes on behind the first line of the record that could not be read.
    fn skip_line(&mut self) {
        let line = split_line(&self.text[self.record_start..]).0;
        self.position = self.record_start + line.len();
    }

    /// Returns the number of comments that were left out so far.
    pub fn comments(&self) -> u64 {
        self.comments
    }

    /// Reads the next record into `record`; false at the end of the text.
    pub fn next_into(&mut self, record: &mut Record<'a>) -> Result<bool, Fault> {
        record.cells.clear();
        record.starts.clear();
        self.skip_to_record();
        self.record_start = self.position;
        if self.position == self.text.len() {
            return Ok(false);
        }
        loop {
            if record.cells.len() == MAX_COLUMNS {
                let reason = format!("more than {MAX_COLUMNS} cells in a record");
                return Err(Fault::new(self.position, reason));
            }
            record.starts.push(self.position);
            record.cells.push(self.cell()?);
            if !self.at_delimiter(self.position) {
                record.end = self.position;
                return Ok(true);
            }
            self.position += self.delimiter_length;
        }
    }

    /// Skips empty lines and comments.
    fn skip_to_record(&mut self) {
        loop {
            while self.at_line_break(self.position) {
                self.position += 1;
            }
            let is_comment = |mark: char| self.text[self.position..].starts_with(mark);
            if !self.comment.is_some_and(is_comment) {
                return;
            }
            self.comments += 1;
            let line = split_line(&self.text[self.position..]).0;
            self.position += line.len();
        }
    }

    fn cell(&mut self) -> Result<Cow<'a, str>, Fault> {
        if self.text.as_bytes().get(self.position) == Some(&b'"') {
            return self.quoted_cell();
        }
        let start = self.position;
        while !self.at_cell_end(self.position) {
            self.position += 1;
        }
        Ok(Cow::Borrowed(&self.text[start..self.position]))
    }

    fn quoted_cell(&mut self) -> Result<Cow<'a, str>, Fault> {
        let opening = self.position;
        let mut unquoted = String::new();
        let mut start = opening + 1;
        loop {
            let Some(length) = self.text[start..].find('"') else {
                return Err(Fault::new(
                    opening,
                    "a quote is opened here and never closed",
                ));
            };
            let part = &self.text[start..start + length];
            let after = start + length + 1;
            if self.text.as_bytes().get(after) == Some(&b'"') {
                unquoted.push_str(part);
                unquoted.push('"');
                start = after + 1;
                continue;
            }
            self.position = after;
            if !self.at_cell_end(after) {
                return Err(Fault::new(after, "text after the closing quote of a cell"));
            }
            if unquoted.is_empty() {
                return Ok(Cow::Borrowed(part));
            }
            unquoted.push_str(part);
            return Ok(Cow::Owned(unquoted));
        }
    }

    fn at_cell_end(&self, position: usize) -> bool {
        position == self.text.len() || self.at_line_break(position) || self.at_delimiter(position)
    }

    fn at_line_break(&self, position: usize) -> bool {
        matches!(self.text.as_bytes().get(position), Some(b'\n' | b'\r'))
    }

    fn at_delimiter(&self, position: usize) -> bool {
        let delimiter = &self.delimiter[..self.delimiter_length];
        self.text.as_bytes()[position..].starts_with(delimiter)
    }
}

/// Records of one width. Lenient reading leaves out those of another width, and lines that cannot be
/// read.
pub(super) struct Records<'a> {
    reader: Reader<'a>,
    /// The number of cells, once it is known; before that every fault counts.
    pub width: Option<usize>,
    is_lenient: bool,
}

impl<'a> Records<'a> {
    pub fn new(reader: Reader<'a>, width: Option<usize>, is_lenient: bool) -> Self {
        Self {
            reader,
            width,
            is_lenient,
        }
    }

    pub fn reader(&self) -> &Reader<'a> {
        &self.reader
    }

    /// Reads the next record into `record`; false at the end of the text. What is left out is shown
    /// to `reject`, with where it begins.
    pub fn next_into(
        &mut self,
        record: &mut Record<'a>,
        reject: &mut dyn FnMut(usize, Fault),
    ) -> Result<bool, Fault> {
        loop {
            let fault = match (self.reader.next_into(record), self.width) {
                (Ok(true), Some(width)) => match check_width(record, width) {
                    Ok(()) => return Ok(true),
                    Err(fault) => fault,
                },
                (Err(fault), Some(_)) if self.is_lenient => {
                    // From the next line on, for the quotes of this one cannot be trusted. No line is
                    // read more than twice: where this record has a line break inside quotes, the
                    // records tried after it have it outside of them.
                    self.reader.skip_line();
                    fault
                }
                (other, _) => return other,
            };
            if !self.is_lenient {
                return Err(fault);
            }
            reject(self.reader.record_start(), fault);
        }
    }
}

/// The fault of a record that has not `expected` cells: at the first cell too many, or at the end.
pub(super) fn check_width(record: &Record<'_>, expected: usize) -> Result<(), Fault> {
    let found = record.cells.len();
    if found == expected {
        return Ok(());
    }
    let offset = record.starts.get(expected).copied().unwrap_or(record.end);
    Err(Fault::new(
        offset,
        format!("found {found} cell(s), expected {expected} as in the first record"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialect(delimiter: char) -> Dialect {
        Dialect {
            delimiter,
            comment: None,
        }
    }

    fn records(text: &str, delimiter: char) -> Result<Vec<Vec<String>>, Fault> {
        let mut reader = Reader::new(text, dialect(delimiter));
        let mut record = Record::default();
        let mut all = Vec::new();
        while reader.next_into(&mut record)? {
            all.push(record.cells.iter().map(ToString::to_string).collect());
        }
        Ok(all)
    }

    #[test]
    fn quotes_hold_delimiters_line_breaks_and_quotes() {
        let found = records("a,\"b,\"\"x\"\"\r\nc\"\r\n\r\n,\"\"\rlast,5\" pipe", ',').unwrap();
        assert_eq!(
            found,
            [["a", "b,\"x\"\r\nc"], ["", ""], ["last", "5\" pipe"]]
        );
    }

    #[test]
    fn an_empty_cell_may_end_a_record_and_the_text() {
        assert_eq!(records("a,\n,", ',').unwrap(), [["a", ""], ["", ""]]);
    }

    #[test]
    fn a_delimiter_may_be_any_character() {
        assert_eq!(
            records("a\u{a7}\u{e9}\u{a7}\"\u{a7}\"", '\u{a7}').unwrap(),
            [["a", "\u{e9}", "\u{a7}"]]
        );
    }

    #[test]
    fn comments_are_left_out_between_records_and_not_inside_of_them() {
        let commented = Dialect {
            delimiter: ',',
            comment: Some('#'),
        };
        let text = "# one\na,#b\n#\r\n\n\"x\n#y\",2\n# end";
        let mut reader = Reader::new(text, commented);
        let mut record = Record::default();
        let mut cells = Vec::new();
        while reader.next_into(&mut record).unwrap() {
            cells.extend(record.cells.iter().map(ToString::to_string));
        }
        assert_eq!(cells, ["a", "#b", "x\n#y", "2"]);
        assert_eq!(reader.comments(), 3);
    }

    #[test]
    fn a_quote_that_is_never_closed_is_a_fault_where_it_opens() {
        assert_eq!(records("a,b\nc,\"d\ne", ',').unwrap_err().offset, 6);
    }

    #[test]
    fn text_after_a_closing_quote_is_a_fault() {
        assert_eq!(records("\"a\"b,c", ',').unwrap_err().offset, 3);
    }

    #[test]
    fn lenient_reading_goes_on_behind_a_line_that_cannot_be_read() {
        let text = "a,b\n1,\"x\n2,y\n\"3\"z,4\n5\n\"6\n7\",8\n9,\"9";
        let mut records = Records::new(Reader::new(text, dialect(',')), Some(2), true);
        let (mut record, mut cells, mut rejected) = (Record::default(), Vec::new(), Vec::new());
        while records
            .next_into(&mut record, &mut |start, fault| {
                rejected.push((start, fault.reason));
            })
            .unwrap()
        {
            cells.push(record.cells.join("|"));
        }
        assert_eq!(cells, ["a|b", "2|y", "6\n7|8"]);
        let lines: Vec<&str> = rejected
            .iter()
            .map(|(start, _)| split_line(&text[*start..]).0)
            .collect();
        assert_eq!(lines, ["1,\"x", "\"3\"z,4", "5", "9,\"9"]);
        assert!(rejected[2].1.contains("found 1 cell"), "{rejected:?}");
    }

    #[test]
    fn a_record_of_another_width_is_a_fault_at_the_cell_too_many_or_at_the_end() {
        let mut record = Record::default();
        let mut reader = Reader::new("a,b,c\n", dialect(','));
        reader.next_into(&mut record).unwrap();
        assert_eq!(check_width(&record, 2).unwrap_err().offset, 4);
        assert_eq!(check_width(&record, 4).unwrap_err().offset, 5);
        assert!(check_width(&record, 3).is_ok());
    }
}
