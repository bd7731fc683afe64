//! Options of reading content that a caller may fix (`parse_options`); the rest is detected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{error::ParseError, format::Format, pointer};

/// The most lines that may be left out before a table.
pub const MAX_SKIPPED_ROWS: u32 = 1_000;

/// The mark before the fraction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DecimalMark {
    /// `1234.56`.
    #[serde(rename = ".")]
    Point,
    /// `1234,56`, with points between thousands if there are any: `1.234,56`.
    #[serde(rename = ",")]
    Comma,
}

/// The treatment of rows that break the rules of their format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// The first one fails the whole.
    Strict,
    /// They are left out, counted, and kept aside with their line and the reason.
    Lenient,
}

/// The form in which dates are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DateFormat {
    /// ISO 8601: `2024-12-31`.
    #[serde(rename = "YYYY-MM-DD")]
    Iso,
    /// `31.12.2024`.
    #[serde(rename = "DD.MM.YYYY")]
    DayMonthPoints,
    /// `31/12/2024`.
    #[serde(rename = "DD/MM/YYYY")]
    DayMonthSlashes,
    /// `12/31/2024`.
    #[serde(rename = "MM/DD/YYYY")]
    MonthDaySlashes,
}

/// Options of reading content. An option that is absent is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseOptions {
    /// The format of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The character between two cells. Given without a format, the content is CSV (TSV for a tab).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// True if the first record holds the names of the columns. CSV and TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_header: Option<bool>,
    /// The character encoding, by any WHATWG label, e.g. `utf-8`, `latin1`, `shift_jis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The number of lines before the table that are left out. If absent, titles and lines that
    /// begin with `#` are found where the records after them leave no doubt; 0 for none. CSV and
    /// TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1000))]
    pub skip_rows: Option<u32>,
    /// The character that comments begin with: such lines are left out wherever they stand. CSV and
    /// TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<char>,
    /// The mark before the fraction of a number. If absent, each column as a whole decides, and one
    /// that could be read either way is text. CSV and TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decimal: Option<DecimalMark>,
    /// The form in which dates are written: only such dates and those of ISO 8601 are dates then.
    /// If absent, each column as a whole decides, and one that could be read either way is text.
    /// CSV and TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date_format: Option<DateFormat>,
    /// The treatment of rows that break the rules of their format; `strict` if absent. A JSON
    /// document and plain text have no such rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// Which array of a JSON document holds the records: a JSON Pointer (RFC 6901), such as
    /// `/data/items`. Given without a format, the content is JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
}

impl ParseOptions {
    /// Checks that the options fit together.
    ///
    /// # Errors
    /// `INVALID_OPTION` for a delimiter that cannot separate cells, or for a delimiter or header
    /// with a format that has none.
    pub fn validate(&self) -> Result<(), ParseError> {
        if matches!(self.delimiter, Some('"' | '\r' | '\n' | '\0')) {
            return Err(invalid(
                "delimiter",
                "cannot be a quote, a line break or NUL",
            ));
        }
        if matches!(self.comment, Some('"' | '\r' | '\n' | '\0')) {
            return Err(invalid("comment", "cannot be a quote, a line break or NUL"));
        }
        if self.comment.is_some() && self.comment == self.delimiter {
            return Err(invalid("comment", "cannot be the delimiter"));
        }
        if self.skip_rows.is_some_and(|rows| rows > MAX_SKIPPED_ROWS) {
            return Err(invalid("skip_rows", "is at most 1000"));
        }
        self.check_path()?;
        if self.mode == Some(Mode::Lenient)
            && matches!(self.format, Some(Format::Json | Format::Text))
        {
            return Err(invalid(
                "mode",
                "lenient is for the formats csv, tsv and ndjson",
            ));
        }
        match self.format {
            Some(format) if !format.is_delimited() => self.refuse_cell_options(),
            _ => Ok(()),
        }
    }

    fn refuse_cell_options(&self) -> Result<(), ParseError> {
        match self.cell_option() {
            Some(option) => Err(invalid(option, "is for the formats csv and tsv")),
            None => Ok(()),
        }
    }

    fn check_path(&self) -> Result<(), ParseError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        pointer::tokens(path).map_err(|reason| invalid("path", reason))?;
        if self.format.is_some_and(|format| format != Format::Json) {
            return Err(invalid("path", "is for the format json"));
        }
        match self.cell_option() {
            Some(option) => Err(invalid(option, "has no meaning beside a path into JSON")),
            None => Ok(()),
        }
    }

    /// Returns whether rows that break the rules are left out.
    #[must_use]
    pub fn is_lenient(&self) -> bool {
        self.mode == Some(Mode::Lenient)
    }

    /// The first option given that only formats with cells have.
    fn cell_option(&self) -> Option<&'static str> {
        let given = [
            ("delimiter", self.delimiter.is_some()),
            ("has_header", self.has_header.is_some()),
            ("skip_rows", self.skip_rows.is_some()),
            ("comment", self.comment.is_some()),
            ("decimal", self.decimal.is_some()),
            ("date_format", self.date_format.is_some()),
        ];
        given.into_iter().find(|(_, is)| *is).map(|(name, _)| name)
    }

    /// Checks that options that only formats with cells have do not meet another format, which was
    /// detected.
    ///
    /// # Errors
    /// `INVALID_OPTION` with the option's name.
    pub(super) fn check_detected(&self, format: Format) -> Result<(), ParseError> {
        if format.is_delimited() {
            return Ok(());
        }
        self.refuse_cell_options()
    }
}

fn invalid(option: &'static str, reason: &'static str) -> ParseError {
    ParseError::InvalidOption { option, reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_options_are_refused() {
        assert!(serde_json::from_str::<ParseOptions>(r#"{"delimitr": ","}"#).is_err());
        assert!(serde_json::from_str::<ParseOptions>(r#"{"format": "xml"}"#).is_err());
    }

    #[test]
    fn options_round_trip_and_absent_ones_stay_absent() {
        let options: ParseOptions =
            serde_json::from_str(r#"{"format":"tsv","delimiter":"\t","has_header":false}"#)
                .unwrap();
        assert_eq!(options.delimiter, Some('\t'));
        let text = serde_json::to_string(&options).unwrap();
        assert_eq!(
            text,
            r#"{"format":"tsv","delimiter":"\t","has_header":false}"#
        );
    }

    #[test]
    fn options_that_contradict_each_other_are_refused_by_name() {
        let quote = ParseOptions {
            delimiter: Some('"'),
            ..ParseOptions::default()
        };
        assert_eq!(quote.validate().unwrap_err().code(), "INVALID_OPTION");
        let named = |text: &str| {
            let options: ParseOptions = serde_json::from_str(text).unwrap();
            options.validate().unwrap_err().to_string()
        };
        for (options, name) in [
            (r#"{"format": "json", "has_header": true}"#, "has_header"),
            (r#"{"format": "text", "skip_rows": 1}"#, "skip_rows"),
            (r#"{"skip_rows": 1001}"#, "skip_rows"),
            (r##"{"format": "ndjson", "comment": "#"}"##, "comment"),
            (r#"{"comment": ";", "delimiter": ";"}"#, "comment"),
            (r#"{"comment": "\""}"#, "comment"),
            (r#"{"format": "json", "decimal": ","}"#, "decimal"),
            (r#"{"format": "json", "mode": "lenient"}"#, "mode"),
            (r#"{"path": "items"}"#, "path"),
            (r#"{"path": "/items", "format": "ndjson"}"#, "path"),
            (r#"{"path": "/items", "delimiter": ";"}"#, "delimiter"),
            (
                r#"{"format": "json", "date_format": "DD/MM/YYYY"}"#,
                "date_format",
            ),
        ] {
            assert!(named(options).contains(name), "{options}");
        }
        for wrong in [
            r#"{"decimal": ";"}"#,
            r#"{"date_format": "D.M.Y"}"#,
            r#"{"skip_rows": -1}"#,
            r#"{"mode": "loose"}"#,
        ] {
            assert!(
                serde_json::from_str::<ParseOptions>(wrong).is_err(),
                "{wrong}"
            );
        }
    }
}
