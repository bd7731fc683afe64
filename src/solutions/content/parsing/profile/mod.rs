//! The deterministic profile of parsed content: what its columns hold, in figures. The same columns
//! and rows always give the same bytes when serialised; nothing in it depends on hash order or time.

mod column;
mod distinct;
mod extremes;
mod frequent;
mod quantiles;
mod shape;

use std::collections::HashMap;

use serde::Serialize;
use sha2::{Digest, Sha256};

pub use column::ColumnProfile;
pub use distinct::Distinct;
pub use frequent::{Frequency, TopValues};
pub use quantiles::Quantiles;
pub use shape::Pattern;

use super::{
    columns::Column,
    error::{Fault, ParseError},
    json::{Member, Scanner},
    preview::{at_line, text_of},
};
use column::Accumulator;

/// The profile of parsed content.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Profile {
    /// [`schema_fingerprint`] of the columns.
    pub schema_fingerprint: String,
    /// The number of rows.
    pub record_count: u64,
    /// One entry a column, in the columns' order.
    pub columns: Vec<ColumnProfile>,
}

/// Profiles rows that [`parse`](super::parse) wrote, with the columns it returned, in parts of any
/// size: only the line that is not whole yet is kept.
pub struct Profiler {
    schema_fingerprint: String,
    table: Table,
    record_count: u64,
    broken_line: Vec<u8>,
    scratch: Vec<u8>,
}

impl Profiler {
    /// For rows with these columns.
    #[must_use]
    pub fn new(columns: &[Column]) -> Self {
        Self {
            schema_fingerprint: schema_fingerprint(columns),
            table: Table::new(columns),
            record_count: 0,
            broken_line: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// Takes more of the rows.
    ///
    /// # Errors
    /// `MALFORMED_NDJSON` when the rows are not objects, one a line, with no names but the columns'.
    pub fn push(&mut self, part: &[u8]) -> Result<(), ParseError> {
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            if !line.ends_with(b"\n") {
                self.broken_line.extend_from_slice(line);
            } else if self.broken_line.is_empty() {
                self.add(line)?;
            } else {
                let mut whole = std::mem::take(&mut self.broken_line);
                whole.extend_from_slice(line);
                self.add(&whole)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, line: &[u8]) -> Result<(), ParseError> {
        self.record_count += 1;
        let text = text_of(line, self.record_count)?;
        self.table
            .add(text, self.record_count, &mut self.scratch)
            .map_err(|fault| at_line(fault, text, self.record_count))
    }

    /// The profile.
    ///
    /// # Errors
    /// As [`push`](Self::push), for a last line without its line break.
    pub fn finish(mut self) -> Result<Profile, ParseError> {
        if !self.broken_line.is_empty() {
            let line = std::mem::take(&mut self.broken_line);
            self.add(&line)?;
        }
        let accumulators = self.table.accumulators.into_iter();
        Ok(Profile {
            schema_fingerprint: self.schema_fingerprint,
            record_count: self.record_count,
            columns: accumulators
                .map(|one| one.finish(self.record_count))
                .collect(),
        })
    }
}

/// Profiles rows that are there whole.
///
/// # Errors
/// As [`Profiler::push`].
pub fn profile(columns: &[Column], rows_ndjson: &[u8]) -> Result<Profile, ParseError> {
    let mut profiler = Profiler::new(columns);
    profiler.push(rows_ndjson)?;
    profiler.finish()
}

/// SHA-256 in hex over the columns' names and types, in order. Each part is framed by its length, so
/// that no two schemas have the same encoding.
#[must_use]
pub fn schema_fingerprint(columns: &[Column]) -> String {
    let mut hash = Sha256::new();
    hash.update(b"takeoff.schema.1\0");
    hash.update((columns.len() as u64).to_be_bytes());
    for column in columns {
        for part in [column.name.as_str(), column.column_type.as_str()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part.as_bytes());
        }
    }
    data_encoding::HEXLOWER.encode(&hash.finalize())
}

/// The columns being profiled.
struct Table {
    accumulators: Vec<Accumulator>,
    by_name: HashMap<String, usize>,
}

impl Table {
    fn new(columns: &[Column]) -> Self {
        let accumulator = |column| Accumulator::new(column, columns.len());
        let names = columns
            .iter()
            .enumerate()
            .map(|(index, column)| (column.name.clone(), index));
        Self {
            accumulators: columns.iter().map(accumulator).collect(),
            by_name: names.collect(),
        }
    }

    fn add(&mut self, row: &str, number: u64, scratch: &mut Vec<u8>) -> Result<(), Fault> {
        scratch.clear();
        let mut scanner = Scanner::new(row);
        let mut next = 0;
        scanner.object(scratch, &mut |member: Member<'_, '_>| {
            let index = self.index_of(&member.name, next).ok_or_else(|| {
                Fault::new(member.offset, "a name that is not one of the columns")
            })?;
            next = index + 1;
            self.accumulators[index].add(&member, number)
        })?;
        scanner.end()
    }

    /// Rows mostly have their names in the columns' order: `next` is tried first.
    fn index_of(&self, name: &str, next: usize) -> Option<usize> {
        match self.accumulators.get(next) {
            Some(expected) if expected.name() == name => Some(next),
            _ => self.by_name.get(name).copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{
        super::{ParseOptions, parse},
        *,
    };

    fn profiled(text: &str, name: &str) -> serde_json::Value {
        let parsed = parse(text.as_bytes(), Some(name), &ParseOptions::default()).unwrap();
        serde_json::to_value(profile(&parsed.columns, &parsed.rows.unpack().unwrap()).unwrap())
            .unwrap()
    }

    #[test]
    fn a_column_of_numbers_has_its_figures() {
        let found = profiled("sku,n\nAB-10,10\nAB-7,9\nc,\nAB-11,9.0\n", "x.csv");
        assert_eq!(found["record_count"], 4);
        assert_eq!(
            found["columns"][1],
            json!({
                "name": "n", "type": "number", "null_count": 1,
                "distinct": {"count": 2, "is_exact": true, "estimate": 2, "error": 0.0},
                "min": 9, "max": 10, "mean": 28.0 / 3.0,
                "quantiles": {"p5": 9, "p25": 9, "p50": 9.0, "p75": 10, "p95": 10, "error": 0.0},
                "top_values": {"values": [
                    {"value": 10, "count": 1}, {"value": 9, "count": 1}, {"value": 9.0, "count": 1},
                ], "error": 0, "too_long": 0},
                "patterns": [{"shape": "9", "count": 1}, {"shape": "9.9", "count": 1}, {"shape": "99", "count": 1}],
                "patterns_exact": true
            })
        );
        assert_eq!(
            found["columns"][0]["patterns"][0],
            json!({"shape": "AA-99", "count": 2})
        );
        assert_eq!(found["columns"][0]["min"], "AB-10");
    }

    #[test]
    fn a_million_values_are_profiled_within_their_errors() {
        use std::fmt::Write;
        let integer = super::super::ColumnType::Integer;
        let mut profiler = Profiler::new(&[Column::plain("n".to_owned(), integer, false)]);
        for part in 0..100_u32 {
            let mut rows = String::new();
            for number in part * 10_000..(part + 1) * 10_000 {
                writeln!(rows, "{{\"n\":{number}}}").unwrap();
            }
            profiler.push(rows.as_bytes()).unwrap();
        }
        let found = profiler.finish().unwrap().columns.remove(0);
        assert!(!found.distinct.is_exact);
        assert!((950_000..1_050_000).contains(&found.distinct.estimate));
        let quantiles = found.quantiles.unwrap();
        let median = quantiles.p50.as_f64().unwrap();
        assert!(
            (median - 499_999.0).abs() <= 499_999.0 * quantiles.error,
            "{median}"
        );
        assert_eq!(found.top_values.unwrap().values, []);
    }

    #[test]
    fn times_are_ordered_as_instants_and_absent_values_are_nulls() {
        let found = profiled(
            "{\"t\":\"2024-01-01T00:30:00+02:00\"}\n{\"t\":\"2024-01-01T00:00:00Z\"}\n{\"u\":{}}\n",
            "x.ndjson",
        );
        assert_eq!(found["columns"][0]["min"], "2024-01-01T00:30:00+02:00");
        assert_eq!(found["columns"][0]["null_count"], 1);
        assert_eq!(found["columns"][1]["min"], json!(null));
        assert_eq!(found["columns"][1]["null_count"], 2);
    }

    #[test]
    fn fingerprints_depend_on_names_types_and_order_alone() {
        let columns = |text: &str| {
            parse(text.as_bytes(), Some("x.csv"), &ParseOptions::default())
                .unwrap()
                .columns
        };
        let base = schema_fingerprint(&columns("a,b\n1,x\n"));
        assert_eq!(base.len(), 64);
        assert_eq!(base, schema_fingerprint(&columns("a,b\n2,y\n3,\n")));
        assert_ne!(base, schema_fingerprint(&columns("b,a\nx,1\n")));
        assert_ne!(base, schema_fingerprint(&columns("ab,c\n1,x\n")));
    }

    #[test]
    fn rows_of_another_schema_are_refused_by_line() {
        let parsed = parse(b"a\n1\n", Some("x.csv"), &ParseOptions::default()).unwrap();
        let error = profile(&parsed.columns, b"{\"a\":1}\n{\"b\":1}\n").unwrap_err();
        assert_eq!((error.line(), error.column()), (Some(2), Some(2)));
        assert!(profile(&parsed.columns, b"[1]\n").is_err());
    }
}
