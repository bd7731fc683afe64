//! What a request may make the server fetch: an object costs 1, and so does each value under another
//! name; what stands below a list costs as many times as the list may be long. The rows that a list is
//! counted by, and those that its filter looks into, cost once.

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
/// The items of a list are counted by an index.
const OF_A_COUNT: u64 = 1_000;
/// Those that fit a filter are counted among the rows.
const OF_A_FILTERED_COUNT: u64 = 20_000;
/// A filter looks into the metadata of rows.
const OF_METADATA: u64 = 20_000;

/// The cost of an operation with these variables.
pub(super) fn of(document: &ExecutableDocument, operation: &Operation, variables: &JsonMap) -> u64 {
    let mut counter = Counter {
        document,
        variables,
        fragments: HashMap::new(),
        is_filtered: false,
    };
    let mut cost = counter.set(&operation.selection_set).all();
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
    fragments: HashMap<(&'a Name, bool), Cost>,
    /// Whether the list that is walked has a filter.
    is_filtered: bool,
}

/// What a selection costs.
#[derive(Clone, Copy, Default)]
struct Cost {
    /// For each item of the list that it is selected of.
    each: u64,
    /// For the list.
    once: u64,
}

impl Cost {
    fn each(each: u64) -> Self {
        Self { each, once: 0 }
    }

    fn and(self, other: Self) -> Self {
        Self {
            each: self.each.saturating_add(other.each),
            once: self.once.saturating_add(other.once),
        }
    }

    fn all(self) -> u64 {
        self.each.saturating_add(self.once)
    }
}

impl<'a> Counter<'a> {
    fn set(&mut self, set: &'a SelectionSet) -> Cost {
        let mut cost = Cost::default();
        for selection in &set.selections {
            cost = cost.and(match selection {
                Selection::Field(field) => self.field(field, &set.ty),
                Selection::InlineFragment(inline) => self.set(&inline.selection_set),
                Selection::FragmentSpread(spread) => self.fragment(&spread.fragment_name),
            });
        }
        cost
    }

    fn fragment(&mut self, name: &'a Name) -> Cost {
        let key = (name, self.is_filtered);
        if let Some(cost) = self.fragments.get(&key) {
            return *cost;
        }
        let fragment = self.document.fragments.get(name);
        let cost = fragment.map_or(Cost::default(), |fragment| {
            self.set(&fragment.selection_set)
        });
        self.fragments.insert(key, cost);
        cost
    }

    fn field(&mut self, field: &'a Field, parent: &Name) -> Cost {
        if field.selection_set.is_empty() {
            // The same again under other names makes an answer large that reads little.
            return Cost::each(u64::from(field.alias.is_some()));
        }
        if field.name == "totalCount" {
            let once = if self.is_filtered {
                OF_A_FILTERED_COUNT
            } else {
                OF_A_COUNT
            };
            return Cost { each: 0, once };
        }
        let around = self.is_filtered;
        if field.definition.argument_by_name("first").is_some() {
            self.is_filtered = self.has(field, &["filter"]);
        }
        let below = self.set(&field.selection_set);
        self.is_filtered = around;
        let times = self.length(field, parent);
        let all = below.each.saturating_mul(times).saturating_add(below.once);
        let looked_into = if self.has(field, &["filter", "metadata"]) {
            OF_METADATA
        } else {
            0
        };
        Cost::each(all.saturating_add(looked_into).saturating_add(1))
    }

    /// Whether an argument is given, and what is named in it.
    fn has(&self, field: &Field, path: &[&str]) -> bool {
        let Some((argument, path)) = path.split_first() else {
            return false;
        };
        let given = field.specified_argument_by_name(argument);
        given.is_some_and(|value| self.leads(value, path))
    }

    fn leads(&self, value: &Value, path: &[&str]) -> bool {
        match (value, path.split_first()) {
            (Value::Variable(name), _) => {
                let given = self.variables.get(name.as_str());
                given.is_some_and(|given| leads_json(given, path))
            }
            (Value::Object(fields), Some((first, path))) => fields
                .iter()
                .any(|(name, value)| name == first && self.leads(value, path)),
            (Value::Null, None) | (_, Some(_)) => false,
            (_, None) => true,
        }
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

fn leads_json(value: &JsonValue, path: &[&str]) -> bool {
    match path.split_first() {
        Some((first, path)) => value.get(first).is_some_and(|it| leads_json(it, path)),
        None => !value.is_null(),
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
