//! What a request may make the server fetch: an object costs 1, and so does each value under another
//! name; what stands below a list costs as many times as the list may be long.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name,
    executable::{Field, Operation, OperationType, Selection, SelectionSet, Value},
    response::{JsonMap, JsonValue},
};

use crate::graphql::connection;

/// A list whose length nobody gives.
const ASSUMED_LENGTH: u64 = 10;
/// A change is made durable.
const OF_A_CHANGE: u64 = 10;

/// The cost of an operation with these variables.
pub(super) fn of(document: &ExecutableDocument, operation: &Operation, variables: &JsonMap) -> u64 {
    let mut counter = Counter {
        document,
        variables,
        fragments: HashMap::new(),
    };
    let mut cost = counter.set(&operation.selection_set);
    if operation.operation_type == OperationType::Mutation {
        for change in operation.root_fields(document) {
            let times = counter.batch(change);
            cost = cost.saturating_add(times.saturating_mul(OF_A_CHANGE));
        }
    }
    cost
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    fragments: HashMap<&'a Name, u64>,
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> u64 {
        let mut cost = 0_u64;
        for selection in &set.selections {
            cost = cost.saturating_add(match selection {
                Selection::Field(field) => self.field(field, &set.ty),
                Selection::InlineFragment(inline) => self.set(&inline.selection_set),
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name),
            });
        }
        cost
    }

    fn fragment(&mut self, name: &'a Name) -> u64 {
        if let Some(cost) = self.fragments.get(name) {
            return *cost;
        }
        let fragment = self.document.fragments.get(name);
        let cost = fragment.map_or(0, |fragment| self.set(&fragment.selection_set));
        self.fragments.insert(name, cost);
        cost
    }

    fn field(&mut self, field: &'a Field, parent: &Name) -> u64 {
        if field.selection_set.is_empty() {
            // The same again under other names makes an answer large that reads little.
            return u64::from(field.alias.is_some());
        }
        let each = self.set(&field.selection_set);
        let times = self.length(field, parent);
        each.saturating_mul(times).saturating_add(1)
    }

    /// How many times what stands below is fetched.
    fn length(&self, field: &Field, parent: &Name) -> u64 {
        let has = |name: &str| field.definition.argument_by_name(name).is_some();
        if has("first") {
            let asked = self.number(field, "first").or(self.number(field, "last"));
            let asked = asked.unwrap_or(u64::from(connection::DEFAULT_SIZE));
            return asked.min(u64::from(connection::MAX_SIZE));
        }
        if has("maxNodes") {
            return self.number(field, "maxNodes").unwrap_or(ASSUMED_LENGTH);
        }
        // The length of these lists was counted where it was asked for.
        let is_page = parent.ends_with("Connection") || parent == "Lineage";
        if field.ty().is_list() && !is_page {
            return ASSUMED_LENGTH;
        }
        1
    }

    fn number(&self, field: &Field, argument: &str) -> Option<u64> {
        let value = field.argument_by_name(argument).ok()?;
        match &**value {
            Value::Int(number) => number.try_to_i32().ok()?.try_into().ok(),
            Value::Variable(name) => {
                if let Some(value) = self.variables.get(name.as_str()) {
                    return value.as_u64();
                }
                // A variable that is left out leaves its argument out.
                let known = field.definition.argument_by_name(argument)?;
                known.default_value.as_ref()?.to_i32()?.try_into().ok()
            }
            _ => None,
        }
    }

    /// How many changes a field of a mutation asks for: the longest list in its arguments.
    fn batch(&self, field: &Field) -> u64 {
        let values = field.arguments.iter().map(|argument| &*argument.value);
        values
            .map(|value| self.longest(value))
            .max()
            .unwrap_or(1)
            .max(1)
    }

    fn longest(&self, value: &Value) -> u64 {
        match value {
            Value::List(items) => items.len() as u64,
            Value::Object(fields) => {
                let of_each = fields.iter().map(|(_, value)| self.longest(value));
                of_each.max().unwrap_or(1)
            }
            Value::Variable(name) => self.variables.get(name.as_str()).map_or(1, longest_json),
            _ => 1,
        }
    }
}

fn longest_json(value: &JsonValue) -> u64 {
    match value {
        JsonValue::Array(items) => items.len() as u64,
        // One level is the input object itself; what is below is data.
        JsonValue::Object(fields) => {
            let lists = fields.values().filter_map(JsonValue::as_array);
            lists.map(Vec::len).max().unwrap_or(1) as u64
        }
        _ => 1,
    }
}
