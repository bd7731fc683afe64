//! The registry of artifacts: what exists, where it came from, what became of it.
//!
//! Artifacts are registered with the completion of their execution (see `storage::write`); this is
//! where they are found, resolved, listed, traced, and changed by clients.

mod mermaid;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

pub use mermaid::mermaid;

use crate::{
    model::{Artifact, ArtifactId, Principal, Refusal, TenantScope, TransitionRequest},
    storage::{ArtifactFilter, Error, Lineage, LineageRequest, Page, PageRequest, Storage},
};

/// The registry. Clones are the same registry.
#[derive(Debug, Clone)]
pub struct ArtifactRegistry {
    storage: Storage,
    eligible: Arc<HashMap<String, Vec<String>>>,
}

impl ArtifactRegistry {
    /// A registry over `storage`; `eligible` names the artifact types that each intent type takes.
    #[must_use]
    pub fn new(storage: Storage, eligible: HashMap<String, Vec<String>>) -> Self {
        Self {
            storage,
            eligible: Arc::new(eligible),
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
        Ok(self
            .storage
            .find_artifacts(scope, &[id])
            .await?
            .into_iter()
            .next())
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
        match self.narrowed(filter, eligible_for)? {
            Some(filter) => self.storage.list_artifacts(scope, &filter, page).await,
            None => Ok(Page {
                items: Vec::new(),
                has_next: false,
                has_previous: false,
            }),
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
        match self.narrowed(filter, eligible_for)? {
            Some(filter) => {
                self.storage
                    .slice_artifacts(scope, &filter, limit, offset)
                    .await
            }
            None => Ok(Vec::new()),
        }
    }

    /// How many artifacts [`Self::list`] goes through.
    ///
    /// # Errors
    /// As [`Self::list`].
    pub async fn count(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
    ) -> Result<u64, Error> {
        match self.narrowed(filter, eligible_for)? {
            Some(filter) => self.storage.count_artifacts(scope, &filter).await,
            None => Ok(0),
        }
    }

    /// The filter with what an intent type accepts; none when nothing can fit.
    fn narrowed(
        &self,
        filter: &ArtifactFilter,
        eligible_for: Option<&str>,
    ) -> Result<Option<ArtifactFilter>, Error> {
        let mut filter = filter.clone();
        let Some(intent_type) = eligible_for else {
            return Ok(Some(filter));
        };
        let unknown = || Refusal::UnknownIntentType {
            intent_type: intent_type.to_owned(),
        };
        let accepted = self.eligible.get(intent_type).ok_or_else(unknown)?;
        let wanted = std::mem::take(&mut filter.artifact_types);
        let fits = |name: &&String| wanted.is_empty() || wanted.contains(name);
        filter.artifact_types = accepted.iter().filter(fits).cloned().collect();
        Ok((!filter.artifact_types.is_empty()).then_some(filter))
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
        self.storage.lineage(scope, request).await
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
        self.storage.lineage_path(scope, from, to).await
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
        self.storage
            .transition_artifact(principal.scope(), request)
            .await
    }
}
