//! Artifacts, their stored forms and histories. Lists show metadata, never content.

use std::collections::HashMap;

use entity::{artifact, artifact_transition, materialization};
use sea_orm::{FromQueryResult, QueryResult};

use super::{
    super::{Error, Storage, sql},
    listing::{Count, Listing, OfTenant},
    page::{Conditions, Page, PageRequest, finish, ids_of_tenant},
};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, ExecutionId, Materialization, Micros,
    SessionId, TenantScope,
};
use sql::{columns, get};

/// Which artifacts are wanted; an empty list of values means any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactFilter {
    /// One of these.
    pub artifact_types: Vec<String>,
    /// One of these.
    pub states: Vec<ArtifactState>,
    /// Made by this execution, or found again by it.
    pub execution_id: Option<ExecutionId>,
    /// Made in this session.
    pub session_id: Option<SessionId>,
    /// Registered after this time.
    pub created_after: Option<Micros>,
    /// Registered before this time.
    pub created_before: Option<Micros>,
    /// The display name has this in it, in whatever case.
    pub name_contains: Option<String>,
    /// Oldest first instead of newest first.
    pub oldest_first: bool,
}

/// An artifact with its key.
pub(super) type Keyed = (i64, Artifact);

pub(super) fn keyed(row: &QueryResult) -> Result<Keyed, Error> {
    let model = artifact::Model::from_query_result(row, "")?;
    Ok((model.key, Artifact::try_from(model)?))
}

pub(super) fn listing_of(scope: &TenantScope, filter: &ArtifactFilter) -> Listing {
    let mut conditions = Conditions::default();
    let tenant = scope.tenant().as_str();
    if let Some(id) = filter.execution_id {
        conditions.add("tenant_id = ?", [tenant.into()]);
        conditions.add(
            "key IN (SELECT key FROM artifact WHERE execution_id = ? UNION ALL SELECT a.key \
             FROM artifact_found f JOIN artifact a ON a.id = f.artifact_id WHERE f.execution_id = ?)",
            [id.0.into(), id.0.into()],
        );
    }
    if let Some(id) = filter.session_id {
        conditions.add("session_id = ?", [id.0.into()]);
    }
    let walked = conditions.take();
    conditions.one_of("artifact_type", filter.artifact_types.iter().cloned());
    conditions.one_of_codes("state", filter.states.iter().map(|state| state.code()));
    if let Some(after) = filter.created_after {
        conditions.add("created_at > ?", [after.into()]);
    }
    if let Some(before) = filter.created_before {
        conditions.add("created_at < ?", [before.into()]);
    }
    if let Some(text) = &filter.name_contains {
        conditions.contains("display_name", text);
    }
    Listing {
        table: "artifact a",
        key: "key",
        looked_at: "key, artifact_type, state, created_at, display_name",
        of_tenant: filter.execution_id.is_none().then(|| OfTenant {
            name: tenant.to_owned(),
            in_session: filter.session_id.is_some(),
        }),
        walked,
        fits: conditions.take(),
        is_looked_into: false,
        values: conditions.values,
    }
}

impl Storage {
    /// The artifacts with these ids that are the tenant's, in whatever state.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_artifacts(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<Vec<Artifact>, Error> {
        let found = self.find_artifacts_keyed(scope, ids).await?;
        Ok(found.into_iter().map(|(_, artifact)| artifact).collect())
    }

    pub(super) async fn find_artifacts_keyed(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<Vec<Keyed>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.id = x.id AND a.tenant_id = x.tenant_id",
            columns::<artifact::Entity>("a")
        );
        let rows = ids_of_tenant(scope, ids.iter().map(|id| id.0));
        rows.query(&self.db.reader.of(scope), &tail)
            .await?
            .into_iter()
            .map(|row| keyed(&row))
            .collect()
    }

    /// A page of the tenant's artifacts, newest first unless the filter says otherwise.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_artifacts(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<i64, Artifact>, Error> {
        let (listing, columns) = (listing_of(scope, filter), columns::<artifact::Entity>("a"));
        let db = &self.db.reader.of(scope);
        let (rows, cut) = listing
            .page(db, &columns, filter.oldest_first, page)
            .await?;
        let items: Result<Vec<Keyed>, Error> = rows.into_iter().map(|row| keyed(&row)).collect();
        Ok(finish(items?, page, cut))
    }

    /// The tenant's artifacts that fit, newest first, by their place in the list. Pages by key
    /// ([`Self::list_artifacts`]) cost the same wherever they are; this costs what it skips.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn slice_artifacts(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
        limit: u32,
        offset: u32,
    ) -> Result<Vec<Artifact>, Error> {
        let mut listing = listing_of(scope, filter);
        let text = format!(
            "SELECT {} FROM artifact a WHERE {} ORDER BY key DESC LIMIT {limit} OFFSET {offset}",
            columns::<artifact::Entity>("a"),
            listing.condition()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, listing.values).await?;
        rows.into_iter().map(|row| Ok(keyed(&row)?.1)).collect()
    }

    /// How many of the tenant's artifacts fit.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_artifacts(
        &self,
        scope: &TenantScope,
        filter: &ArtifactFilter,
    ) -> Result<Count, Error> {
        listing_of(scope, filter)
            .count::<i64>(&self.db.reader.of(scope))
            .await
    }

    /// The first `limit` artifacts that each execution made or found again, in the order of
    /// registration.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn artifacts_of_executions(
        &self,
        scope: &TenantScope,
        executions: &[ExecutionId],
        limit: u32,
    ) -> Result<HashMap<ExecutionId, Vec<Keyed>>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT * FROM (SELECT every.*, row_number() OVER (PARTITION BY user_id ORDER BY key) \
             AS place FROM (SELECT {columns}, x.id AS user_id FROM x {join} artifact a \
             ON a.execution_id = x.id AND a.tenant_id = x.tenant_id UNION ALL \
             SELECT {columns}, x.id AS user_id FROM x {join} artifact_found f ON f.execution_id = x.id \
             {join} artifact a ON a.id = f.artifact_id AND a.tenant_id = x.tenant_id) every) ranked \
             WHERE place <= {limit} ORDER BY key",
            columns = columns::<artifact::Entity>("a")
        );
        let rows = ids_of_tenant(scope, executions.iter().map(|id| id.0));
        let mut found: HashMap<ExecutionId, Vec<Keyed>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            found
                .entry(ExecutionId(get(&row, "user_id")?))
                .or_default()
                .push(keyed(&row)?);
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
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.id = x.id AND a.tenant_id = x.tenant_id \
             {join} materialization m ON m.artifact_id = a.id ORDER BY m.created_at, m.id",
            columns::<materialization::Entity>("m")
        );
        let rows = ids_of_tenant(scope, ids.iter().map(|id| id.0));
        let mut found: HashMap<ArtifactId, Vec<Materialization>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            let form = Materialization::from(materialization::Model::from_query_result(&row, "")?);
            found.entry(form.artifact_id).or_default().push(form);
        }
        Ok(found)
    }

    /// The history of each artifact's state, oldest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_transitions(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
    ) -> Result<HashMap<ArtifactId, Vec<ArtifactTransition>>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.id = x.id AND a.tenant_id = x.tenant_id \
             {join} artifact_transition t ON t.artifact_id = a.id ORDER BY t.version",
            columns::<artifact_transition::Entity>("t")
        );
        let rows = ids_of_tenant(scope, ids.iter().map(|id| id.0));
        let mut found: HashMap<ArtifactId, Vec<ArtifactTransition>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            let model = artifact_transition::Model::from_query_result(&row, "")?;
            let transition = ArtifactTransition::try_from(model)?;
            found
                .entry(transition.artifact_id)
                .or_default()
                .push(transition);
        }
        Ok(found)
    }
}
