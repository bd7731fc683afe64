//! Draining a node: it takes nothing new and ends what it has, or hands it over.

use std::process::Output;

use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;
use tokio::process::Command;

use super::{comes_to_wait_for, id_of, is_in_state, nodes, starts};
use crate::support::{Backend, TestApp, backends};

const DRAIN: &str = "mutation ($input: DrainNodeInput!) { drainNode(input: $input) {
    node { state drainRequestedAt handOverAt } errors { code path } } }";
const UNDRAIN: &str = "mutation ($input: UndrainNodeInput!) { undrainNode(input: $input) {
    node { state drainRequestedAt } errors { code path } } }";

const A: &[&str] = &["runtime.node_name=a"];
const B: &[&str] = &["runtime.node_name=b"];

async fn drain(app: &TestApp, name: &str, hand_over_after: Option<i64>) -> Value {
    let id = id_of(app, name).await.to_string();
    let input = json!({"id": id, "handOverAfterSeconds": hand_over_after});
    let answer = app.data(DRAIN, json!({"input": input})).await;
    answer["drainNode"].clone()
}

async fn undrain(app: &TestApp, name: &str) {
    let input = json!({"id": id_of(app, name).await.to_string()});
    let answer = app.data(UNDRAIN, json!({"input": input})).await;
    assert_eq!(answer["undrainNode"]["errors"], json!([]));
}

backends! {
    async fn a_node_that_drains_ends_what_it_runs_and_takes_nothing_new(backend: Backend) {
        let app = TestApp::start_with(&backend, A).await;
        let session = app.session().await;
        app.run("add", json!({"a": 1, "b": 1})).await;
        let running = app.submit(session, "gated", json!({})).await.id;
        app.reaches(running, ExecutionStatus::Running).await;
        let shown = &nodes(&app).await[0];
        assert_eq!((&shown["name"], &shown["state"]), (&json!("a"), &json!("ACTIVE")));
        assert!(shown["heartbeatAt"].is_string() && shown["isThis"] == true);

        let drained = drain(&app, "a", None).await;
        assert_eq!(drained["node"]["state"], "DRAINING");
        assert!(drained["node"]["drainRequestedAt"].is_string());
        let waiting = app.submit(session, "add", json!({"a": 1, "b": 2})).await.id;
        comes_to_wait_for(&app, waiting, "NODE").await;
        app.solution.gate.add_permits(1);
        let ended = app.ended(running).await;
        assert_eq!((ended.status, ended.attempt), (ExecutionStatus::Completed, 1));
        is_in_state(&app, "a", "DRAINED").await;
        assert_eq!(app.execution(waiting).await.attempt, 0);

        undrain(&app, "a").await;
        assert_eq!(app.ended(waiting).await.status, ExecutionStatus::Completed);
        is_in_state(&app, "a", "ACTIVE").await;
        app.assert_verified().await;
    }

    async fn a_node_that_is_not_there_cannot_be_drained(backend: Backend) {
        let app = TestApp::start_with(&backend, A).await;
        let nobody = takeoff::ids::IdSource::seeded(5).node().to_string();
        let this = id_of(&app, "a").await.to_string();
        for (input, code, path) in [
            (json!({"id": nobody}), "NOT_FOUND", json!(["input", "id"])),
            (json!({"id": "ses_1"}), "INVALID_INPUT", json!(["input", "id"])),
            (
                json!({"id": this, "handOverAfterSeconds": -1}),
                "INVALID_INPUT",
                json!(["input", "handOverAfterSeconds"]),
            ),
        ] {
            let answer = app.data(DRAIN, json!({"input": input})).await;
            assert_eq!(answer["drainNode"], json!({"node": null, "errors": [{"code": code, "path": path}]}));
        }
        is_in_state(&app, "a", "ACTIVE").await;
    }
}

/// PostgreSQL only: what is submitted to a node that drains, another one runs; and what it runs is handed over when its
/// operator wants that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_on_a_node_that_drains_goes_on_on_another_one() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let a = TestApp::start_with(&backend, A).await;
    let session = a.session().await;
    let parent = a.submit(session, "family", json!({"children": 1, "gated": true}));
    let parent = parent.await.id;
    let gated = a.submit(session, "gated", json!({})).await.id;
    a.reaches(gated, ExecutionStatus::Running).await;
    comes_to_wait_for(&a, parent, "CHILDREN").await;
    let b = TestApp::start_with(&backend, B).await;
    let (of_a, of_b) = (id_of(&b, "a").await, id_of(&b, "b").await);

    // Asked by way of the other node.
    drain(&b, "a", None).await;
    a.until(|| async {
        let shown = &nodes(&a).await[0];
        (shown["state"] == "DRAINING").then_some(())
    })
    .await;
    // It is known to a by its word, which it gives once it takes nothing more.
    a.until(|| async {
        let submitted = a.submit(session, "add", json!({"a": 1, "b": 1})).await.id;
        let done = a.ended(submitted).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        (starts(&a, submitted).await[0].0 == of_b).then_some(())
    })
    .await;
    for _ in 0..20 {
        let done = a.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        assert_eq!(starts(&a, done.id).await[0].0, of_b);
    }
    assert_eq!(starts(&a, gated).await.len(), 1);

    let asked = drain(&b, "a", Some(0)).await;
    assert!(asked["node"]["handOverAt"].is_string());
    is_in_state(&b, "a", "DRAINED").await;
    b.solution.gate.add_permits(2);
    let done = b.ended(gated).await;
    assert_eq!((done.attempt, done.lost_attempts), (2, 1));
    for (id, last) in [(gated, of_b), (parent, of_b)] {
        assert_eq!(b.ended(id).await.status, ExecutionStatus::Completed);
        let starts = starts(&b, id).await;
        assert_eq!(starts[0].0, of_a);
        assert_eq!(starts.last().unwrap().0, last);
    }
    b.assert_verified().await;
}

/// PostgreSQL only: a node that lost its lease while it drained goes on to drain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_drains_does_so_under_its_next_incarnation() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start_with(&backend, A).await;
    let before = id_of(&app, "a").await;
    drain(&app, "a", None).await;
    is_in_state(&app, "a", "DRAINED").await;
    backend.execute("UPDATE node SET expires_at = 0").await;
    app.until(|| async {
        let nodes = nodes(&app).await;
        let now = nodes.iter().find(|node| node["name"] == "a")?;
        (now["id"] != before.to_string() && now["state"] == "DRAINED").then_some(())
    })
    .await;
    let session = app.session().await;
    let waiting = app.submit(session, "add", json!({"a": 1, "b": 2})).await.id;
    comes_to_wait_for(&app, waiting, "NODE").await;
    undrain(&app, "a").await;
    assert_eq!(app.ended(waiting).await.status, ExecutionStatus::Completed);
}

async fn takeoff(app: &TestApp, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command.env_clear().env("TAKEOFF_URL", app.url(""));
    command.args(arguments).output().await.unwrap()
}

async fn says(app: &TestApp, arguments: &[&str]) -> String {
    let output = takeoff(app, arguments).await;
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

backends! {
    async fn nodes_are_listed_and_drained_by_command(backend: Backend) {
        let labelled = ["runtime.node_name=worker-3", "runtime.labels=zone=a, gpu=true"];
        let app = TestApp::start_with(&backend, &labelled).await;
        let listed = says(&app, &["nodes"]).await;
        for part in ["worker-3", "ACTIVE", "0 of 1024", "gpu=true,zone=a", env!("CARGO_PKG_VERSION")] {
            assert!(listed.contains(part), "no {part} in {listed}");
        }
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await.id;
        app.reaches(running, ExecutionStatus::Running).await;
        let asked = says(&app, &["drain", "worker-3", "--json"]).await;
        let asked: Value = serde_json::from_str(&asked).unwrap();
        assert_eq!((&asked["state"], &asked["name"]), (&json!("DRAINING"), &json!("worker-3")));
        app.solution.gate.add_permits(1);
        let drained = says(&app, &["drain", "worker-3", "--wait"]).await;
        assert!(drained.contains("DRAINED"), "{drained}");
        assert_eq!(app.ended(running).await.attempt, 1);
        let id = asked["id"].as_str().unwrap();
        says(&app, &["undrain", id]).await;
        is_in_state(&app, "worker-3", "ACTIVE").await;
        let unknown = takeoff(&app, &["drain", "worker-4"]).await;
        assert_eq!(unknown.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&unknown.stderr).contains("worker-4"));
    }
}
