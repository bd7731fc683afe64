//! `compose_journey`: runs a journey, each step a child execution, independent steps side by side.
//!
//! Children are found again by the step's name, so an attempt that follows goes on where the one
//! before it ended.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use futures::{StreamExt, stream::FuturesUnordered};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{
    NAME, ingest_file,
    journey::{
        BindError, Budget, Journey, JourneyError, Schedule, Step, bind, built_in, check_known,
    },
    parse_content, target,
};
use crate::{
    model::{ExecutionId, Fault, RawJson},
    runtime::{
        ChildIntent, ChildOutcome, ExecutionContext, HandlerError, IntentRegistry, Limits,
        RegistrationError, Works,
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

/// The end of a step. It is kept as text: as a tree of values a result takes many times its bytes,
/// and a journey may wait long.
#[derive(Debug, Serialize)]
struct StepResult {
    execution_id: ExecutionId,
    result: RawJson,
}

#[derive(Debug, Serialize)]
struct Composed {
    #[serde(skip_serializing_if = "Option::is_none")]
    journey_id: Option<String>,
    steps: BTreeMap<String, StepResult>,
}

pub(super) fn register(
    registry: &mut IntentRegistry,
    works: &Works,
) -> Result<(), RegistrationError> {
    let limits = works.limits;
    registry
        .handler(TYPE, NAME, move |ctx, parameters| {
            compose(ctx, parameters, limits)
        })
        .description("Runs a journey: a graph of intents, each a child execution.")
        .solution(NAME)
        .check(move |parameters| check(parameters, limits))
        .passes_on(sensitive)
        .parks()
        .register()
}

const TYPE: &str = "compose_journey";
/// The intent type of a step that is known when the journey runs, and not before; no handler serves it.
const UNKNOWN: &str = "";

/// The places of what sensitive parameters of steps may be in: the parameters of such steps, and all that is given to
/// the journey, for they may take it.
fn sensitive(parameters: &Value, is_sensitive: &dyn Fn(&str) -> bool) -> Vec<String> {
    let steps = parameters.get("steps").and_then(Value::as_array);
    let passes_secrets = |step: &Value| {
        let Some(intent_type) = step.get("intent_type").and_then(Value::as_str) else {
            return is_sensitive(UNKNOWN);
        };
        let inner = step.get("parameters");
        let inner_steps = inner.and_then(|inner| inner.get("steps")?.as_array());
        is_sensitive(intent_type)
            || match (inner, inner_steps) {
                (Some(inner), Some(_)) => !sensitive(inner, is_sensitive).is_empty(),
                // The steps of an inner journey may be bound, too.
                _ => intent_type == TYPE && is_sensitive(UNKNOWN),
            }
    };
    let steps = steps.into_iter().flatten().enumerate();
    let steps = steps.filter(|(_, step)| passes_secrets(step));
    let mut places: Vec<String> = steps
        .map(|(number, _)| format!("/steps/{number}/parameters"))
        .collect();
    if let (false, Some(given)) = (places.is_empty(), parameters.as_object()) {
        let given = given
            .keys()
            .filter(|name| *name != "steps" && *name != "journey_id");
        places.extend(given.map(|name| format!("/{}", name.replace('~', "~0").replace('/', "~1"))));
    }
    places
}

/// A journey with its parameters, as trees of values: many times the bytes of their text.
struct Plan {
    journey: Journey,
    given: Map<String, Value>,
}

impl Plan {
    fn of(parameters: Parameters) -> Result<Self, JourneyError> {
        let mut given = parameters.flat;
        given.extend(parameters.journey_params);
        let journey = match (parameters.journey_id, parameters.steps) {
            (Some(id), _) => {
                check_known(&id, &given)?;
                // A parameter that is null is one that was not given.
                given.retain(|_, value| !value.is_null());
                built_in(&id, &given)?
            }
            (None, Some(steps)) => {
                let journey = Journey::checked(steps, &given)?;
                journey.check_unused(&given)?;
                journey
            }
            (None, None) => return Err(JourneyError::Empty),
        };
        Ok(Self { journey, given })
    }

    /// Refuses one whose steps would have too large parameters.
    fn check_size(&self, limits: Limits) -> Result<(), JourneyError> {
        let limit = bytes(limits.parameters_bytes);
        self.journey.check_size(&self.given, limit)
    }

    fn step(&self, place: usize) -> &Step {
        &self.journey.steps[place]
    }
}

fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// A journey that cannot be run is refused at submit.
fn check(parameters: &Value, limits: Limits) -> Vec<Fault> {
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
    let plan = Plan::of(read).and_then(|plan| plan.check_size(limits).map(|()| plan));
    match plan {
        Ok(plan) => check_given(named.as_deref(), plan.given),
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

async fn compose(
    ctx: ExecutionContext,
    parameters: Parameters,
    limits: Limits,
) -> Result<Composed, HandlerError> {
    let journey_id = parameters.journey_id.clone();
    let plan = Plan::of(parameters).map_err(|error| refused(&error))?;
    plan.check_size(limits).map_err(|error| refused(&error))?;
    let steps = run(&ctx, plan, limits).await?;
    Ok(Composed { journey_id, steps })
}

fn refused(error: &JourneyError) -> HandlerError {
    HandlerError::fatal(error.code(), error.to_string())
}

/// The plan, read again.
fn plan_of(ctx: &ExecutionContext) -> Result<Plan, HandlerError> {
    Plan::of(ctx.parameters().read()?).map_err(|error| refused(&error))
}

/// Runs every step as soon as those before it have ended. When one fails no further ones are
/// started, and those that run are waited for.
///
/// The plan is in memory only while steps are to be submitted: a journey may wait long, and many may.
async fn run(
    ctx: &ExecutionContext,
    plan: Plan,
    limits: Limits,
) -> Result<BTreeMap<String, StepResult>, HandlerError> {
    let total = plan.journey.steps.len();
    let mut schedule = Schedule::of(&plan.journey);
    let mut plan = Some(Arc::new(plan));
    let budget = Mutex::new(Budget::new(bytes(limits.parameters_bytes)));
    let room = Room::new(limits.result_bytes);
    let mut done: BTreeMap<String, StepResult> = BTreeMap::new();
    let mut failure: Option<HandlerError> = None;
    let mut running = FuturesUnordered::new();
    loop {
        let free = match failure {
            None => schedule.take_free(),
            Some(_) => Vec::new(),
        };
        if !free.is_empty() {
            let plan = match plan.take() {
                Some(plan) => plan,
                None => Arc::new(plan_of(ctx)?),
            };
            for place in free {
                let outputs = outputs_of(plan.step(place), &done);
                let name = plan.step(place).name.clone();
                let (plan, budget, room) = (Arc::clone(&plan), &budget, &room);
                let intent = move || intent_of(&plan, place, &outputs, budget);
                running.push(async move {
                    let ended = run_step(ctx, &name, intent, room).await;
                    (name, ended)
                });
            }
        }
        let Some((name, ended)) = running.next().await else {
            break;
        };
        match ended {
            Ok(result) => {
                schedule.ended(&name);
                done.insert(name.clone(), result);
                ctx.progress(fraction(done.len(), total), &name).await?;
            }
            Err(error) => failure = Some(failure.unwrap_or(error)),
        }
    }
    failure.map_or(Ok(done), Err)
}

/// The outputs that a step takes.
fn outputs_of(step: &Step, done: &BTreeMap<String, StepResult>) -> BTreeMap<String, RawJson> {
    let taken = step.takes_from().into_iter();
    taken
        .filter_map(|name| Some((name.to_owned(), done.get(name)?.result.clone())))
        .collect()
}

/// The intent of a step, with its parameters.
fn intent_of(
    plan: &Plan,
    place: usize,
    outputs: &BTreeMap<String, RawJson>,
    budget: &Mutex<Budget>,
) -> Result<ChildIntent, HandlerError> {
    let step = plan.step(place);
    let parameters = bound(step, &plan.given, outputs, budget)?;
    let intent = ChildIntent::new(&step.intent_type, &parameters);
    Ok(match &step.handler_name {
        Some(handler) => intent.handler(handler),
        None => intent,
    })
}

/// The parameters of a step. The outputs that it takes are trees of values only meanwhile.
fn bound(
    step: &Step,
    given: &Map<String, Value>,
    outputs: &BTreeMap<String, RawJson>,
    budget: &Mutex<Budget>,
) -> Result<RawJson, HandlerError> {
    let values = outputs.iter();
    let values = values.map(|(name, output)| (name.as_str(), output.to_value()));
    let values: BTreeMap<&str, Value> = values.collect();
    // A number, which is whole at every moment.
    let mut budget = budget.lock().unwrap_or_else(PoisonError::into_inner);
    match bind(&step.parameters, given, &values, budget.room()) {
        Ok(bound) => {
            budget.take(bound.as_str().len());
            Ok(bound)
        }
        Err(BindError::TooLarge) => Err(refused(&budget.exceeded(step))),
        Err(BindError::Unbound(message)) => Err(failed(&step.name, "UNBOUND_PARAMETER", &message)),
    }
}

fn failed(step: &str, code: &str, message: &str) -> HandlerError {
    HandlerError::fatal(code, format!("step {step:?}: {message}"))
}

/// The room for the results of all steps: they become the result of the journey, so what would not
/// fit there is not read either.
struct Room {
    limit_bytes: u64,
    left: AtomicU64,
}

impl Room {
    fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            left: AtomicU64::new(limit_bytes),
        }
    }

    fn take(&self, bytes: u64) -> Result<(), HandlerError> {
        let less = |left: u64| left.checked_sub(bytes);
        let taken = self.left.fetch_update(Relaxed, Relaxed, less);
        taken.map(drop).map_err(|_| {
            let limit = self.limit_bytes;
            let message = format!("the results of the steps have more than {limit} bytes");
            HandlerError::fatal("RESULT_TOO_LARGE", message)
        })
    }
}

fn fraction(done: usize, total: usize) -> f64 {
    let number = |n: usize| u32::try_from(n).map_or(f64::MAX, f64::from);
    number(done) / number(total)
}

async fn run_step(
    ctx: &ExecutionContext,
    name: &str,
    intent: impl FnOnce() -> Result<ChildIntent, HandlerError> + Send,
    room: &Room,
) -> Result<StepResult, HandlerError> {
    // Made at its turn and moved, so that nothing of it is held while the child waits or runs.
    let child = ctx.child_with(name, intent).await;
    let child = child.map_err(|error| match error.code() {
        "CHILD_REFUSED" => failed(name, "CHILD_REFUSED", error.message()),
        _ => error,
    })?;
    let ended = child.ended().await?;
    room.take(ended.result_bytes())?;
    match ended.outcome().await? {
        ChildOutcome::Completed(result) => Ok(StepResult {
            execution_id: child.execution_id(),
            result,
        }),
        ChildOutcome::Failed(error) => {
            let message = format!("{}: {}", error.code, error.message);
            Err(failed(name, "CHILD_FAILED", &message))
        }
        ChildOutcome::Cancelled => Err(failed(name, "CHILD_CANCELLED", "it was cancelled")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn paths(parameters: &Value) -> Vec<String> {
        let limits = Limits {
            parameters_bytes: 512 * 1024,
            metadata_bytes: 16 * 1024,
            result_bytes: 4 << 20,
            state_bytes: 256 * 1024,
            descriptor_bytes: 64 * 1024,
            batch_submit: 1_000,
            tree_depth: 16,
            tree_executions: 10_000,
            schedules: 1,
        };
        let faults = check(parameters, limits).into_iter();
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
        let plan = Plan::of(read).unwrap();
        assert!(!plan.given.contains_key("upload_id"));
        assert!(!plan.step(0).parameters.contains_key("upload_id"));
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
