//! The rows under construction: NDJSON, packed as it is written, with a bound on its size, so that
//! a small file with long names or short lines cannot fill the memory or the store.

use super::error::ParseError;
use crate::content::Packer;

/// The most bytes of rows that content may become.
pub const MAX_ROWS_BYTES: u64 = 400 * 1024 * 1024;
/// The most bytes of rows for each byte of content, once they are more than [`ANY_ROWS_BYTES`].
pub const MAX_GROWTH: u64 = 20;
/// The bytes of rows that any content may become.
pub const ANY_ROWS_BYTES: u64 = 1024 * 1024;

/// Rows written so far.
pub(super) struct Rows {
    packer: Packer,
    row: Vec<u8>,
    count: u64,
    limit_bytes: u64,
}

impl Rows {
    /// For content of so many bytes.
    pub fn of(content_bytes: usize) -> Self {
        let grown = (content_bytes as u64).saturating_mul(MAX_GROWTH);
        Self::with_limit(grown.clamp(ANY_ROWS_BYTES, MAX_ROWS_BYTES))
    }

    fn with_limit(limit_bytes: u64) -> Self {
        Self {
            packer: Packer::default(),
            row: Vec::new(),
            count: 0,
            limit_bytes,
        }
    }

    /// Where the row under construction is appended: one compact JSON object.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.row
    }

    /// Ends the row.
    pub fn end_row(&mut self) -> Result<(), ParseError> {
        self.row.push(b'\n');
        self.count += 1;
        self.packer.push(&self.row);
        self.row.clear();
        if self.packer.size_bytes() > self.limit_bytes {
            return Err(ParseError::TooLarge {
                what: "bytes of rows",
                limit: self.limit_bytes,
            });
        }
        Ok(())
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn into_packer(self) -> Packer {
        self.packer
    }

    #[cfg(test)]
    pub fn into_bytes(self) -> Vec<u8> {
        self.packer.finish().unwrap().unpack().unwrap()
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

    #[test]
    fn rows_may_be_twenty_times_their_source() {
        assert_eq!(Rows::of(10).limit_bytes, ANY_ROWS_BYTES);
        assert_eq!(Rows::of(1_000_000).limit_bytes, 20_000_000);
        assert_eq!(Rows::of(usize::MAX).limit_bytes, MAX_ROWS_BYTES);
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
