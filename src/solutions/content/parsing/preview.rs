//! A window on rows, as JSON text: each row keeps the order of its columns.

use super::{
    error::{Fault, ParseError},
    format::Format,
    json::{InexactNumbers, Scanner},
    position::Position,
};
use crate::model::RawJson;

/// The rows in `lines`, the first of which is row `offset` (from 0).
///
/// A number that neither a 64-bit integer nor a 64-bit float holds exactly comes as a string of its
/// digits, so that no reader is shown another number.
///
/// # Errors
/// When `lines` are not rows as [`parse`](super::parse) writes them.
pub fn preview(lines: &[u8], offset: u64) -> Result<Vec<RawJson>, ParseError> {
    let lines = lines.split_inclusive(|byte| *byte == b'\n');
    let numbered = (offset.saturating_add(1)..).zip(lines);
    numbered.map(|(number, line)| row(line, number)).collect()
}

fn row(line: &[u8], line_number: u64) -> Result<RawJson, ParseError> {
    let text = text_of(line, line_number)?;
    let mut scanner = Scanner::with_inexact_numbers(text, InexactNumbers::Quote);
    let mut exact = Vec::with_capacity(text.len());
    scanner
        .value(&mut exact)
        .and_then(|_| scanner.end())
        .and_then(|()| {
            let row = std::str::from_utf8(&exact).ok().map(RawJson::parse);
            row.and_then(Result::ok)
                .ok_or_else(|| Fault::new(0, "a row that is not JSON"))
        })
        .map_err(|fault| at_line(fault, text, line_number))
}

/// One row as text.
pub(super) fn text_of(line: &[u8], line_number: u64) -> Result<&str, ParseError> {
    std::str::from_utf8(line).map_err(|fault| {
        let valid = std::str::from_utf8(&line[..fault.valid_up_to()]).unwrap_or_default();
        let fault = Fault::new(valid.len(), "bytes that are not UTF-8");
        at_line(fault, valid, line_number)
    })
}

/// The error for a fault within one row.
pub(super) fn at_line(fault: Fault, line: &str, line_number: u64) -> ParseError {
    let Position { column, .. } = Position::of(line, fault.offset);
    ParseError::Malformed {
        format: Format::Ndjson,
        position: Position {
            line: line_number,
            column,
        },
        reason: fault.reason,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ROWS: &[u8] = b"{\"n\":1}\n{\"n\":12345678901234567890123}\n{\"n\":1e999}\n";

    #[test]
    fn numbers_that_would_be_rounded_come_as_strings() {
        let expected = [
            json!({"n": 1}),
            json!({"n": "12345678901234567890123"}),
            json!({"n": "1e999"}),
        ];
        let values: Vec<_> = preview(ROWS, 0)
            .unwrap()
            .iter()
            .map(RawJson::to_value)
            .collect();
        assert_eq!(values, expected);
    }

    #[test]
    fn columns_keep_their_order() {
        let rows = preview(b"{\"z\":1,\"a\":{\"y\":2,\"b\":3}}\n", 0).unwrap();
        assert_eq!(rows[0].as_str(), "{\"z\":1,\"a\":{\"y\":2,\"b\":3}}");
    }

    #[test]
    fn a_broken_row_is_named_by_its_line() {
        let error = preview(b"{\"n\":\n", 1).unwrap_err();
        assert_eq!((error.code(), error.line()), ("MALFORMED_NDJSON", Some(2)));
        assert_eq!(preview(b"\xff\n", 1).unwrap_err().line(), Some(2));
    }
}
