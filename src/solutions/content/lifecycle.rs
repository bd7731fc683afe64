//! Changes of an artifact's state: `save_materialization`, `archive_file`, `restore_file`,
//! `delete_file`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    NAME,
    target::{self, Target},
};
use crate::{
    model::{ArtifactId, ArtifactState, Fault},
    runtime::{ExecutionContext, HandlerError, IntentRegistry, RegistrationError},
};

// Serde cannot refuse unknown fields beside flattened ones; the schema does, at submit.
#[derive(Debug, Deserialize, JsonSchema)]
#[schemars(extend("additionalProperties" = false))]
struct Parameters {
    #[serde(flatten)]
    target: Target,
    /// Why; kept in the artifact's history.
    #[schemars(length(max = 1000))]
    reason: Option<String>,
}

#[derive(Debug, Serialize)]
struct Changed {
    artifact_id: ArtifactId,
    lifecycle_state: ArtifactState,
    /// The state before; the same when there was nothing to change.
    previous_state: ArtifactState,
}

/// An intent that changes the state of artifacts.
struct Change {
    intent_type: &'static str,
    description: &'static str,
    artifact_type: Option<&'static str>,
    to: ArtifactState,
}

/// The types of artifacts that the solution makes; each can be archived, restored and deleted.
const TYPES: [&str; 4] = [
    "file",
    "parsed_content",
    "rejected_rows",
    "deterministic_embeddings",
];

const CHANGES: [Change; 4] = [
    Change {
        intent_type: "save_materialization",
        description: "Makes a pending file a record of fact.",
        artifact_type: Some("file"),
        to: ArtifactState::Ready,
    },
    Change {
        intent_type: "archive_file",
        description: "Puts an artifact away; it still resolves.",
        artifact_type: None,
        to: ArtifactState::Archived,
    },
    Change {
        intent_type: "restore_file",
        description: "Brings an archived artifact back.",
        artifact_type: None,
        to: ArtifactState::Ready,
    },
    Change {
        intent_type: "delete_file",
        description: "Makes an archived or failed artifact a tombstone; its lineage stays.",
        artifact_type: None,
        to: ArtifactState::Deleted,
    },
];

pub(super) fn register(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    for change in &CHANGES {
        let handler = registry
            .handler(change.intent_type, NAME, move |ctx, parameters| {
                run(ctx, parameters, change)
            })
            .description(change.description)
            .solution(NAME)
            .check(check);
        let types = change
            .artifact_type
            .as_ref()
            .map_or(&TYPES[..], std::slice::from_ref);
        let handler = types
            .iter()
            .fold(handler, |handler, name| handler.eligible_for(name));
        handler.register()?;
    }
    Ok(())
}

fn check(parameters: &Value) -> Vec<Fault> {
    let mut faults = target::check(parameters);
    let reason = parameters.get("reason").and_then(Value::as_str);
    // Not every database stores it.
    if reason.is_some_and(|text| text.contains('\0')) {
        faults.push(Fault::at(["parameters", "reason"], "NUL in a text"));
    }
    faults
}

async fn run(
    ctx: ExecutionContext,
    parameters: Parameters,
    change: &'static Change,
) -> Result<Changed, HandlerError> {
    let artifact = parameters.target.find(&ctx, change.artifact_type).await?;
    let (artifact_id, from, to) = (artifact.id, artifact.state, change.to);
    if from != to {
        check_transition(change, from)?;
        ctx.artifacts()
            .transition(artifact_id, to, parameters.reason);
    }
    Ok(Changed {
        artifact_id,
        lifecycle_state: to,
        previous_state: from,
    })
}

fn check_transition(change: &Change, from: ArtifactState) -> Result<(), HandlerError> {
    let to = change.to;
    // Restoring is for what was archived, saving for what is pending.
    let is_restore = change.intent_type == "restore_file";
    let fits = to != ArtifactState::Ready || is_restore == (from == ArtifactState::Archived);
    if fits && from.can_become(to) {
        return Ok(());
    }
    let hint = match (from, to) {
        (ArtifactState::Ready, ArtifactState::Deleted) => ": archive it first",
        (ArtifactState::Archived, ArtifactState::Ready) => ": restore it with restore_file",
        (ArtifactState::Pending, ArtifactState::Ready) => ": save it with save_materialization",
        (ArtifactState::Pending, _) => ": save it first",
        _ => "",
    };
    let (from, intent_type) = (from.name(), change.intent_type);
    let message = format!("{intent_type} is not for an artifact that is {from}{hint}");
    Err(HandlerError::fatal("INVALID_TRANSITION", message))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_change_is_for_the_states_that_it_is_named_after() {
        use ArtifactState::{Archived, Deleted, Failed, Pending, Ready};
        let allowed = [
            ("save_materialization", Pending),
            ("archive_file", Ready),
            ("restore_file", Archived),
            ("delete_file", Archived),
            ("delete_file", Failed),
        ];
        for change in &CHANGES {
            for from in [Pending, Ready, Archived, Failed, Deleted] {
                if from == change.to {
                    continue;
                }
                let pair = (change.intent_type, from);
                let checked = check_transition(change, from);
                assert_eq!(checked.is_ok(), allowed.contains(&pair), "{pair:?}");
            }
        }
    }

    #[test]
    fn a_ready_artifact_is_archived_before_it_is_deleted() {
        let delete = CHANGES.iter().find(|c| c.intent_type == "delete_file");
        let refused = check_transition(delete.unwrap(), ArtifactState::Ready).unwrap_err();
        assert_eq!(refused.code(), "INVALID_TRANSITION");
        assert!(refused.message().contains("archive it first"));
    }

    #[test]
    fn unknown_parameters_and_reasons_that_cannot_be_stored_are_refused() {
        let schema = schemars::schema_for!(Parameters).to_value();
        let validator = jsonschema::validator_for(&schema).unwrap();
        assert!(validator.is_valid(&json!({"file_id": "x", "reason": "old"})));
        assert!(!validator.is_valid(&json!({"file_id": "x", "why": "old"})));
        let id = ArtifactId(uuid::Uuid::from_u128(7));
        let faults = check(&json!({"file_id": id, "reason": "a\u{0}b"}));
        assert_eq!(faults[0].path, ["parameters", "reason"]);
    }
}
