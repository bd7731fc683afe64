//! Scalars of the API: 64-bit integers as text, times with microseconds.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use chrono::SecondsFormat;

pub use super::json::Json;
use crate::model::{Micros, RawJson, time_of};

/// A 64-bit integer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BigInt(pub i64);

/// A signed 64-bit integer as a decimal string, because JSON numbers lose digits above 2^53. A
/// JSON integer is accepted on input, too.
#[Scalar]
impl ScalarType for BigInt {
    fn parse(value: Value) -> InputValueResult<Self> {
        let number = match &value {
            Value::String(text) => text.parse().ok(),
            Value::Number(number) => number.as_i64(),
            _ => return Err(InputValueError::expected_type(value)),
        };
        number
            .map(Self)
            .ok_or_else(|| InputValueError::custom("expected a 64-bit integer in decimal digits"))
    }

    fn to_value(&self) -> Value {
        Value::String(self.0.to_string())
    }
}

/// A point in time in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DateTime(pub Micros);

/// A point in time as RFC 3339 text with microseconds in UTC, such as
/// `2026-01-31T12:00:00.000000Z`. Any offset is accepted on input.
#[Scalar(specified_by_url = "https://datatracker.ietf.org/doc/html/rfc3339")]
impl ScalarType for DateTime {
    fn parse(value: Value) -> InputValueResult<Self> {
        let Value::String(text) = &value else {
            return Err(InputValueError::expected_type(value));
        };
        chrono::DateTime::parse_from_rfc3339(text)
            .map(|time| Self(time.timestamp_micros()))
            .map_err(|_| InputValueError::custom("expected a time such as 2026-01-31T12:00:00Z"))
    }

    fn to_value(&self) -> Value {
        Value::String(time_of(self.0).to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

/// An optional JSON input; left out and `null` are the same.
pub(crate) fn json_or_empty(json: Option<Json>) -> RawJson {
    json.map_or_else(RawJson::empty_object, |Json(raw)| raw)
}

/// A count as GraphQL's 32-bit integer, saturating.
pub(crate) fn int(number: impl TryInto<i32>) -> i32 {
    number.try_into().unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use async_graphql::value;

    use super::*;

    #[test]
    fn big_integers_are_text_and_accept_both_forms() {
        assert_eq!(BigInt(i64::MAX).to_value(), value!("9223372036854775807"));
        assert_eq!(
            BigInt::parse(value!("-9223372036854775808")).unwrap(),
            BigInt(i64::MIN)
        );
        assert_eq!(BigInt::parse(value!(7)).unwrap(), BigInt(7));
        for bad in [
            value!("9223372036854775808"),
            value!("1.5"),
            value!(1.5),
            value!(true),
        ] {
            assert!(BigInt::parse(bad).is_err());
        }
    }

    #[test]
    fn times_are_utc_with_microseconds() {
        let time = DateTime::parse(value!("2026-01-31T13:00:00.000001+01:00")).unwrap();
        assert_eq!(time.to_value(), value!("2026-01-31T12:00:00.000001Z"));
        assert!(DateTime::parse(value!("yesterday")).is_err());
    }
}
