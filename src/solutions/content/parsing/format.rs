//! The formats that can be read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A format of content.
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

    /// Returns whether records are cells between delimiters.
    #[must_use]
    pub fn is_delimited(self) -> bool {
        matches!(self, Self::Csv | Self::Tsv)
    }
}
