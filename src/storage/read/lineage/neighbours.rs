//! The edges of one level, and the artifacts that they lead to.

use super::super::{
    super::{Error, Storage, sql},
    artifacts::{Keyed, keyed},
    relatives::Relation,
};
use crate::model::TenantScope;
use sql::{Rows, columns, get};

/// About so many edges are held in memory at a time.
const EDGES_AT_A_TIME: u32 = 20_000;
const LEAST_KEYS: u32 = 64;
const MOST_KEYS: u32 = 1_024;

/// An edge by the keys of its ends.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    /// Key of what was made.
    pub(super) child: i64,
    /// Key of what was used.
    pub(super) parent: i64,
}

impl Edge {
    /// The key at the near end and the one at the far end.
    pub(super) fn ends(&self, relation: Relation) -> (i64, i64) {
        match relation {
            Relation::Parents => (self.child, self.parent),
            Relation::Children => (self.parent, self.child),
        }
    }
}

/// Returns the number of nodes to ask for at a time.
pub(super) fn keys_at_a_time(fan_out: u32) -> usize {
    let keys = EDGES_AT_A_TIME / fan_out.saturating_add(1);
    (keys / LEAST_KEYS * LEAST_KEYS).clamp(LEAST_KEYS, MOST_KEYS) as usize
}

/// The keys of artifacts, and whose they must be.
pub(super) fn keys_of_tenant(scope: &TenantScope, keys: &[i64]) -> Rows {
    let mut rows = Rows::of(&["key", "tenant_id"]);
    for key in keys {
        rows.push(vec![(*key).into(), scope.tenant().as_str().into()]);
    }
    rows
}

impl Storage {
    /// Of each key the edges to its first `count` relatives in the order of registration.
    pub(super) async fn edges(
        &self,
        scope: &TenantScope,
        keys: &[i64],
        relation: Relation,
        count: u32,
    ) -> Result<Vec<Edge>, Error> {
        let (near, far) = relation.columns();
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT e.child, e.parent FROM x {join} artifact_edge e ON {} ORDER BY e.{near}, e.{far}",
            relation.among_first(count, "x.key")
        );
        let rows = Rows::column("key", keys.iter().copied());
        let rows = rows.query(&self.db.reader.of(scope), &tail).await?;
        let edge = |row| {
            Ok(Edge {
                child: get(row, "child")?,
                parent: get(row, "parent")?,
            })
        };
        rows.iter().map(edge).collect()
    }

    /// Those artifacts with these keys that are the tenant's.
    pub(super) async fn artifacts_with_keys(
        &self,
        scope: &TenantScope,
        keys: &[i64],
    ) -> Result<Vec<Keyed>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT {} FROM x {join} artifact a ON a.key = x.key AND a.tenant_id = x.tenant_id",
            columns::<entity::artifact::Entity>("a")
        );
        let rows = keys_of_tenant(scope, keys);
        let rows = rows.query(&self.db.reader.of(scope), &tail).await?;
        rows.into_iter().map(|row| keyed(&row)).collect()
    }
}
