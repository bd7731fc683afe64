//! What a caller may fix about how content is read (`parse_options`); the rest is detected.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ParseError;

/// The formats that can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Cells separated by a delimiter, quoted as in RFC 4180.
    Csv,
    /// The same, separated by tabs.
    Tsv,
    /// One JSON document: an array of records, or one record.
    Json,
    /// One JSON value a line.
    Ndjson,
    /// Plain text; each line is a record.
    Text,
}

impl Format {
    /// The name used in options and descriptors, e.g. `ndjson`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Text => "text",
        }
    }

    /// Whether records are cells between delimiters.
    #[must_use]
    pub fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}

/// How to read content. An option that is absent is detected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ParseOptions {
    /// The format of the content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The character between two cells. Given without a format, the content is CSV (TSV for a tab).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<char>,
    /// Whether the first record holds the names of the columns. CSV and TSV only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub has_header: Option<bool>,
    /// The character encoding, by any WHATWG label, e.g. `utf-8`, `latin1`, `shift_jis`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
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
        match self.format {
            Some(format) if !format.is_delimited() => self.refuse_cell_options(),
            _ => Ok(()),
        }
    }

    fn refuse_cell_options(&self) -> Result<(), ParseError> {
        let reason = "is for the formats csv and tsv";
        if self.delimiter.is_some() {
            return Err(invalid("delimiter", reason));
        }
        if self.has_header.is_some() {
            return Err(invalid("has_header", reason));
        }
        Ok(())
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
        let header = ParseOptions {
            format: Some(Format::Json),
            has_header: Some(true),
            ..ParseOptions::default()
        };
        assert!(
            header
                .validate()
                .unwrap_err()
                .to_string()
                .contains("has_header")
        );
    }
}
