//! Changes an artifact's state for a client.

use super::super::{
    super::Error,
    artifacts::transition,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{Artifact, TenantScope, TransitionRequest, check_reason};

/// A change of state that a client asks for.
#[derive(Debug, Clone)]
pub(in crate::storage) struct TransitionArtifact {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) request: TransitionRequest,
}

impl Operation for TransitionArtifact {
    type Output = Artifact;

    fn needs(&self, needs: &mut Needs) {
        needs.artifacts_locked.push(self.request.artifact_id);
    }

    fn decide(&self, working: &mut Working) -> Result<Artifact, Error> {
        let id = self.request.artifact_id;
        check_reason(self.request.reason.as_deref())?;
        working.check_transition(id, self.scope.tenant(), self.request.to)?;
        if let Some(body) = transition(working, &self.request) {
            working.append_to_artifact(id, body);
        }
        let found = working.artifacts.see(&id).map(|row| row.artifact.clone());
        found.ok_or(Error::Corrupt {
            what: "artifact",
            source: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::{ArtifactId, ArtifactState, Refusal},
        storage::{
            read_tests::{on_each_database, scope_of},
            write::tests::{ACTOR, Scene, TENANT, alone, refusal, registered, stored_artifact},
        },
    };

    fn transition(tenant: &str, artifact_id: ArtifactId, to: ArtifactState) -> TransitionArtifact {
        TransitionArtifact {
            scope: scope_of(tenant),
            request: TransitionRequest {
                artifact_id,
                to,
                actor: ACTOR.into(),
                reason: Some("tidy".into()),
            },
        }
    }

    #[tokio::test]
    async fn a_change_of_state_is_kept_with_who_did_it_and_why() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let id = registered(world, &scene, "x", ArtifactState::Ready).await;
            let archive = transition(TENANT, id, ArtifactState::Archived);
            let archived = alone(world, archive).await.unwrap();
            assert_eq!(
                (archived.state, archived.version),
                (ArtifactState::Archived, 2)
            );
            assert_eq!(stored_artifact(world, id).await, archived);
            let found = world
                .storage
                .find_transitions(&scope_of(TENANT), &[id])
                .await;
            let last = found.unwrap().remove(&id).unwrap().pop().unwrap();
            assert_eq!(
                (last.from, last.to),
                (Some(ArtifactState::Ready), ArtifactState::Archived)
            );
            assert_eq!(
                (last.actor.as_str(), last.reason.as_deref()),
                (ACTOR, Some("tidy"))
            );
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }

    #[tokio::test]
    async fn what_the_lifecycle_or_the_tenant_does_not_allow_changes_nothing() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let id = registered(world, &scene, "x", ArtifactState::Ready).await;
            let (from, to) = (ArtifactState::Ready, ArtifactState::Deleted);
            let refused = refusal(alone(world, transition(TENANT, id, to)).await);
            assert_eq!(refused, Refusal::InvalidTransition { from, to });
            let theirs = transition("theirs", id, ArtifactState::Archived);
            let refused = refusal(alone(world, theirs).await);
            assert_eq!(refused, Refusal::not_found("artifact", "artifactId"));
            assert_eq!(stored_artifact(world, id).await.version, 1);
        })
        .await;
    }
}
