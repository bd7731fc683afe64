//! Numbers and dates as people write them, and how the rows have them: numbers as JSON has them,
//! dates by ISO 8601. What is read this way is said by the column, so nothing is lost.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::{
    kinds::Kinds,
    number::{Exactness, exactness, is_number},
    options::{DateFormat, DecimalMark},
};

/// A form of values that the rows have in another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Notation {
    /// A decimal comma, with or without points between thousands.
    #[serde(rename = "1.234,56")]
    DecimalComma,
    /// Day, month and year with points.
    #[serde(rename = "DD.MM.YYYY")]
    DayMonthPoints,
    /// Day, month and year with slashes.
    #[serde(rename = "DD/MM/YYYY")]
    DayMonthSlashes,
    /// Month, day and year with slashes.
    #[serde(rename = "MM/DD/YYYY")]
    MonthDaySlashes,
}

/// The forms of numbers and dates that the caller gave; the rest is decided by the column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Forms {
    pub decimal: Option<DecimalMark>,
    pub date: Option<DateFormat>,
}

impl Notation {
    /// A value of this notation as the rows have it: a number, or the text of a date.
    pub(super) fn translated(self, text: &str) -> Option<String> {
        match self {
            Self::DecimalComma => from_decimal_comma(text),
            Self::DayMonthPoints => day_first(parts(text, '.')?),
            Self::DayMonthSlashes => day_first(parts(text, '/')?),
            Self::MonthDaySlashes => month_first(parts(text, '/')?),
        }
    }
}

/// The kind of a number with a decimal comma or with points between thousands. One comma before
/// three digits may as well stand between thousands, unless the caller said what it is.
pub(super) fn kind_of_comma(text: &str, forms: Forms) -> Option<Kinds> {
    let number = from_decimal_comma(text)?;
    Some(match exactness(&number) {
        Exactness::Neither | Exactness::WideInteger => Kinds::STRING,
        _ if forms.decimal.is_none() && is_grouped(text, ',') => Kinds::GROUPED_BY_COMMA,
        _ => Kinds::DECIMAL_COMMA,
    })
}

/// `1.234,56` as `1234.56`; none for what is no such number.
fn from_decimal_comma(text: &str) -> Option<String> {
    let is_part = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'.' | b',' | b'-');
    if !text.bytes().all(is_part) {
        return None;
    }
    let (whole, fraction) = match text.split_once(',') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    if whole.contains('.') && !is_grouped(whole, '.') {
        return None;
    }
    let mut number = whole.replace('.', "");
    if let Some(fraction) = fraction {
        number.push('.');
        number.push_str(fraction);
    }
    is_number(number.as_bytes()).then_some(number)
}

/// Returns whether `text` is an integer with a separator before each three digits.
pub(super) fn is_grouped(text: &str, separator: char) -> bool {
    let mut groups = text.strip_prefix('-').unwrap_or(text).split(separator);
    let is_digits = |group: &str| group.bytes().all(|byte| byte.is_ascii_digit());
    let first = groups.next().unwrap_or_default();
    let mut others = groups.peekable();
    (1..=3).contains(&first.len())
        && is_digits(first)
        && !first.starts_with('0')
        && others.peek().is_some()
        && others.all(|group| group.len() == 3 && is_digits(group))
}

/// The kind of a date that is not written by ISO 8601; none for what is no such date.
pub(super) fn kind_of_date(text: &str, forms: Forms) -> Option<Kinds> {
    let may_be = |format| forms.date.is_none_or(|given| given == format);
    if let Some(found) = parts(text, '.') {
        let is_date = may_be(DateFormat::DayMonthPoints) && day_first(found).is_some();
        return is_date.then_some(Kinds::POINT_DATE);
    }
    let found = parts(text, '/')?;
    let day_first = may_be(DateFormat::DayMonthSlashes) && day_first(found).is_some();
    let month_first = may_be(DateFormat::MonthDaySlashes) && month_first(found).is_some();
    match (day_first, month_first) {
        (true, true) => Some(Kinds::SLASH_DATE),
        (true, false) => Some(Kinds::DAY_FIRST),
        (false, true) => Some(Kinds::MONTH_FIRST),
        (false, false) => None,
    }
}

/// The three numbers of a date whose year comes last.
fn parts(text: &str, separator: char) -> Option<[u32; 3]> {
    let mut fields = text.split(separator);
    let mut field = |lengths: std::ops::RangeInclusive<usize>| {
        let field = fields.next()?;
        let is_number = field.bytes().all(|byte| byte.is_ascii_digit());
        (is_number && lengths.contains(&field.len())).then(|| field.parse().ok())?
    };
    let found = [field(1..=2)?, field(1..=2)?, field(4..=4)?];
    fields.next().is_none().then_some(found)
}

fn day_first([day, month, year]: [u32; 3]) -> Option<String> {
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    Some(date.format("%Y-%m-%d").to_string())
}

fn month_first([month, day, year]: [u32; 3]) -> Option<String> {
    day_first([day, month, year])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_commas_become_points_and_points_between_thousands_go() {
        let of = |text| Notation::DecimalComma.translated(text);
        for (text, number) in [
            ("1,5", "1.5"),
            ("-1.234,56", "-1234.56"),
            ("1.234.567", "1234567"),
            ("0,500", "0.500"),
            ("1234,5", "1234.5"),
            ("12", "12"),
        ] {
            assert_eq!(of(text).as_deref(), Some(number), "{text}");
        }
        for wrong in [
            "1,2,3", "1.5", "12.34,5", "1,", ",5", "007,5", "1.234,", "0.123", "1-2", "a,b",
        ] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_comma_before_three_digits_is_only_a_decimal_comma_if_that_is_said() {
        let kind = |text, decimal| {
            let forms = Forms {
                decimal,
                date: None,
            };
            kind_of_comma(text, forms)
        };
        assert_eq!(kind("1,234", None), Some(Kinds::GROUPED_BY_COMMA));
        assert_eq!(
            kind("1,234", Some(DecimalMark::Comma)),
            Some(Kinds::DECIMAL_COMMA)
        );
        assert_eq!(kind("1,23", None), Some(Kinds::DECIMAL_COMMA));
        assert_eq!(kind("0,234", None), Some(Kinds::DECIMAL_COMMA));
        assert_eq!(kind("0,12345678901234567890", None), Some(Kinds::STRING));
    }

    #[test]
    fn a_date_is_of_each_order_in_which_it_exists() {
        let kind = |text, date| {
            kind_of_date(
                text,
                Forms {
                    decimal: None,
                    date,
                },
            )
        };
        assert_eq!(kind("31.12.2024", None), Some(Kinds::POINT_DATE));
        assert_eq!(kind("1.2.2024", None), Some(Kinds::POINT_DATE));
        assert_eq!(kind("12.31.2024", None), None);
        assert_eq!(kind("31/12/2024", None), Some(Kinds::DAY_FIRST));
        assert_eq!(kind("12/31/2024", None), Some(Kinds::MONTH_FIRST));
        assert_eq!(kind("01/02/2024", None), Some(Kinds::SLASH_DATE));
        assert_eq!(kind("31/31/2024", None), None);
        assert_eq!(kind("01/02/24", None), None);
        assert_eq!(kind("01/02/2024/1", None), None);
        let given = Some(DateFormat::MonthDaySlashes);
        assert_eq!(kind("01/02/2024", given), Some(Kinds::MONTH_FIRST));
        assert_eq!(kind("31/12/2024", given), None);
        assert_eq!(kind("31.12.2024", given), None);
        assert_eq!(
            Notation::MonthDaySlashes.translated("2/1/2024").as_deref(),
            Some("2024-02-01")
        );
    }
}
