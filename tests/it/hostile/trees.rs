//! Trees of executions that grow by themselves, and many that wait for their children.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use takeoff::model::{Execution, ExecutionStatus};

use crate::support::{TestApp, backends};

/// A journey whose steps, so many, are the journey itself.
pub(super) fn of_itself(steps: usize) -> Value {
    let step = |n| {
        json!({"name": format!("s{n}"), "intent_type": "compose_journey", "parameters": {
            "steps": {"$param": "s"}, "journey_params": {"s": {"$param": "s"}},
        }})
    };
    let steps: Vec<Value> = (0..steps).map(step).collect();
    json!({"steps": steps, "journey_params": {"s": steps}})
}

/// A journey within a journey, so many times, around one step.
fn nested(levels: usize, innermost: Value) -> Value {
    (0..levels).fold(innermost, |inner, _| {
        let (intent_type, parameters) = match inner.get("steps") {
            Some(_) => ("compose_journey", inner),
            None => ("gated", json!({})),
        };
        let step = json!({"name": "inner", "intent_type": intent_type, "parameters": parameters});
        json!({"steps": [step]})
    })
}

fn assert_refused(root: &Execution, code: &str) {
    assert_eq!(root.status, ExecutionStatus::Failed);
    let error = root.error.as_ref().unwrap();
    assert!(
        error.message.contains(code) || error.code == code,
        "{error:?}"
    );
}

async fn held(app: &TestApp) -> i64 {
    app.services()
        .runtime
        .backlog(&app.principal())
        .await
        .unwrap()
        .running
}

backends! {
    async fn a_journey_of_itself_ends_at_the_greatest_depth(backend: Backend) {
        let app = TestApp::start_with(&backend, &["limits.tree_depth=4"]).await;
        let root = app.run("compose_journey", of_itself(1)).await;
        assert_refused(&root, "TREE_TOO_DEEP");
        let report = app.verify().await;
        assert_eq!((report.executions, report.differences), (5, vec![]));
    }

    async fn a_tree_has_only_so_many_live_executions(backend: Backend) {
        let app = TestApp::start_with(&backend, &["limits.tree_executions=20", "limits.tree_depth=5"]).await;
        let session = app.session().await;
        let wide: Vec<Value> = (0..30)
            .map(|n| json!({"name": format!("s{n}"), "intent_type": "gated"}))
            .collect();
        let root = app.submit(session, "compose_journey", json!({"steps": wide})).await;
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) >= 10).then_some(()) }).await;
        // None of them can end yet, so all that there are live.
        assert!(app.verify().await.executions <= 21);
        app.solution.gate.add_permits(30);
        let root = app.ended(root.id).await;
        assert_refused(&root, "TREE_TOO_LARGE");
        app.assert_verified().await;
    }

    async fn parents_that_wait_beyond_the_bound_are_held_by_no_node(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=1"]).await;
        let session = app.session().await;
        let root = app.submit(session, "compose_journey", nested(10, json!({}))).await;
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 1).then_some(()) }).await;
        // Four that wait, and the one that runs.
        app.until(|| async { (held(&app).await <= 5).then_some(()) }).await;
        app.assert_verified().await;
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(root.id).await.status, ExecutionStatus::Completed);
        app.assert_verified().await;
    }

    async fn many_journeys_are_begun_no_faster_than_they_end(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=4"]).await;
        let session = app.session().await;
        let steps = json!([
            {"name": "a", "intent_type": "add", "parameters": {"a": 1, "b": 2}},
            {"name": "b", "intent_type": "add", "parameters": {"a": 1, "b": {"$from": "a", "path": "/sum"}}},
        ]);
        let mut journeys = Vec::new();
        for _ in 0..100 {
            journeys.push(app.submit(session, "compose_journey", json!({"steps": steps})).await.id);
        }
        let mut most = 0;
        for id in journeys {
            while app.execution(id).await.finished_at.is_none() {
                most = most.max(held(&app).await);
            }
            assert_eq!(app.execution(id).await.status, ExecutionStatus::Completed);
        }
        assert!(most <= 4 * 4 + 4, "{most} were held at once");
        app.assert_verified().await;
    }

    async fn a_node_that_stops_does_not_stay_for_what_waits(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.shutdown_grace_seconds=3600"]).await;
        let session = app.session().await;
        // No node has the handler of its child.
        let steps = json!([{"name": "far", "intent_type": "remote"}]);
        let root = app.submit(session, "compose_journey", json!({"steps": steps})).await;
        app.until(|| async {
            let types = app.services().storage.first_children(&app.principal().scope(), &[root.id], 1).await;
            (!types.unwrap().is_empty()).then_some(())
        }).await;
        let stopping = app.server.stop();
        tokio::time::timeout(crate::support::PATIENCE, stopping).await.expect("it stays");
    }
}
