//! Journeys: graphs of steps, each an intent, with outputs of one bound to parameters of another.
//!
//! A journey is checked whole before anything of it runs: names, references, parameters, cycles.

mod binding;
mod built_in;
mod schedule;
mod validate;

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub(super) use binding::{BindError, bind};
pub(super) use built_in::{built_in, check_known};
pub(super) use schedule::Schedule;
pub(super) use validate::Budget;

use binding::{Reference, references};

/// One step of a journey.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// Its name, unique within the journey.
    pub(super) name: String,
    /// The type of its intent.
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

impl Step {
    /// The steps whose outputs it takes. References that are malformed name none.
    pub(super) fn takes_from(&self) -> BTreeSet<&str> {
        let found = references(&self.parameters).unwrap_or_default();
        let outputs = found.into_iter().filter_map(|reference| match reference {
            Reference::Output { step, .. } => Some(step),
            Reference::Parameter(_) => None,
        });
        outputs.collect()
    }

    /// The steps that come before this one. References that are malformed name none.
    pub(super) fn needs(&self) -> BTreeSet<String> {
        let outputs = self.takes_from().into_iter().map(str::to_owned);
        self.depends_on.iter().cloned().chain(outputs).collect()
    }
}

/// A checked journey.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Journey {
    pub(super) steps: Vec<Step>,
}

/// The most steps that a journey has.
const MAX_STEPS: usize = 100;
/// The longest name of a step, which also names its child execution.
const MAX_NAME_BYTES: usize = 200;

/// The parameters of all steps together have at most so many times the bytes that the parameters
/// of one intent may have: a journey of few bytes must not become a hundred large intents.
const MAX_GROWTH: usize = 20;

/// Why a journey cannot be run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum JourneyError {
    /// No journey has this id.
    #[error("there is no journey {0:?}; there are {known}", known = built_in::NAMES.join(", "))]
    Unknown(String),
    /// It has no steps.
    #[error("a journey has at least one step")]
    Empty,
    /// Too many steps.
    #[error("a journey has at most {MAX_STEPS} steps")]
    TooLong,
    /// The name of a step is no name.
    #[error("a step's name has 1 to {MAX_NAME_BYTES} bytes without control characters")]
    Name,
    /// Two steps have one name.
    #[error("two steps have the name {0:?}")]
    Duplicate(String),
    /// A step refers to one that is not there.
    #[error("step {step:?} refers to {missing:?}, which is not a step of the journey")]
    MissingStep {
        /// The step.
        step: String,
        /// The step that it refers to.
        missing: String,
    },
    /// A reference that cannot be read.
    #[error("step {step:?} has a malformed reference: {reason}")]
    Reference {
        /// The step.
        step: String,
        /// The fault.
        reason: &'static str,
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
    /// A parameter that the journey does not have.
    #[error("the journey has no parameter {parameter:?}{known}")]
    UnknownParameter {
        /// The parameter.
        parameter: String,
        /// Its parameters, for people; empty where the steps say so themselves.
        known: String,
    },
    /// Bound parameters of a step beyond the limit.
    #[error(
        "the parameters of step {step:?} have more than {limit_bytes} bytes once they are bound"
    )]
    StepTooLarge {
        /// The step.
        step: String,
        /// The limit.
        limit_bytes: usize,
    },
    /// Bound parameters of all steps together beyond the limit.
    #[error("the parameters of all steps have more than {limit_bytes} bytes once they are bound")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// The `action` of `file_management` is none that it knows.
    #[error("action is archive, restore or delete")]
    Action,
}

impl JourneyError {
    /// A stable name for programs.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::Unknown(_) => "UNKNOWN_JOURNEY",
            Self::Cycle(_) => "JOURNEY_CYCLE",
            Self::StepTooLarge { .. } | Self::TooLarge { .. } => "PARAMETERS_TOO_LARGE",
            _ => "INVALID_JOURNEY",
        }
    }

    /// The parameter of `compose_journey` that is at fault, if it is not the journey as a whole.
    pub(super) fn parameter(&self) -> Option<&str> {
        match self {
            Self::MissingParameter { parameter, .. } | Self::UnknownParameter { parameter, .. } => {
                Some(parameter)
            }
            Self::Action => Some("action"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod samples {
    //! Graphs for tests.

    use super::*;

    /// A step that waits for `needs`.
    pub(super) fn plain(name: &str, needs: &[String]) -> Step {
        Step {
            name: name.to_owned(),
            intent_type: "echo".to_owned(),
            handler_name: None,
            parameters: Map::new(),
            depends_on: needs.to_vec(),
        }
    }

    /// Steps `s0`, `s1`, …, the first of each edge waiting for the second.
    pub(super) fn graph(edges: &[(usize, usize)], size: usize) -> Vec<Step> {
        let needs = |n: usize| {
            let of_n = edges.iter().filter(|(child, _)| *child == n);
            of_n.map(|(_, parent)| format!("s{parent}"))
                .collect::<Vec<_>>()
        };
        (0..size)
            .map(|n| plain(&format!("s{n}"), &needs(n)))
            .collect()
    }
}
