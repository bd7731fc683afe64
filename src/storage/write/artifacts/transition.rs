//! Changes artifacts' states, each with a record of who did it and why.

use entity::content_release;

use super::super::{super::Error, working::Working};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, EventBody, ExecutionId, Refusal,
    TenantId, TransitionRequest,
};

/// Carries out transitions that were checked, as events of the execution.
pub(in super::super) fn transition_all(
    working: &mut Working,
    execution_id: ExecutionId,
    transitions: &[TransitionRequest],
) {
    for request in transitions {
        if let Some(body) = transition(working, request) {
            working.append(execution_id, body, None);
        }
    }
}

/// Changes the state; the event that says so.
pub(in super::super) fn transition(
    working: &mut Working,
    request: &TransitionRequest,
) -> Option<EventBody> {
    let now = working.now;
    let from = working.artifacts.see(&request.artifact_id)?.artifact.state;
    if !from.can_become(request.to) {
        return None;
    }
    let artifact = &mut working.artifacts.change(&request.artifact_id)?.artifact;
    artifact.state = request.to;
    artifact.version += 1;
    artifact.updated_at = now;
    let artifact = artifact.clone();
    if artifact.state == ArtifactState::Deleted {
        working.changes.releases_in.push(content_release::Model {
            artifact_id: artifact.id.0,
            tenant_id: artifact.tenant_id.to_string(),
            deleted_at: now,
            aside_at: None,
        });
    }
    record(
        working,
        &artifact,
        Some(from),
        &request.actor,
        request.reason.clone(),
    );
    Some(EventBody::ArtifactTransitioned {
        artifact_id: request.artifact_id,
        from,
        to: request.to,
        version: artifact.version,
        actor: request.actor.clone(),
        reason: request.reason.clone(),
    })
}

pub(super) fn record(
    working: &mut Working,
    artifact: &Artifact,
    from: Option<ArtifactState>,
    actor: &str,
    reason: Option<String>,
) {
    let transition = ArtifactTransition {
        artifact_id: artifact.id,
        from,
        to: artifact.state,
        at: working.now,
        actor: actor.to_owned(),
        reason,
    };
    working
        .changes
        .transitions
        .push((artifact.version, transition));
}

impl Working {
    /// The state that an artifact would leave; refuses what its lifecycle does not allow.
    pub(in super::super) fn check_transition(
        &self,
        id: ArtifactId,
        tenant: &TenantId,
        to: ArtifactState,
    ) -> Result<ArtifactState, Error> {
        let found = self.artifacts.see(&id).map(|row| &row.artifact);
        let artifact = found
            .filter(|artifact| artifact.tenant_id == *tenant)
            .ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
        if artifact.state.can_become(to) {
            Ok(artifact.state)
        } else {
            Err(Refusal::InvalidTransition {
                from: artifact.state,
                to,
            }
            .into())
        }
    }
}
