//! JSON values compared by value: one text for all spellings of a value.
//!
//! Order of keys, white space, escapes in strings and the spelling of numbers do not matter. Numbers
//! are compared exactly, as decimals: `1`, `1.0` and `10e-1` are equal, and two integers of any length
//! differ when one digit does. A 64-bit float holds neither.

use std::{collections::BTreeMap, fmt::Write as _};

use serde_json::Value;

use super::RawJson;

/// Decimal places and trailing zeros up to which a number is written without an exponent.
const PLAIN_ZEROS: i128 = 20;

impl RawJson {
    /// The canonical spelling of the value; equal values, and only they, have the same one.
    /// `null` should the text nest deeper than 128 levels.
    #[must_use]
    pub fn canonical(&self) -> String {
        let value = serde_json::from_str(&tagged(self.as_str())).unwrap_or_default();
        let mut text = String::new();
        write_value(&value, &mut text);
        text
    }
}

/// The same JSON, with each number as a string `n…` that holds its canonical form, and each string
/// as `s…`.
fn tagged(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + text.len() / 4);
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (token, tail) = rest.split_at(token_length(rest, first));
        match first {
            '"' => {
                out.push_str("\"s");
                out.push_str(&token[1..]);
            }
            '-' | '0'..='9' => {
                out.push_str("\"n");
                write_number(token, &mut out);
                out.push('"');
            }
            _ => out.push_str(token),
        }
        rest = tail;
    }
    out
}

/// The length in bytes of the string, number or other character at the beginning of `rest`.
fn token_length(rest: &str, first: char) -> usize {
    let bytes = rest.as_bytes();
    match first {
        '"' => {
            let mut at = 1;
            while at < bytes.len() && bytes[at] != b'"' {
                at += if bytes[at] == b'\\' { 2 } else { 1 };
            }
            (at + 1).min(bytes.len())
        }
        '-' | '0'..='9' => bytes
            .iter()
            .position(|byte| !matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9'))
            .unwrap_or(bytes.len()),
        other => other.len_utf8(),
    }
}

/// Writes a number's exact decimal value: `0`, plain digits, or `d.ddde±x`.
fn write_number(literal: &str, out: &mut String) {
    let (sign, unsigned) = match literal.strip_prefix('-') {
        Some(unsigned) => ("-", unsigned),
        None => ("", literal),
    };
    let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = format!("{whole}{fraction}");
    let leading_cut = all_digits.trim_start_matches('0');
    let digits = leading_cut.trim_end_matches('0');
    if digits.is_empty() {
        out.push('0');
        return;
    }
    out.push_str(sign);
    let Ok(exponent) = exponent.parse::<i64>().map(i128::from) else {
        // Beyond 2^63 decimal places a literal is equal to itself alone.
        out.push_str(unsigned);
        return;
    };
    let length = |text: &str| i128::try_from(text.len()).unwrap_or(i128::MAX);
    // The value is 0.DIGITS times ten to this power.
    let point = exponent - length(fraction) + length(leading_cut);
    let zeros_after = point - length(digits);
    let result = if (0..=PLAIN_ZEROS).contains(&zeros_after) {
        let zeros = usize::try_from(zeros_after).unwrap_or(0);
        write!(out, "{digits}{}", "0".repeat(zeros))
    } else if let Some((before, after)) = usize::try_from(point)
        .ok()
        .filter(|point| *point > 0)
        .and_then(|point| digits.split_at_checked(point))
    {
        write!(out, "{before}.{after}")
    } else if (-PLAIN_ZEROS..=0).contains(&point) {
        let zeros = usize::try_from(-point).unwrap_or(0);
        write!(out, "0.{}{digits}", "0".repeat(zeros))
    } else {
        let (first, others) = digits.split_at(1);
        write!(out, "{first}.{others}e{}", point - 1)
    };
    // Writing to a string does not fail.
    let _ = result;
}

/// Writes a tagged value, its keys in order.
fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => match text.strip_prefix('n') {
            Some(number) => out.push_str(number),
            None => write_string(text, out),
        },
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_value(value, out);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            out.push('{');
            let fields: BTreeMap<_, _> = fields.iter().collect();
            for (index, (name, value)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write_string(name, out);
                out.push(':');
                write_value(value, out);
            }
            out.push('}');
        }
        other => out.push_str(&other.to_string()),
    }
}

/// Writes a tagged string without its tag.
fn write_string(tagged: &str, out: &mut String) {
    let text = tagged.strip_prefix('s').unwrap_or(tagged);
    out.push_str(&Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn canonical(text: &str) -> String {
        RawJson::parse(text).unwrap().canonical()
    }

    #[test]
    fn a_number_has_one_spelling() {
        let equal: &[&[&str]] = &[
            &["1", "1.0", "1e0", "10e-1", "0.1E+1", "1.000"],
            &["0", "-0", "0.0", "0e99", "-0.00e-7"],
            &["1500", "1.5e3", "15e2"],
            &["-2.5", "-25e-1", "-0.25e1"],
            &["1e400", "10e399", "0.1e401"],
            &["1e-400", "0.1e-399"],
        ];
        for (at, spellings) in equal.iter().enumerate() {
            for spelling in *spellings {
                assert_eq!(canonical(spelling), canonical(spellings[0]), "{spelling}");
            }
            for other in &equal[..at] {
                assert_ne!(canonical(other[0]), canonical(spellings[0]));
            }
        }
        let plain = ["1", "-17", "18446744073709551615", "1.5", "0.001", "100"];
        for text in plain {
            assert_eq!(canonical(text), text);
        }
    }

    #[test]
    fn numbers_that_a_float_cannot_tell_apart_differ() {
        assert_ne!(
            canonical("18446744073709551617"),
            canonical("18446744073709551616")
        );
        assert_ne!(canonical("1e400"), canonical("2e400"));
        assert_ne!(canonical("0.1"), canonical("0.10000000000000000001"));
    }

    #[test]
    fn spelling_of_strings_keys_and_space_does_not_matter() {
        let one = r#"{"b": ["\u0041", null], "a": {"n1": "1", "s": true}, "a": 1}"#;
        let other = r#" {"a":1.0,"b":["A",null]}"#;
        assert_eq!(canonical(one), canonical(other));
        assert_eq!(canonical(other), r#"{"a":1,"b":["A",null]}"#);
        assert_ne!(canonical("\"1\""), canonical("1"));
        assert_ne!(canonical("\"n1\""), canonical("1"));
        assert_eq!(canonical(r#""a\"1\\""#), r#""a\"1\\""#);
    }

    fn json_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            "[ns\"\\\\1ä\\u{0}]{0,4}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::btree_map("[ns1]{0,2}", inner, 0..3)
                    .prop_map(|fields| Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_value_without_fractions_reads_back_from_its_canonical_text(value in json_value()) {
            let text = canonical(&value.to_string());
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
            prop_assert_eq!(canonical(&text), text);
        }
    }
}
