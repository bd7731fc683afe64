//! After a node died its executions run again; a zombie cannot write.

use std::sync::atomic::Ordering;

use serde_json::json;
use takeoff::model::ExecutionStatus;

use crate::support::{TestApp, backends};

backends! {
    async fn a_crashed_node_loses_nothing_that_was_acknowledged(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut ids = Vec::new();
        for _ in 0..5 {
            ids.push(app.submit(session, "gated", json!({})).await.id);
        }
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 5).then_some(()) }).await;
        app.server.crash();
        let app = TestApp::start(&backend).await;
        app.solution.gate.add_permits(5);
        for id in ids {
            let done = app.ended(id).await;
            assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 2));
            assert_eq!(done.lost_attempts, 1);
            let types = app.event_types(id).await;
            assert!(types.contains(&"execution.retrying".to_owned()), "{types:?}");
        }
        app.assert_verified().await;
    }

    async fn an_orderly_stop_gives_executions_back(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.shutdown_grace_seconds=0"]).await;
        let session = app.session().await;
        let id = app.submit(session, "gated", json!({})).await.id;
        app.reaches(id, ExecutionStatus::Running).await;
        app.server.stop().await;
        let app = TestApp::start(&backend).await;
        app.solution.gate.add_permits(1);
        let done = app.ended(id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 2));
        app.assert_verified().await;
    }

    async fn a_parent_finds_its_children_again(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let parent = app.submit(session, "family", json!({"children": 2, "gated": true})).await;
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 2).then_some(()) }).await;
        app.server.crash();
        let app = TestApp::start(&backend).await;
        app.solution.gate.add_permits(10);
        assert_eq!(app.ended(parent.id).await.status, ExecutionStatus::Completed);
        let scope = TestApp::principal().scope();
        let found = app.services().storage.first_children(&scope, &[parent.id], 9).await.unwrap();
        assert_eq!(found[&parent.id].len(), 2);
        app.assert_verified().await;
    }

    async fn the_sweep_repairs_an_execution_that_stands_nowhere(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.sweep_seconds=1"]).await;
        let session = app.session().await;
        let remote = app.submit(session, "remote", json!({})).await;
        let parent = app.submit(session, "gated", json!({})).await;
        app.reaches(parent.id, ExecutionStatus::Running).await;
        app.assert_verified().await;
        backend.execute("DELETE FROM ready").await;
        let report = app.verify().await;
        assert_eq!(report.differences.len(), 1, "{report:?}");
        // It has no handler on this node, so it is taken and put off again and again: it has a place.
        app.until(|| async { app.verify().await.differences.is_empty().then_some(()) }).await;
        assert!(app.execution(remote.id).await.epoch > 0);
    }
}
