//! Tells binary content from text, whatever its name says: by the first bytes of known formats,
//! and by control characters that no text holds.

use super::{error::ParseError, position::Position};

/// Beginnings of formats; only those that no text could begin with.
const MAGIC_NUMBERS: [(&[u8], &str); 20] = [
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xFF\xD8\xFF", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"II*\0", "a TIFF image"),
    (b"MM\0*", "a TIFF image"),
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"PK\x05\x06", "an empty ZIP archive"),
    (b"%PDF-", "a PDF document"),
    (b"\x1F\x8B", "gzip data"),
    (b"\x28\xB5\x2F\xFD", "zstd data"),
    (b"\xFD7zXZ\0", "xz data"),
    (b"7z\xBC\xAF\x27\x1C", "a 7z archive"),
    (b"Rar!\x1A\x07", "a RAR archive"),
    (b"\x7FELF", "an ELF executable"),
    (b"\xCA\xFE\xBA\xBE", "a Java class or Mach-O file"),
    (b"\0asm", "a WebAssembly module"),
    (b"SQLite format 3\0", "an SQLite database"),
    (
        b"\xD0\xCF\x11\xE0\xA1\xB1\x1A\xE1",
        "an old office document",
    ),
    (b"Obj\x01", "an Avro file"),
];

/// Refuses content that begins like a known binary format.
pub(super) fn refuse_magic_number(bytes: &[u8]) -> Result<(), ParseError> {
    match MAGIC_NUMBERS
        .iter()
        .find(|(magic, _)| bytes.starts_with(magic))
    {
        Some((_, what)) => Err(ParseError::Binary {
            what: (*what).to_owned(),
            position: None,
        }),
        None => Ok(()),
    }
}

/// Refuses decoded content that holds a control character other than white space, escape (coloured
/// logs) and the delimiter that the caller declared.
pub(super) fn refuse_control_characters(
    text: &str,
    delimiter: Option<char>,
) -> Result<(), ParseError> {
    let found = text.bytes().enumerate().find(|(_, byte)| {
        is_binary(*byte) && delimiter.is_none_or(|allowed| char::from(*byte) != allowed)
    });
    match found {
        Some((offset, byte)) => Err(ParseError::Binary {
            what: format!("control character 0x{byte:02X}"),
            position: Some(Position::of(text, offset)),
        }),
        None => Ok(()),
    }
}

fn is_binary(byte: u8) -> bool {
    byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0B | 0x0C | 0x1B)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_formats_are_named() {
        let error = refuse_magic_number(b"%PDF-1.7\n...").unwrap_err();
        assert_eq!(error.code(), "BINARY_CONTENT");
        assert!(error.to_string().contains("PDF"));
        assert!(refuse_magic_number(b"PK is short for").is_ok());
    }

    #[test]
    fn control_characters_are_binary_where_they_stand() {
        let error = refuse_control_characters("ab\nc\0", None).unwrap_err();
        assert_eq!((error.line(), error.column()), (Some(2), Some(2)));
        assert!(refuse_control_characters("\x1b[31mred\x1b[0m\tx\r\n", None).is_ok());
    }

    #[test]
    fn a_declared_delimiter_may_be_a_control_character() {
        assert!(refuse_control_characters("a\x01b", None).is_err());
        assert!(refuse_control_characters("a\x01b", Some('\x01')).is_ok());
    }
}
