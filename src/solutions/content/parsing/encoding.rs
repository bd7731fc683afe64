//! Bytes to text. A byte order mark decides, then UTF-8 validity, then windows-1252 as the
//! encoding of old spreadsheets; a label given by the caller overrides. Never a replacement
//! character for a byte that does not fit: such content is refused with its place.

use std::borrow::Cow;

use encoding_rs::{DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{binary, error::ParseError, position::Position};

/// Decodes `bytes` by `label`, or by what they look like; returns the encoding's name too.
/// UTF-8 is borrowed, not copied.
pub(super) fn decode<'a>(
    bytes: &'a [u8],
    label: Option<&str>,
) -> Result<(Cow<'a, str>, &'static str), ParseError> {
    let mark = Encoding::for_bom(bytes);
    let chosen = label.map(by_label).transpose()?;
    // The BOM of UTF-16 is tested first: it would be taken for other formats' first bytes.
    if mark.is_none() {
        binary::refuse_magic_number(bytes)?;
    }
    let (encoding, body) = match (chosen, mark) {
        (None, Some((marked, length))) => (marked, &bytes[length..]),
        (Some(asked), Some((marked, length))) if same_family(asked, marked) => {
            (marked, &bytes[length..])
        }
        (Some(asked), _) => (asked, bytes),
        (None, None) => return detect(bytes),
    };
    Ok((decode_as(encoding, body)?, encoding.name()))
}

fn by_label(label: &str) -> Result<&'static Encoding, ParseError> {
    Encoding::for_label_no_replacement(label.as_bytes()).ok_or_else(|| {
        ParseError::UnknownEncoding {
            label: label.chars().take(64).collect(),
        }
    })
}

/// A caller that says `utf-16` means either byte order; the mark says which.
fn same_family(asked: &'static Encoding, marked: &'static Encoding) -> bool {
    let is_utf16 = |encoding| encoding == UTF_16LE || encoding == UTF_16BE;
    asked == marked || (is_utf16(asked) && is_utf16(marked))
}

fn detect(bytes: &[u8]) -> Result<(Cow<'_, str>, &'static str), ParseError> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok((Cow::Borrowed(text), UTF_8.name())),
        Err(fault) if is_damaged_utf8(bytes) || has_unassigned_windows_1252(bytes) => {
            Err(invalid_utf8(bytes, fault.valid_up_to()))
        }
        Err(_) => Ok((decode_as(WINDOWS_1252, bytes)?, WINDOWS_1252.name())),
    }
}

/// Text of another encoding forms a valid multi-byte sequence by rare accident only; where these
/// outnumber the faults it is UTF-8 with a fault, and reading it as anything else would garble it.
fn is_damaged_utf8(bytes: &[u8]) -> bool {
    let (mut faults, mut sequences) = (0_u64, 0_u64);
    for chunk in bytes.utf8_chunks() {
        faults += u64::from(!chunk.invalid().is_empty());
        sequences += chunk.valid().bytes().filter(|byte| *byte >= 0xC2).count() as u64;
    }
    sequences > faults
}

/// The decoder maps these to control characters; no text in windows-1252 holds them.
fn has_unassigned_windows_1252(bytes: &[u8]) -> bool {
    bytes
        .iter()
        .any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D))
}

fn invalid_utf8(bytes: &[u8], offset: usize) -> ParseError {
    let before = std::str::from_utf8(&bytes[..offset]).unwrap_or_default();
    invalid(UTF_8, before, offset)
}

fn invalid(encoding: &'static Encoding, before: &str, offset: usize) -> ParseError {
    ParseError::InvalidEncoding {
        encoding: encoding.name().to_owned(),
        position: Position::of(before, before.len()),
        offset: offset as u64,
    }
}

fn decode_as<'a>(encoding: &'static Encoding, bytes: &'a [u8]) -> Result<Cow<'a, str>, ParseError> {
    if encoding == UTF_8 {
        let decoded = std::str::from_utf8(bytes).map(Cow::Borrowed);
        return decoded.map_err(|fault| invalid_utf8(bytes, fault.valid_up_to()));
    }
    transcode(encoding, bytes).map(Cow::Owned)
}

/// Grows the text as needed: reserving for the worst case would take three times the content.
fn transcode(encoding: &'static Encoding, bytes: &[u8]) -> Result<String, ParseError> {
    let mut decoder = encoding.new_decoder_without_bom_handling();
    let mut text = String::with_capacity(bytes.len() + bytes.len() / 8 + 16);
    let mut consumed = 0;
    loop {
        let rest = &bytes[consumed..];
        let (result, read) = decoder.decode_to_string_without_replacement(rest, &mut text, true);
        consumed += read;
        match result {
            DecoderResult::InputEmpty => return Ok(text),
            DecoderResult::OutputFull => text.reserve(bytes.len() - consumed + 64),
            DecoderResult::Malformed(length, after) => {
                let bad = usize::from(length) + usize::from(after);
                return Err(invalid(encoding, &text, consumed.saturating_sub(bad)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(bytes: &[u8], label: Option<&str>) -> (String, &'static str) {
        let (text, encoding) = decode(bytes, label).unwrap();
        (text.into_owned(), encoding)
    }

    #[test]
    fn byte_order_marks_decide_and_are_dropped() {
        assert_eq!(decoded(b"\xEF\xBB\xBFa", None), ("a".into(), "UTF-8"));
        assert_eq!(
            decoded(b"\xFF\xFEa\0\xE9\0", None),
            ("a\u{e9}".into(), "UTF-16LE")
        );
        assert_eq!(
            decoded(b"\xFE\xFF\0a", Some("utf-16")),
            ("a".into(), "UTF-16BE")
        );
    }

    #[test]
    fn bytes_that_are_not_utf8_are_windows_1252() {
        assert_eq!(
            decoded(b"caf\xE9 \x80", None),
            ("caf\u{e9} \u{20ac}".into(), "windows-1252")
        );
    }

    #[test]
    fn utf8_with_a_fault_is_refused_at_the_fault_and_not_garbled() {
        let error = decode(&"\u{e9}\u{e8}\nab\u{e9}".as_bytes()[..8], None).unwrap_err();
        assert_eq!(
            (error.code(), error.line(), error.column()),
            ("INVALID_ENCODING", Some(2), Some(3))
        );
    }

    #[test]
    fn bytes_of_no_known_encoding_are_refused() {
        assert_eq!(
            decode(b"ab\x81", None).unwrap_err().code(),
            "INVALID_ENCODING"
        );
    }

    #[test]
    fn a_declared_encoding_is_held_to() {
        assert_eq!(
            decoded(b"\x82\xA0", Some("Shift_JIS")),
            ("\u{3042}".into(), "Shift_JIS")
        );
        let error = decode(b"ab\nc\xFFd", Some("utf-8")).unwrap_err();
        assert_eq!((error.line(), error.column()), (Some(2), Some(2)));
        assert!(error.to_string().contains("byte 4"), "{error}");
        let error = decode(b"a\n\x82\xA0\x82\xFF", Some("shift_jis")).unwrap_err();
        assert!(
            error.to_string().contains("line 2, column 2 (byte 4)"),
            "{error}"
        );
    }

    #[test]
    fn an_unknown_label_is_named() {
        let error = decode(b"a", Some("utf-9")).unwrap_err();
        assert_eq!(error.code(), "UNKNOWN_ENCODING");
        assert!(error.to_string().contains("utf-9"));
        assert!(decode(b"a", Some("iso-2022-kr")).is_err());
    }
}
