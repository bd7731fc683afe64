//! A node that is told to stop hands over what it runs, as real processes on PostgreSQL.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use takeoff::model::ExecutionStatus;

use super::{events_so_far, id_of, is_in_state, nodes, starts};
use crate::support::{Backend, Load, NodeProcess, TestApp};

/// Within this time another node goes on with what a stopping one ran. A busy machine is given more: the time that the
/// test's submits took is added.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(2);

/// The stages of each execution, a quarter of a second each: it must still run when the other node has started.
const STAGES: usize = 40;

/// Nothing here ends by a lease that runs out.
const SETTINGS: &[&str] = &[
    "runtime.lease_seconds=60",
    "runtime.heartbeat_seconds=1",
    "runtime.shutdown_grace_seconds=20",
    "telemetry.log=warn",
];

fn named(name: &str) -> Vec<&str> {
    let mut settings = SETTINGS.to_vec();
    settings.push(name);
    settings
}

async fn handed_over_within_two_seconds(backend: Backend) {
    let mut a = NodeProcess::start(&backend, &named("runtime.node_name=a")).await;
    // The observer takes nothing: it only submits to the database and looks.
    let observer = TestApp::start_with(&backend, &named("runtime.node_name=observer")).await;
    let of_observer = id_of(&observer, "observer").await;
    let storage = &observer.services().storage;
    assert!(storage.request_drain(of_observer, None).await.unwrap());
    is_in_state(&observer, "observer", "DRAINED").await;
    let session = observer.session().await;
    let mut running = Vec::new();
    let began = Instant::now();
    for _ in 0..20 {
        let parameters = json!({"count": STAGES, "millis": 250});
        let id = observer.submit(session, "stages", parameters).await.id;
        running.push(id);
    }
    let within = HANDED_OVER_WITHIN + began.elapsed();
    for &id in &running {
        observer
            .until(|| async {
                let events = events_so_far(&observer, id).await;
                let mut names = events.iter().map(|event| event.body.type_name());
                names.any(|name| name == "step.completed").then_some(())
            })
            .await;
    }
    let of_a = id_of(&observer, "a").await;
    let b = NodeProcess::start(&backend, &named("runtime.node_name=b")).await;
    let of_b = id_of(&observer, "b").await;

    let told_at = observer.services().storage.now().await.unwrap();
    a.terminate();
    a.end().await;
    for &id in &running {
        let done = observer.ended(id).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        let starts = starts(&observer, id).await;
        let nodes: Vec<_> = starts.iter().map(|(node, _)| *node).collect();
        assert_eq!(nodes, [of_a, of_b]);
        let after = Duration::from_micros((starts[1].1 - told_at).max(0).unsigned_abs());
        assert!(after < within, "{after:?} of {within:?}");
        // Each stage counts once, and those that were done were not done again.
        let result = done.result.unwrap();
        let attempts: Vec<i64> = result.as_inline().unwrap().read().unwrap();
        assert_eq!(attempts.len(), STAGES);
        assert!(attempts.is_sorted() && attempts[0] == 1, "{attempts:?}");
        assert_eq!(*attempts.last().unwrap(), 2);
        assert_eq!((done.attempt, done.lost_attempts, done.crashes), (2, 1, 0));
    }
    let left: Vec<_> = nodes(&observer).await;
    assert!(left.iter().all(|node| node["name"] != "a"), "{left:?}");
    observer.assert_verified().await;
    drop(b);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stopping_node_runs_goes_on_elsewhere_within_two_seconds() {
    if let Some(backend) = Backend::postgres().await {
        handed_over_within_two_seconds(backend).await;
    }
}

/// Then others find work by looking for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_it_does_so_too() {
    if let Some(mut backend) = Backend::postgres().await {
        backend.redis_url = None;
        handed_over_within_two_seconds(backend).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_node_lets_what_it_runs_end() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let mut node = NodeProcess::start(&backend, SETTINGS).await;
    let load = Load::begin(node.address, 1).await;
    let mut random = StdRng::seed_from_u64(1);
    let input = json!({"intentType": "nap", "sessionId": load.session(),
        "parameters": {"millis": 2_500}, "idempotencyKey": "nap"});
    let id = load.insist(&input, &mut random).await;
    node.terminate();
    node.end().await;
    let app = TestApp::start(&backend).await;
    let done = app.execution(id).await;
    assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 1));
}

/// What a node with the labels runs is not handed over where no other one may run it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_other_node_may_run_has_the_whole_grace() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let bound = "runtime.intent_labels=nap = gpu:true";
    let gpu: Vec<_> = [SETTINGS, &[bound, "runtime.labels=gpu=true"]].concat();
    let mut node = NodeProcess::start(&backend, &gpu).await;
    let app = TestApp::start_with(&backend, &[SETTINGS, &[bound]].concat()).await;
    let session = app.session().await;
    let id = app
        .submit(session, "nap", json!({"millis": 2_500}))
        .await
        .id;
    app.reaches(id, ExecutionStatus::Running).await;
    node.terminate();
    node.end().await;
    let done = app.execution(id).await;
    assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 1));
}

/// As in a rolling upgrade: one node after the other is told to stop and started anew.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_are_restarted_in_turn_lose_and_repeat_nothing() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let mut nodes = [
        NodeProcess::start(&backend, SETTINGS).await,
        NodeProcess::start(&backend, SETTINGS).await,
    ];
    let load = Load::begin(nodes[0].address, 17).await;
    load.direct_to(nodes.each_ref().map(|node| node.address));
    let clients = load.submit(6);
    let watcher = tokio::spawn(Arc::clone(&load).watch());
    for turn in 0..4 {
        let (stopping, other) = (turn % 2, 1 - turn % 2);
        tokio::time::sleep(Duration::from_millis(700)).await;
        nodes[stopping].terminate();
        load.direct_to([nodes[other].address]);
        nodes[stopping].end().await;
        nodes[stopping] = NodeProcess::start(&backend, SETTINGS).await;
        load.direct_to(nodes.each_ref().map(|node| node.address));
    }
    let acknowledged = load.finish(clients).await;
    let app = TestApp::start(&backend).await;
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
    // Nothing was lost with a process, and nothing waited for a lease.
    let all = app.all_executions().await;
    assert!(
        all.iter()
            .all(|one| one.crashes == 0 && one.interruptions == 0)
    );
}
