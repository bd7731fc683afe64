//! The registry of artifacts: what exists, where it came from, what became of it.
//!
//! Artifacts are registered with the completion of their execution (see `storage::write`); this is
//! where they are found, resolved, listed, traced, and changed by clients.

mod mermaid;
mod reach;
mod read;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

pub use mermaid::mermaid;

pub use crate::storage::{
    ArtifactFilter, Direction, Lineage, LineageEdge, LineageNode, LineageRequest, Relation,
    Truncation,
};

use crate::{
    model::{
        Action, Artifact, ArtifactId, ArtifactState, Principal, Reach, Refusal, TenantScope,
        TransitionRequest,
    },
    policy::{About, Policies},
    storage::{Count, Error, ListPlace, Page, PageRequest, Storage, Walked},
};

/// The most artifacts that are deleted at once.
pub const MAX_DELETED: u32 = 1000;

/// The deletion of an artifact, and of its descendants if wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteRequest {
    /// The artifact.
    pub artifact_id: ArtifactId,
    /// All that was made from it, too.
    pub include_descendants: bool,
    /// Nothing is deleted: only told what would be.
    pub dry_run: bool,
    /// Why; kept in the history.
    pub reason: Option<String>,
}

/// The artifacts that were deleted, or would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletion {
    /// The artifact as it stands now.
    pub artifact: Artifact,
    /// The live artifacts that were made from it, nearest first; at most [`MAX_DELETED`].
    pub descendants: Vec<Arc<Artifact>>,
    /// True if there are more of them.
    pub truncated: bool,
}

struct Descendants {
    artifacts: Vec<Arc<Artifact>>,
    truncated: bool,
}

/// The registry. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct ArtifactRegistry {
    storage: Storage,
    eligible: Arc<HashMap<String, Vec<String>>>,
    policies: Policies,
}

impl ArtifactRegistry {
    /// A registry over `storage`; `eligible` names the artifact types that each intent type takes.
    #[must_use]
    pub fn new(
        storage: Storage,
        eligible: HashMap<String, Vec<String>>,
        policies: Policies,
    ) -> Self {
        Self {
            storage,
            eligible: Arc::new(eligible),
            policies,
        }
    }

    /// An artifact in whatever state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find(
        &self,
        scope: &TenantScope,
        id: ArtifactId,
    ) -> Result<Option<Artifact>, Error> {
        Ok(self.find_many(scope, &[id]).await?.into_iter().next())
    }

    /// An artifact of this type that is READY or ARCHIVED. Whatever else may be the case, absent,
    /// another type, another tenant, another state, is one and the same refusal.
    ///
    /// # Errors
    /// [`Refusal::NotFound`], or when the database does not answer.
    pub async fn resolve(
        &self,
        scope: &TenantScope,
        id: ArtifactId,
        artifact_type: &str,
    ) -> Result<Artifact, Error> {
        let found = self.find(scope, id).await?;
        found
            .filter(|artifact| artifact.state.resolves() && artifact.artifact_type == artifact_type)
            .ok_or_else(|| Refusal::not_found("artifact", "artifactId").into())
    }

    /// A page of artifacts; with `eligible_for`, only those that this intent type takes as input.
    ///
    /// # Errors
    /// [`Refusal::UnknownIntentType`], or when the database does not answer.
    pub async fn list(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
        page: &PageRequest<i64>,
    ) -> Result<Page<i64, Artifact>, Error> {
        match self.narrowed(scope, filter, eligible_for).await? {
            Some(filter) => self.storage.list_artifacts(scope, &filter, page).await,
            None => Ok(Page::empty()),
        }
    }

    /// Artifacts by their place in the list, newest first.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn slice(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Artifact>, Error> {
        match self.narrowed(scope, filter, eligible_for).await? {
            Some(filter) => {
                self.storage
                    .slice_artifacts(scope, &filter, limit, offset)
                    .await
            }
            None => Ok(Vec::new()),
        }
    }

    /// Returns the number of artifacts that [`Self::list`] goes through.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn count(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
    ) -> Result<Count, Error> {
        match self.narrowed(scope, filter, eligible_for).await? {
            Some(filter) => self.storage.count_artifacts(scope, &filter).await,
            None => Ok(Count::NONE),
        }
    }

    /// The filter with what whoever asks may read, and with what an intent type accepts; none when nothing can
    /// fit.
    async fn narrowed(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
    ) -> Result<Option<ArtifactFilter>, Error> {
        let action = Action::ReadArtifacts;
        let Some(filter) = self.within_reach(scope, action, filter).await? else {
            return Ok(None);
        };
        match eligible_for {
            Some(intent_type) => Ok(self.eligible(filter, intent_type)?),
            None => Ok(Some(filter)),
        }
    }

    /// The filter with what an intent type accepts; none when nothing can fit.
    ///
    /// # Errors
    /// [`Refusal::UnknownIntentType`].
    pub fn eligible(
        &self,
        mut filter: ArtifactFilter,
        intent_type: &str,
    ) -> Result<Option<ArtifactFilter>, Refusal> {
        let unknown = || Refusal::UnknownIntentType {
            intent_type: intent_type.to_owned(),
        };
        let accepted = self.eligible.get(intent_type).ok_or_else(unknown)?;
        let wanted = std::mem::take(&mut filter.artifact_types);
        let fits = |name: &&String| wanted.is_empty() || wanted.contains(name);
        filter.artifact_types = accepted.iter().filter(fits).cloned().collect();
        Ok((!filter.artifact_types.is_empty()).then_some(filter))
    }

    /// A page of the artifacts that fit a filter with which whoever asks may do something.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ArtifactFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<i64, Artifact>, Error> {
        match self.within_reach(scope, action, filter).await? {
            Some(filter) => self.storage.list_artifacts(scope, &filter, page).await,
            None => Ok(Page::empty()),
        }
    }

    /// The next part of the artifacts that fit a filter with which whoever asks may do something, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn walk_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ArtifactFilter,
        (after, limit): (Option<ListPlace<i64>>, u32),
    ) -> Result<Walked<i64, Artifact>, Error> {
        let Some(filter) = self.within_reach(scope, action, filter).await? else {
            return Ok(Walked::nothing());
        };
        let walked = self.storage.walk_artifacts(scope, &filter, after, limit);
        walked.await
    }

    /// Returns the number of artifacts that [`Self::list_for`] goes through.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_for(
        &self,
        scope: &TenantScope,
        action: Action,
        filter: &ArtifactFilter,
    ) -> Result<Count, Error> {
        match self.within_reach(scope, action, filter).await? {
            Some(filter) => self.storage.count_artifacts(scope, &filter).await,
            None => Ok(Count::NONE),
        }
    }

    /// Where artifacts came from, or what was made of them.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lineage(
        &self,
        scope: &TenantScope,
        request: &LineageRequest,
    ) -> Result<Lineage, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        let lineage = self.storage.lineage(scope, request).await?;
        self.lineage_within(scope, &reach, lineage).await
    }

    /// The shortest way between two artifacts, both included.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn path(
        &self,
        scope: &TenantScope,
        from: ArtifactId,
        to: ArtifactId,
    ) -> Result<Option<Vec<ArtifactId>>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        let path = self.storage.lineage_path(scope, from, to).await?;
        let Some(path) = path else {
            return Ok(None);
        };
        let reached = self
            .storage
            .reached_artifact_ids(scope, &reach, &path)
            .await?;
        Ok((reached.len() == path.len()).then_some(path))
    }

    /// Deletes an artifact in the name of `principal`, and, if asked, all that was made from it; or
    /// only tells what that would be. What was made from it and is still there is told in any case.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent, or more is to be deleted than [`MAX_DELETED`]; when the
    /// database does not answer.
    pub async fn delete(
        &self,
        principal: &Principal,
        request: DeleteRequest,
    ) -> Result<Deletion, Error> {
        let reach = principal.check(Action::WriteArtifacts)?;
        let scope = principal.scope();
        let id = request.artifact_id;
        self.check_reached(&scope, &reach, id).await?;
        let descendants = self.live_descendants(&scope, &reach, id).await?;
        if request.include_descendants && descendants.truncated {
            let message = format!("more than {MAX_DELETED} artifacts were made from it");
            return Err(Refusal::invalid(["includeDescendants"], message).into());
        }
        if !request.dry_run {
            self.decide_deletion(principal, &request, &descendants.artifacts)
                .await?;
            let mut ids = vec![id];
            if request.include_descendants {
                ids.extend(descendants.artifacts.iter().map(|it| it.id));
            }
            let actor = principal.actor().to_string();
            self.storage
                .delete_artifacts(scope.clone(), ids, actor, request.reason)
                .await?;
        }
        let found = self.storage.find_artifacts(&scope, &[id]).await?;
        let artifact = found.into_iter().next();
        let artifact = artifact.ok_or_else(|| Refusal::not_found("artifact", "artifactId"))?;
        Ok(Deletion {
            artifact,
            descendants: descendants.artifacts,
            truncated: descendants.truncated,
        })
    }

    /// Returns the artifacts that were made from an artifact and are not deleted, nearest first.
    async fn live_descendants(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: ArtifactId,
    ) -> Result<Descendants, Error> {
        let request = LineageRequest {
            roots: vec![id],
            direction: Direction::Downstream,
            max_depth: 100,
            max_nodes: MAX_DELETED,
            max_edges: 10 * MAX_DELETED,
            fan_out: MAX_DELETED,
            deadline: Duration::from_secs(5),
            artifact_types: HashSet::new(),
            stop_at_types: HashSet::new(),
        };
        let lineage = self.storage.lineage(scope, &request).await?;
        let lineage = self.lineage_within(scope, reach, lineage).await?;
        let nodes = lineage.nodes.into_iter().filter(|node| !node.is_root);
        Ok(Descendants {
            artifacts: nodes
                .map(|node| node.artifact)
                .filter(|artifact| artifact.state != ArtifactState::Deleted)
                .collect(),
            truncated: !lineage.truncated_because.is_empty(),
        })
    }

    /// Changes an artifact's state in the name of `principal`.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or the lifecycle has no such step.
    pub async fn transition(
        &self,
        principal: &Principal,
        request: TransitionRequest,
    ) -> Result<Artifact, Error> {
        let reach = principal.check(Action::WriteArtifacts)?;
        let scope = principal.scope();
        self.check_reached(&scope, &reach, request.artifact_id)
            .await?;
        if self.policies.decides_change(scope.tenant(), request.to) {
            let ids = [request.artifact_id];
            let found = self.storage.find_artifacts(&scope, &ids).await?;
            if let Some(artifact) = found.first() {
                self.decide(principal, artifact, &[request.to]).await?;
            }
        }
        self.storage.transition_artifact(scope, request).await
    }

    /// Asks whether a principal may delete an artifact, and those that were made from it if they go, too.
    async fn decide_deletion(
        &self,
        principal: &Principal,
        request: &DeleteRequest,
        descendants: &[Arc<Artifact>],
    ) -> Result<(), Error> {
        let scope = principal.scope();
        if !self
            .policies
            .decides_change(scope.tenant(), ArtifactState::Deleted)
        {
            return Ok(());
        }
        let ids = [request.artifact_id];
        let found = self.storage.find_artifacts(&scope, &ids).await?;
        let descendants = descendants.iter().map(|artifact| &**artifact);
        let too = descendants.filter(|_| request.include_descendants);
        for artifact in found.iter().chain(too) {
            let steps = artifact.state.steps_to_deleted();
            self.decide(principal, artifact, steps).await?;
        }
        Ok(())
    }

    /// Asks whether a principal may take an artifact through these states.
    async fn decide(
        &self,
        principal: &Principal,
        artifact: &Artifact,
        steps: &[ArtifactState],
    ) -> Result<(), Error> {
        let mut about = About {
            artifact: artifact.into(),
            size_bytes: None,
        };
        for to in steps {
            let decided = self.policies.check_change(principal, about, *to, None);
            decided.await?;
            about.artifact.state = *to;
        }
        Ok(())
    }
}
