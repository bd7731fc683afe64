use super::*;
use crate::{
    model::Queue,
    storage::{read_tests::World, read_tests::on_each_database},
};

const MINUTE: i64 = 60_000_000;

fn node(number: u128, labels: &str) -> NodeInfo {
    NodeInfo {
        id: NodeId(uuid::Uuid::from_u128(number)),
        name: format!("node-{number}"),
        version: "1".into(),
        labels: labels.parse().unwrap(),
        capacity: 8,
        running: 2,
        started_at: 0,
        beat_at: None,
        expires_at: 0,
        is_draining: false,
        drain_requested_at: None,
        hand_over_at: None,
        holds: false,
    }
}

async fn announce(world: &World, node: &NodeInfo) {
    let mut lease = world.storage.lease_connection();
    lease.announce(node, MINUTE).await.unwrap();
}

async fn found(world: &World, id: NodeId) -> NodeInfo {
    let nodes = world.storage.list_nodes().await.unwrap();
    nodes.into_iter().find(|node| node.id == id).unwrap()
}

async fn hold_something(world: &World, node: NodeId) {
    let text = "INSERT INTO lease (execution_id, epoch, node_id) VALUES ($1, 1, $1)";
    world.run(text, vec![node.0.into()]).await;
}

#[tokio::test]
async fn nodes_are_listed_as_they_announced_themselves() {
    on_each_database(async |world| {
        let (plain, labelled) = (node(1, ""), node(2, "gpu=true,zone=a"));
        announce(world, &plain).await;
        announce(world, &labelled).await;
        let listed = found(world, labelled.id).await;
        assert!(listed.beat_at.is_some_and(|at| at >= listed.started_at));
        // The database's clock goes on within a statement.
        assert!(listed.expires_at - listed.started_at >= MINUTE);
        let expected = NodeInfo {
            started_at: listed.started_at,
            beat_at: listed.beat_at,
            expires_at: listed.expires_at,
            ..labelled.clone()
        };
        assert_eq!(listed, expected);
        assert_eq!(listed.state(), NodeState::Active);
        let mut lease = world.storage.lease_connection();
        let busier = NodeInfo {
            running: 5,
            ..labelled
        };
        assert!(lease.prolong(&busier, 2 * MINUTE).await.unwrap());
        let prolonged = found(world, busier.id).await;
        assert_eq!(prolonged.running, 5);
        assert!(prolonged.beat_at > listed.beat_at);
        let labels = world.storage.labels_at_work(Some(plain.id)).await.unwrap();
        assert_eq!(labels, [busier.labels]);
    })
    .await;
}

#[tokio::test]
async fn a_node_of_the_version_before_is_listed_without_what_it_does_not_tell() {
    on_each_database(async |world| {
        let old = node(1, "");
        let text = "INSERT INTO node (id, name, version, capacity, running, started_at, expires_at) \
             VALUES ($1, 'node-1', '1', 8, 2, 0, $2)";
        world.run(text, vec![old.id.0.into(), i64::MAX.into()]).await;
        let listed = found(world, old.id).await;
        let expires_at = i64::MAX;
        assert_eq!(listed, NodeInfo { expires_at, ..old });
        assert_eq!(listed.state(), NodeState::Active);
    })
    .await;
}

#[tokio::test]
async fn a_node_is_drained_when_it_says_so_and_holds_nothing() {
    on_each_database(async |world| {
        let (one, other) = (node(1, "gpu=true"), node(2, ""));
        announce(world, &one).await;
        announce(world, &other).await;
        let storage = &world.storage;
        let state = async || found(world, one.id).await.state();

        let mut notices = storage.notices();
        assert!(storage.request_drain(one.id, Some(MINUTE)).await.unwrap());
        let told = notices.recv().await.unwrap();
        assert_eq!(*told, [Notice::NodeAsked(one.id)]);
        // It holds nothing, and may yet take something.
        assert_eq!(state().await, NodeState::Draining);
        let request = storage.find_drain_request(one.id).await.unwrap().unwrap();
        let left = request.hand_over_in.unwrap();
        assert!((1..=MINUTE).contains(&left), "{left}");
        assert_eq!(storage.labels_at_work(None).await.unwrap(), [other.labels]);

        hold_something(world, one.id).await;
        storage.set_draining(one.id, true).await.unwrap();
        assert_eq!(state().await, NodeState::Draining);
        world.run("DELETE FROM lease", vec![]).await;
        assert_eq!(state().await, NodeState::Drained);

        let before = found(world, one.id).await.drain_requested_at;
        assert!(storage.request_drain(one.id, None).await.unwrap());
        let again = found(world, one.id).await;
        assert_eq!(
            (again.drain_requested_at, again.hand_over_at),
            (before, None)
        );

        assert!(storage.cancel_drain(one.id).await.unwrap());
        assert_eq!(storage.find_drain_request(one.id).await.unwrap(), None);
        // It has not said yet that it takes work.
        assert_eq!(state().await, NodeState::Drained);
        storage.set_draining(one.id, false).await.unwrap();
        assert_eq!(state().await, NodeState::Active);
        assert_eq!(found(world, other.id).await.state(), NodeState::Active);
    })
    .await;
}

#[tokio::test]
async fn a_node_that_is_not_there_cannot_be_asked() {
    on_each_database(async |world| {
        let nobody = NodeId(uuid::Uuid::from_u128(7));
        assert!(!world.storage.request_drain(nobody, None).await.unwrap());
        assert!(!world.storage.cancel_drain(nobody).await.unwrap());
    })
    .await;
}

#[tokio::test]
async fn the_queues_in_which_something_waits_for_nodes_are_found() {
    on_each_database(async |world| {
        let labelled = |text: &str| Queue::of_labels(text.parse().unwrap());
        assert!(world.storage.waiting_queues().await.unwrap().is_empty());
        let names = [
            "labels:gpu=true",
            "labels:gpu=true",
            "alone:labels:zone=a",
            "node",
            "alone",
            "worker:echo/remote",
        ];
        for (number, name) in (1..).zip(names) {
            let text = "INSERT INTO ready (execution_id, tenant_id, queue, priority, ready_at) \
                 VALUES ($1, 'ours', $2, 5, 1)";
            let id = uuid::Uuid::from_u128(number).into();
            world.run(text, vec![id, name.into()]).await;
        }
        let mut found = world.storage.waiting_queues().await.unwrap();
        found.sort_by_key(|queue| queue.name().into_owned());
        let expected = [labelled("gpu=true"), labelled("zone=a"), Queue::Node];
        assert_eq!(found, expected);
        for (queue, waits) in [(labelled("zone=a"), true), (labelled("gpu=true"), false)] {
            let told = world.storage.something_waits_alone(&queue).await;
            assert_eq!(told.unwrap(), waits, "{queue:?}");
        }
    })
    .await;
}
