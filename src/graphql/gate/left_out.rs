//! A variable that is left out and has no default leaves its argument out, so that the argument's own
//! default stands there. The executor looks for a default only where there is no argument.

use std::collections::HashSet;

use apollo_compiler::{executable::Operation, response::JsonMap};
use async_graphql::parser::types::{
    DocumentOperations, ExecutableDocument, Selection, SelectionSet,
};
use async_graphql_value::Value;

/// Takes the arguments out of the document whose variables have no value.
pub(super) fn apply(parsed: &mut ExecutableDocument, operation: &Operation, values: &JsonMap) {
    let names = operation.variables.iter().map(|it| it.name.as_str());
    let left_out: HashSet<&str> = names.filter(|name| !values.contains_key(*name)).collect();
    if left_out.is_empty() {
        return;
    }
    match &mut parsed.operations {
        DocumentOperations::Single(operation) => {
            set(&mut operation.node.selection_set.node, &left_out);
        }
        DocumentOperations::Multiple(operations) => {
            for operation in operations.values_mut() {
                set(&mut operation.node.selection_set.node, &left_out);
            }
        }
    }
    for fragment in parsed.fragments.values_mut() {
        set(&mut fragment.node.selection_set.node, &left_out);
    }
}

fn set(selections: &mut SelectionSet, left_out: &HashSet<&str>) {
    for selection in &mut selections.items {
        match &mut selection.node {
            Selection::Field(field) => {
                let is_given = |value: &Value| !matches!(value, Value::Variable(name) if left_out.contains(name.as_str()));
                field
                    .node
                    .arguments
                    .retain(|(_, value)| is_given(&value.node));
                set(&mut field.node.selection_set.node, left_out);
            }
            Selection::InlineFragment(inline) => set(&mut inline.node.selection_set.node, left_out),
            Selection::FragmentSpread(_) => {}
        }
    }
}
