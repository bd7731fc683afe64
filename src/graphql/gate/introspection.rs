//! Introspection, which is cheap to ask for and costly to answer when its lists are nested: a schema
//! refers to itself everywhere.

use apollo_compiler::{
    ExecutableDocument, Node,
    executable::{Operation, Selection, SelectionSet},
};

use crate::api::ApiError;

/// Lists of these within each other multiply. Two levels are more than any tool asks for.
const LISTS: [&str; 4] = ["fields", "interfaces", "possibleTypes", "inputFields"];
const MAX_NESTED_LISTS: usize = 2;

/// Returns whether the operation asks for introspection.
pub(super) fn is_asked_for(document: &ExecutableDocument, operation: &Node<Operation>) -> bool {
    let mut fields = operation.root_fields(document);
    fields.any(|field| matches!(field.name.as_str(), "__schema" | "__type"))
}

/// Refuses introspection whose lists are nested too deeply.
pub(super) fn check_depth(document: &ExecutableDocument) -> Result<(), ApiError> {
    let operations = document.operations.iter();
    let is_too_deep = operations
        .flat_map(|operation| operation.root_fields(document))
        .filter(|field| matches!(field.name.as_str(), "__schema" | "__type"))
        .any(|field| nested_lists(document, &field.selection_set) > MAX_NESTED_LISTS);
    if is_too_deep {
        let message = format!("introspection nests at most {MAX_NESTED_LISTS} lists of members");
        return Err(ApiError::bad_input(message));
    }
    Ok(())
}

/// The expansion is bounded, so it may be walked.
fn nested_lists(document: &ExecutableDocument, set: &SelectionSet) -> usize {
    let of_each = set.selections.iter().map(|selection| match selection {
        Selection::Field(field) => {
            let is_list = LISTS.contains(&field.name.as_str());
            usize::from(is_list) + nested_lists(document, &field.selection_set)
        }
        Selection::InlineFragment(inline) => nested_lists(document, &inline.selection_set),
        Selection::FragmentSpread(spread) => spread.fragment_def(document).map_or(0, |fragment| {
            nested_lists(document, &fragment.selection_set)
        }),
    });
    of_each.max().unwrap_or_default()
}
