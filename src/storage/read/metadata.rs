//! The client's notes, as a condition of a list.

use sea_orm::{DbBackend, Value};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::page::Conditions;

/// The most members of the metadata that a filter names.
pub const MOST_MEMBERS: usize = 5;
/// Bytes of a member's name and value, together.
pub const MOST_MEMBER_BYTES: usize = 1024;

/// A member of an object of metadata: its name, and the text, number or boolean that it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MetadataMember {
    #[serde(rename = "key")]
    name: String,
    value: Scalar,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Integer(i64),
    Fraction(f64),
    Boolean(bool),
}

impl Eq for MetadataMember {}

impl MetadataMember {
    /// The members of a filter.
    ///
    /// # Errors
    /// In words for the caller, when there are too many, or one is too long, or no text, number or boolean.
    pub fn all(members: impl IntoIterator<Item = (String, Json)>) -> Result<Vec<Self>, String> {
        let members: Result<Vec<Self>, String> = members.into_iter().map(Self::new).collect();
        let members = members?;
        if members.len() > MOST_MEMBERS {
            return Err(format!(
                "metadata: at most {MOST_MEMBERS} members are compared"
            ));
        }
        Ok(members)
    }

    fn new((name, value): (String, Json)) -> Result<Self, String> {
        let value = match value {
            Json::String(text) => Some(Scalar::Text(text)),
            Json::Bool(is_so) => Some(Scalar::Boolean(is_so)),
            Json::Number(number) => match number.as_i64() {
                Some(integer) => Some(Scalar::Integer(integer)),
                None => number
                    .as_f64()
                    .filter(|it| it.is_finite())
                    .map(Scalar::Fraction),
            },
            Json::Null | Json::Array(_) | Json::Object(_) => None,
        };
        let value =
            value.ok_or("metadata: a value that is compared is a text, a number or a boolean")?;
        let bytes = name.len()
            + match &value {
                Scalar::Text(text) => text.len(),
                Scalar::Integer(_) | Scalar::Fraction(_) | Scalar::Boolean(_) => 0,
            };
        if bytes > MOST_MEMBER_BYTES {
            return Err(format!(
                "metadata: name and value have at most {MOST_MEMBER_BYTES} bytes together"
            ));
        }
        Ok(Self { name, value })
    }

    /// The condition that the column `metadata` has this member.
    pub(super) fn add_to(&self, conditions: &mut Conditions, backend: DbBackend) {
        let name = Some(Value::from(self.name.as_str()));
        // In the order of their places.
        let (test, values) = if backend == DbBackend::Postgres {
            let (test, value) = self.postgres();
            (test, [value, name])
        } else {
            let (test, value) = self.sqlite();
            (test, [name, value])
        };
        conditions.add(&test, values.into_iter().flatten());
    }

    fn sqlite(&self) -> (String, Option<Value>) {
        let (test, value) = match &self.value {
            Scalar::Text(text) => (
                "m.type = 'text' AND m.value = ?",
                Some(text.as_str().into()),
            ),
            Scalar::Integer(number) => (NUMBER_OF_SQLITE, Some((*number).into())),
            Scalar::Fraction(number) => (NUMBER_OF_SQLITE, Some((*number).into())),
            Scalar::Boolean(true) => ("m.type = 'true'", None),
            Scalar::Boolean(false) => ("m.type = 'false'", None),
        };
        let test = format!(
            "(metadata <> '{{}}' AND instr(metadata, '\\u0000') = 0 AND EXISTS \
             (SELECT 1 FROM json_each(metadata) m WHERE m.key = ? AND {test}))"
        );
        (test, value)
    }

    /// The cases are tried in their order, so that nothing is read as what it is not: what PostgreSQL cannot
    /// read as JSON though it is, with zero characters or halves of a pair of surrogates, fits nothing.
    fn postgres(&self) -> (String, Option<Value>) {
        let (test, value) = match &self.value {
            Scalar::Text(text) => (
                "(json_typeof(m) = 'string' AND m #>> '{}' = ?)",
                Some(text.as_str().into()),
            ),
            Scalar::Integer(number) => (NUMBER_OF_POSTGRES, Some(number.to_string().into())),
            Scalar::Fraction(number) => (NUMBER_OF_POSTGRES, Some(number.to_string().into())),
            Scalar::Boolean(true) => ("(m::text = 'true')", None),
            Scalar::Boolean(false) => ("(m::text = 'false')", None),
        };
        let test = format!(
            "(CASE WHEN metadata = '{{}}' THEN FALSE \
             WHEN strpos(metadata, '\\u') > 0 AND metadata ~ '\\\\u(0000|[dD][89a-fA-F])' THEN FALSE \
             ELSE (SELECT {test} FROM (SELECT metadata::json -> ? AS m OFFSET 0) o) END)"
        );
        (test, value)
    }
}

const NUMBER_OF_SQLITE: &str = "m.type IN ('integer', 'real') AND m.value = ?";
/// The value of a member that is a number. One with more characters, or a longer exponent, is none that a filter can
/// name, and might be more than the database can compare. Regular expressions with long bounds take most of the time
/// of a page, so none is tried on a number without an exponent.
const NUMBER_OF_POSTGRES: &str = "(CASE WHEN json_typeof(m) <> 'number' THEN FALSE \
    WHEN length(m #>> '{}') > 261 THEN FALSE \
    WHEN strpos(lower(m #>> '{}'), 'e') > 0 AND m::text ~ '[eE][-+]{0,1}[0-9]{4}' THEN FALSE \
    ELSE m::text::numeric = (?)::text::numeric END)";
