//! Reads of many artifacts at once, and of what belongs to them.

use std::collections::HashMap;

use super::ArtifactRegistry;
use crate::{
    model::{
        Action, Artifact, ArtifactId, ArtifactTransition, ExecutionId, Materialization, TenantScope,
    },
    storage::{Error, Page, PageRequest, Relation},
};

/// Artifacts with their places in a list.
type Placed = Vec<(i64, Artifact)>;

impl ArtifactRegistry {
    /// Those of the artifacts that are there, in no order.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_many(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<Vec<Artifact>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        let found = self.storage.find_artifacts(scope, ids).await?;
        self.storage.reached_artifacts(scope, &reach, found).await
    }

    /// The first artifacts that each execution made or found again, in order of registration, at most
    /// `limit` of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_first_of_executions(
        &self,
        scope: &TenantScope,
        ids: &[ExecutionId],
        limit: u32,
    ) -> Result<HashMap<ExecutionId, Placed>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        let found = self
            .storage
            .artifacts_of_executions(scope, ids, limit)
            .await;
        let mut found = found?;
        self.placed_within(scope, &reach, &mut found).await?;
        Ok(found)
    }

    /// The first parents or children of each artifact, at most `limit` of each.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_first_relatives(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
        relation: Relation,
        limit: u32,
    ) -> Result<HashMap<ArtifactId, Placed>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        let ids = self.readable(scope, ids).await?;
        let found = self.storage.relatives_of(scope, &ids, relation, limit);
        let mut found = found.await?;
        self.placed_within(scope, &reach, &mut found).await?;
        Ok(found)
    }

    /// A page of an artifact's parents or children.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_relatives(
        &self,
        scope: &TenantScope,
        id: ArtifactId,
        relation: Relation,
        page: &PageRequest<i64>,
    ) -> Result<Page<i64, Artifact>, Error> {
        let reach = scope.check(Action::ReadArtifacts)?;
        if self.readable(scope, &[id]).await?.is_empty() {
            return Ok(Page::empty());
        }
        let found = self.storage.list_relatives(scope, id, relation, page);
        let mut found = found.await?;
        if !reach.is_whole() {
            let all = found.items.iter().map(|(_, it)| it.clone()).collect();
            let reached = self.ids_within(scope, &reach, all).await?;
            found.items.retain(|(_, it)| reached.contains(&it.id));
        }
        Ok(found)
    }

    /// The stored forms of each artifact.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_materializations(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<HashMap<ArtifactId, Vec<Materialization>>, Error> {
        let ids = self.readable(scope, ids).await?;
        self.storage.find_materializations(scope, &ids).await
    }

    /// The history of each artifact, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_transitions(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<HashMap<ArtifactId, Vec<ArtifactTransition>>, Error> {
        let ids = self.readable(scope, ids).await?;
        self.storage.find_transitions(scope, &ids).await
    }
}
