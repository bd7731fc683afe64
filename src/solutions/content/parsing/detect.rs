//! What the format of a text is, and what separates its cells: by the content first, with the
//! extension of the file's name where the content allows more than one answer.

use super::{
    json::Scanner,
    options::{Format, ParseOptions},
    sniff::sniff,
    text::split_line,
};

/// How a text is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Plan {
    pub format: Format,
    /// For delimited formats only.
    pub delimiter: Option<char>,
}

/// Decides how to read `text`, which is not blank.
pub(super) fn plan(text: &str, file_name: Option<&str>, options: &ParseOptions) -> Plan {
    let hint = file_name.and_then(extension_hint);
    match (options.format, options.delimiter) {
        (Some(Format::Csv), None) => delimited(Format::Csv, sniff(text, hint).delimiter),
        (Some(Format::Tsv), None) => delimited(Format::Tsv, '\t'),
        (Some(format), Some(delimiter)) if format.is_delimited() => delimited(format, delimiter),
        (Some(format), _) => Plan {
            format,
            delimiter: None,
        },
        (None, Some(delimiter)) => delimited(by_delimiter(delimiter), delimiter),
        (None, None) => detect(text, hint),
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

fn detect(text: &str, hint: Option<Format>) -> Plan {
    if let Some(format) = json_format(text, hint) {
        return Plan {
            format,
            delimiter: None,
        };
    }
    let sniffed = sniff(text, hint);
    let is_table = match hint {
        Some(hint) => hint.is_delimited(),
        None => sniffed.is_convincing,
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

/// What follows `part` in `text`, where `part` is the first line that is not blank.
fn after<'a>(text: &'a str, part: &str) -> &'a str {
    &text.trim_start()[part.len()..]
}

/// Whether `text` is one whole JSON object or array.
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
        let plan = plan(text, name, &ParseOptions::default());
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
        assert_eq!(found("a,b\n1,2\n", Some("notes.txt")).0, Format::Text);
        assert_eq!(found("a,b\n1,2\n", None), (Format::Csv, Some(',')));
    }

    #[test]
    fn options_override_content_and_name() {
        let options = ParseOptions {
            format: Some(Format::Text),
            ..ParseOptions::default()
        };
        assert_eq!(
            plan("{\"a\":1}", Some("a.json"), &options).format,
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
        assert_eq!(plan("a,b:c", Some("a.json"), &options), expected);
    }
}
