//! Artifacts, their stored forms and histories. Lists show metadata, never content.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use entity::{artifact, artifact_transition, materialization};
use sea_orm::{FromQueryResult, QueryResult};
use serde::{Deserialize, Serialize};

use super::{
    super::{Error, Storage, sql},
    count::Count,
    listing::{BY_ROW, Listing, MOST_RANGES, Order, Range, Way},
    page::{Conditions, Page, PageRequest, WHOLE_TENANT, finish, ids_of_tenant},
};
use crate::model::{
    Artifact, ArtifactId, ArtifactState, ArtifactTransition, ExecutionId, Materialization, Micros,
    SessionId, TenantScope,
};
use sql::{columns, get};

/// Which artifacts are wanted; an empty list of values means any. Written as JSON its members are named as in the API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct ArtifactFilter {
    /// One of these.
    #[serde(rename = "artifactType")]
    pub artifact_types: Vec<String>,
    /// One of these.
    #[serde(rename = "lifecycleState")]
    pub states: Vec<ArtifactState>,
    /// Made by this execution, or found again by it.
    pub execution_id: Option<ExecutionId>,
    /// Made in this session.
    pub session_id: Option<SessionId>,
    /// Made for this user, as it was when the executions were submitted.
    pub user_id: Option<Arc<str>>,
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
    let question = Question {
        tenant: scope.tenant().as_str(),
        filter,
    };
    let of_execution = question.of_execution();
    Listing {
        table: "artifact",
        key: "key",
        order: if of_execution.is_some() {
            Order::Key
        } else {
            Order::Time
        },
        tenant: question.tenant.to_owned(),
        looked_at: "artifact_type, state, session_id, user_id, created_at, display_name",
        is_looked_into: filter.name_contains.is_some(),
        window: (filter.created_after, filter.created_before),
        ways: of_execution.map_or_else(|| question.ways(), |few| vec![few]),
    }
}

/// A condition that the ranges of a way may answer. All in the order of time answer a window of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Session,
    User,
    State,
    Type,
}

/// A filter whose ways are looked for.
struct Question<'a> {
    tenant: &'a str,
    filter: &'a ArtifactFilter,
}

impl Question<'_> {
    fn of_execution(&self) -> Option<Way> {
        let id = self.filter.execution_id?;
        let found_by = "tenant_id || '' = ? AND key IN (SELECT key FROM artifact \
             WHERE execution_id = ? AND tenant_id || '' = ? UNION ALL \
             SELECT a.key FROM artifact_found f JOIN artifact a ON a.id = f.artifact_id \
             WHERE f.execution_id = ? AND a.tenant_id || '' = ?)";
        let (id, tenant) = (id.0, self.tenant);
        let values = vec![
            tenant.into(),
            id.into(),
            tenant.into(),
            id.into(),
            tenant.into(),
        ];
        let range = Range {
            index: BY_ROW,
            found_by: Some((found_by.to_owned(), values)),
            ..Range::default()
        };
        let mut fits = self.fits(&[]);
        fits.within(
            "created_at",
            (self.filter.created_after, self.filter.created_before),
        );
        Some(Way::new(vec![range], fits))
    }

    fn ways(&self) -> Vec<Way> {
        let ways = [
            self.of_session(),
            self.of_user(),
            self.of_types(),
            self.of_states(),
        ];
        Way::among(ways, || {
            let all = Range::of("artifact_idx_time", [(WHOLE_TENANT, self.tenant.into())]);
            Way::new(vec![all], self.fits(&[]))
        })
    }

    fn of_session(&self) -> Option<Way> {
        let session = self.filter.session_id?;
        let range = Range::of_session("artifact_idx_session", session, self.tenant);
        let answered = [Answered::Session];
        Some(Way::new(vec![range], self.fits(&answered)))
    }

    fn of_user(&self) -> Option<Way> {
        let user = self.filter.user_id.as_deref()?;
        let range = Range::of_user("artifact_idx_user", user, self.tenant);
        Some(Way::new(vec![range], self.fits(&[Answered::User])))
    }

    fn of_types(&self) -> Option<Way> {
        let types: BTreeSet<&str> = self
            .filter
            .artifact_types
            .iter()
            .map(String::as_str)
            .collect();
        let states = self.states();
        let ranges = types.into_iter().flat_map(|name| {
            states.iter().map(move |state| {
                let equal = [
                    ("artifact_type", name.into()),
                    ("tenant_id", self.tenant.into()),
                    ("state + 0", (*state).into()),
                ];
                Range::of("artifact_idx_type", equal)
            })
        });
        let ranges: Vec<Range> = ranges.collect();
        let answered = [Answered::Type, Answered::State];
        (1..=MOST_RANGES)
            .contains(&ranges.len())
            .then(|| Way::new(ranges, self.fits(&answered)))
    }

    fn of_states(&self) -> Option<Way> {
        if self.filter.states.is_empty() {
            return None;
        }
        let states = self.states().into_iter();
        let tenant = || ("tenant_id", self.tenant.into());
        let ranges = states
            .map(|state| Range::of("artifact_idx_state", [("state", state.into()), tenant()]));
        let answered = [Answered::State];
        Some(Way::new(ranges.collect(), self.fits(&answered)))
    }

    /// The codes of the states that are wanted.
    fn states(&self) -> BTreeSet<i64> {
        let wanted = &self.filter.states;
        let states = ArtifactState::ALL.into_iter();
        let states = states.filter(|it| wanted.is_empty() || wanted.contains(it));
        states.map(ArtifactState::code).collect()
    }

    /// The conditions that are not answered, so that no index answers them by itself.
    fn fits(&self, answered: &[Answered]) -> Conditions {
        let filter = self.filter;
        let mut fits = Conditions::default();
        if !answered.contains(&Answered::Type) {
            fits.one_of("artifact_type || ''", filter.artifact_types.iter().cloned());
        }
        if !answered.contains(&Answered::State) {
            fits.one_of_codes("state + 0", filter.states.iter().map(|state| state.code()));
        }
        if let Some(session) = filter
            .session_id
            .filter(|_| !answered.contains(&Answered::Session))
        {
            fits.add("COALESCE(session_id, session_id) = ?", [session.0.into()]);
        }
        if let Some(user) = filter.user_id.as_deref()
            && !answered.contains(&Answered::User)
        {
            fits.add("user_id || '' = ?", [user.into()]);
        }
        if let Some(text) = &filter.name_contains {
            fits.contains("display_name", text);
        }
        fits
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
        let (listing, columns) = (listing_of(scope, filter), columns::<artifact::Entity>("t"));
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
        let (db, columns) = (&self.db.reader.of(scope), columns::<artifact::Entity>("t"));
        let listing = listing_of(scope, filter);
        let rows = listing.slice::<i64>(db, &columns, limit, offset).await?;
        rows.into_iter().map(|row| Ok(keyed(&row)?.1)).collect()
    }

    /// Returns the number of the tenant's artifacts that fit.
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
            "SELECT * FROM (SELECT every.*, row_number() OVER (PARTITION BY of_execution ORDER BY key) \
             AS place FROM (SELECT {columns}, x.id AS of_execution FROM x {join} artifact a \
             ON a.execution_id = x.id AND a.tenant_id = x.tenant_id UNION ALL \
             SELECT {columns}, x.id AS of_execution FROM x {join} artifact_found f ON f.execution_id = x.id \
             {join} artifact a ON a.id = f.artifact_id AND a.tenant_id = x.tenant_id) every) ranked \
             WHERE place <= {limit} ORDER BY key",
            columns = columns::<artifact::Entity>("a")
        );
        let rows = ids_of_tenant(scope, executions.iter().map(|id| id.0));
        let mut found: HashMap<ExecutionId, Vec<Keyed>> = HashMap::new();
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            found
                .entry(ExecutionId(get(&row, "of_execution")?))
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
