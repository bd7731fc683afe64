//! Artifacts where whoever asks reaches a part of the tenant's data alone.

use std::collections::HashSet;

use super::{ArtifactFilter, ArtifactRegistry, Lineage};
use crate::{
    model::{Action, Artifact, ArtifactId, Reach, Refusal, TenantScope},
    storage::Error,
};

impl ArtifactRegistry {
    /// The filter with that with which whoever asks may do something; none when nothing can fit.
    pub(super) async fn within_reach(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ArtifactFilter,
    ) -> Result<Option<ArtifactFilter>, Error> {
        let reach = scope.check(action)?;
        let mut filter = filter.clone();
        let storage = &self.storage;
        let is_reached = match (&reach, filter.session_id, filter.execution_id) {
            (Reach::Tenant, ..) => true,
            (_, Some(session), _) => storage.reaches_session(scope, &reach, session).await?,
            (_, None, Some(id)) => storage.reaches_execution(scope, &reach, id).await?,
            (Reach::User(user), None, None) => {
                filter.user_id = Some(user.clone());
                true
            }
            (Reach::Session(id), None, None) => {
                filter.session_id = Some(*id);
                true
            }
            (Reach::Executions(_), None, None) => {
                return Err(Refusal::lacking(action).into());
            }
        };
        Ok(is_reached.then_some(filter))
    }

    /// The part of a lineage that is within reach.
    pub(super) async fn lineage_within(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        mut lineage: Lineage,
    ) -> Result<Lineage, Error> {
        if reach.is_whole() {
            return Ok(lineage);
        }
        let nodes = lineage.nodes.iter();
        let artifacts: Vec<Artifact> = nodes.map(|node| (*node.artifact).clone()).collect();
        let reached = self.ids_within(scope, reach, artifacts).await?;
        lineage.nodes.retain(|it| reached.contains(&it.artifact.id));
        let is_shown = |id: &ArtifactId| reached.contains(id);
        lineage
            .edges
            .retain(|edge| is_shown(&edge.parent_id) && is_shown(&edge.child_id));
        Ok(lineage)
    }

    /// The ids of those artifacts that are within reach.
    pub(super) async fn ids_within(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        artifacts: Vec<Artifact>,
    ) -> Result<HashSet<ArtifactId>, Error> {
        let reached = self.storage.reached_artifacts(scope, reach, artifacts);
        Ok(reached.await?.into_iter().map(|it| it.id).collect())
    }

    /// Refuses an artifact that is beyond reach, as one that is not there.
    pub(super) async fn check_reached(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ArtifactId,
    ) -> Result<(), Error> {
        if !self.storage.reaches_artifact(scope, reach, id).await? {
            return Err(Refusal::not_found("artifact", "artifactId").into());
        }
        Ok(())
    }

    /// Those of the ids whose artifacts whoever asks may read.
    pub(super) async fn readable(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<Vec<ArtifactId>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        self.storage.reached_artifact_ids(scope, &reach, ids).await
    }

    /// Those of the artifacts, each with its place in a list of its own, that are within reach.
    pub(super) async fn placed_within<K>(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        lists: &mut std::collections::HashMap<K, Vec<(i64, Artifact)>>,
    ) -> Result<(), Error> {
        if reach.is_whole() {
            return Ok(());
        }
        let all = lists.values().flatten();
        let all = all.map(|(_, artifact)| artifact.clone()).collect();
        let reached = self.ids_within(scope, reach, all).await?;
        for list in lists.values_mut() {
            list.retain(|(_, artifact)| reached.contains(&artifact.id));
        }
        Ok(())
    }
}
