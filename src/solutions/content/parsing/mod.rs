//! Parsing and profiling of a user's file: functions from bytes to bytes, without a store or time.
//!
//! Content becomes *rows*: NDJSON, one JSON object a line, with typed columns beside them. The
//! invariants: the same bytes and options always give the same rows, nothing that the file says
//! is lost by typing it, and malformed content is an error with its place, never half a result.

mod binary;
mod columns;
mod delimited;
mod detect;
mod documents;
mod encoding;
mod error;
mod format;
mod json;
mod kinds;
mod literal;
mod notation;
mod number;
mod options;
mod pointer;
mod position;
mod preamble;
mod preview;
mod profile;
mod progress;
mod rejected;
mod rows;
mod sniff;
mod table;
mod text;

pub use columns::{Column, ColumnType, MAX_COLUMNS, MAX_NAME_BYTES};
pub use error::ParseError;
pub use format::Format;
pub use json::MAX_DEPTH;
pub use notation::Notation;
pub use options::{DateFormat, DecimalMark, MAX_SKIPPED_ROWS, Mode, ParseOptions};
pub use pointer::MAX_POINTER_BYTES;
pub use position::Position;
pub use preamble::Skipped;
pub use preview::preview;
pub use profile::{
    ColumnProfile, Distinct, Frequency, Pattern, Profile, Profiler, Quantiles, TopValues, profile,
    schema_fingerprint,
};
pub use rejected::{MAX_REJECTED_ROWS, Rejected, RejectedRow};
pub use rows::{ANY_ROWS_BYTES, MAX_GROWTH, MAX_ROWS_BYTES};

use crate::content::Packed;
use delimited::Dialect;
use detect::Plan;
use notation::Forms;
use progress::Progress;
use rows::Rows;
use table::Table;

/// Content as typed rows, and how it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The format the content was read as.
    pub parser_type: Format,
    /// The encoding it was decoded from, by its WHATWG name, e.g. `UTF-8`.
    pub encoding: String,
    /// The character that separates the cells; CSV and TSV only.
    pub delimiter: Option<char>,
    /// True if the first record gave the column names; CSV and TSV only.
    pub has_header: Option<bool>,
    /// The lines before the table that were left out; CSV and TSV only.
    pub skipped: Option<Skipped>,
    /// The number of lines that were left out as comments because `comment` says so.
    pub comments: u64,
    /// The rows that lenient reading left out.
    pub rejected: Rejected,
    /// The columns, in the order in which they first appear.
    pub columns: Vec<Column>,
    /// The number of rows.
    pub record_count: u64,
    /// The rows, packed: one compact JSON object a line, each line ended by `\n`.
    pub rows: Packed,
}

/// Reads `bytes` as rows. What `options` leave open is detected from the content, with the
/// extension of `file_name` as a hint. Takes time linear in the input.
///
/// # Errors
/// When the content is empty, binary, in an unknown or another encoding, malformed for its format,
/// or its rows are larger than [`MAX_ROWS_BYTES`] or [`MAX_GROWTH`] times the content; when the options contradict each other.
pub fn parse(
    bytes: &[u8],
    file_name: Option<&str>,
    options: &ParseOptions,
) -> Result<Parsed, ParseError> {
    parse_watched(bytes, file_name, options, &|_| ())
}

/// As [`parse`], and tells `watch` from time to time how much has been read, in thousandths.
///
/// # Errors
/// As [`parse`].
pub fn parse_watched(
    bytes: &[u8],
    file_name: Option<&str>,
    options: &ParseOptions,
    watch: &dyn Fn(u32),
) -> Result<Parsed, ParseError> {
    options.validate()?;
    if bytes.is_empty() {
        return Err(ParseError::Empty);
    }
    let (text, encoding) = encoding::decode(bytes, options.encoding.as_deref())?;
    binary::refuse_control_characters(&text, options.delimiter)?;
    if text.trim().is_empty() {
        return Err(ParseError::Empty);
    }
    let plan = detect::plan(&text, file_name, options)?;
    let start = start_of(&text, plan, options)?;
    let body = read(&text, start, plan, options, watch)?;
    Ok(Parsed {
        parser_type: plan.format,
        encoding: encoding.to_owned(),
        delimiter: plan.delimiter,
        has_header: body.has_header,
        skipped: preamble::described(&text, start, options.skip_rows.is_none()),
        comments: body.comments,
        rejected: body.rejected,
        columns: body.columns,
        record_count: body.rows.count(),
        rows: body
            .rows
            .into_packer()
            .finish()
            .map_err(|_| ParseError::Compression)?,
    })
}

/// Where the content begins behind what stands before a table.
fn start_of(text: &str, plan: Plan, options: &ParseOptions) -> Result<usize, ParseError> {
    match (plan.delimiter, options.skip_rows) {
        (None, _) => Ok(0),
        (Some(_), Some(lines)) => preamble::behind(text, lines),
        (Some(delimiter), None) => Ok(preamble::found(text, dialect(delimiter, options))),
    }
}

fn dialect(delimiter: char, options: &ParseOptions) -> Dialect {
    Dialect {
        delimiter,
        comment: options.comment,
    }
}

/// The result of each format's reader.
struct Body {
    has_header: Option<bool>,
    comments: u64,
    rejected: Rejected,
    columns: Vec<Column>,
    rows: Rows,
}

fn read(
    text: &str,
    start: usize,
    plan: Plan,
    options: &ParseOptions,
    watch: &dyn Fn(u32),
) -> Result<Body, ParseError> {
    let passes = if plan.format.is_delimited() { 2 } else { 1 };
    let progress = Progress::new(watch, text.len(), passes);
    match (plan.format, plan.delimiter) {
        (Format::Csv | Format::Tsv, delimiter) => {
            let table = Table {
                text,
                start,
                dialect: dialect(delimiter.unwrap_or(','), options),
                has_header: options.has_header,
                forms: Forms {
                    decimal: options.decimal,
                    date: options.date_format,
                },
                is_lenient: options.is_lenient(),
            };
            table::read(table, progress)
        }
        (Format::Json, _) => documents::read_json(text, options.path.as_deref(), progress),
        (Format::Ndjson, _) => documents::read_ndjson(text, options.is_lenient(), progress),
        (Format::Text, _) => text::read(text, progress),
    }
}

#[cfg(test)]
mod tests;
