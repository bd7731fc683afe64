//! The parents and the children of an artifact, one step away. However many relatives an artifact
//! has, only those of the page are read.

use std::collections::HashMap;

use entity::artifact;

use super::{
    super::{Error, Storage, sql},
    artifacts::{Keyed, keyed},
    page::{Conditions, Page, PageRequest, finish, ids_of_tenant},
};
use crate::model::{Artifact, ArtifactId, TenantScope};
use sql::{columns, get};

/// The near relatives of an artifact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// The artifacts that it was made from.
    Parents,
    /// The artifacts that were made from it.
    Children,
}

impl Relation {
    /// The edge's columns: of the artifact itself, and of the relative.
    pub(super) fn columns(self) -> (&'static str, &'static str) {
        match self {
            Self::Parents => ("child", "parent"),
            Self::Children => ("parent", "child"),
        }
    }

    /// The condition under which `e` is one of the first `count` edges of the artifact with the
    /// key `own`. Both databases read it as one range of an index.
    pub(super) fn among_first(self, count: u32, own: &str) -> String {
        let (near, far) = self.columns();
        let beyond = count.saturating_sub(1);
        format!(
            "e.{near} = {own} AND e.{far} <= COALESCE((SELECT c.{far} FROM artifact_edge c \
             WHERE c.{near} = {own} ORDER BY c.{far} LIMIT 1 OFFSET {beyond}), {})",
            i64::MAX
        )
    }
}

impl Storage {
    /// The first `limit` relatives of each artifact, in the order of registration.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn relatives_of(
        &self,
        scope: &TenantScope,
        ids: &[ArtifactId],
        relation: Relation,
        limit: u32,
    ) -> Result<HashMap<ArtifactId, Vec<Keyed>>, Error> {
        let mut found: HashMap<ArtifactId, Vec<Keyed>> = HashMap::new();
        if limit == 0 {
            return Ok(found);
        }
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {}, own.id AS own_id FROM x \
             {join} artifact own ON own.id = x.id AND own.tenant_id = x.tenant_id \
             {join} artifact_edge e ON {} \
             {join} artifact r ON r.key = e.{} AND r.tenant_id = x.tenant_id ORDER BY r.key",
            columns::<artifact::Entity>("r"),
            relation.among_first(limit, "own.key"),
            relation.columns().1
        );
        let rows = ids_of_tenant(scope, ids.iter().map(|id| id.0));
        for row in rows.query(&self.db.reader.of(scope), &tail).await? {
            found
                .entry(ArtifactId(get(&row, "own_id")?))
                .or_default()
                .push(keyed(&row)?);
        }
        Ok(found)
    }

    /// A page of one artifact's relatives, in the order of registration.
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
        let (own, other) = relation.columns();
        let tenant = scope.tenant().as_str();
        let mut conditions = Conditions::default();
        // The key in a select of its own is a constant to the planner, which then reads the edges
        // in the order of their index.
        conditions.add(
            &format!("e.{own} = (SELECT key FROM artifact WHERE id = ? AND tenant_id = ?)"),
            [id.0.into(), tenant.into()],
        );
        conditions.add("r.tenant_id = ?", [tenant.into()]);
        let end = conditions.page(&format!("e.{other}"), true, page);
        let text = format!(
            "SELECT {} FROM artifact_edge e JOIN artifact r ON r.key = e.{other} {} {end}",
            columns::<artifact::Entity>("r"),
            conditions.clause()
        );
        let rows = sql::query(&self.db.reader.of(scope), &text, conditions.values).await?;
        let items: Result<Vec<Keyed>, Error> = rows.into_iter().map(|row| keyed(&row)).collect();
        Ok(finish(items?, page, None))
    }
}
