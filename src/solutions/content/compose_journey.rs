//! `compose_journey`: runs a journey, each step a child execution, independent steps side by side.
//!
//! Children are found again by the step's name, so an attempt that follows goes on where the one
//! before it ended.

use std::collections::BTreeMap;

use futures::{StreamExt, stream::FuturesUnordered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    NAME, ingest_file,
    journey::{Journey, JourneyError, Schedule, Step, bind, built_in},
    parse_content, target,
};
use crate::{
    model::{ExecutionId, Fault},
    runtime::{
        ChildIntent, ChildOutcome, ExecutionContext, HandlerError, IntentRegistry,
        RegistrationError,
    },
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Parameters {
    /// A journey that ships with the server: `file_upload_materialization`, `file_parsing`,
    /// `file_management` or `content_pipeline`.
    journey_id: Option<String>,
    /// Steps of a journey of the caller's own, instead of `journey_id`.
    steps: Option<Vec<Step>>,
    /// The journey's parameters; they may also stand beside `journey_id`, and those in here win.
    #[serde(default)]
    journey_params: Map<String, Value>,
    /// The journey's parameters.
    #[serde(flatten)]
    flat: Map<String, Value>,
}

/// What became of a step.
#[derive(Debug, Serialize)]
struct StepResult {
    execution_id: ExecutionId,
    result: Value,
}

#[derive(Debug, Serialize)]
struct Composed {
    #[serde(skip_serializing_if = "Option::is_none")]
    journey_id: Option<String>,
    steps: BTreeMap<String, StepResult>,
}

pub(super) fn register(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("compose_journey", NAME, compose)
        .description("Runs a journey: a graph of intents, each a child execution.")
        .solution(NAME)
        .check(check)
        .register()
}

fn journey_of(parameters: Parameters) -> Result<(Journey, Map<String, Value>), JourneyError> {
    let mut given = parameters.flat;
    given.extend(parameters.journey_params);
    let journey = match (parameters.journey_id, parameters.steps) {
        (Some(id), _) => {
            // A parameter that is null is one that was not given.
            given.retain(|_, value| !value.is_null());
            built_in(&id, &given)?
        }
        (None, Some(steps)) => Journey::checked(steps, &given)?,
        (None, None) => return Err(JourneyError::Empty),
    };
    Ok((journey, given))
}

/// A journey that cannot be run is refused at submit.
fn check(parameters: &Value) -> Vec<Fault> {
    let read: Parameters = match serde_json::from_value(parameters.clone()) {
        Ok(read) => read,
        Err(error) => return vec![Fault::at(["parameters"], error.to_string())],
    };
    if read.journey_id.is_some() == read.steps.is_some() {
        return vec![Fault::at(
            ["parameters", "journey_id"],
            "give one of journey_id and steps",
        )];
    }
    let named = read.journey_id.clone();
    match journey_of(read) {
        Ok((_, given)) => check_given(named.as_deref(), given),
        Err(error) => {
            let whole = named.map_or("steps", |_| "journey_id");
            let path = ["parameters", error.parameter().unwrap_or(whole)];
            vec![Fault::at(path, error.to_string())]
        }
    }
}

/// The faults of a built-in journey's parameters that its first step would be refused for.
fn check_given(journey_id: Option<&str>, given: Map<String, Value>) -> Vec<Fault> {
    let given = Value::Object(given);
    let (mut faults, is_parsed) = match journey_id {
        Some("file_upload_materialization") => (ingest_file::check(&given, "filename"), false),
        Some("content_pipeline") => (ingest_file::check(&given, "filename"), true),
        Some("file_parsing") => (target::check(&given), true),
        Some("file_management") => (target::check(&given), false),
        _ => return Vec::new(),
    };
    if is_parsed {
        faults.extend(parse_content::check_options(&given));
    }
    faults
}

async fn compose(ctx: ExecutionContext, parameters: Parameters) -> Result<Composed, HandlerError> {
    let journey_id = parameters.journey_id.clone();
    let (journey, given) = journey_of(parameters)
        .map_err(|error| HandlerError::fatal(error.code(), error.to_string()))?;
    let steps = run(&ctx, &journey, &given).await?;
    Ok(Composed { journey_id, steps })
}

/// Runs every step as soon as those before it have ended. When one fails no further ones are
/// started, and those that run are waited for.
async fn run(
    ctx: &ExecutionContext,
    journey: &Journey,
    given: &Map<String, Value>,
) -> Result<BTreeMap<String, StepResult>, HandlerError> {
    let total = journey.steps.len();
    let mut schedule = Schedule::of(journey);
    let mut outputs: BTreeMap<String, Value> = BTreeMap::new();
    let mut children = BTreeMap::new();
    let mut failure: Option<HandlerError> = None;
    let mut running = FuturesUnordered::new();
    loop {
        if failure.is_none() {
            for step in schedule.take_free() {
                let bound = bind(&step.parameters, given, &outputs);
                running.push(async move { (step, run_step(ctx, step, bound).await) });
            }
        }
        let Some((step, ended)) = running.next().await else {
            break;
        };
        match ended {
            Ok((execution_id, result)) => {
                schedule.ended(&step.name);
                outputs.insert(step.name.clone(), result);
                children.insert(step.name.clone(), execution_id);
                ctx.progress(fraction(children.len(), total), &step.name)
                    .await?;
            }
            Err(error) => failure = Some(failure.unwrap_or(error)),
        }
    }
    failure.map_or_else(|| Ok(results(children, outputs)), Err)
}

fn results(
    children: BTreeMap<String, ExecutionId>,
    mut outputs: BTreeMap<String, Value>,
) -> BTreeMap<String, StepResult> {
    let results = children.into_iter().map(|(name, execution_id)| {
        let result = outputs.remove(&name).unwrap_or_default();
        let ended = StepResult {
            execution_id,
            result,
        };
        (name, ended)
    });
    results.collect()
}

fn fraction(done: usize, total: usize) -> f64 {
    let number = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    number(done) / number(total)
}

async fn run_step(
    ctx: &ExecutionContext,
    step: &Step,
    bound: Result<Map<String, Value>, String>,
) -> Result<(ExecutionId, Value), HandlerError> {
    let failed = |code: &str, message: &str| {
        HandlerError::fatal(code, format!("step {:?}: {message}", step.name))
    };
    let parameters = bound.map_err(|message| failed("UNBOUND_PARAMETER", &message))?;
    let mut intent = ChildIntent::new(&step.intent_type, &parameters);
    if let Some(handler) = &step.handler_name {
        intent = intent.handler(handler);
    }
    let child = ctx.child(&step.name, intent).await;
    let child = child.map_err(|error| match error.code() {
        "CHILD_REFUSED" => failed("CHILD_REFUSED", error.message()),
        _ => error,
    })?;
    match child.outcome().await? {
        ChildOutcome::Completed(result) => Ok((child.execution_id(), result.to_value())),
        ChildOutcome::Failed(error) => Err(failed(
            "CHILD_FAILED",
            &format!("{}: {}", error.code, error.message),
        )),
        ChildOutcome::Cancelled => Err(failed("CHILD_CANCELLED", "it was cancelled")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(parameters: &Value) -> Vec<String> {
        let faults = check(parameters).into_iter();
        faults.map(|fault| fault.path.join(".")).collect()
    }

    #[test]
    fn parameters_may_be_flat_or_under_journey_params() {
        let flat = json!({"journey_id": "content_pipeline", "filename": "a", "content": "x"});
        assert_eq!(paths(&flat), [""; 0]);
        let under = json!({
            "journey_id": "content_pipeline", "filename": null,
            "journey_params": {"filename": "a", "content": "x", "upload_id": null},
        });
        assert_eq!(paths(&under), [""; 0]);
        let read: Parameters = serde_json::from_value(under).unwrap();
        let (journey, given) = journey_of(read).unwrap();
        assert!(!given.contains_key("upload_id"));
        assert!(!journey.steps[0].parameters.contains_key("upload_id"));
    }

    #[test]
    fn a_journey_is_named_or_given_and_not_both() {
        let step = json!({"name": "a", "intent_type": "echo"});
        assert_eq!(paths(&json!({})), ["parameters.journey_id"]);
        let both = json!({"journey_id": "file_parsing", "steps": [step]});
        assert_eq!(paths(&both), ["parameters.journey_id"]);
        assert_eq!(paths(&json!({"steps": [step]})), [""; 0]);
        assert_eq!(paths(&json!({"steps": []})), ["parameters.steps"]);
        let unknown = json!({"journey_id": "nowhere"});
        assert_eq!(paths(&unknown), ["parameters.journey_id"]);
    }

    #[test]
    fn what_the_first_step_would_refuse_is_found_at_submit() {
        let id = "art_00000000000000000000000000";
        let cases = [
            (json!({"journey_id": "file_parsing"}), "artifact_id"),
            (
                json!({"journey_id": "file_parsing", "file_id": "x"}),
                "file_id",
            ),
            (
                json!({"journey_id": "file_parsing", "file_id": id, "parse_options": {"format": "json", "delimiter": ","}}),
                "parse_options.delimiter",
            ),
            (
                json!({"journey_id": "file_management", "artifact_id": id}),
                "action",
            ),
            (
                json!({"journey_id": "file_management", "artifact_id": id, "action": "purge"}),
                "action",
            ),
            (
                json!({"journey_id": "content_pipeline", "content": "x"}),
                "filename",
            ),
            (
                json!({"journey_id": "content_pipeline", "filename": 5, "content": "x"}),
                "filename",
            ),
            (
                json!({"journey_id": "content_pipeline", "filename": "a"}),
                "content",
            ),
            (
                json!({"journey_id": "file_upload_materialization", "filename": "a", "content_base64": "?"}),
                "content_base64",
            ),
        ];
        for (parameters, at) in cases {
            assert_eq!(
                paths(&parameters),
                [format!("parameters.{at}")],
                "{parameters}"
            );
        }
    }
}
