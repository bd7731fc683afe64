//! The journeys that ship with the server.

use serde_json::{Map, Value, json};

use super::{Journey, JourneyError, Step};

/// Their ids.
pub(super) const NAMES: [&str; 4] = [
    "file_upload_materialization",
    "file_parsing",
    "file_management",
    "content_pipeline",
];

/// The parameters that go to `ingest_file`.
const INGESTED: [&str; 8] = [
    "filename",
    "ui_name",
    "content",
    "content_base64",
    "upload_id",
    "file_type",
    "mime_type",
    "source_metadata",
];

/// The parameters that name the artifact of a journey.
const TARGET: [&str; 2] = ["artifact_id", "file_id"];

/// The parameters that the journey of this id takes; none where there is no such journey.
fn known(id: &str) -> Vec<&'static str> {
    let groups: &[&[&str]] = match id {
        "file_upload_materialization" => &[&INGESTED],
        "content_pipeline" => &[&INGESTED, &["parse_options"]],
        "file_parsing" => &[&TARGET, &["parse_options"]],
        "file_management" => &[&TARGET, &["action", "reason"]],
        _ => &[],
    };
    groups.concat()
}

/// Refuses a parameter that the journey of this id does not take: it may be a misspelt one.
///
/// # Errors
/// [`JourneyError::UnknownParameter`]; [`JourneyError::Unknown`] where there is no such journey.
pub(in super::super) fn check_known(
    id: &str,
    given: &Map<String, Value>,
) -> Result<(), JourneyError> {
    let known = known(id);
    if known.is_empty() {
        return Err(JourneyError::Unknown(id.to_owned()));
    }
    match given.keys().find(|name| !known.contains(&name.as_str())) {
        Some(parameter) => Err(JourneyError::UnknownParameter {
            parameter: parameter.clone(),
            known: format!("; it takes {}", known.join(", ")),
        }),
        None => Ok(()),
    }
}

/// The journey of this id, for these parameters.
///
/// # Errors
/// When there is none, or a parameter is missing.
pub(in super::super) fn built_in(
    id: &str,
    given: &Map<String, Value>,
) -> Result<Journey, JourneyError> {
    let steps = match id {
        "file_upload_materialization" => vec![ingest(given), save()],
        "file_parsing" => vec![parse(&artifact_of(given), given), profile()],
        "file_management" => vec![manage(given)?],
        "content_pipeline" => {
            let mut parse = parse(&output_of("ingest"), given);
            parse.depends_on.push("save".to_owned());
            vec![ingest(given), save(), parse, profile()]
        }
        _ => return Err(JourneyError::Unknown(id.to_owned())),
    };
    Journey::checked(steps, given)
}

fn ingest(given: &Map<String, Value>) -> Step {
    step("ingest", "ingest_file", passed(&INGESTED, given))
}

fn save() -> Step {
    let parameters = [("artifact_id".to_owned(), output_of("ingest"))];
    step("save", "save_materialization", parameters.into_iter())
}

fn parse(file: &Value, given: &Map<String, Value>) -> Step {
    let parameters = [("artifact_id".to_owned(), file.clone())];
    let parameters = parameters
        .into_iter()
        .chain(passed(&["parse_options"], given));
    step("parse", "parse_content", parameters)
}

fn profile() -> Step {
    let parameters = [("artifact_id".to_owned(), output_of("parse"))];
    step(
        "profile",
        "create_deterministic_embeddings",
        parameters.into_iter(),
    )
}

fn manage(given: &Map<String, Value>) -> Result<Step, JourneyError> {
    let action = given.get("action").ok_or_else(|| {
        let (step, parameter) = ("file_management".to_owned(), "action".to_owned());
        JourneyError::MissingParameter { step, parameter }
    })?;
    let (name, intent_type) = match action.as_str() {
        Some("archive") => ("archive", "archive_file"),
        Some("restore") => ("restore", "restore_file"),
        Some("delete") => ("delete", "delete_file"),
        _ => return Err(JourneyError::Action),
    };
    let parameters = [("artifact_id".to_owned(), artifact_of(given))];
    let parameters = parameters.into_iter().chain(passed(&["reason"], given));
    Ok(step(name, intent_type, parameters))
}

fn step(name: &str, intent_type: &str, parameters: impl Iterator<Item = (String, Value)>) -> Step {
    Step {
        name: name.to_owned(),
        intent_type: intent_type.to_owned(),
        handler_name: None,
        parameters: parameters.collect(),
        depends_on: Vec::new(),
    }
}

fn output_of(step: &str) -> Value {
    json!({"$from": step, "path": "/artifact_id"})
}

/// The artifact that the journey is about, under the name that the caller gave it by.
fn artifact_of(given: &Map<String, Value>) -> Value {
    let is_file = given.contains_key("file_id");
    json!({"$param": if is_file { "file_id" } else { "artifact_id" }})
}

/// Those of `names` that were given, passed on by name.
fn passed(names: &[&str], given: &Map<String, Value>) -> impl Iterator<Item = (String, Value)> {
    let present = names.iter().filter(|name| given.contains_key(**name));
    let passed = present.map(|name| ((*name).to_owned(), json!({"$param": name})));
    passed.collect::<Vec<_>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names_of(id: &str, given: &Value) -> Result<Vec<String>, JourneyError> {
        let journey = built_in(id, given.as_object().unwrap())?;
        Ok(journey.steps.into_iter().map(|step| step.name).collect())
    }

    #[test]
    fn every_id_is_a_journey_that_can_be_run() {
        let given = json!({
            "filename": "a.csv", "content": "a", "artifact_id": "x", "action": "archive",
            "reason": "old", "parse_options": {},
        });
        for id in NAMES {
            assert!(!names_of(id, &given).unwrap().is_empty(), "{id}");
        }
        let unknown = names_of("nowhere", &given).unwrap_err();
        assert_eq!(unknown.code(), "UNKNOWN_JOURNEY");
        assert!(unknown.to_string().contains("content_pipeline"));
    }

    #[test]
    fn every_parameter_that_a_journey_takes_is_known_and_a_misspelt_one_is_not() {
        for id in NAMES {
            let all: Map<String, Value> = known(id)
                .into_iter()
                .map(|name| (name.to_owned(), json!("archive")))
                .collect();
            assert_eq!(check_known(id, &all), Ok(()), "{id}");
            let journey = built_in(id, &all).unwrap();
            for step in journey.steps {
                for reference in super::super::references(&step.parameters).unwrap() {
                    if let super::super::Reference::Parameter(name) = reference {
                        assert!(known(id).contains(&name), "{id}: {name}");
                    }
                }
            }
            let mut misspelt = all.clone();
            misspelt.insert("parse_option".to_owned(), json!({}));
            let refused = check_known(id, &misspelt).unwrap_err();
            assert_eq!(refused.parameter(), Some("parse_option"));
        }
    }

    #[test]
    fn the_pipeline_parses_only_what_is_saved() {
        let given = json!({"filename": "a.csv", "content": "a"});
        let journey = built_in("content_pipeline", given.as_object().unwrap()).unwrap();
        let needs = |name: &str| {
            let step = journey.steps.iter().find(|step| step.name == name);
            step.unwrap().needs().into_iter().collect::<Vec<_>>()
        };
        assert_eq!(needs("parse"), ["ingest", "save"]);
        assert_eq!(needs("profile"), ["parse"]);
    }

    #[test]
    fn an_action_is_one_of_three() {
        let of = |action: &Value| {
            let given = json!({"file_id": "x", "action": action});
            names_of("file_management", &given)
        };
        for action in ["archive", "restore", "delete"] {
            assert_eq!(of(&json!(action)).unwrap(), [action]);
        }
        assert_eq!(of(&json!("purge")), Err(JourneyError::Action));
        assert_eq!(of(&json!(1)), Err(JourneyError::Action));
        let missing = names_of("file_management", &json!({"file_id": "x"})).unwrap_err();
        assert_eq!(missing.parameter(), Some("action"));
    }
}
