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
    depth: u32,
    /// None until it is read; for ever where time ran out, or where it is another tenant's.
    artifact: Option<Arc<Artifact>>,
}

/// The decision to go on or to stop after a bound was looked at.
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
    /// Until when edges are followed; what is left is for the artifacts at their ends.
    edges_end: Instant,
    ends: Instant,
    roots: Vec<i64>,
    seen: HashMap<i64, Seen>,
    edges: HashSet<(i64, i64)>,
    cuts: BTreeSet<Truncation>,
    /// Nodes beyond the depth of one direction, which the other may still reach; no more of them than
    /// show that it cannot have reached all.
    beyond: HashSet<i64>,
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
            let artifact = Some(Arc::new(root));
            (key, Seen { depth: 0, artifact })
        });
        let seen: HashMap<i64, Seen> = seen.collect();
        let (began, time) = (Instant::now(), request.deadline.min(LONGEST));
        Self {
            storage,
            scope,
            request,
            edges_end: began + time - time / 4,
            ends: began + time,
            roots: seen.keys().copied().collect(),
            seen,
            edges: HashSet::new(),
            cuts,
            beyond: HashSet::new(),
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
                for edge in self.read(keys, relation).await? {
                    let far = edge.ends(relation).1;
                    if self.take(edge, far, depth) == Walked::ToTheEnd {
                        return Ok(visited);
                    }
                    if self.seen.contains_key(&far) && visited.insert(far) {
                        level.push(far);
                    }
                }
            }
            if !self.request.stop_at_types.is_empty() {
                self.read_artifacts().await?;
            }
            if depth == self.request.max_depth {
                return Ok(visited);
            }
            depth += 1;
        }
        Ok(visited)
    }

    /// Notes an edge from a node at `depth`, and the node at its far end unless a bound forbids it.
    fn take(&mut self, edge: Edge, far: i64, depth: u32) -> Walked {
        if let Some(known) = self.seen.get(&far).map(|seen| seen.depth) {
            let walked = self.add_edge(edge.child, edge.parent);
            if let Some(seen) = self.seen.get_mut(&far).filter(|_| known > depth) {
                seen.depth = depth + 1;
            }
            return walked;
        }
        if depth == self.request.max_depth {
            self.leave(edge, far);
            return Walked::On;
        }
        if self.seen.len() >= self.request.max_nodes as usize {
            self.cuts.insert(Truncation::MaxNodes);
            return Walked::On;
        }
        if self.add_edge(edge.child, edge.parent) == Walked::ToTheEnd {
            return Walked::ToTheEnd;
        }
        let (depth, artifact) = (depth + 1, None);
        self.seen.insert(far, Seen { depth, artifact });
        Walked::On
    }

    /// Leaves a node out that lies beyond the depth of this direction.
    fn leave(&mut self, edge: Edge, far: i64) {
        if self.beyond.len() <= self.request.max_nodes as usize {
            self.beyond.insert(far);
        }
        // Reached by the other direction, a stop is shown without a look at its children.
        let is_both = self.request.direction == Direction::Both;
        if is_both && far == edge.parent && !self.request.stop_at_types.is_empty() {
            self.have_parents.remove(&edge.child);
            self.lack_parents.insert(edge.child);
        }
    }

    /// Adds what no step has shown: edges between what was seen, and the artifacts.
    pub(super) async fn close(&mut self) -> Result<(), Error> {
        if self.beyond.iter().any(|key| !self.seen.contains_key(key)) {
            self.cuts.insert(Truncation::MaxDepth);
        }
        self.close_edges().await?;
        self.read_artifacts().await?;
        self.forget_the_unreached();
        Ok(())
    }

    async fn close_edges(&mut self) -> Result<(), Error> {
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
            .edges(self.scope, keys, relation, fan_out.saturating_add(1));
        let mut kept = self.until(self.edges_end, read).await?;
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

    /// Reads the artifacts that were seen and not read yet, as far as there is time.
    async fn read_artifacts(&mut self) -> Result<(), Error> {
        let unread = self.seen.iter().filter(|(_, seen)| seen.artifact.is_none());
        let mut unread: Vec<i64> = unread.map(|(key, _)| *key).collect();
        unread.sort_unstable();
        for keys in unread.chunks(ARTIFACTS_AT_A_TIME) {
            let read = self.storage.artifacts_with_keys(self.scope, keys);
            for (key, artifact) in self.until(self.ends, read).await? {
                if let Some(seen) = self.seen.get_mut(&key) {
                    seen.artifact = Some(Arc::new(artifact));
                }
            }
        }
        Ok(())
    }

    /// Forgets nodes without an artifact, which lead nowhere, and those that only they led to.
    fn forget_the_unreached(&mut self) {
        if self.seen.values().all(|seen| seen.artifact.is_some()) {
            return;
        }
        self.seen.retain(|_, seen| seen.artifact.is_some());
        let mut ends: HashMap<i64, Vec<i64>> = HashMap::new();
        for (child, parent) in &self.edges {
            ends.entry(*child).or_default().push(*parent);
            ends.entry(*parent).or_default().push(*child);
        }
        let mut reached: HashSet<i64> = self.roots.iter().copied().collect();
        let mut next = self.roots.clone();
        while let Some(key) = next.pop() {
            for end in ends.remove(&key).into_iter().flatten() {
                if self.seen.contains_key(&end) && reached.insert(end) {
                    next.push(end);
                }
            }
        }
        self.seen.retain(|key, _| reached.contains(key));
    }

    /// Waits for a read, and returns nothing when time runs out.
    async fn until<T>(
        &mut self,
        end: Instant,
        read: impl Future<Output = Result<Vec<T>, Error>>,
    ) -> Result<Vec<T>, Error> {
        let Ok(found) = timeout_at(end, read).await else {
            self.cuts.insert(Truncation::Deadline);
            return Ok(Vec::new());
        };
        found
    }

    fn is_over(&mut self) -> bool {
        if Instant::now() >= self.edges_end {
            self.cuts.insert(Truncation::Deadline);
        }
        self.cuts.contains(&Truncation::Deadline) || self.cuts.contains(&Truncation::MaxEdges)
    }

    fn may_pass(&self, key: i64) -> bool {
        let stops = &self.request.stop_at_types;
        let goes_on = |artifact: &Arc<Artifact>| !stops.contains(&artifact.artifact_type);
        stops.is_empty()
            || self
                .seen
                .get(&key)
                .is_some_and(|seen| seen.depth == 0 || seen.artifact.as_ref().is_some_and(goes_on))
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

    /// Returns the nodes and edges that are shown.
    pub(super) fn result(self) -> Lineage {
        let types = &self.request.artifact_types;
        let shown = self
            .seen
            .iter()
            .filter_map(|(key, Seen { depth, artifact })| {
                let artifact = Arc::clone(artifact.as_ref()?);
                let (depth, is_root) = (*depth, *depth == 0);
                let is_shown =
                    is_root || types.is_empty() || types.contains(&artifact.artifact_type);
                let node = LineageNode {
                    depth,
                    artifact,
                    is_root,
                };
                is_shown.then_some((*key, node))
            });
        let shown: HashMap<i64, LineageNode> = shown.collect();
        let edges = self.edges.iter().filter_map(|(child, parent)| {
            let (child, parent) = (&shown.get(child)?.artifact, &shown.get(parent)?.artifact);
            Some(LineageEdge {
                parent_id: parent.id,
                child_id: child.id,
                intent_type: child.intent_type.clone(),
            })
        });
        let mut edges: Vec<LineageEdge> = edges.collect();
        edges.sort_unstable();
        let mut nodes: Vec<LineageNode> = shown.into_values().collect();
        nodes.sort_unstable_by_key(|node| (node.depth, node.artifact.id));
        Lineage {
            nodes,
            edges,
            truncated_because: self.cuts,
        }
    }
}
