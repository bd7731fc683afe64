//! A walk in progress: what it has seen, and what cut it.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use tokio::time::{Instant, timeout_at};

use super::{
    super::{
        super::{Error, Storage},
        artifacts::Keyed,
        relatives::Relation,
    },
    Direction, Lineage, LineageEdge, LineageNode, LineageRequest, Truncation,
    neighbours::{Edge, keys_at_a_time},
};
use crate::model::{Artifact, TenantScope};

/// However patient the caller.
const LONGEST: Duration = Duration::from_mins(10);
const ARTIFACTS_AT_A_TIME: usize = 1_024;

/// A node that the walk has reached.
#[derive(Debug, Clone)]
struct Seen {
    artifact: Arc<Artifact>,
    depth: u32,
}

/// Artifacts that the walk is about to reach, by their keys.
type New = HashMap<i64, Arc<Artifact>>;

/// Whether to go on after a bound was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Walked {
    On,
    ToTheEnd,
}

/// A walk in progress.
pub(super) struct Walk<'a> {
    storage: &'a Storage,
    scope: &'a TenantScope,
    request: &'a LineageRequest,
    ends: Instant,
    roots: Vec<i64>,
    seen: HashMap<i64, Seen>,
    edges: HashSet<(i64, i64)>,
    cuts: BTreeSet<Truncation>,
    /// Nodes whose edges to their parents are all known.
    have_parents: HashSet<i64>,
    /// Nodes that may have parents among the seen which no step has shown.
    lack_parents: HashSet<i64>,
}

impl<'a> Walk<'a> {
    /// A walk that has seen its roots.
    pub(super) fn from(
        storage: &'a Storage,
        scope: &'a TenantScope,
        request: &'a LineageRequest,
        mut roots: Vec<Keyed>,
    ) -> Self {
        let mut cuts = BTreeSet::new();
        roots.sort_unstable_by_key(|(key, _)| *key);
        if roots.len() > request.max_nodes as usize {
            roots.truncate(request.max_nodes as usize);
            cuts.insert(Truncation::MaxNodes);
        }
        let seen = roots.into_iter().map(|(key, root)| {
            let seen = Seen {
                artifact: Arc::new(root),
                depth: 0,
            };
            (key, seen)
        });
        let seen: HashMap<i64, Seen> = seen.collect();
        Self {
            storage,
            scope,
            request,
            ends: Instant::now() + request.deadline.min(LONGEST),
            roots: seen.keys().copied().collect(),
            seen,
            edges: HashSet::new(),
            cuts,
            have_parents: HashSet::new(),
            lack_parents: HashSet::new(),
        }
    }

    /// To what the roots were made from.
    pub(super) async fn upstream(&mut self) -> Result<(), Error> {
        self.go(Relation::Parents).await.map(|_| ())
    }

    /// To what was made from the roots.
    pub(super) async fn downstream(&mut self) -> Result<(), Error> {
        let visited = self.go(Relation::Children).await?;
        // A stop is shown without its children, and a descendant may have been made from an
        // ancestor of a root: such edges are among the parents of those that were visited.
        let has_stops = visited.iter().any(|key| !self.may_pass(*key));
        if has_stops || self.request.direction == Direction::Both {
            self.lack_parents.extend(visited);
        }
        Ok(())
    }

    /// Level by level in one direction; what was visited.
    async fn go(&mut self, relation: Relation) -> Result<HashSet<i64>, Error> {
        // A node may be reached in both directions; each has its own visits.
        let mut visited: HashSet<i64> = self.roots.iter().copied().collect();
        let mut level = self.roots.clone();
        let mut depth = 0;
        while !level.is_empty() && !self.is_over() {
            level.sort_unstable();
            let (passed, stops): (Vec<i64>, Vec<i64>) =
                level.iter().partition(|key| self.may_pass(**key));
            if relation == Relation::Parents {
                self.have_parents.extend(&passed);
                self.lack_parents.extend(&stops);
            }
            level = Vec::new();
            for keys in passed.chunks(keys_at_a_time(self.request.fan_out)) {
                let edges = self.read(keys, relation).await?;
                let far_ends = edges.iter().map(|edge| edge.ends(relation).1);
                let mut new = self.read_new(far_ends, depth).await?;
                for edge in edges {
                    let far = edge.ends(relation).1;
                    if self.take(edge, (far, &mut new), depth) == Walked::ToTheEnd {
                        return Ok(visited);
                    }
                    if self.seen.contains_key(&far) && visited.insert(far) {
                        level.push(far);
                    }
                }
            }
            if depth == self.request.max_depth {
                return Ok(visited);
            }
            depth += 1;
        }
        Ok(visited)
    }

    /// Notes an edge from a node at `depth`, and the node at its far end unless a bound forbids it.
    fn take(&mut self, edge: Edge, (far, new): (i64, &mut New), depth: u32) -> Walked {
        if let Some(known) = self.seen.get(&far).map(|seen| seen.depth) {
            let walked = self.add_edge(edge.child, edge.parent);
            if let Some(seen) = self.seen.get_mut(&far).filter(|_| known > depth) {
                seen.depth = depth + 1;
            }
            return walked;
        }
        if depth == self.request.max_depth {
            self.cuts.insert(Truncation::MaxDepth);
            return Walked::On;
        }
        if self.seen.len() >= self.request.max_nodes as usize {
            self.cuts.insert(Truncation::MaxNodes);
            return Walked::On;
        }
        // Without an artifact it leads to another tenant's, or time ran out.
        let Some(artifact) = new.remove(&far) else {
            return Walked::On;
        };
        if self.add_edge(edge.child, edge.parent) == Walked::ToTheEnd {
            return Walked::ToTheEnd;
        }
        let depth = depth + 1;
        self.seen.insert(far, Seen { artifact, depth });
        Walked::On
    }

    /// Adds the edges between what was seen that no step has shown.
    pub(super) async fn close(&mut self) -> Result<(), Error> {
        let lacking = self.lack_parents.difference(&self.have_parents);
        let mut lacking: Vec<i64> = lacking.copied().collect();
        lacking.sort_unstable();
        for keys in lacking.chunks(keys_at_a_time(self.request.fan_out)) {
            if self.is_over() {
                break;
            }
            for edge in self.read(keys, Relation::Parents).await? {
                if self.seen.contains_key(&edge.parent)
                    && self.add_edge(edge.child, edge.parent) == Walked::ToTheEnd
                {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// The neighbours of `keys` within the fan-out; nothing when time runs out.
    async fn read(&mut self, keys: &[i64], relation: Relation) -> Result<Vec<Edge>, Error> {
        let fan_out = self.request.fan_out;
        // One more than the fan-out shows that there are more.
        let read = self
            .storage
            .edges(keys, relation, fan_out.saturating_add(1));
        let mut kept = self.in_time(read).await?;
        let mut counts: HashMap<i64, u32> = HashMap::new();
        kept.retain(|edge| {
            let count = counts.entry(edge.ends(relation).0).or_default();
            *count += 1;
            *count <= fan_out
        });
        if counts.values().any(|count| *count > fan_out) {
            self.cuts.insert(Truncation::FanOut);
        }
        Ok(kept)
    }

    /// Of the nodes that the edges from `depth` lead to those that were not seen and have room.
    async fn read_new(
        &mut self,
        far_ends: impl Iterator<Item = i64>,
        depth: u32,
    ) -> Result<New, Error> {
        let room = (self.request.max_nodes as usize).saturating_sub(self.seen.len());
        if depth == self.request.max_depth || room == 0 {
            return Ok(New::new());
        }
        let mut named = HashSet::new();
        let keys = far_ends.filter(|key| !self.seen.contains_key(key) && named.insert(*key));
        let keys: Vec<i64> = keys.take(room).collect();
        let mut new = New::new();
        for keys in keys.chunks(ARTIFACTS_AT_A_TIME) {
            let read = self.storage.artifacts_with_keys(self.scope, keys);
            let found = self.in_time(read).await?;
            new.extend(found.into_iter().map(|(key, it)| (key, Arc::new(it))));
        }
        Ok(new)
    }

    /// What was read; nothing when time runs out.
    async fn in_time<T>(
        &mut self,
        read: impl Future<Output = Result<Vec<T>, Error>>,
    ) -> Result<Vec<T>, Error> {
        let Ok(found) = timeout_at(self.ends, read).await else {
            self.cuts.insert(Truncation::Deadline);
            return Ok(Vec::new());
        };
        found
    }

    fn is_over(&mut self) -> bool {
        if Instant::now() >= self.ends {
            self.cuts.insert(Truncation::Deadline);
        }
        self.cuts.contains(&Truncation::Deadline) || self.cuts.contains(&Truncation::MaxEdges)
    }

    fn may_pass(&self, key: i64) -> bool {
        let stops = &self.request.stop_at_types;
        self.seen
            .get(&key)
            .is_some_and(|seen| seen.depth == 0 || !stops.contains(&seen.artifact.artifact_type))
    }

    /// An edge too many ends the walk: what came after would be shown without its edges.
    fn add_edge(&mut self, child: i64, parent: i64) -> Walked {
        let has_room = self.edges.len() < self.request.max_edges as usize;
        if has_room {
            self.edges.insert((child, parent));
        } else if !self.edges.contains(&(child, parent)) {
            self.cuts.insert(Truncation::MaxEdges);
            return Walked::ToTheEnd;
        }
        Walked::On
    }

    /// What is shown of it.
    pub(super) fn result(self) -> Lineage {
        let types = &self.request.artifact_types;
        let is_shown = |seen: &Seen| {
            seen.depth == 0 || types.is_empty() || types.contains(&seen.artifact.artifact_type)
        };
        let shown = |key: &i64| self.seen.get(key).filter(|seen| is_shown(seen));
        let mut nodes: Vec<LineageNode> = self
            .seen
            .values()
            .filter(|seen| is_shown(seen))
            .map(|seen| LineageNode {
                depth: seen.depth,
                artifact: Arc::clone(&seen.artifact),
                is_root: seen.depth == 0,
            })
            .collect();
        nodes.sort_unstable_by_key(|node| (node.depth, node.artifact.id));
        let edges = self.edges.iter().filter_map(|(child, parent)| {
            let (child, parent) = (shown(child)?, shown(parent)?);
            Some(LineageEdge {
                parent_id: parent.artifact.id,
                child_id: child.artifact.id,
                intent_type: child.artifact.intent_type.clone(),
            })
        });
        let mut edges: Vec<LineageEdge> = edges.collect();
        edges.sort_unstable();
        Lineage {
            nodes,
            edges,
            truncated_because: self.cuts,
        }
    }
}
