//! The edges of one level, and the artifacts at their far ends.

use super::super::{
    super::{Error, Storage, sql},
    relatives::Relation,
};
use crate::model::{ArtifactId, TenantScope};
use sql::{Rows, get};

/// About so many edges are held in memory at a time.
const EDGES_AT_A_TIME: u32 = 20_000;
const LEAST_KEYS: u32 = 64;
const MOST_KEYS: u32 = 1_024;

/// An edge with the artifact at its far end.
#[derive(Debug, Clone)]
pub(super) struct Neighbour {
    /// Key of what was made.
    pub(super) child: i64,
    /// Key of what was used.
    pub(super) parent: i64,
    /// The artifact at the far end.
    pub(super) id: ArtifactId,
    /// Its type.
    pub(super) artifact_type: String,
    /// The type of the intent that made it.
    pub(super) intent_type: String,
    /// How far it is from the roots of all lineage.
    pub(super) generation: i64,
}

impl Neighbour {
    /// The key at the near end and the one at the far end.
    pub(super) fn ends(&self, relation: Relation) -> (i64, i64) {
        match relation {
            Relation::Parents => (self.child, self.parent),
            Relation::Children => (self.parent, self.child),
        }
    }
}

/// How many nodes to ask for at a time.
pub(super) fn keys_at_a_time(fan_out: u32) -> usize {
    let keys = EDGES_AT_A_TIME / fan_out.saturating_add(1);
    (keys / LEAST_KEYS * LEAST_KEYS).clamp(LEAST_KEYS, MOST_KEYS) as usize
}

impl Storage {
    /// Of each key the first `count` relatives in the order of registration.
    pub(super) async fn neighbours(
        &self,
        scope: &TenantScope,
        keys: &[i64],
        relation: Relation,
        count: u32,
    ) -> Result<Vec<Neighbour>, Error> {
        let (near, far) = relation.columns();
        let tail = format!(
            "SELECT e.child, e.parent, a.id, a.artifact_type, a.intent_type, a.generation FROM x \
             JOIN artifact_edge e ON {} \
             JOIN artifact a ON a.key = e.{far} AND a.tenant_id = x.tenant_id \
             ORDER BY e.{near}, e.{far}",
            relation.among_first(count, "x.key")
        );
        let mut rows = Rows::of(&["key", "tenant_id"]);
        for key in keys {
            rows.push(vec![(*key).into(), scope.tenant().as_str().into()]);
        }
        let rows = rows.query(&self.db.reader, &tail).await?;
        rows.iter()
            .map(|row| {
                Ok(Neighbour {
                    child: get(row, "child")?,
                    parent: get(row, "parent")?,
                    id: ArtifactId(get(row, "id")?),
                    artifact_type: get(row, "artifact_type")?,
                    intent_type: get(row, "intent_type")?,
                    generation: get(row, "generation")?,
                })
            })
            .collect()
    }
}
