//! `compose_journey`: runs a journey, each step a child execution, independent steps side by side.

use std::collections::{BTreeMap, BTreeSet};

use futures::{StreamExt, stream::FuturesUnordered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    NAME,
    journey::{Journey, JourneyError, Step, bind, built_in},
    source,
};
use crate::{
    model::{ExecutionId, Fault},
    runtime::{
        ChildIntent, ChildOutcome, ExecutionContext, HandlerError, IntentRegistry,
        RegistrationError, RetryPolicy,
    },
};

#[derive(Debug, Clone, Deserialize, JsonSchema)]
struct Parameters {
    /// A journey that ships with the server: `file_upload_materialization`, `file_parsing`,
    /// `file_management` or `content_pipeline`.
    journey_id: Option<String>,
    /// Steps of a journey of the caller's own, instead of `journey_id`.
    steps: Option<Vec<Step>>,
    /// The journey's parameters; they may also stand beside `journey_id`.
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
        .retry(RetryPolicy::never())
        .check(check)
        .register()
}

fn journey_of(parameters: Parameters) -> Result<(Journey, Map<String, Value>), JourneyError> {
    let mut given = parameters.flat;
    given.extend(parameters.journey_params);
    let journey = match (parameters.journey_id, parameters.steps) {
        (Some(id), _) => built_in(&id, &given)?,
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
    let path = if named.is_some() {
        "journey_id"
    } else {
        "steps"
    };
    match journey_of(read) {
        Err(JourneyError::MissingParameter { parameter, .. }) => {
            let message = format!("the journey needs {parameter}");
            vec![Fault::at(["parameters", &parameter], message)]
        }
        Err(error) => vec![Fault::at(["parameters", path], error.to_string())],
        Ok((_, given)) => match named.as_deref() {
            Some("file_upload_materialization" | "content_pipeline") => check_file(given),
            _ => Vec::new(),
        },
    }
}

fn check_file(given: Map<String, Value>) -> Vec<Fault> {
    let is_named = given.contains_key("filename") || given.contains_key("ui_name");
    let mut faults = source::check(&Value::Object(given), &["parameters"]);
    if !is_named {
        faults.push(Fault::at(["parameters", "filename"], "filename is missing"));
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
    let mut waiting: Vec<&Step> = journey.steps.iter().collect();
    let mut outputs: BTreeMap<String, Value> = BTreeMap::new();
    let mut results = BTreeMap::new();
    let mut failure: Option<HandlerError> = None;
    let mut running = FuturesUnordered::new();
    loop {
        if failure.is_none() {
            let done: BTreeSet<&String> = outputs.keys().collect();
            let (free, rest): (Vec<&Step>, Vec<&Step>) = waiting
                .into_iter()
                .partition(|step| step.needs().iter().all(|name| done.contains(name)));
            waiting = rest;
            for step in free {
                running.push(run_step(ctx, step, given, outputs.clone()));
            }
        }
        let Some((name, ended)) = running.next().await else {
            break;
        };
        match ended {
            Ok(result) => {
                outputs.insert(name.clone(), result.result.clone());
                results.insert(name.clone(), result);
                ctx.progress(fraction(results.len(), total), &name).await?;
            }
            Err(error) => failure = Some(failure.unwrap_or(error)),
        }
    }
    failure.map_or(Ok(results), Err)
}

fn fraction(done: usize, total: usize) -> f64 {
    let number = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    number(done) / number(total)
}

async fn run_step(
    ctx: &ExecutionContext,
    step: &Step,
    given: &Map<String, Value>,
    outputs: BTreeMap<String, Value>,
) -> (String, Result<StepResult, HandlerError>) {
    (
        step.name.clone(),
        try_step(ctx, step, given, &outputs).await,
    )
}

async fn try_step(
    ctx: &ExecutionContext,
    step: &Step,
    given: &Map<String, Value>,
    outputs: &BTreeMap<String, Value>,
) -> Result<StepResult, HandlerError> {
    let failed = |code: &str, message: &str| {
        HandlerError::fatal(code, format!("step {:?}: {message}", step.name))
    };
    let parameters = bind(&Value::Object(step.parameters.clone()), given, outputs)
        .map_err(|message| failed("UNBOUND_PARAMETER", &message))?;
    let mut intent = ChildIntent::new(&step.intent_type, &parameters);
    if let Some(handler) = &step.handler_name {
        intent = intent.handler(handler);
    }
    let child = ctx.child(&step.name, intent).await?;
    let execution_id = child.execution_id();
    match child.outcome().await? {
        ChildOutcome::Completed(result) => Ok(StepResult {
            execution_id,
            result: result.to_value(),
        }),
        ChildOutcome::Failed(error) => Err(failed(
            "CHILD_FAILED",
            &format!("{}: {}", error.code, error.message),
        )),
        ChildOutcome::Cancelled => Err(failed("CHILD_CANCELLED", "it was cancelled")),
    }
}
