//! Deletes artifacts, by as many steps of the lifecycle as that takes.

use super::super::{
    super::Error,
    artifacts::transition,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{ArtifactId, Refusal, TenantScope, TransitionRequest, check_reason};

/// Makes tombstones of artifacts, in one transaction: a READY one is archived, a PENDING one fails
/// on the way, as the lifecycle wants it.
#[derive(Debug, Clone)]
pub(in crate::storage) struct DeleteArtifacts {
    pub(in crate::storage) scope: TenantScope,
    pub(in crate::storage) ids: Vec<ArtifactId>,
    pub(in crate::storage) actor: String,
    pub(in crate::storage) reason: Option<String>,
}

impl Operation for DeleteArtifacts {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.artifacts_locked.extend(&self.ids);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        check_reason(self.reason.as_deref())?;
        let mut steps = Vec::new();
        for id in &self.ids {
            let found = working.artifacts.see(id).map(|row| &row.artifact);
            let artifact = found
                .filter(|artifact| artifact.tenant_id == *self.scope.tenant())
                .ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
            steps.push((*id, artifact.state.steps_to_deleted()));
        }
        for (artifact_id, states) in steps {
            for to in states {
                let request = TransitionRequest {
                    artifact_id,
                    to: *to,
                    actor: self.actor.clone(),
                    reason: self.reason.clone(),
                };
                if let Some(body) = transition(working, &request) {
                    working.append_to_artifact(artifact_id, body);
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ArtifactState;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, Scene, TENANT, alone, refusal, registered, stored_artifact},
    };

    fn delete(tenant: &str, ids: Vec<ArtifactId>) -> DeleteArtifacts {
        DeleteArtifacts {
            scope: scope_of(tenant),
            ids,
            actor: ACTOR.into(),
            reason: None,
        }
    }

    #[tokio::test]
    async fn artifacts_are_deleted_from_whatever_state_they_are_in() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let ready = registered(world, &scene, "ready", ArtifactState::Ready).await;
            let pending = registered(world, &scene, "pending", ArtifactState::Pending).await;
            // What is deleted already stays as it is.
            for _ in 0..2 {
                alone(world, delete(TENANT, vec![ready, pending]))
                    .await
                    .unwrap();
            }
            for id in [ready, pending] {
                let artifact = stored_artifact(world, id).await;
                assert_eq!(
                    (artifact.state, artifact.version),
                    (ArtifactState::Deleted, 3)
                );
            }
            let found = world
                .storage
                .find_transitions(&scope_of(TENANT), &[pending])
                .await;
            let states = found.unwrap().remove(&pending).unwrap();
            let states = states.iter().map(|one| one.to);
            let expected = [
                ArtifactState::Pending,
                ArtifactState::Failed,
                ArtifactState::Deleted,
            ];
            assert!(states.eq(expected));
            assert_eq!(world.storage.verify().await.unwrap().differences, []);
        })
        .await;
    }

    #[tokio::test]
    async fn when_one_is_absent_none_is_deleted() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let id = registered(world, &scene, "x", ArtifactState::Ready).await;
            let absent = ArtifactId::derived(TENANT, b"absent", "thing");
            for refused in [delete(TENANT, vec![id, absent]), delete("theirs", vec![id])] {
                let refused = refusal(alone(world, refused).await);
                assert_eq!(refused, Refusal::not_found("artifact", "artifactId"));
            }
            assert_eq!(stored_artifact(world, id).await.state, ArtifactState::Ready);
        })
        .await;
    }
}
