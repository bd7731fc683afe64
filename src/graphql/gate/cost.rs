//! The cost of a request before it runs. A selection below a list is multiplied by the most items that the
//! list may have; counting the list and looking into the rows of its filter cost once.

use std::collections::HashMap;

use apollo_compiler::{
    ExecutableDocument, Name,
    executable::{Field, Operation, OperationType, Selection, SelectionSet, Value},
    response::{JsonMap, JsonValue},
};

use crate::{
    events::{BATCH_EVENTS, MOST_CHANGES},
    graphql::types::page,
    model::price,
};

/// A list whose length nobody gives.
const ASSUMED_LENGTH: u64 = 10;
/// The types of the schema, and what one of them has of each kind on average.
const TYPES: u64 = 150;
const MEMBERS: u64 = 3;

/// The bounds of what a request costs, in points.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Cost {
    /// With lists as long as they may be.
    pub(super) most: u64,
    /// With empty lists.
    pub(super) least: u64,
    /// The part for its changes, which the writers carry out. It is included in both bounds.
    pub(super) changes: u64,
    /// The part that the enclosing list pays once, whatever its length. It is included in neither bound yet.
    once: u64,
}

impl Cost {
    fn of(points: u64) -> Self {
        Self {
            most: points,
            least: points,
            changes: 0,
            once: 0,
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            most: self.most.saturating_add(other.most),
            least: self.least.saturating_add(other.least),
            changes: self.changes.saturating_add(other.changes),
            once: self.once.saturating_add(other.once),
        }
    }

    fn times(self, most: u64) -> Self {
        Self {
            most: self.most.saturating_mul(most).saturating_add(self.once),
            least: 0,
            changes: 0,
            once: 0,
        }
    }
}

/// The cost of an operation with these variables; of a subscription, for each batch of events.
pub(super) fn of(
    document: &ExecutableDocument,
    operation: &Operation,
    variables: &JsonMap,
) -> Cost {
    let mut counter = Counter {
        document,
        variables,
        changes: 0,
        fragments: HashMap::new(),
        is_filtered: false,
    };
    let (mut changes, mut commits) = (0_u64, 0_u64);
    if operation.operation_type == OperationType::Mutation {
        for change in operation.root_fields(document) {
            let batch = counter.batch(change);
            changes = changes.saturating_add(batch);
            commits += price::COMMIT;
            counter.changes = counter.changes.max(batch);
        }
    }
    let cost = counter.set(&operation.selection_set);
    let changes = changes.saturating_mul(price::CHANGE);
    let changes = changes.saturating_add(commits);
    cost.and(Cost {
        changes,
        ..Cost::of(changes)
    })
}

/// The number of times that a field's selection is resolved.
enum Length {
    One,
    /// Items of a list.
    List(u64),
    /// Items of the lists that stand in it.
    Page(u64),
}

struct Counter<'a> {
    document: &'a ExecutableDocument,
    variables: &'a JsonMap,
    /// Parts of the largest change.
    changes: u64,
    fragments: HashMap<(&'a Name, bool), Cost>,
    /// True if the list that is walked has a filter.
    is_filtered: bool,
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
            return Cost::of(self.leaf(field, parent));
        }
        if field.name == "totalCount" {
            let once = if self.is_filtered {
                price::FILTERED_COUNT
            } else {
                price::COUNT
            };
            return Cost {
                once,
                ..Cost::default()
            };
        }
        let around = self.is_filtered;
        if field.definition.argument_by_name("first").is_some() {
            self.is_filtered = self.has(field, &["filter"]);
        }
        let (each, object) = (self.set(&field.selection_set), Cost::of(price::OBJECT));
        self.is_filtered = around;
        let below = match self.length(field, parent) {
            // What the schema says of itself is not counted while it is answered.
            Length::List(times) if parent.starts_with("__") => {
                Cost::of(each.and(object).most.saturating_mul(times))
            }
            Length::List(times) => each.and(object).times(times),
            Length::Page(times) => each.times(times).and(object),
            Length::One => each.and(object),
        };
        let once = |is_due: bool, cost: u64| if is_due { cost } else { 0 };
        let reading = once(has_statement(field, parent), price::STATEMENT)
            + once(self.has(field, &["filter", "metadata"]), price::METADATA)
            + once(
                ["executionStats", "failureGroups"].contains(&field.name.as_str()),
                price::STATS,
            )
            // Of executions, schedules and artifacts.
            + once(
                parent == "Query" && field.name == "search",
                2 * price::STATEMENT,
            )
            + once(
                ["parametersPreview", "resultPreview"].contains(&field.name.as_str()),
                price::JSON,
            )
            + once(
                parent == "Execution" && field.name == "timeline",
                price::TIMELINE,
            )
            + once(
                parent == "Execution" && self.has(field, &["types"]),
                price::TIMELINE,
            );
        Cost {
            most: below.most.saturating_add(reading),
            ..below
        }
    }

    /// Returns whether an argument is given, with the members that `path` names in it.
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

    /// Returns how many times the selection below a field is resolved.
    fn length(&self, field: &Field, parent: &Name) -> Length {
        let has = |name: &str| field.definition.argument_by_name(name).is_some();
        if has("first") {
            let asked = self.number(field, "first").or(self.number(field, "last"));
            let asked = asked.unwrap_or(u64::from(page::DEFAULT_SIZE));
            return Length::Page(asked.min(u64::from(page::MAX_SIZE)));
        }
        if let Some(most) = ["maxNodes", "maxItems"].into_iter().find(|name| has(name)) {
            return Length::Page(self.number(field, most).unwrap_or(ASSUMED_LENGTH));
        }
        // The length of these lists was counted where it was asked for.
        let is_page =
            parent.ends_with("Connection") || ["Lineage", "Timeline"].contains(&parent.as_str());
        if !field.ty().is_list() || is_page {
            return Length::One;
        }
        Length::List(match (parent.as_str(), field.name.as_str()) {
            ("ExecutionEventBatch", "events") => u64::from(BATCH_EVENTS),
            ("ExecutionChanges", "executions") => MOST_CHANGES as u64,
            ("__Schema", "types") => TYPES,
            ("Query", "nodes") => self.batch(field),
            (parent, _) if parent.starts_with("__") => MEMBERS,
            // One for each part of the change.
            ("SubmitIntentsPayload", "results") => self.changes,
            (payload, "errors") if payload.ends_with("Payload") => 1,
            _ => ASSUMED_LENGTH,
        })
    }

    fn leaf(&self, field: &Field, parent: &Name) -> u64 {
        match (parent.as_str(), field.name.as_str()) {
            ("Materialization", "downloadUrl") => price::LINK,
            ("Schedule", "nextTimes") => {
                let times = self.number(field, "count").unwrap_or(ASSUMED_LENGTH);
                times.saturating_mul(price::LEAF)
            }
            ("Schedule", "queuedTimes") => 10 * price::JSON,
            ("ExecutionChanges", "leftIds") => MOST_CHANGES as u64 * price::LEAF,
            ("Materialization", "preview") => {
                let rows = self.number(field, "first").unwrap_or(ASSUMED_LENGTH);
                price::PREVIEW.saturating_add(rows.saturating_mul(price::JSON))
            }
            _ if field.ty().inner_named_type() == "JSON" => price::JSON,
            _ => price::LEAF,
        }
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

    /// The longest list in the arguments of a field: of a mutation, so many changes it asks for.
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

/// Returns whether a field reads by a statement of its own: the first pages of a level share one.
fn has_statement(field: &Field, parent: &Name) -> bool {
    let is_asked = |name: &str| field.arguments.iter().any(|it| it.name == name);
    let is_alone = matches!(
        (parent.as_str(), field.name.as_str()),
        ("Query" | "RuntimeStatus", _)
            | ("Session" | "Schedule", "executions")
            | ("Execution", "events" | "timeline")
            | ("Artifact", "lineage")
            | ("Subscription", "executionChanges")
    );
    is_alone || ["after", "before", "last"].into_iter().any(is_asked)
}

fn leads_json(value: &JsonValue, path: &[&str]) -> bool {
    match path.split_first() {
        Some((first, path)) => value.get(first).is_some_and(|it| leads_json(it, path)),
        None => !value.is_null(),
    }
}
