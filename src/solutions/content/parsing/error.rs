//! Why content was refused. Messages name the place and the rule, and never repeat the content.

use super::{format::Format, position::Position};

/// A refusal of content or of the options it was to be read with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParseError {
    /// There is nothing but white space.
    #[error("the content is empty")]
    Empty,
    /// The content is not text.
    #[error("the content is binary, not text: {what}{}", at(*.position))]
    Binary {
        /// The sign of it, e.g. `a PNG image`.
        what: String,
        /// Where, if it was not the beginning.
        position: Option<Position>,
    },
    /// The encoding asked for does not exist.
    #[error("unknown encoding `{label}`")]
    UnknownEncoding {
        /// The label as given, cut to 64 characters.
        label: String,
    },
    /// Bytes that the encoding does not allow.
    #[error("the content is not valid {encoding} at line {}, column {} (byte {offset})", .position.line, .position.column)]
    InvalidEncoding {
        /// The encoding that was asked for or detected.
        encoding: String,
        /// The place of the first bad byte.
        position: Position,
        /// Its offset in bytes, from 0.
        offset: u64,
    },
    /// The content breaks the rules of its format.
    #[error("malformed {} at line {}, column {}: {reason}", .format.as_str(), .position.line, .position.column)]
    Malformed {
        /// The format it was read as.
        format: Format,
        /// The place of the fault.
        position: Position,
        /// The rule that is broken.
        reason: String,
    },
    /// An option that has no meaning, alone or with the others.
    #[error("the option `{option}` {reason}")]
    InvalidOption {
        /// The option's name.
        option: &'static str,
        /// The fault.
        reason: &'static str,
    },
    /// The path into a JSON document leads to nothing.
    #[error("nothing stands at the path `{path}`")]
    PathNotFound {
        /// The path as given, cut to 200 characters.
        path: String,
    },
    /// The path into a JSON document leads to something else than an array.
    #[error("the path `{path}` leads to {found} at line {}, column {}, and not to an array", .position.line, .position.column)]
    PathNotArray {
        /// The path as given, cut to 200 characters.
        path: String,
        /// The value that is there.
        found: &'static str,
        /// Where it begins.
        position: Position,
    },
    /// The rows could not be compressed.
    #[error("the rows could not be compressed")]
    Compression,
    /// The content is well-formed but beyond a published limit.
    #[error("the content becomes too large: more than {limit} {what}")]
    TooLarge {
        /// The thing of which there is too much, e.g. `bytes of rows`.
        what: &'static str,
        /// The number that is allowed.
        limit: u64,
    },
}

impl ParseError {
    /// A stable name for programs.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "EMPTY_CONTENT",
            Self::Binary { .. } => "BINARY_CONTENT",
            Self::UnknownEncoding { .. } => "UNKNOWN_ENCODING",
            Self::InvalidEncoding { .. } => "INVALID_ENCODING",
            Self::Malformed { format, .. } => malformed_code(*format),
            Self::InvalidOption { .. } => "INVALID_OPTION",
            Self::PathNotFound { .. } => "PATH_NOT_FOUND",
            Self::PathNotArray { .. } => "PATH_NOT_ARRAY",
            Self::Compression => "COMPRESSION_FAILED",
            Self::TooLarge { .. } => "TOO_LARGE",
        }
    }

    /// The line of the fault, from 1, where there is one.
    #[must_use]
    pub fn line(&self) -> Option<u64> {
        self.position().map(|position| position.line)
    }

    /// The column of the fault in characters, from 1, where there is one.
    #[must_use]
    pub fn column(&self) -> Option<u64> {
        self.position().map(|position| position.column)
    }

    fn position(&self) -> Option<Position> {
        match self {
            Self::Binary { position, .. } => *position,
            Self::InvalidEncoding { position, .. }
            | Self::Malformed { position, .. }
            | Self::PathNotArray { position, .. } => Some(*position),
            _ => None,
        }
    }
}

fn malformed_code(format: Format) -> &'static str {
    match format {
        Format::Csv | Format::Tsv => "MALFORMED_CSV",
        Format::Json => "MALFORMED_JSON",
        Format::Ndjson => "MALFORMED_NDJSON",
        Format::Text => "MALFORMED_TEXT",
    }
}

fn at(position: Option<Position>) -> String {
    position.map_or_else(String::new, |place| {
        format!(" at line {}, column {}", place.line, place.column)
    })
}

/// A broken rule at an offset into the text; it becomes a [`ParseError`] once the line is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault {
    /// Offset in bytes into the decoded text.
    pub offset: usize,
    /// The rule that is broken.
    pub reason: String,
}

impl Fault {
    pub fn new(offset: usize, reason: impl Into<String>) -> Self {
        Self {
            offset,
            reason: reason.into(),
        }
    }

    /// The error for this fault in `text`, which is in `format`.
    pub fn in_text(self, text: &str, format: Format) -> ParseError {
        ParseError::Malformed {
            format,
            position: Position::of(text, self.offset),
            reason: self.reason,
        }
    }
}
