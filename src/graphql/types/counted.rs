//! The size of an answer, counted while the answer is made: its lists and its JSON, which can make it large.

use std::borrow::Cow;

use async_graphql::{
    ContextSelectionSet, Name, OutputType, Positioned, ServerError, ServerResult, Value,
    parser::types::{Field, FragmentDefinition, Selection, SelectionSet},
    registry::Registry,
    resolver_utils::resolve_list,
};
use async_graphql_value::RAW_VALUE_TOKEN;

use crate::{
    api::ApiError,
    graphql::loading::Caller,
    model::{Meter, Refusal},
};

/// A list in an answer, counted with everything that is selected of its items.
#[derive(Debug, Clone)]
pub(crate) struct Listed<T>(pub(crate) Vec<T>);

impl<T> FromIterator<T> for Listed<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        Self(items.into_iter().collect())
    }
}

impl<T: OutputType> OutputType for Listed<T> {
    fn type_name() -> Cow<'static, str> {
        <Vec<T> as OutputType>::type_name()
    }

    fn qualified_type_name() -> String {
        <Vec<T> as OutputType>::qualified_type_name()
    }

    fn create_type_info(registry: &mut Registry) -> String {
        <Vec<T> as OutputType>::create_type_info(registry)
    }

    async fn resolve(
        &self,
        ctx: &ContextSelectionSet<'_>,
        field: &Positioned<Field>,
    ) -> ServerResult<Value> {
        let meter = meter(ctx);
        if let Some(meter) = meter {
            let each = 1 + selections(&field.node.selection_set.node, &|name| {
                ctx.query_env.fragments.get(name)
            });
            let all = each.saturating_mul(self.0.len() as u64);
            counted(meter.answer_fields(all), field)?;
        }
        let value = resolve_list(ctx, field, &self.0, Some(self.0.len())).await?;
        if let Some(meter) = meter {
            counted(meter.answer_text(text_bytes(&value)), field)?;
        }
        Ok(value)
    }
}

/// The meter of the request that `ctx` belongs to.
pub(crate) fn meter<'a>(ctx: &ContextSelectionSet<'a>) -> Option<&'a Meter> {
    ctx.data_opt::<Caller>().map(|caller| &*caller.meter)
}

/// The error of a field for which there is no room in the answer.
pub(crate) fn counted(
    counted: Result<(), Refusal>,
    field: &Positioned<Field>,
) -> Result<(), ServerError> {
    counted.map_err(|refusal| {
        async_graphql::Error::from(ApiError::from(refusal)).into_server_error(field.pos)
    })
}

/// Returns the number of fields that are selected below. The gate has bounded the document with its fragments
/// expanded, so the walk is short.
fn selections<'a>(
    set: &'a SelectionSet,
    fragment: &impl Fn(&Name) -> Option<&'a Positioned<FragmentDefinition>>,
) -> u64 {
    let counts = set.items.iter().map(|selection| match &selection.node {
        Selection::Field(field) => 1 + selections(&field.node.selection_set.node, fragment),
        Selection::InlineFragment(inline) => selections(&inline.node.selection_set.node, fragment),
        Selection::FragmentSpread(spread) => fragment(&spread.node.fragment_name.node)
            .map_or(0, |found| {
                selections(&found.node.selection_set.node, fragment)
            }),
    });
    counts.sum()
}

/// Bytes of the texts of a list's items, without the lists in them and without JSON: these count
/// themselves.
fn text_bytes(value: &Value) -> usize {
    match value {
        Value::List(items) => items.iter().map(item_bytes).sum(),
        _ => 0,
    }
}

fn item_bytes(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Object(fields) if !fields.contains_key(RAW_VALUE_TOKEN) => {
            fields.values().map(item_bytes).sum()
        }
        _ => 0,
    }
}
