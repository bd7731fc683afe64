//! An execution that ends the process it runs in.

use std::sync::atomic::Ordering;

use serde_json::json;
use takeoff::model::{ExecutionId, ExecutionStatus};

use crate::support::{TestApp, backends};

async fn lives_until_it_is_killed(app: &TestApp) {
    let began = || async { (app.solution.killers.load(Ordering::SeqCst) > 0).then_some(()) };
    app.until(began).await;
}

async fn assert_blamed(app: &TestApp, id: ExecutionId) {
    let blamed = app.ended(id).await;
    assert_eq!(
        (blamed.status, blamed.attempt),
        (ExecutionStatus::Failed, 3)
    );
    assert_eq!((blamed.crashes, blamed.lost_attempts), (3, 3));
    assert_eq!(blamed.error.unwrap().code, "ATTEMPT_LOST");
}

backends! {
    async fn what_ends_its_process_three_times_in_a_row_fails_and_what_was_there_does_not(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let killer = app.submit(session, "killer", json!({})).await.id;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(app.submit(session, "gated", json!({})).await.id);
        }
        for life in 1..=3 {
            lives_until_it_is_killed(&app).await;
            if life < 3 {
                app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 3).then_some(()) }).await;
            } else {
                // The suspect runs alone.
                assert_eq!(app.solution.runs.load(Ordering::SeqCst), 0);
            }
            app.server.crash();
            app = TestApp::start(&backend).await;
        }
        assert_blamed(&app, killer).await;
        app.solution.gate.add_permits(others.len());
        for id in others {
            let done = app.ended(id).await;
            assert_eq!((done.status, done.crashes), (ExecutionStatus::Completed, 2));
        }
        app.assert_verified().await;
    }

    async fn a_parent_is_not_blamed_for_its_child(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let steps = json!([{"name": "bad", "intent_type": "killer"}]);
        let parent = app.submit(session, "compose_journey", json!({"steps": steps})).await.id;
        for _ in 1..=3 {
            lives_until_it_is_killed(&app).await;
            app.server.crash();
            app = TestApp::start(&backend).await;
        }
        let failed = app.ended(parent).await;
        let error = failed.error.unwrap();
        assert_eq!(error.code, "CHILD_FAILED", "{error:?}");
        assert!(error.message.contains("ATTEMPT_LOST"), "{error:?}");
        app.assert_verified().await;
    }

    async fn what_ran_alone_and_ended_by_itself_is_no_longer_suspected(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let id = app.submit(session, "gated", json!({})).await.id;
        for _ in 1..=2 {
            app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 1).then_some(()) }).await;
            app.server.crash();
            app = TestApp::start(&backend).await;
        }
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 1).then_some(()) }).await;
        // Nothing else starts meanwhile, and nothing is lost by that.
        let other = app.submit(session, "add", json!({"a": 1, "b": 1})).await;
        assert_eq!(other.status, ExecutionStatus::Created);
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
        assert_eq!(app.ended(other.id).await.status, ExecutionStatus::Completed);
    }
}
