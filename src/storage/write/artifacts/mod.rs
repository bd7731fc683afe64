//! Artifacts as operations change them: registered by an execution that completes, changed by it or by
//! a client.

mod register;
mod transition;

use super::{super::Error, operation::Needs, working::Working};
use crate::model::{Micros, NewArtifact, TenantId, TransitionRequest, check_reason};
use register::check_new;

pub(super) use register::register_all;
pub(super) use transition::{transition, transition_all};

/// The rows that registrations and transitions look at.
pub(super) fn needs(
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
    needs: &mut Needs,
) {
    for artifact in artifacts {
        needs.artifacts.push(artifact.id);
        needs.artifacts.extend(&artifact.parents);
    }
    needs
        .artifacts_locked
        .extend(transitions.iter().map(|transition| transition.artifact_id));
}

/// Returns whether one of these artifacts was made or changed since `time`: an attempt that began
/// then may have decided by what is no longer true.
pub(super) fn changed_since(
    working: &Working,
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
    time: Micros,
) -> bool {
    let registered = artifacts.iter().map(|new| new.id);
    let changed = transitions.iter().map(|transition| transition.artifact_id);
    registered.chain(changed).any(|id| {
        let found = working.artifacts.see(&id);
        found.is_some_and(|row| row.artifact.updated_at >= time)
    })
}

/// Refuses what cannot be registered or changed, before anything is changed.
pub(super) fn check(
    working: &Working,
    tenant: &TenantId,
    artifacts: &[NewArtifact],
    transitions: &[TransitionRequest],
) -> Result<(), Error> {
    let mut earlier: Vec<&NewArtifact> = Vec::new();
    for new in artifacts {
        check_new(working, tenant, new, &earlier)?;
        earlier.push(new);
    }
    for transition in transitions {
        check_reason(transition.reason.as_deref())?;
        if !earlier.iter().any(|new| new.id == transition.artifact_id) {
            let id = transition.artifact_id;
            let is_there = working.artifacts.see(&id).is_some_and(|row| {
                let artifact = &row.artifact;
                artifact.tenant_id == *tenant && artifact.state == transition.to
            });
            // Another execution has done the same meanwhile: there is nothing left to do.
            if !is_there {
                working.check_transition(id, tenant, transition.to)?;
            }
        }
    }
    Ok(())
}
