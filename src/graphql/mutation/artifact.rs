//! Changing the lifecycle state of artifacts.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::outcome::{Outcome, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        artifact::{Artifact, ArtifactLifecycleState},
        caller::Caller,
        ids,
        user_error::UserError,
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

/// What came of `transitionArtifact`.
#[derive(SimpleObject)]
struct TransitionArtifactPayload {
    /// The artifact; null when there are errors.
    artifact: Option<Artifact>,
    /// What the caller did wrong.
    errors: Vec<UserError>,
}

impl From<Outcome<model::Artifact>> for TransitionArtifactPayload {
    fn from(outcome: Outcome<model::Artifact>) -> Self {
        let (artifact, errors) = parts(outcome);
        let artifact = artifact.map(|it| Artifact(Arc::new(it)));
        Self { artifact, errors }
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
                actor: caller.principal.actor().to_owned(),
                reason: input.reason,
            };
            let artifacts = &caller.services.artifacts;
            Ok(artifacts.transition(&caller.principal, request).await?)
        };
        payload(caller, change.await)
    }
}
