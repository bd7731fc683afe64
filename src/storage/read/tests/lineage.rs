//! Lineage of random graphs against a plain walk in memory.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    time::Duration,
};

use proptest::{prelude::*, test_runner::TestRunner};

use super::{
    World,
    rows::{artifact, artifact_id},
    scope,
};
use crate::{
    model::ArtifactId,
    storage::{Direction, Lineage, LineageEdge, LineageRequest},
};

pub(super) const TYPES: [&str; 3] = ["file", "table", "profile"];

/// A random graph: node `i` has the key `i + 1` and a type; edges go from older to younger.
#[derive(Debug, Clone)]
pub(super) struct Graph {
    pub(super) types: Vec<usize>,
    /// (child, parent), the parent smaller.
    pub(super) edges: BTreeSet<(usize, usize)>,
}

/// Keys of node `i` and back.
pub(super) fn key(node: usize) -> i64 {
    i64::try_from(node).unwrap() + 1
}

pub(super) fn id(node: usize) -> ArtifactId {
    artifact_id(key(node))
}

pub(super) fn graphs() -> impl Strategy<Value = Graph> {
    proptest::collection::vec(0..TYPES.len(), 2..16).prop_flat_map(|types| {
        let nodes = types.len();
        let pairs = proptest::collection::btree_set((0..nodes, 0..nodes), 0..nodes * 2);
        let graph = move |pairs: BTreeSet<(usize, usize)>| Graph {
            types: types.clone(),
            edges: pairs
                .into_iter()
                .filter(|(child, parent)| child > parent)
                .collect(),
        };
        pairs.prop_map(graph)
    })
}

impl Graph {
    pub(super) fn generation(&self, node: usize) -> i64 {
        let parents = self.edges.iter().filter(|(child, _)| *child == node);
        parents
            .map(|(_, parent)| self.generation(*parent) + 1)
            .max()
            .unwrap_or(0)
    }

    /// Puts it in the place of what is there.
    pub(super) async fn put(&self, world: &World) {
        world.run("DELETE FROM artifact", vec![]).await;
        world.run("DELETE FROM artifact_edge", vec![]).await;
        let rows = self.types.iter().enumerate().map(|(node, kind)| {
            let mut row = artifact(key(node));
            row.artifact_type = TYPES[*kind];
            row.generation = self.generation(node);
            row
        });
        world.put_artifacts(rows).await;
        let edges = self
            .edges
            .iter()
            .map(|(child, parent)| (key(*child), key(*parent)));
        world.put_edges(edges).await;
    }

    /// Steps from the nearest root by edges from `near` to `far`, by relaxation.
    fn depths(&self, request: &Plain, upstream: bool) -> BTreeMap<usize, u32> {
        let mut depths: BTreeMap<usize, u32> = request.roots.iter().map(|it| (*it, 0)).collect();
        loop {
            let before = depths.clone();
            for (child, parent) in &self.edges {
                let (near, far) = if upstream {
                    (child, parent)
                } else {
                    (parent, child)
                };
                let Some(depth) = depths.get(near).copied() else {
                    continue;
                };
                let is_passed = depth == 0 || !request.stops.contains(&self.types[*near]);
                if is_passed && depth < request.max_depth {
                    let known = depths.entry(*far).or_insert(depth + 1);
                    *known = (*known).min(depth + 1);
                }
            }
            if before == depths {
                return depths;
            }
        }
    }

    /// Returns the nodes and edges that a walk must show.
    pub(super) fn lineage(&self, request: &Plain) -> (Vec<Node>, Vec<LineageEdge>) {
        let mut depths = BTreeMap::new();
        for (upstream, other_way) in [(true, Direction::Downstream), (false, Direction::Upstream)] {
            if request.direction != other_way {
                for (node, depth) in self.depths(request, upstream) {
                    let known = depths.entry(node).or_insert(depth);
                    *known = depth.min(*known);
                }
            }
        }
        let is_shown = |node: &usize| {
            let is_of_type = request.shown.is_empty() || request.shown.contains(&self.types[*node]);
            depths.contains_key(node) && (is_of_type || depths[node] == 0)
        };
        let nodes = depths.iter().filter(|(node, _)| is_shown(node));
        let nodes = nodes.map(|(node, depth)| (*depth, id(*node), *depth == 0));
        let edges = self.edges.iter();
        let edges = edges.filter(|(child, parent)| is_shown(child) && is_shown(parent));
        let edges = edges.map(|(child, parent)| LineageEdge {
            parent_id: id(*parent),
            child_id: id(*child),
            intent_type: format!("makes_{}", TYPES[self.types[*child]]),
        });
        let (mut nodes, mut edges): (Vec<_>, Vec<_>) = (nodes.collect(), edges.collect());
        nodes.sort_unstable();
        edges.sort_unstable();
        (nodes, edges)
    }
}

/// Depth, artifact, and whether it is a root.
pub(super) type Node = (u32, ArtifactId, bool);

pub(super) fn shown(lineage: &Lineage) -> Vec<Node> {
    let nodes = lineage.nodes.iter();
    nodes
        .map(|node| (node.depth, node.artifact.id, node.is_root))
        .collect()
}

/// A walk in terms of a [`Graph`].
#[derive(Debug, Clone)]
pub(super) struct Plain {
    pub(super) roots: BTreeSet<usize>,
    pub(super) direction: Direction,
    pub(super) max_depth: u32,
    pub(super) shown: BTreeSet<usize>,
    pub(super) stops: BTreeSet<usize>,
}

impl Plain {
    pub(super) fn request(&self) -> LineageRequest {
        let names =
            |types: &BTreeSet<usize>| types.iter().map(|it| TYPES[*it].to_owned()).collect();
        LineageRequest {
            roots: self.roots.iter().copied().map(id).collect(),
            direction: self.direction,
            max_depth: self.max_depth,
            artifact_types: names(&self.shown),
            stop_at_types: names(&self.stops),
            ..unlimited(vec![], self.direction)
        }
    }
}

pub(super) fn unlimited(roots: Vec<ArtifactId>, direction: Direction) -> LineageRequest {
    LineageRequest {
        roots,
        direction,
        max_depth: 100,
        max_nodes: 1_000,
        max_edges: 1_000,
        fan_out: 100,
        deadline: Duration::from_secs(20),
        artifact_types: HashSet::new(),
        stop_at_types: HashSet::new(),
    }
}

fn directions() -> impl Strategy<Value = Direction> {
    prop_oneof![
        Just(Direction::Upstream),
        Just(Direction::Downstream),
        Just(Direction::Both)
    ]
}

/// A graph with a walk over it, at most `depth` deep.
pub(super) fn walks(depth: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = (Graph, Plain)> {
    graphs().prop_flat_map(move |graph| {
        let nodes = graph.types.len();
        let types = || proptest::collection::btree_set(0..TYPES.len(), 0..=2);
        let roots = proptest::collection::btree_set(0..nodes, 1..=3);
        (roots, directions(), depth.clone(), types(), types()).prop_map(
            move |(roots, direction, max_depth, shown, stops)| {
                let plain = Plain {
                    roots,
                    direction,
                    max_depth,
                    shown,
                    stops,
                };
                (graph.clone(), plain)
            },
        )
    })
}

pub(super) fn for_each<S: Strategy>(strategy: &S, check: &impl AsyncFn(&World, S::Value)) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for world in runtime.block_on(World::all()) {
        let mut runner = TestRunner::new(ProptestConfig::with_cases(150));
        let result = runner.run(strategy, |case| {
            runtime.block_on(check(&world, case));
            Ok(())
        });
        runtime.block_on(world.end());
        result.unwrap_or_else(|failure| panic!("{failure}"));
    }
}

pub(super) async fn walk(world: &World, request: &LineageRequest) -> Lineage {
    world.storage.lineage(&scope(), request).await.unwrap()
}

#[test]
fn a_lineage_within_its_bounds_is_that_of_a_plain_walk() {
    for_each(&walks(100..=100), &async |world, (graph, plain)| {
        graph.put(world).await;
        let lineage = walk(world, &plain.request()).await;
        let (nodes, edges) = graph.lineage(&plain);
        assert_eq!(shown(&lineage), nodes);
        assert_eq!(lineage.edges, edges);
        assert!(lineage.truncated_because.is_empty());
    });
}
