//! Changing the lifecycle state of artifacts.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationResult, parts, payload};
use crate::{
    api::ApiError,
    artifact_registry::{DeleteRequest, Deletion},
    graphql::{
        loading::Caller,
        types::{
            artifact::{Artifact, ArtifactLifecycleState},
            ids,
            user_error::UserError,
        },
    },
    model::{self, TransitionRequest},
};

/// A change of an artifact's state.
#[derive(InputObject)]
struct TransitionArtifactInput {
    /// The artifact.
    artifact_id: ID,
    /// The wanted state.
    to: ArtifactLifecycleState,
    /// Why; kept in the artifact's history.
    reason: Option<String>,
}

/// The result of `transitionArtifact`.
#[derive(SimpleObject)]
struct TransitionArtifactPayload {
    /// The artifact; null when there are errors.
    artifact: Option<Artifact>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<model::Artifact>> for TransitionArtifactPayload {
    fn from(outcome: MutationResult<model::Artifact>) -> Self {
        let (artifact, errors) = parts(outcome);
        let artifact = artifact.map(|it| Artifact(Arc::new(it)));
        Self { artifact, errors }
    }
}

/// The artifact to delete.
#[derive(InputObject)]
struct DeleteArtifactInput {
    /// The artifact.
    artifact_id: ID,
    /// True to delete all that was made from it, too: at most 1,000 artifacts.
    #[graphql(default)]
    include_descendants: bool,
    /// True to answer what would be deleted, and delete nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why; kept in the artifacts' history.
    reason: Option<String>,
}

/// The result of `deleteArtifact`.
struct DeleteArtifactPayload {
    deletion: Option<Deletion>,
    errors: Vec<UserError>,
}

impl From<MutationResult<Deletion>> for DeleteArtifactPayload {
    fn from(outcome: MutationResult<Deletion>) -> Self {
        let (deletion, errors) = parts(outcome);
        Self { deletion, errors }
    }
}

/// The result of `deleteArtifact`.
#[Object]
impl DeleteArtifactPayload {
    /// The artifact as it stands now; null when there are errors.
    async fn artifact(&self) -> Option<Artifact> {
        let artifact = self.deletion.as_ref()?.artifact.clone();
        Some(Artifact(Arc::new(artifact)))
    }

    /// The artifacts that were made from it and were still there before, nearest first: deleted, too, with
    /// `includeDescendants`, and left as it is without.
    async fn descendants(
        &self,
        #[graphql(desc = "How many at most, 1 to 200; 50 when left out.")] first: Option<i32>,
    ) -> Vec<Artifact> {
        let most = usize::try_from(first.unwrap_or(50)).unwrap_or_default();
        let deletion = self.deletion.iter().flat_map(|it| &it.descendants);
        deletion
            .take(most.min(200))
            .map(|artifact| Artifact(Arc::clone(artifact)))
            .collect()
    }

    /// The number of descendants; 1,000 when there are more.
    async fn descendant_count(&self) -> i32 {
        let count = self.deletion.as_ref().map_or(0, |it| it.descendants.len());
        i32::try_from(count).unwrap_or(i32::MAX)
    }

    /// True if there are more descendants than are counted.
    async fn truncated(&self) -> bool {
        self.deletion.as_ref().is_some_and(|it| it.truncated)
    }

    /// The caller's mistakes; empty when there are none.
    async fn errors(&self) -> &[UserError] {
        &self.errors
    }
}

#[derive(Default)]
pub(super) struct ArtifactMutation;

#[Object]
impl ArtifactMutation {
    /// Takes an artifact to another state of its lifecycle.
    async fn transition_artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The artifact and the wanted state.")] input: TransitionArtifactInput,
    ) -> Result<TransitionArtifactPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let request = TransitionRequest {
                artifact_id: ids::input(&input.artifact_id, &["input", "artifactId"])?,
                to: input.to.into(),
                actor: caller.principal.actor().to_string(),
                reason: input.reason,
            };
            let artifacts = &caller.services.artifacts;
            Ok(artifacts.transition(&caller.principal, request).await?)
        };
        payload(caller, change.await)
    }

    /// Makes a tombstone of an artifact, whatever its state, and of all that was made from it if that
    /// is asked for. Its record and lineage stay; its content is removed after a grace, unless
    /// another artifact holds the same.
    async fn delete_artifact(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The artifact, and what is deleted with it.")] input: DeleteArtifactInput,
    ) -> Result<DeleteArtifactPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let request = DeleteRequest {
                artifact_id: ids::input(&input.artifact_id, &["input", "artifactId"])?,
                include_descendants: input.include_descendants,
                dry_run: input.dry_run,
                reason: input.reason,
            };
            let artifacts = &caller.services.artifacts;
            Ok(artifacts.delete(&caller.principal, request).await?)
        };
        payload(caller, change.await)
    }
}
