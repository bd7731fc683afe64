//! Lineage that is cut, the ways between artifacts, and whose artifacts are shown.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use proptest::prelude::*;

use super::{
    World,
    lineage::{Graph, for_each, graphs, id, shown, unlimited, walk, walks},
    on_each_database,
    rows::{artifact, artifact_id},
    scope, scope_of,
};
use crate::storage::{
    Direction, Lineage, LineageRequest,
    Truncation::{self, Deadline, FanOut, MaxDepth, MaxEdges, MaxNodes},
};

#[test]
fn a_depth_shows_what_is_within_it_and_says_whether_there_is_more() {
    for_each(&walks(0..=4), &async |world, (graph, plain)| {
        graph.put(world).await;
        let lineage = walk(world, &plain.request()).await;
        let (nodes, edges) = graph.lineage(&plain);
        assert_eq!(shown(&lineage), nodes);
        assert_eq!(lineage.edges, edges);

        // What one step more shows is what was cut, whether or not its type is hidden.
        let mut bare = plain.clone();
        bare.shown.clear();
        let here = graph.lineage(&bare).0.len();
        bare.max_depth += 1;
        let more = graph.lineage(&bare).0.len() > here;
        let cuts = BTreeSet::from_iter(more.then_some(MaxDepth));
        assert_eq!(lineage.truncated_because, cuts);
    });
}

#[test]
fn any_bounds_are_kept_and_a_lineage_that_says_nothing_is_whole() {
    let bounds = (1..12_u32, 0..12_u32, 0..5_u32);
    for_each(&(walks(0..=6), bounds), &async |world,
                                              (
        (graph, plain),
        bounds,
    )| {
        graph.put(world).await;
        let (max_nodes, max_edges, fan_out) = bounds;
        let request = LineageRequest {
            max_nodes,
            max_edges,
            fan_out,
            ..plain.request()
        };
        let cut = walk(world, &request).await;
        let (nodes, edges) = graph.lineage(&plain);
        assert!(cut.nodes.len() <= max_nodes as usize);
        assert!(cut.edges.len() <= max_edges as usize);
        let ids: BTreeSet<_> = nodes.iter().map(|(_, id, _)| *id).collect();
        assert!(cut.nodes.iter().all(|node| ids.contains(&node.artifact.id)));
        assert!(cut.edges.iter().all(|edge| edges.contains(edge)));
        let reasons = cut.truncated_because.clone();
        if reasons.iter().all(|reason| *reason == MaxDepth) {
            assert_eq!((shown(&cut), cut.edges), (nodes, edges), "{reasons:?}");
        }
    });
}

/// Root 1 with `children` children, 2, 3, ….
async fn hub(world: &World, children: i64) {
    world.put_artifacts((1..=children + 1).map(artifact)).await;
    world
        .put_edges((2..=children + 1).map(|child| (child, 1)))
        .await;
}

fn keys(lineage: &Lineage) -> Vec<i64> {
    let is_shown = |key: &i64| {
        let mut nodes = lineage.nodes.iter();
        nodes.any(|node| node.artifact.id == artifact_id(*key))
    };
    (1..=500).filter(is_shown).collect()
}

fn cuts(lineage: &Lineage) -> Vec<Truncation> {
    lineage.truncated_because.iter().copied().collect()
}

#[tokio::test]
async fn what_one_direction_cuts_and_the_other_reaches_is_not_cut() {
    on_each_database(async |world| {
        // 2 is two steps up from the root 4, and one step down from the root 1.
        let mut rows: Vec<_> = (1..=4).map(artifact).collect();
        rows[1].artifact_type = "table";
        world.put_artifacts(rows).await;
        world.put_edges([(4, 3), (3, 2), (2, 1)]).await;
        for stops in [vec![], vec!["table".to_owned()]] {
            let request = LineageRequest {
                max_depth: 1,
                stop_at_types: stops.into_iter().collect(),
                ..unlimited(vec![artifact_id(1), artifact_id(4)], Direction::Both)
            };
            let lineage = walk(world, &request).await;
            assert_eq!(keys(&lineage), [1, 2, 3, 4]);
            assert_eq!(lineage.edges.len(), 3, "{:?}", request.stop_at_types);
            assert_eq!(cuts(&lineage), []);
        }
    })
    .await;
}

#[tokio::test]
async fn each_bound_says_that_it_cut_and_only_when_it_did() {
    on_each_database(async |world| {
        hub(world, 30).await;
        let whole = unlimited(vec![artifact_id(1)], Direction::Downstream);
        let shown = async |request: LineageRequest| {
            let lineage = walk(world, &request).await;
            (keys(&lineage).len(), lineage.edges.len(), cuts(&lineage))
        };

        let fan_out = |fan_out| LineageRequest {
            fan_out,
            ..whole.clone()
        };
        assert_eq!(shown(fan_out(30)).await, (31, 30, vec![]));
        assert_eq!(shown(fan_out(29)).await, (30, 29, vec![FanOut]));
        let max_nodes = |max_nodes| LineageRequest {
            max_nodes,
            ..whole.clone()
        };
        assert_eq!(shown(max_nodes(31)).await, (31, 30, vec![]));
        assert_eq!(shown(max_nodes(30)).await, (30, 29, vec![MaxNodes]));
        let max_edges = |max_edges| LineageRequest {
            max_edges,
            ..whole.clone()
        };
        assert_eq!(shown(max_edges(30)).await, (31, 30, vec![]));
        assert_eq!(shown(max_edges(29)).await, (30, 29, vec![MaxEdges]));
        let max_depth = |max_depth| LineageRequest {
            max_depth,
            ..whole.clone()
        };
        assert_eq!(shown(max_depth(1)).await, (31, 30, vec![]));
        assert_eq!(shown(max_depth(0)).await, (1, 0, vec![MaxDepth]));
        let deadline = Duration::ZERO;
        let late = LineageRequest {
            deadline,
            ..whole.clone()
        };
        assert_eq!(shown(late).await, (1, 0, vec![Deadline]));
    })
    .await;
}

#[tokio::test]
async fn a_cut_keeps_those_that_were_registered_first() {
    on_each_database(async |world| {
        hub(world, 400).await;
        for (fan_out, max_nodes) in [(9, 1_000), (1_000, 10)] {
            let request = LineageRequest {
                max_nodes,
                fan_out,
                ..unlimited(vec![artifact_id(1)], Direction::Downstream)
            };
            let kept: Vec<i64> = (1..=10).collect();
            assert_eq!(keys(&walk(world, &request).await), kept);
        }
    })
    .await;
}

#[tokio::test]
async fn a_root_that_is_given_twice_is_one_root() {
    on_each_database(async |world| {
        hub(world, 3).await;
        let one = artifact_id(1);
        let twice = LineageRequest {
            fan_out: 3,
            ..unlimited(vec![one, one], Direction::Both)
        };
        let lineage = walk(world, &twice).await;
        assert_eq!((lineage.nodes.len(), lineage.edges.len()), (4, 3));
        assert_eq!(cuts(&lineage), []);
    })
    .await;
}

#[tokio::test]
async fn more_roots_than_nodes_are_cut() {
    on_each_database(async |world| {
        world.put_artifacts((1..=5).map(artifact)).await;
        let roots = (1..=5).map(artifact_id).collect();
        let request = LineageRequest {
            max_nodes: 3,
            ..unlimited(roots, Direction::Upstream)
        };
        let lineage = walk(world, &request).await;
        assert_eq!(
            (keys(&lineage), cuts(&lineage)),
            (vec![1, 2, 3], vec![MaxNodes])
        );
    })
    .await;
}

#[tokio::test]
async fn another_tenants_artifacts_are_neither_roots_nor_passed() {
    on_each_database(async |world| {
        let mut theirs = artifact(2);
        theirs.tenant = "theirs";
        world
            .put_artifacts([artifact(1), theirs, artifact(3)])
            .await;
        // No such edges can be written; if there were any, they would lead nowhere.
        world.put_edges([(2, 1), (3, 2)]).await;
        let roots = vec![artifact_id(1), artifact_id(2), artifact_id(9)];
        let lineage = walk(world, &unlimited(roots.clone(), Direction::Both)).await;
        assert_eq!((keys(&lineage), lineage.edges), (vec![1], vec![]));
        let request = unlimited(roots, Direction::Both);
        let lineage = world.storage.lineage(&scope_of("theirs"), &request).await;
        assert_eq!(keys(&lineage.unwrap()), [2]);
        let way = world
            .storage
            .lineage_path(&scope(), artifact_id(1), artifact_id(3))
            .await;
        assert_eq!(way.unwrap(), None);
    })
    .await;
}

/// Steps from `from` up to `to`.
fn steps_up(graph: &Graph, from: usize, to: usize) -> Option<usize> {
    let mut steps = BTreeMap::from([(from, 0)]);
    let mut queue = VecDeque::from([from]);
    while let Some(node) = queue.pop_front() {
        for (child, parent) in &graph.edges {
            if *child == node && !steps.contains_key(parent) {
                steps.insert(*parent, steps[&node] + 1);
                queue.push_back(*parent);
            }
        }
    }
    steps.get(&to).copied()
}

#[test]
fn the_way_between_two_artifacts_is_a_shortest_one() {
    let strategy = graphs().prop_flat_map(|graph| {
        let nodes = graph.types.len();
        (Just(graph), 0..nodes, 0..nodes)
    });
    for_each(&strategy, &async |world, (graph, from, to)| {
        graph.put(world).await;
        let way = world.storage.lineage_path(&scope(), id(from), id(to)).await;
        let way = way.unwrap();
        let steps = steps_up(&graph, from, to).or_else(|| steps_up(&graph, to, from));
        assert_eq!(way.as_ref().map(|way| way.len() - 1), steps);
        let Some(way) = way else { return };
        assert_eq!((way.first(), way.last()), (Some(&id(from)), Some(&id(to))));
        for pair in way.windows(2) {
            let mut edges = graph.edges.iter();
            assert!(edges.any(|(child, parent)| {
                pair == [id(*child), id(*parent)] || pair == [id(*parent), id(*child)]
            }));
        }
    });
}
