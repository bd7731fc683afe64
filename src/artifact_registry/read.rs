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
        scope.check(Action::ReadArtifacts)?;
        self.storage.find_artifacts(scope, ids).await
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
        scope.check(Action::ReadArtifacts)?;
        self.storage
            .artifacts_of_executions(scope, ids, limit)
            .await
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
        scope.check(Action::ReadArtifacts)?;
        self.storage.relatives_of(scope, ids, relation, limit).await
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
        scope.check(Action::ReadArtifacts)?;
        self.storage.list_relatives(scope, id, relation, page).await
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
        scope.check(Action::ReadArtifacts)?;
        self.storage.find_materializations(scope, ids).await
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
        scope.check(Action::ReadArtifacts)?;
        self.storage.find_transitions(scope, ids).await
    }
}
