//! Intent types that only nodes with some labels run.

use serde_json::json;
use takeoff::model::ExecutionStatus;

use super::{comes_to_wait_for, id_of, starts};
use crate::support::{Backend, TestApp, backends};

const BOUND: &str =
    "runtime.intent_labels=gated = gpu:true, stages = gpu:true zone:a, family = gpu:true";
const PLAIN: &[&str] = &[BOUND, "runtime.node_name=plain", "runtime.labels=zone=a"];
const GPU: &[&str] = &[
    BOUND,
    "runtime.node_name=gpu",
    "runtime.labels=gpu=true, zone=a",
];

backends! {
    async fn what_no_node_may_run_says_so_and_runs_where_one_may(backend: Backend) {
        let app = TestApp::start_with(&backend, PLAIN).await;
        let session = app.session().await;
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        let bound = app.submit(session, "stages", json!({"count": 2, "millis": 1})).await;
        comes_to_wait_for(&app, bound.id, "NODE").await;
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        assert_eq!(app.execution(bound.id).await.status, ExecutionStatus::Created);
        app.assert_verified().await;
        app.server.stop().await;

        let app = TestApp::start_with(&backend, GPU).await;
        assert_eq!(app.ended(bound.id).await.status, ExecutionStatus::Completed);
        let at_once = app.run_in(session, "stages", json!({"count": 1, "millis": 1})).await;
        assert_eq!(at_once.status, ExecutionStatus::Completed);
        // With children, of which some are bound and some are not.
        let family = app.submit(session, "family", json!({"children": 2, "gated": true})).await;
        let other = app.run_in(session, "family", json!({"children": 2})).await;
        app.solution.gate.add_permits(2);
        for id in [family.id, other.id] {
            assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
        }
        app.assert_verified().await;
    }

    async fn one_that_was_lost_with_its_node_again_and_again_runs_alone_on_nodes_with_its_labels(backend: Backend) {
        let app = TestApp::start_with(&backend, PLAIN).await;
        let session = app.session().await;
        let bound = app.submit(session, "stages", json!({"count": 1, "millis": 1})).await;
        comes_to_wait_for(&app, bound.id, "NODE").await;
        app.server.stop().await;
        backend.execute("UPDATE execution SET crashes = 2").await;
        backend.execute("UPDATE ready SET queue = 'alone:labels:gpu=true,zone=a'").await;
        let app = TestApp::start_with(&backend, PLAIN).await;
        comes_to_wait_for(&app, bound.id, "NODE").await;
        app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
        app.server.stop().await;
        let app = TestApp::start_with(&backend, GPU).await;
        assert_eq!(app.ended(bound.id).await.status, ExecutionStatus::Completed);
        // The log does not tell the crashes that were made up here.
    }
}

/// PostgreSQL only: nodes with and without the labels, side by side.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bound_types_run_on_labelled_nodes_alone_whoever_accepts_them() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let plain = TestApp::start_with(&backend, PLAIN).await;
    let gpu = TestApp::start_with(&backend, GPU).await;
    let of_gpu = id_of(&plain, "gpu").await;
    let session = plain.session().await;
    let mut bound = Vec::new();
    for _ in 0..10 {
        for app in [&plain, &gpu] {
            let parameters = json!({"count": 2, "millis": 1});
            bound.push(app.submit(session, "stages", parameters).await.id);
            app.submit(session, "add", json!({"a": 1, "b": 1})).await;
        }
    }
    for id in bound {
        assert_eq!(plain.ended(id).await.status, ExecutionStatus::Completed);
        let starts = starts(&plain, id).await;
        assert!(starts.iter().all(|(node, _)| *node == of_gpu), "{starts:?}");
    }
    // Nobody is left who may run it, and one comes.
    gpu.server.stop().await;
    let waiting = plain.submit(session, "stages", json!({"count": 1, "millis": 1}));
    let waiting = waiting.await.id;
    comes_to_wait_for(&plain, waiting, "NODE").await;
    let gpu = TestApp::start_with(&backend, GPU).await;
    assert_eq!(
        plain.ended(waiting).await.status,
        ExecutionStatus::Completed
    );
    gpu.assert_verified().await;
}

#[test]
fn labels_of_a_type_that_nobody_serves_are_refused() {
    let backend = Backend::sqlite();
    let labels = ["runtime.intent_labels=ecko = gpu:true"];
    let config = crate::support::config(&backend, &labels);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let refused = runtime.block_on(takeoff::app::App::new(config).start());
    let said = format!("{:#}", refused.err().unwrap());
    assert!(
        said.contains("runtime.intent_labels") && said.contains("ecko"),
        "{said}"
    );
}
