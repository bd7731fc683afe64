//! Journeys: graphs of steps, each an intent, with outputs of one bound to parameters of another.
//!
//! A journey is checked whole before anything of it runs: names, references, cycles.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One step of a journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Its name, unique within the journey.
    pub(super) name: String,
    /// What it does.
    pub(super) intent_type: String,
    /// The handler, where several serve the type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) handler_name: Option<String>,
    /// The intent's parameters. `{"$from": "step", "path": "/artifact_id"}` stands for an output of
    /// another step, `{"$param": "name"}` for a parameter of the journey.
    #[serde(default)]
    pub(super) parameters: Map<String, Value>,
    /// Steps that come before, besides those it takes outputs of.
    #[serde(default)]
    pub(super) depends_on: Vec<String>,
}

/// Why a journey cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JourneyError {
    /// No journey has this id.
    #[error("there is no journey {0:?}; there are {known}", known = BUILT_IN.join(", "))]
    Unknown(String),
    /// It has no steps.
    #[error("a journey has at least one step")]
    Empty,
    /// Too many steps.
    #[error("a journey has at most {MAX_STEPS} steps")]
    TooLong,
    /// Two steps have one name, or a step has none.
    #[error("step name {0:?} is empty or used twice")]
    Name(String),
    /// A step refers to one that is not there.
    #[error("step {step:?} refers to {missing:?}, which is not a step of the journey")]
    MissingStep {
        /// The step.
        step: String,
        /// What it refers to.
        missing: String,
    },
    /// Steps wait for each other.
    #[error("the steps {} wait for each other", .0.join(" -> "))]
    Cycle(Vec<String>),
    /// A parameter of the journey that a step needs is not given.
    #[error("step {step:?} needs the parameter {parameter:?}")]
    MissingParameter {
        /// The step.
        step: String,
        /// The parameter.
        parameter: String,
    },
}

impl JourneyError {
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "UNKNOWN_JOURNEY",
            Self::Cycle(_) => "JOURNEY_CYCLE",
            _ => "INVALID_JOURNEY",
        }
    }
}

const MAX_STEPS: usize = 100;

/// The journeys that ship with the server.
pub(super) const BUILT_IN: [&str; 4] = [
    "file_upload_materialization",
    "file_parsing",
    "file_management",
    "content_pipeline",
];

/// A checked journey.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Journey {
    pub(super) steps: Vec<Step>,
}

fn step(name: &str, intent_type: &str, parameters: &Value) -> Step {
    Step {
        name: name.to_owned(),
        intent_type: intent_type.to_owned(),
        handler_name: None,
        parameters: parameters.as_object().cloned().unwrap_or_default(),
        depends_on: Vec::new(),
    }
}

/// The parameters of an intent of the journey that were given, passed on by name.
fn passed(names: &[&str], given: &Map<String, Value>) -> Value {
    let present = names.iter().filter(|name| given.contains_key(**name));
    present
        .map(|name| ((*name).to_owned(), json!({"$param": name})))
        .collect::<Map<_, _>>()
        .into()
}

const INGESTED: &[&str] = &[
    "filename",
    "ui_name",
    "content",
    "content_base64",
    "upload_id",
    "file_type",
    "mime_type",
    "source_metadata",
];

/// The journey of this id, for these parameters.
pub(super) fn built_in(id: &str, given: &Map<String, Value>) -> Result<Journey, JourneyError> {
    let output_of = |step: &str| json!({"$from": step, "path": "/artifact_id"});
    let ingest = || step("ingest", "ingest_file", &passed(INGESTED, given));
    let save = || {
        step(
            "save",
            "save_materialization",
            &json!({"artifact_id": output_of("ingest")}),
        )
    };
    let parse = |artifact: Value| {
        let mut parameters = json!({"artifact_id": artifact});
        if given.contains_key("parse_options") {
            parameters["parse_options"] = json!({"$param": "parse_options"});
        }
        step("parse", "parse_content", &parameters)
    };
    let profile = || {
        let parameters = json!({"artifact_id": output_of("parse")});
        step("profile", "create_deterministic_embeddings", &parameters)
    };
    let artifact = || {
        let name = if given.contains_key("file_id") {
            "file_id"
        } else {
            "artifact_id"
        };
        json!({"$param": name})
    };
    let steps = match id {
        "file_upload_materialization" => vec![ingest(), save()],
        "file_parsing" => vec![parse(artifact()), profile()],
        "content_pipeline" => {
            let mut parse = parse(output_of("ingest"));
            parse.depends_on.push("save".to_owned());
            vec![ingest(), save(), parse, profile()]
        }
        "file_management" => {
            let action = given
                .get("action")
                .and_then(Value::as_str)
                .unwrap_or_default();
            let intent_type = match action {
                "archive" => "archive_file",
                "restore" => "restore_file",
                "delete" => "delete_file",
                _ => {
                    let (step, parameter) = (id.to_owned(), "action".to_owned());
                    return Err(JourneyError::MissingParameter { step, parameter });
                }
            };
            let mut parameters = json!({"artifact_id": artifact()});
            if given.contains_key("reason") {
                parameters["reason"] = json!({"$param": "reason"});
            }
            vec![step(action, intent_type, &parameters)]
        }
        _ => return Err(JourneyError::Unknown(id.to_owned())),
    };
    Journey::checked(steps, given)
}

/// What a value refers to.
enum Reference<'a> {
    Output { step: &'a str, path: &'a str },
    Parameter(&'a str),
}

fn reference(value: &Value) -> Option<Reference<'_>> {
    let object = value.as_object()?;
    if let Some(step) = object.get("$from").and_then(Value::as_str) {
        let path = object.get("path").and_then(Value::as_str).unwrap_or("");
        return Some(Reference::Output { step, path });
    }
    object
        .get("$param")
        .and_then(Value::as_str)
        .map(Reference::Parameter)
}

fn visit<'a>(value: &'a Value, found: &mut Vec<Reference<'a>>) {
    if let Some(reference) = reference(value) {
        found.push(reference);
        return;
    }
    match value {
        Value::Array(items) => items.iter().for_each(|item| visit(item, found)),
        Value::Object(fields) => fields.values().for_each(|field| visit(field, found)),
        _ => {}
    }
}

impl Step {
    fn references(&self) -> Vec<Reference<'_>> {
        let mut found = Vec::new();
        self.parameters
            .values()
            .for_each(|value| visit(value, &mut found));
        found
    }

    /// The steps that come before this one.
    pub(super) fn needs(&self) -> BTreeSet<String> {
        let mut needs: BTreeSet<String> = self.depends_on.iter().cloned().collect();
        needs.extend(
            self.references()
                .into_iter()
                .filter_map(|reference| match reference {
                    Reference::Output { step, .. } => Some(step.to_owned()),
                    Reference::Parameter(_) => None,
                }),
        );
        needs
    }
}

impl Journey {
    /// Checks names, references, parameters and cycles.
    pub(super) fn checked(
        steps: Vec<Step>,
        given: &Map<String, Value>,
    ) -> Result<Self, JourneyError> {
        if steps.is_empty() {
            return Err(JourneyError::Empty);
        }
        if steps.len() > MAX_STEPS {
            return Err(JourneyError::TooLong);
        }
        let mut names = BTreeSet::new();
        for step in &steps {
            if step.name.is_empty() || !names.insert(step.name.as_str()) {
                return Err(JourneyError::Name(step.name.clone()));
            }
        }
        for step in &steps {
            if let Some(missing) = step
                .needs()
                .into_iter()
                .find(|name| !names.contains(name.as_str()))
            {
                return Err(JourneyError::MissingStep {
                    step: step.name.clone(),
                    missing,
                });
            }
            for reference in step.references() {
                if let Reference::Parameter(name) = reference
                    && !given.contains_key(name)
                {
                    let (step, parameter) = (step.name.clone(), name.to_owned());
                    return Err(JourneyError::MissingParameter { step, parameter });
                }
            }
        }
        find_cycle(&steps).map_or(Ok(()), |cycle| Err(JourneyError::Cycle(cycle)))?;
        Ok(Self { steps })
    }
}

/// Takes away what waits for nothing, again and again; what is left waits for itself.
fn find_cycle(steps: &[Step]) -> Option<Vec<String>> {
    let mut waiting: BTreeMap<String, BTreeSet<String>> = steps
        .iter()
        .map(|step| (step.name.clone(), step.needs()))
        .collect();
    loop {
        let free: Vec<String> = waiting
            .iter()
            .filter(|(_, needs)| needs.iter().all(|name| !waiting.contains_key(name)))
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        for name in free {
            waiting.remove(&name);
        }
    }
    let mut path = vec![waiting.keys().next()?.clone()];
    loop {
        let last = path.last()?;
        let next = waiting
            .get(last)?
            .iter()
            .find(|name| waiting.contains_key(*name))?
            .clone();
        if let Some(start) = path.iter().position(|name| *name == next) {
            path.drain(..start);
            path.push(next);
            return Some(path);
        }
        path.push(next);
    }
}

/// `value` with every reference replaced by what it stands for.
pub(super) fn bind(
    value: &Value,
    given: &Map<String, Value>,
    outputs: &BTreeMap<String, Value>,
) -> Result<Value, String> {
    match reference(value) {
        Some(Reference::Parameter(name)) => {
            return given
                .get(name)
                .cloned()
                .ok_or_else(|| format!("there is no parameter {name:?}"));
        }
        Some(Reference::Output { step, path }) => {
            let found = outputs.get(step).and_then(|output| output.pointer(path));
            return found
                .cloned()
                .ok_or_else(|| format!("the output of step {step:?} has nothing at {path:?}"));
        }
        None => {}
    }
    match value {
        Value::Array(items) => {
            let bound: Result<Vec<_>, _> = items
                .iter()
                .map(|item| bind(item, given, outputs))
                .collect();
            bound.map(Value::Array)
        }
        Value::Object(fields) => {
            let bound: Result<Map<_, _>, _> = fields
                .iter()
                .map(|(name, field)| Ok::<_, String>((name.clone(), bind(field, given, outputs)?)))
                .collect();
            bound.map(Value::Object)
        }
        other => Ok(other.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(name: &str, needs: &[String]) -> Step {
        Step {
            depends_on: needs.to_vec(),
            ..step(name, "echo", &json!({}))
        }
    }

    fn graph(edges: &[(usize, usize)], size: usize) -> Vec<Step> {
        let needs = |n: usize| {
            let of_n = edges.iter().filter(|(child, _)| *child == n);
            of_n.map(|(_, parent)| format!("s{parent}"))
                .collect::<Vec<_>>()
        };
        (0..size)
            .map(|n| plain(&format!("s{n}"), &needs(n)))
            .collect()
    }

    proptest! {
        #[test]
        fn a_graph_whose_edges_go_one_way_is_accepted(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..40),
        ) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            prop_assert!(Journey::checked(graph(&edges, 12), &Map::new()).is_ok());
        }

        #[test]
        fn a_cycle_is_always_found(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..20),
            cycle in prop::collection::vec(0..12_usize, 1..6),
        ) {
            let mut edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            let next = cycle.iter().cycle().skip(1);
            edges.extend(cycle.iter().copied().zip(next.copied()));
            let checked = Journey::checked(graph(&edges, 12), &Map::new());
            prop_assert!(matches!(checked, Err(JourneyError::Cycle(path)) if path.len() > 1));
        }
    }

    #[test]
    fn what_is_wrong_with_a_journey_is_said() {
        let checked = |steps| Journey::checked(steps, &Map::new()).unwrap_err();
        assert_eq!(checked(vec![]), JourneyError::Empty);
        let twice = vec![plain("a", &[]), plain("a", &[])];
        assert_eq!(checked(twice), JourneyError::Name("a".into()));
        let missing = checked(vec![plain("a", &["b".into()])]);
        assert!(matches!(missing, JourneyError::MissingStep { .. }));
        let needy = step("a", "echo", &json!({"message": {"$param": "m"}}));
        assert!(matches!(
            checked(vec![needy]),
            JourneyError::MissingParameter { .. }
        ));
        assert_eq!(
            built_in("x", &Map::new()).unwrap_err().code(),
            "UNKNOWN_JOURNEY"
        );
    }

    #[test]
    fn references_are_replaced_at_any_depth() {
        let given = json!({"n": 7}).as_object().cloned().unwrap();
        let outputs = BTreeMap::from([("a".to_owned(), json!({"x": {"y": [1, 2]}}))]);
        let value = json!({"p": [{"$param": "n"}, {"$from": "a", "path": "/x/y/1"}], "q": "plain"});
        assert_eq!(
            bind(&value, &given, &outputs),
            Ok(json!({"p": [7, 2], "q": "plain"}))
        );
        assert!(bind(&json!({"$from": "a", "path": "/z"}), &given, &outputs).is_err());
    }
}
