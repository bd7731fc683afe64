//! Rules of the specification about values inside of lists and objects, where the validation of the
//! library does not look: each field of an input object once, each variable defined, and each
//! variable of a type that fits its place (sections 5.6.3, 5.8.3 and 5.8.5 of the specification of
//! October 2021).

use std::collections::{HashMap, HashSet};

use apollo_compiler::{
    ExecutableDocument, Node, Schema,
    ast::{Argument, InputValueDefinition, Type, Value, VariableDefinition},
    executable::{DirectiveList, Operation, Selection, SelectionSet},
    schema::ExtendedType,
};

use crate::api::ApiError;

/// The type of an input, and whether a default stands in when it is left out.
type Place<'a> = Option<(&'a Type, bool)>;

struct Walk<'a> {
    schema: &'a Schema,
    document: &'a ExecutableDocument,
    variables: HashMap<&'a str, &'a VariableDefinition>,
    seen: HashSet<&'a str>,
}

/// Checks every value of every operation.
pub(super) fn check(schema: &Schema, document: &ExecutableDocument) -> Result<(), ApiError> {
    for operation in document.operations.iter() {
        check_operation(schema, document, operation)?;
    }
    Ok(())
}

fn check_operation(
    schema: &Schema,
    document: &ExecutableDocument,
    operation: &Operation,
) -> Result<(), ApiError> {
    let variables = operation.variables.iter();
    let mut walk = Walk {
        schema,
        document,
        variables: variables
            .map(|variable| (variable.name.as_str(), &**variable))
            .collect(),
        seen: HashSet::new(),
    };
    walk.directives(&operation.directives)?;
    for variable in &operation.variables {
        walk.directives(&variable.directives)?;
        if let Some(default) = &variable.default_value {
            walk.value(Some((&variable.ty, false)), default)?;
        }
    }
    walk.set(&operation.selection_set)
}

impl<'a> Walk<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Result<(), ApiError> {
        for selection in &set.selections {
            self.directives(selection.directives())?;
            match selection {
                Selection::Field(field) => {
                    self.arguments(&field.definition.arguments, &field.arguments)?;
                    self.set(&field.selection_set)?;
                }
                Selection::InlineFragment(inline) => self.set(&inline.selection_set)?,
                Selection::FragmentSpread(spread) => {
                    let fragment = self.document.fragments.get(&spread.fragment_name);
                    if let Some(fragment) = fragment
                        && self.seen.insert(fragment.name.as_str())
                    {
                        self.directives(&fragment.directives)?;
                        self.set(&fragment.selection_set)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn directives(&self, directives: &'a DirectiveList) -> Result<(), ApiError> {
        directives.iter().try_for_each(|directive| {
            let known = self.schema.directive_definitions.get(&directive.name);
            let known = known.map(|known| known.arguments.as_slice());
            self.arguments(known.unwrap_or_default(), &directive.arguments)
        })
    }

    fn arguments(
        &self,
        known: &[Node<InputValueDefinition>],
        given: &[Node<Argument>],
    ) -> Result<(), ApiError> {
        given.iter().try_for_each(|argument| {
            let known = known.iter().find(|known| known.name == argument.name);
            let place = known.map(|known| (&*known.ty, known.default_value.is_some()));
            self.value(place, &argument.value)
        })
    }

    fn value(&self, place: Place<'_>, value: &Value) -> Result<(), ApiError> {
        match value {
            Value::Variable(name) => self.variable(place, name),
            Value::List(items) => {
                let item = place.map(|(ty, _)| (ty.item_type(), false));
                items.iter().try_for_each(|value| self.value(item, value))
            }
            Value::Object(fields) => {
                let object = place.and_then(|(ty, _)| self.schema.types.get(ty.inner_named_type()));
                let mut names = HashSet::new();
                fields.iter().try_for_each(|(name, value)| {
                    if !names.insert(name) {
                        let message = format!("there can be only one input field named `{name}`");
                        return Err(ApiError::bad_input(message));
                    }
                    let known = match object {
                        Some(ExtendedType::InputObject(object)) => object.fields.get(name),
                        _ => None,
                    };
                    let place = known.map(|known| (&*known.ty, known.default_value.is_some()));
                    self.value(place, value)
                })
            }
            _ => Ok(()),
        }
    }

    fn variable(&self, place: Place<'_>, name: &str) -> Result<(), ApiError> {
        let Some(variable) = self.variables.get(name) else {
            let message = format!("variable `${name}` is not defined");
            return Err(ApiError::bad_input(message));
        };
        let fits = place.is_none_or(|place| is_allowed(variable, place));
        if fits {
            return Ok(());
        }
        let place = place.map(|(ty, _)| ty.to_string()).unwrap_or_default();
        let message = format!(
            "variable `${name}` of type `{}` does not fit a place of type `{place}`",
            variable.ty
        );
        Err(ApiError::bad_input(message))
    }
}

/// `IsVariableUsageAllowed` of the specification.
fn is_allowed(variable: &VariableDefinition, (place, has_default): (&Type, bool)) -> bool {
    let of_variable = &*variable.ty;
    if place.is_non_null() && !of_variable.is_non_null() {
        let default = variable.default_value.as_deref();
        let is_never_null = default.is_some_and(|default| !default.is_null());
        return (is_never_null || has_default)
            && of_variable.is_assignable_to(&place.clone().nullable());
    }
    of_variable.is_assignable_to(place)
}
