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
        app.crash(&backend).await;
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
        app.crash(&backend).await;
        let app = TestApp::start(&backend).await;
        app.solution.gate.add_permits(10);
        assert_eq!(app.ended(parent.id).await.status, ExecutionStatus::Completed);
        let scope = app.principal().scope();
        let found = app.services().storage.first_children(&scope, &[parent.id], 9).await.unwrap();
        assert_eq!(found[&parent.id].len(), 2);
        app.assert_verified().await;
    }

    async fn what_a_node_holds_without_knowing_is_given_back(backend: Backend) {
        // As after a commit whose answer was lost with the connection.
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let parameters = takeoff::model::RawJson::from(&json!({"a": 1, "b": 1}));
        let mut intent = takeoff::runtime::SubmitIntent::new("add", session, parameters);
        intent.run_at = Some(i64::MAX / 2);
        let id = app.try_submit(intent).await.unwrap().execution.id;
        let held = [
            "DELETE FROM timer",
            "INSERT INTO lease (execution_id, epoch, node_id) \
             SELECT execution.id, 1, node.id FROM execution, node",
            "UPDATE execution SET status = 1, epoch = 1, attempt = 1, started_at = created_at",
        ];
        for statement in held {
            backend.execute(statement).await;
        }
        assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
    }

    async fn a_caller_that_goes_away_does_not_strand_an_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        // Something has to run first: only then may a submit start its execution at once.
        app.run("add", json!({"a": 0, "b": 0})).await;
        for n in 0..20 {
            let parameters = takeoff::model::RawJson::from(&json!({"a": n, "b": 1}));
            let intent = takeoff::runtime::SubmitIntent::new("add", session, parameters);
            let principal = app.principal();
            let submit = app.services().runtime.submit(&principal, intent);
            futures::pin_mut!(submit);
            for _ in 0..n % 4 {
                let _ = futures::poll!(submit.as_mut());
                tokio::task::yield_now().await;
            }
        }
        app.until(|| async {
            let backlog = app.services().runtime.backlog(&app.principal()).await.unwrap();
            (backlog.running + backlog.ready == 0).then_some(())
        }).await;
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
