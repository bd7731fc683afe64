//! The rows under construction: NDJSON with a bound on its size, so that a small file with long
//! names or short lines cannot fill the memory.

use super::error::ParseError;

/// The most bytes of rows that content may become.
pub const MAX_ROWS_BYTES: usize = 400 * 1024 * 1024;

/// Rows written so far.
pub(super) struct Rows {
    bytes: Vec<u8>,
    count: u64,
    limit: usize,
}

impl Rows {
    pub fn new() -> Self {
        Self::with_limit(MAX_ROWS_BYTES)
    }

    fn with_limit(limit: usize) -> Self {
        Self {
            bytes: Vec::new(),
            count: 0,
            limit,
        }
    }

    /// Where the row under construction is appended: one compact JSON object.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// Ends the row.
    pub fn end_row(&mut self) -> Result<(), ParseError> {
        self.bytes.push(b'\n');
        self.count += 1;
        if self.bytes.len() > self.limit {
            return Err(ParseError::TooLarge {
                what: "bytes of rows",
                limit: self.limit as u64,
            });
        }
        Ok(())
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// Appends `text` as a JSON string.
pub(super) fn write_string(out: &mut Vec<u8>, text: &str) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut written = 0;
    for (index, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[written..index]);
        written = index + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let digits = [HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&digits);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rows_beyond_the_limit_are_refused() {
        let mut rows = Rows::with_limit(6);
        rows.buffer().extend_from_slice(b"{}");
        assert!(rows.end_row().is_ok());
        rows.buffer().extend_from_slice(b"{}");
        assert!(rows.end_row().is_ok());
        rows.buffer().extend_from_slice(b"{}");
        assert_eq!(rows.end_row().unwrap_err().code(), "TOO_LARGE");
    }

    proptest! {
        #[test]
        fn strings_read_back_as_they_were(text in "\\PC*|[\\x00-\\x7f]*") {
            let mut out = Vec::new();
            write_string(&mut out, &text);
            prop_assert_eq!(serde_json::from_slice::<String>(&out).unwrap(), text);
        }
    }
}
