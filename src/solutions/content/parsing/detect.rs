//! Detection of the format of a text, and of what separates its cells: by the content first, with
//! the extension of the file's name where the content allows more than one answer.

use super::{
    delimited::Dialect,
    error::ParseError,
    format::Format,
    json::Scanner,
    options::ParseOptions,
    position::split_line,
    preamble,
    sniff::{Sniffed, sniff},
};

/// The way in which a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub format: Format,
    /// For delimited formats only.
    pub delimiter: Option<char>,
}

/// Decides how to read `text`, which is not blank.
///
/// # Errors
/// `INVALID_OPTION` for options that what is found has no use for.
pub(super) fn plan(
    text: &str,
    file_name: Option<&str>,
    options: &ParseOptions,
) -> Result<Plan, ParseError> {
    let plan = unchecked(text, file_name, options)?;
    options.check_detected(plan.format)?;
    Ok(plan)
}

fn unchecked(
    text: &str,
    file_name: Option<&str>,
    options: &ParseOptions,
) -> Result<Plan, ParseError> {
    let hint = file_name.and_then(extension_hint);
    if options.path.is_some() {
        return Ok(Plan {
            format: Format::Json,
            delimiter: None,
        });
    }
    let start = preamble::behind(text, options.skip_rows.unwrap_or(0))?;
    let table = &text[start..];
    let sniffed = |hint| behind_titles(table, hint, options);
    Ok(match (options.format, options.delimiter) {
        (Some(Format::Csv), None) => delimited(Format::Csv, sniffed(hint).delimiter),
        (Some(Format::Tsv), None) => delimited(Format::Tsv, '\t'),
        (Some(format), Some(delimiter)) if format.is_delimited() => delimited(format, delimiter),
        (Some(format), _) => Plan {
            format,
            delimiter: None,
        },
        (None, Some(delimiter)) => delimited(by_delimiter(delimiter), delimiter),
        (None, None) => match json_format(text, hint) {
            Some(format) => Plan {
                format,
                delimiter: None,
            },
            None => cells_or_text(&sniffed(hint), hint, may_hold_cells(file_name)),
        },
    })
}

/// Finds what separates the cells of `table`, before which there may be titles unless their number
/// is given.
fn behind_titles(table: &str, hint: Option<Format>, options: &ParseOptions) -> Sniffed {
    let whole = sniff(table, hint, options.comment);
    if whole.is_convincing || options.skip_rows.is_some() {
        return whole;
    }
    let dialect = Dialect {
        delimiter: whole.delimiter,
        comment: options.comment,
    };
    match preamble::found(table, dialect) {
        0 => whole,
        start => sniff(&table[start..], hint, options.comment),
    }
}

fn delimited(format: Format, delimiter: char) -> Plan {
    Plan {
        format,
        delimiter: Some(delimiter),
    }
}

fn by_delimiter(delimiter: char) -> Format {
    if delimiter == '\t' {
        Format::Tsv
    } else {
        Format::Csv
    }
}

fn extension_hint(file_name: &str) -> Option<Format> {
    let (_, extension) = file_name.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "csv" => Some(Format::Csv),
        "tsv" | "tab" => Some(Format::Tsv),
        "json" => Some(Format::Json),
        "ndjson" | "jsonl" => Some(Format::Ndjson),
        "txt" | "text" | "md" | "log" => Some(Format::Text),
        _ => None,
    }
}

/// Returns whether a name of plain text says nothing about cells: tables are exported as `.txt`,
/// too.
fn may_hold_cells(file_name: Option<&str>) -> bool {
    let extension = file_name.and_then(|name| Some(name.rsplit_once('.')?.1));
    extension.is_some_and(|found| {
        found.eq_ignore_ascii_case("txt") || found.eq_ignore_ascii_case("text")
    })
}

fn cells_or_text(sniffed: &Sniffed, hint: Option<Format>, may_hold_cells: bool) -> Plan {
    let is_table = match hint {
        Some(hint) if !may_hold_cells => hint.is_delimited(),
        _ => sniffed.is_convincing,
    };
    if is_table {
        delimited(by_delimiter(sniffed.delimiter), sniffed.delimiter)
    } else {
        Plan {
            format: Format::Text,
            delimiter: None,
        }
    }
}

/// JSON, NDJSON or neither. By the name alone where the content is broken, so that its fault is
/// reported as one of the format that was meant.
fn json_format(text: &str, hint: Option<Format>) -> Option<Format> {
    let first_line = first_line(text);
    let is_line = is_container(first_line);
    let is_document_of_lines = is_line && is_container(self::first_line(after(text, first_line)));
    match hint {
        Some(Format::Ndjson) => Some(Format::Ndjson),
        _ if is_document_of_lines => Some(Format::Ndjson),
        Some(Format::Json) => Some(Format::Json),
        _ if is_line && after(text, first_line).trim().is_empty() => Some(Format::Json),
        Some(_) if is_container(text) => Some(Format::Json),
        // No name to go by: what opens like JSON is meant to be JSON, broken or not.
        None if opens_like_json(text) => Some(if is_line {
            Format::Ndjson
        } else {
            Format::Json
        }),
        _ => None,
    }
}

/// The first line that is not blank.
fn first_line(text: &str) -> &str {
    split_line(text.trim_start()).0
}

/// Returns the rest of `text` behind `part`, where `part` is the first line that is not blank.
fn after<'a>(text: &'a str, part: &str) -> &'a str {
    &text.trim_start()[part.len()..]
}

/// Returns whether `text` is one whole JSON object or array.
fn is_container(text: &str) -> bool {
    let mut scanner = Scanner::new(text);
    matches!(scanner.peek(), Some(b'{' | b'['))
        && scanner
            .value(&mut Vec::new())
            .and_then(|_| scanner.end())
            .is_ok()
}

fn opens_like_json(text: &str) -> bool {
    let mut opening = text.bytes().filter(|byte| !byte.is_ascii_whitespace());
    match opening.next() {
        Some(b'{') => matches!(opening.next(), Some(b'"' | b'}')),
        Some(b'[') => matches!(opening.next(), Some(b'{' | b'[' | b'"' | b']')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, name: Option<&str>) -> (Format, Option<char>) {
        let plan = plan(text, name, &ParseOptions::default()).unwrap();
        (plan.format, plan.delimiter)
    }

    #[test]
    fn delimiters_are_found_behind_quotes_and_decimal_commas() {
        assert_eq!(
            found("a;b\n1,5;2,5\n3,5;\"x,y\"\n", Some("x.csv")),
            (Format::Csv, Some(';'))
        );
        assert_eq!(
            found("a|b\n\"1\"|\"x|y\"\n", None),
            (Format::Csv, Some('|'))
        );
        assert_eq!(
            found("a\tb\n1\t2\n", Some("x.csv")),
            (Format::Tsv, Some('\t'))
        );
        assert_eq!(
            found("a,b\n1,\"2\n", Some("x.csv")),
            (Format::Csv, Some(','))
        );
        assert_eq!(
            found("a,b,c\n1,2\n1,2,3\n", Some("x.csv")),
            (Format::Csv, Some(','))
        );
    }

    #[test]
    fn the_content_decides_between_json_and_ndjson() {
        assert_eq!(
            found("{\"a\":1}\n{\"a\":2}\n", Some("x.json")).0,
            Format::Ndjson
        );
        assert_eq!(found("[\n{\"a\":1},\n{\"a\":2}]", None).0, Format::Json);
        assert_eq!(found("{\"a\":1}", Some("x.txt")).0, Format::Json);
        assert_eq!(found("{\"a\":1}", Some("x.JSONL")).0, Format::Ndjson);
    }

    #[test]
    fn broken_json_is_still_json() {
        assert_eq!(found("{\"a\":1,", None).0, Format::Json);
        assert_eq!(found("{\"a\":1}\n{\"a\":\n", None).0, Format::Ndjson);
        assert_eq!(found("nonsense", Some("x.json")).0, Format::Json);
    }

    #[test]
    fn prose_is_text() {
        assert_eq!(
            found("Dear Ann, hello.\nDear Bob, hello.\n", None).0,
            Format::Text
        );
        assert_eq!(found("[info] started\n[info] done\n", None).0, Format::Text);
        assert_eq!(found("a,b\n1,2\n", Some("notes.md")).0, Format::Text);
        assert_eq!(found("a,b\n1,2\n", None), (Format::Csv, Some(',')));
    }

    #[test]
    fn a_table_in_a_text_file_is_one() {
        for (text, delimiter) in [
            ("a\tb\n1\t2\n", '\t'),
            ("a;b\n1,5;2\n", ';'),
            ("a|b\n1|2\n", '|'),
            ("# note\na,b\n1,2\n", ','),
            ("Sales 2024\n\nday;price\n1;2\n3;4\n", ';'),
        ] {
            let (format, found) = found(text, Some("export.TXT"));
            assert!(format.is_delimited() && found == Some(delimiter), "{text}");
        }
        let prose = "Dear Ann, hello.\nDear Bob, hello.\n";
        assert_eq!(found(prose, Some("letter.txt")).0, Format::Text);
        assert_eq!(found("one\ntwo\n", Some("list.txt")).0, Format::Text);
    }

    #[test]
    fn options_that_what_is_found_has_no_use_for_are_refused() {
        let options = ParseOptions {
            skip_rows: Some(1),
            ..ParseOptions::default()
        };
        let error = plan("one\n{\"a\":1}", Some("a.ndjson"), &options).unwrap_err();
        assert!(error.to_string().contains("skip_rows"), "{error}");
    }

    #[test]
    fn options_override_content_and_name() {
        let options = ParseOptions {
            format: Some(Format::Text),
            ..ParseOptions::default()
        };
        assert_eq!(
            plan("{\"a\":1}", Some("a.json"), &options).unwrap().format,
            Format::Text
        );
        let options = ParseOptions {
            delimiter: Some(':'),
            ..ParseOptions::default()
        };
        let expected = Plan {
            format: Format::Csv,
            delimiter: Some(':'),
        };
        assert_eq!(plan("a,b:c", Some("a.json"), &options), Ok(expected));
    }
}
