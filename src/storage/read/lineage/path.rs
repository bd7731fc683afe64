//! The shortest way between two artifacts.
//!
//! It is always looked for from the younger one towards its ancestors: an artifact has few parents
//! but may have any number of children. Generations grow along every edge, so what is not younger
//! than the older end is not on the way, and two artifacts of one generation have none.

use std::collections::HashMap;

use super::{
    super::{
        super::{Error, Storage, sql},
        relatives::Relation,
    },
    neighbours::{keys_at_a_time, keys_of_tenant},
};
use crate::model::{Artifact, ArtifactId, TenantScope};
use sql::get;

const MOST_NODES: usize = 10_000;
const MOST_EDGES: usize = 200_000;
const MOST_PARENTS: u32 = 1_000;

/// The way to each node: from which key, and its id.
type Reached = HashMap<i64, (i64, ArtifactId)>;

impl Storage {
    /// The shortest way between an artifact and one of its ancestors or descendants, both ends
    /// included; none when there is none within some 10,000 artifacts and 200,000
    /// edges of those between.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn lineage_path(
        &self,
        scope: &TenantScope,
        from: ArtifactId,
        to: ArtifactId,
    ) -> Result<Option<Vec<ArtifactId>>, Error> {
        let ends = self.find_artifacts_keyed(scope, &[from, to]).await?;
        let end = |id: ArtifactId| ends.iter().find(|(_, artifact)| artifact.id == id);
        let (Some(start), Some(goal)) = (end(from), end(to)) else {
            return Ok(None);
        };
        if start.1.generation >= goal.1.generation {
            return self.way_up(scope, start, goal).await;
        }
        let mut way = self.way_up(scope, goal, start).await?;
        if let Some(way) = &mut way {
            way.reverse();
        }
        Ok(way)
    }

    /// From an artifact to one that is not younger.
    async fn way_up(
        &self,
        scope: &TenantScope,
        (start, from): &(i64, Artifact),
        (goal, to): &(i64, Artifact),
    ) -> Result<Option<Vec<ArtifactId>>, Error> {
        let mut reached: Reached = HashMap::from([(*start, (*start, from.id))]);
        let mut level = vec![*start];
        let mut looked_at = 0;
        while !reached.contains_key(goal) && !level.is_empty() {
            let mut next = Vec::new();
            for keys in level.chunks(keys_at_a_time(MOST_PARENTS)) {
                let parents = self.parents(scope, keys).await?;
                looked_at += parents.len();
                for edge in parents {
                    let is_on_the_way = edge.parent == *goal || edge.generation > to.generation;
                    if is_on_the_way && !reached.contains_key(&edge.parent) {
                        reached.insert(edge.parent, (edge.child, edge.parent_id));
                        next.push(edge.parent);
                    }
                }
                if reached.len() > MOST_NODES || looked_at > MOST_EDGES {
                    return Ok(way_back(&reached, *goal));
                }
            }
            level = next;
        }
        Ok(way_back(&reached, *goal))
    }

    async fn parents(&self, scope: &TenantScope, keys: &[i64]) -> Result<Vec<Step>, Error> {
        let join = sql::join(&self.db.reader);
        let tail = format!(
            "SELECT e.child, e.parent, a.id, a.generation FROM x {join} artifact_edge e ON {} \
             {join} artifact a ON a.key = e.parent AND a.tenant_id = x.tenant_id \
             ORDER BY e.child, e.parent",
            Relation::Parents.among_first(MOST_PARENTS, "x.key")
        );
        let rows = keys_of_tenant(scope, keys);
        let rows = rows.query(&self.db.reader.of(scope), &tail).await?;
        let step = |row| {
            Ok(Step {
                child: get(row, "child")?,
                parent: get(row, "parent")?,
                parent_id: ArtifactId(get(row, "id")?),
                generation: get(row, "generation")?,
            })
        };
        rows.iter().map(step).collect()
    }
}

/// From an artifact to one that it was made from.
struct Step {
    child: i64,
    parent: i64,
    parent_id: ArtifactId,
    /// The distance of the parent from the roots of all lineage.
    generation: i64,
}

/// From the start to `goal`, when it was reached.
fn way_back(reached: &Reached, goal: i64) -> Option<Vec<ArtifactId>> {
    let mut way = Vec::new();
    let mut key = goal;
    loop {
        let (before, id) = reached.get(&key)?;
        way.push(*id);
        if *before == key {
            way.reverse();
            return Some(way);
        }
        key = *before;
    }
}
