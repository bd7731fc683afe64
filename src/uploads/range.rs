//! Which part of content is asked for: one range of bytes, by RFC 9110. A header that cannot be read,
//! or that asks for several parts, is as if it were not there.

use std::ops::Range;

use axum::http::{HeaderMap, header};

/// The part of content that a request wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// All of it.
    Whole,
    /// These bytes, which are within it.
    Part(Range<u64>),
    /// Bytes that it does not have.
    Nothing,
}

/// Reads `Range`, which counts only if `If-Range` names what is there.
pub(super) fn wanted(headers: &HeaderMap, etag: &str, size_bytes: u64) -> Wanted {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
    let is_same = headers
        .get(header::IF_RANGE)
        .is_none_or(|named| named.as_bytes() == etag.as_bytes());
    let range = text(header::RANGE).filter(|_| is_same);
    let range = range.and_then(|range| range.strip_prefix("bytes="));
    let Some((first, last)) = range.and_then(|range| range.trim().split_once('-')) else {
        return Wanted::Whole;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        // A number beyond all sizes means the end.
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size_bytes),
        (Some(first), None) if last.is_empty() => first..size_bytes,
        (None, Some(count)) if first.is_empty() && count > 0 => {
            size_bytes.saturating_sub(count)..size_bytes
        }
        (None, Some(_)) if first.is_empty() => return Wanted::Nothing,
        _ => return Wanted::Whole,
    };
    if range.is_empty() {
        Wanted::Nothing
    } else {
        Wanted::Part(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_is_read_and_what_is_no_range_is_left_alone() {
        let of = |range: &str, if_range: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, range.parse().unwrap());
            if let Some(etag) = if_range {
                headers.insert(header::IF_RANGE, etag.parse().unwrap());
            }
            wanted(&headers, "\"e\"", 10)
        };
        for (range, expected) in [
            ("bytes=0-3", Wanted::Part(0..4)),
            ("bytes=4-", Wanted::Part(4..10)),
            ("bytes=-3", Wanted::Part(7..10)),
            ("bytes=-99", Wanted::Part(0..10)),
            ("bytes=5-99999999999999999999999", Wanted::Part(5..10)),
            ("bytes=10-", Wanted::Nothing),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=3-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("rows=0-1", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
        ] {
            assert_eq!(of(range, None), expected, "{range}");
        }
        assert_eq!(of("bytes=0-3", Some("\"e\"")), Wanted::Part(0..4));
        for other in ["\"f\"", "W/\"e\"", "Sat, 28 Nov 2026 00:00:00 GMT"] {
            assert_eq!(of("bytes=0-3", Some(other)), Wanted::Whole, "{other}");
        }
    }
}
