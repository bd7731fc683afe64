//! The kinds of a piece of text: a number, a boolean, a date, a time, or no more than text.

use chrono::{DateTime, NaiveDate, NaiveDateTime};

use super::{
    kinds::Kinds,
    notation::{Forms, is_grouped, kind_of_comma, kind_of_date},
    number::{self, Exactness},
    options::DecimalMark,
};

/// The kind of one cell of CSV. Surrounding white space does not count, except in text.
pub(super) fn kind_of_cell(cell: &str, forms: Forms) -> Kinds {
    if cell.is_empty() {
        return Kinds::NULL;
    }
    let trimmed = cell.trim();
    let Some(first) = trimmed.bytes().next() else {
        return Kinds::BLANK;
    };
    match first {
        b't' | b'T' | b'f' | b'F' if boolean(trimmed).is_some() => Kinds::BOOLEAN,
        b'-' | b'0'..=b'9' => kind_of_digits(trimmed, forms),
        _ => Kinds::STRING,
    }
}

/// The kind of a text that begins like a number.
fn kind_of_digits(text: &str, forms: Forms) -> Kinds {
    if number::is_number(text.as_bytes()) {
        let kind = kind_of_exact(text);
        return match forms.decimal {
            // What has a point is another number then, or none.
            Some(DecimalMark::Comma) if text.contains('.') => {
                kind_of_comma(text, forms).unwrap_or(Kinds::STRING)
            }
            None if kind == Kinds::NUMBER && is_grouped(text, '.') => Kinds::GROUPED_BY_POINT,
            _ => kind,
        };
    }
    let of_comma = match forms.decimal {
        Some(DecimalMark::Point) => None,
        _ => kind_of_comma(text, forms),
    };
    of_comma
        .or_else(|| kind_of_date(text, forms))
        .unwrap_or_else(|| kind_of_text(text))
}

/// A number that typing would change is text, so that nothing is lost.
fn kind_of_exact(literal: &str) -> Kinds {
    match number::exactness(literal) {
        Exactness::Integer => Kinds::INTEGER,
        Exactness::WideInteger => Kinds::WIDE_INTEGER,
        Exactness::Float => Kinds::NUMBER,
        Exactness::Neither => Kinds::STRING,
    }
}

/// The kind of a number in JSON, which stays as it is written whatever its size.
pub(super) fn kind_of_number(literal: &str) -> Kinds {
    match kind_of_exact(literal) {
        Kinds::STRING => Kinds::NUMBER,
        exact => exact,
    }
}

/// Date, time or plain text: the kind of a string.
pub(super) fn kind_of_text(text: &str) -> Kinds {
    if !begins_like_a_date(text.as_bytes()) {
        Kinds::STRING
    } else if is_date(text) {
        Kinds::DATE
    } else if instant(text).is_some() {
        Kinds::DATETIME
    } else {
        Kinds::STRING
    }
}

/// `true` and `false` in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

/// `YYYY-MM-DD` and no more than the longest time; spares the parser most texts.
fn begins_like_a_date(text: &[u8]) -> bool {
    let digit_or_dash = |(index, byte): (usize, &u8)| match index {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    (10..=35).contains(&text.len()) && text.iter().take(10).enumerate().all(digit_or_dash)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// The point in time of a date and time, in nanoseconds since 1970; without an offset, as if UTC.
pub(super) fn instant(text: &str) -> Option<i128> {
    const WITH_OFFSET: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f%:z", "%Y-%m-%dT%H:%M%:z"];
    const WITHOUT: [&str; 2] = ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%dT%H:%M"];
    if !matches!(text.as_bytes().get(10), Some(b'T' | b't' | b' ')) {
        return None;
    }
    let mut normal = format!("{}T{}", text.get(..10)?, text.get(11..)?);
    if normal.ends_with(['Z', 'z']) {
        normal.truncate(normal.len() - 1);
        normal.push_str("+00:00");
    }
    // A strict shape: the parser itself would skip white space and take short fields.
    if !normal
        .bytes()
        .skip(11)
        .all(|byte| byte.is_ascii_digit() || b":.+-".contains(&byte))
    {
        return None;
    }
    let with_offset = WITH_OFFSET
        .iter()
        .find_map(|form| DateTime::parse_from_str(&normal, form).ok());
    with_offset
        .map(|time| time.to_utc().naive_utc())
        .or_else(|| {
            WITHOUT
                .iter()
                .find_map(|form| NaiveDateTime::parse_from_str(&normal, form).ok())
        })
        .map(|time| {
            let utc = time.and_utc();
            i128::from(utc.timestamp()) * 1_000_000_000 + i128::from(utc.timestamp_subsec_nanos())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_what_they_look_like() {
        let cases = [
            ("", Kinds::NULL),
            ("  ", Kinds::BLANK),
            ("42", Kinds::INTEGER),
            (" -7 ", Kinds::INTEGER),
            ("3.25", Kinds::NUMBER),
            ("TRUE", Kinds::BOOLEAN),
            ("truth", Kinds::STRING),
            ("2024-02-29", Kinds::DATE),
            ("2024-02-29T10:00:00Z", Kinds::DATETIME),
            ("2024-02-29 10:00", Kinds::DATETIME),
            ("2024-02-29T10:00:00.250+02:00", Kinds::DATETIME),
            ("1.234", Kinds::GROUPED_BY_POINT),
            ("0.234", Kinds::NUMBER),
            ("1.234,5", Kinds::DECIMAL_COMMA),
            ("1,234", Kinds::GROUPED_BY_COMMA),
            ("29.02.2024", Kinds::POINT_DATE),
            ("2/3/2024", Kinds::SLASH_DATE),
        ];
        for (cell, kind) in cases {
            assert_eq!(kind_of_cell(cell, Forms::default()), kind, "{cell:?}");
        }
    }

    #[test]
    fn a_mark_that_is_given_decides() {
        let kind = |cell, decimal| {
            let forms = Forms {
                decimal: Some(decimal),
                date: None,
            };
            kind_of_cell(cell, forms)
        };
        assert_eq!(kind("1.234", DecimalMark::Point), Kinds::NUMBER);
        assert_eq!(kind("1,5", DecimalMark::Point), Kinds::STRING);
        assert_eq!(kind("1.234", DecimalMark::Comma), Kinds::DECIMAL_COMMA);
        assert_eq!(kind("1.5", DecimalMark::Comma), Kinds::STRING);
        assert_eq!(kind("1,234", DecimalMark::Comma), Kinds::DECIMAL_COMMA);
    }

    #[test]
    fn what_a_type_would_lose_stays_text() {
        for cell in [
            "007",
            "00.5",
            "+1",
            "9223372036854775808",
            "1e999",
            "0.12345678901234567890",
        ] {
            assert_eq!(
                kind_of_cell(cell, Forms::default()),
                Kinds::STRING,
                "{cell}"
            );
        }
    }

    #[test]
    fn dates_that_do_not_exist_are_text() {
        for cell in [
            "2023-02-29",
            "2024-13-01",
            "2024-1-1",
            "29-02-2024",
            "2024-02-29T25:00:00Z",
            "2024-02-29X",
            "2024-02-29T10: 0",
        ] {
            assert_eq!(
                kind_of_cell(cell, Forms::default()),
                Kinds::STRING,
                "{cell}"
            );
        }
    }

    #[test]
    fn instants_take_the_offset_into_account() {
        assert_eq!(
            instant("2024-01-01T02:00:00+02:00"),
            instant("2024-01-01 00:00Z")
        );
        assert!(instant("2024-01-01T00:00:00") < instant("2024-01-01T00:00:00.000000001Z"));
        assert_eq!(instant("2024-01-01T00:00\u{e9}"), None);
    }
}
