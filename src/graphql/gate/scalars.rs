//! Checks of inputs that validation by the schema cannot make: values of the API's own scalars, so that a
//! malformed time is refused before another field of the request has run, and the lengths of lists.

use apollo_compiler::{
    Schema,
    ast::{Type, Value as Literal},
    executable::{ExecutableDocument, Operation, Selection, SelectionSet},
    response::{JsonMap, JsonValue},
    schema::ExtendedType,
};
use async_graphql::{InputType, InputValueError, InputValueResult, ScalarType, Value};

use super::variables::value_of;
use crate::{
    api::ApiError,
    graphql::types::scalars::{BigInt, DateTime},
};

/// A list that comes in has no more values. One that is a batch has a limit of its own.
const MAX_LIST: usize = 100;
const BATCHES: [&str; 1] = ["SubmitIntentInput"];

/// Checks the literals in every argument of a document.
pub(super) fn check_literals(
    schema: &Schema,
    document: &ExecutableDocument,
) -> Result<(), ApiError> {
    for operation in document.operations.iter() {
        for variable in &operation.variables {
            if let Some(default) = &variable.default_value {
                literal(schema, &variable.ty, default)?;
            }
        }
        set(schema, &operation.selection_set)?;
    }
    let mut fragments = document.fragments.values();
    fragments.try_for_each(|fragment| set(schema, &fragment.selection_set))
}

/// Checks coerced values against the types that the operation gives them.
pub(super) fn check_variables(
    schema: &Schema,
    operation: &Operation,
    values: &JsonMap,
) -> Result<(), ApiError> {
    for variable in &operation.variables {
        if let Some(value) = values.get(variable.name.as_str()) {
            json(schema, &variable.ty, value)?;
        }
    }
    Ok(())
}

fn set(schema: &Schema, selections: &SelectionSet) -> Result<(), ApiError> {
    for selection in &selections.selections {
        match selection {
            Selection::Field(field) => {
                for argument in &field.arguments {
                    if let Some(known) = field.definition.argument_by_name(&argument.name) {
                        literal(schema, &known.ty, &argument.value)?;
                    }
                }
                set(schema, &field.selection_set)?;
            }
            Selection::InlineFragment(inline) => set(schema, &inline.selection_set)?,
            Selection::FragmentSpread(_) => {}
        }
    }
    Ok(())
}

fn literal(schema: &Schema, ty: &Type, value: &Literal) -> Result<(), ApiError> {
    match (ty, value) {
        (_, Literal::Null | Literal::Variable(_)) => Ok(()),
        (Type::List(item) | Type::NonNullList(item), Literal::List(items)) => {
            check_length(item, items.len())?;
            items
                .iter()
                .try_for_each(|value| literal(schema, item, value))
        }
        (Type::List(item) | Type::NonNullList(item), one) => literal(schema, item, one),
        (Type::Named(name) | Type::NonNullNamed(name), value) => {
            if let (Some(ExtendedType::InputObject(object)), Literal::Object(fields)) =
                (schema.types.get(name), value)
            {
                return fields.iter().try_for_each(|(name, value)| {
                    let known = object.fields.get(name);
                    known.map_or(Ok(()), |known| literal(schema, &known.ty, value))
                });
            }
            scalar(name, || match value {
                Literal::String(text) => Value::String(text.clone()),
                Literal::Int(number) => number
                    .as_str()
                    .parse::<i64>()
                    .map_or(Value::Null, Value::from),
                _ => Value::Null,
            })
        }
    }
}

fn json(schema: &Schema, ty: &Type, value: &JsonValue) -> Result<(), ApiError> {
    match (ty, value) {
        (_, JsonValue::Null) => Ok(()),
        (Type::List(item) | Type::NonNullList(item), JsonValue::Array(items)) => {
            check_length(item, items.len())?;
            items.iter().try_for_each(|value| json(schema, item, value))
        }
        (Type::List(item) | Type::NonNullList(item), one) => json(schema, item, one),
        (Type::Named(name) | Type::NonNullNamed(name), value) => {
            if let (Some(ExtendedType::InputObject(object)), JsonValue::Object(fields)) =
                (schema.types.get(name), value)
            {
                return fields.iter().try_for_each(|(name, value)| {
                    let known = object.fields.get(name.as_str());
                    known.map_or(Ok(()), |known| json(schema, &known.ty, value))
                });
            }
            scalar(name, || value_of(value.clone()))
        }
    }
}

fn check_length(item: &Type, length: usize) -> Result<(), ApiError> {
    let name = item.inner_named_type();
    if length <= MAX_LIST || BATCHES.contains(&name.as_str()) {
        return Ok(());
    }
    let message = format!("a list of {name} has {length} values; at most {MAX_LIST} are allowed");
    Err(ApiError::bad_input(message))
}

/// Checks that a value is one of the scalar with this name; others are known to the library.
fn scalar(name: &str, value: impl FnOnce() -> Value) -> Result<(), ApiError> {
    match name {
        "DateTime" => told(<DateTime as ScalarType>::parse(value())),
        "BigInt" => told(<BigInt as ScalarType>::parse(value())),
        _ => Ok(()),
    }
}

fn told<T: ScalarType + InputType>(parsed: InputValueResult<T>) -> Result<(), ApiError> {
    let message =
        |error: InputValueError<T>| error.into_server_error(async_graphql::Pos::default());
    parsed
        .map(drop)
        .map_err(|error| ApiError::bad_input(message(error).message))
}
