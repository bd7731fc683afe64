//! Values of variables: coerced to the types that the operation gives them before anything runs.

use apollo_compiler::{
    ExecutableDocument, Schema,
    executable::Operation,
    request::coerce_variable_values,
    response::{JsonMap, JsonValue, serde_json_bytes::ByteString},
    validation::Valid,
};
use async_graphql::{Name, Value, Variables};

use super::Refused;

/// The values with defaults filled in; what the operation does not name is left out.
pub(super) fn coerce(
    schema: &Valid<Schema>,
    document: &ExecutableDocument,
    operation: &Operation,
    given: &JsonMap,
) -> Result<JsonMap, Refused> {
    coerce_variable_values(schema, operation, given)
        .map(Valid::into_inner)
        .map_err(|fault| Refused::by_error(&fault.to_graphql_error(&document.sources)))
}

/// The values as the executor takes them.
pub(super) fn converted(values: JsonMap) -> Variables {
    let mut variables = Variables::default();
    for (name, value) in values {
        variables.insert(Name::new(name.as_str()), value_of(value));
    }
    variables
}

/// A JSON value as the executor takes it.
pub(super) fn value_of(value: JsonValue) -> Value {
    match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(value) => Value::Boolean(value),
        JsonValue::Number(value) => Value::Number(value),
        JsonValue::String(value) => Value::String(text(&value)),
        JsonValue::Array(items) => Value::List(items.into_iter().map(value_of).collect()),
        JsonValue::Object(fields) => Value::Object(
            fields
                .into_iter()
                .map(|(name, value)| (Name::new(name.as_str()), value_of(value)))
                .collect(),
        ),
    }
}

fn text(value: &ByteString) -> String {
    value.as_str().to_owned()
}
