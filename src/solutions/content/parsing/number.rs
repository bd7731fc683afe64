//! Numbers as they are written: which of them an `i64` or an `f64` holds exactly, and how two
//! compare whatever their size. Typing a number must never change its value.

use std::cmp::Ordering;

/// Integers up to this magnitude have an exact `f64`.
const MAX_SAFE_INTEGER: u64 = 1 << 53;

/// The exactness with which a number can be held. The literal is one of JSON's grammar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exactness {
    /// An integer that `i64` and `f64` both hold.
    Integer,
    /// An integer that `i64` holds and `f64` does not.
    WideInteger,
    /// A number whose every digit an `f64` holds.
    Float,
    /// Too large, or with too many digits, for either.
    Neither,
}

/// Returns whether `literal` is a number by JSON's grammar: no leading zeros, no `+`, digits around
/// a point.
pub(super) fn is_number(literal: &[u8]) -> bool {
    number_length(literal) == Some(literal.len())
}

/// The length of the number that `bytes` begin with.
pub(super) fn number_length(bytes: &[u8]) -> Option<usize> {
    let mut end = usize::from(bytes.first() == Some(&b'-'));
    let whole = digits(&bytes[end..]);
    if whole == 0 || (whole > 1 && bytes[end] == b'0') {
        return None;
    }
    end += whole;
    if bytes.get(end) == Some(&b'.') {
        let fraction = digits(&bytes[end + 1..]);
        if fraction == 0 {
            return None;
        }
        end += 1 + fraction;
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(&bytes[end + 1 + sign..]);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    Some(end)
}

fn digits(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|byte| byte.is_ascii_digit())
        .count()
}

/// Returns how exactly `literal`, a number by [`is_number`], can be held.
pub(super) fn exactness(literal: &str) -> Exactness {
    let is_integer = !literal
        .bytes()
        .any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    // An integer cannot be minus zero.
    if is_integer && literal != "-0" {
        return match literal.parse::<i64>() {
            Ok(value) if value.unsigned_abs() <= MAX_SAFE_INTEGER => Exactness::Integer,
            Ok(_) => Exactness::WideInteger,
            Err(_) => Exactness::Neither,
        };
    }
    if is_exact_float(literal) {
        Exactness::Float
    } else {
        Exactness::Neither
    }
}

fn is_exact_float(literal: &str) -> bool {
    let Ok(value) = literal.parse::<f64>() else {
        return false;
    };
    // Up to 15 digits always survive, as long as the value is neither infinite nor subnormal.
    if value.is_normal() && literal.len() <= 15 {
        return true;
    }
    value.is_finite() && Decimal::of(literal) == Decimal::of(&format!("{value:e}"))
}

/// A number of any size, as `0.DIGITS × 10^exponent`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Decimal {
    negative: bool,
    exponent: i64,
    /// Without zeros at either end; empty for zero.
    digits: String,
}

impl Decimal {
    /// Reads a number by [`is_number`]. Exponents beyond `i64` count as its bounds.
    pub fn of(literal: &str) -> Self {
        let (negative, unsigned) = match literal.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, literal),
        };
        let (mantissa, power) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let all = format!("{whole}{fraction}");
        let stripped = all.trim_start_matches('0');
        let digits = stripped.trim_end_matches('0').to_owned();
        if digits.is_empty() {
            return Self {
                negative: false,
                exponent: 0,
                digits,
            };
        }
        let leading = all.len() - stripped.len();
        let point = i64::try_from(whole.len()).unwrap_or(i64::MAX)
            - i64::try_from(leading).unwrap_or(i64::MAX);
        Self {
            negative,
            exponent: read_power(power).saturating_add(point),
            digits,
        }
    }

    fn sign(&self) -> i8 {
        match (self.digits.is_empty(), self.negative) {
            (true, _) => 0,
            (false, true) => -1,
            (false, false) => 1,
        }
    }
}

fn read_power(power: &str) -> i64 {
    let bound = if power.starts_with('-') {
        i64::MIN
    } else {
        i64::MAX
    };
    power.parse().unwrap_or(bound)
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_size = || {
            let order = (self.exponent, &self.digits).cmp(&(other.exponent, &other.digits));
            if self.negative {
                order.reverse()
            } else {
                order
            }
        };
        self.sign().cmp(&other.sign()).then_with(by_size)
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Compares two numbers by value, exactly.
pub(super) fn compare(left: &str, right: &str) -> Ordering {
    // Reading as f64 keeps the order or makes equal; only the latter needs all digits.
    match (left.parse::<f64>(), right.parse::<f64>()) {
        (Ok(a), Ok(b)) if a < b => Ordering::Less,
        (Ok(a), Ok(b)) if a > b => Ordering::Greater,
        _ if left == right => Ordering::Equal,
        _ => Decimal::of(left).cmp(&Decimal::of(right)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_grammar_is_that_of_json() {
        for good in ["0", "-0", "10", "1.50", "-1.5e+10", "2E3"] {
            assert!(is_number(good.as_bytes()), "{good}");
        }
        for bad in [
            "", "-", "007", "+1", ".5", "5.", "1e", "1e+", "0x1", "1 ", "NaN",
        ] {
            assert!(!is_number(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn exactness_tells_what_a_conversion_would_lose() {
        assert_eq!(exactness("9007199254740992"), Exactness::Integer);
        assert_eq!(exactness("9007199254740993"), Exactness::WideInteger);
        assert_eq!(exactness("9223372036854775808"), Exactness::Neither);
        assert_eq!(exactness("1.50"), Exactness::Float);
        assert_eq!(exactness("-0"), Exactness::Float);
        assert_eq!(exactness("0.1234567890123456789"), Exactness::Neither);
        assert_eq!(exactness("1e999"), Exactness::Neither);
        assert_eq!(exactness("1e-999"), Exactness::Neither);
        assert_eq!(exactness("5e-324"), Exactness::Float);
    }

    #[test]
    fn numbers_compare_beyond_the_reach_of_floats() {
        assert_eq!(
            compare("9007199254740993", "9007199254740992"),
            Ordering::Greater
        );
        assert_eq!(compare("1e999", "1e1000"), Ordering::Less);
        assert_eq!(compare("-1e999", "-1e1000"), Ordering::Greater);
        assert_eq!(compare("1.0", "1"), Ordering::Equal);
        assert_eq!(compare("-0", "0"), Ordering::Equal);
        assert_eq!(compare("0.001", "0.01"), Ordering::Less);
    }

    proptest! {
        #[test]
        fn every_float_is_exact_in_its_shortest_form(value in proptest::num::f64::NORMAL) {
            prop_assert_eq!(exactness(&format!("{value:e}")), Exactness::Float);
        }

        #[test]
        fn integers_compare_as_integers(left: i64, right: i64) {
            let order = compare(&left.to_string(), &right.to_string());
            prop_assert_eq!(order, left.cmp(&right));
        }
    }
}
