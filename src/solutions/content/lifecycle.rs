//! Changes of an artifact's state: `save_materialization`, `archive_file`, `restore_file`,
//! `delete_file`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    NAME,
    target::{self, Target},
};
use crate::{
    model::{ArtifactId, ArtifactState},
    runtime::{ExecutionContext, HandlerError, IntentRegistry, RegistrationError},
};

#[derive(Debug, Deserialize, JsonSchema)]
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
        registry
            .handler(change.intent_type, NAME, move |ctx, parameters| {
                run(ctx, parameters, change)
            })
            .description(change.description)
            .solution(NAME)
            .eligible_for("file")
            .check(target::check)
            .register()?;
    }
    Ok(())
}

async fn run(
    ctx: ExecutionContext,
    parameters: Parameters,
    change: &'static Change,
) -> Result<Changed, HandlerError> {
    let artifact = parameters.target.find(&ctx, change.artifact_type).await?;
    let (artifact_id, from, to) = (artifact.id, artifact.state, change.to);
    if from == to {
        return Ok(Changed {
            artifact_id,
            lifecycle_state: to,
            previous_state: from,
        });
    }
    // Restoring is for what was archived, saving for what is pending.
    let is_restore = change.intent_type == "restore_file";
    let fits = to != ArtifactState::Ready || is_restore == (from == ArtifactState::Archived);
    if !fits || !from.can_become(to) {
        let hint = match (from, to) {
            (ArtifactState::Ready, ArtifactState::Deleted) => "; archive it first",
            _ => "",
        };
        let message = format!(
            "the artifact is {} and cannot become {}{hint}",
            from.name(),
            to.name()
        );
        return Err(HandlerError::fatal("INVALID_TRANSITION", message));
    }
    ctx.artifacts()
        .transition(artifact_id, to, parameters.reason);
    Ok(Changed {
        artifact_id,
        lifecycle_state: to,
        previous_state: from,
    })
}
