//! What is kept of a signed log is signed anew; whoever changes it is found out.

use serde_json::json;
use takeoff::{
    model::{KeptCheckpoint, RawJson, Signed},
    runtime::SubmitIntent,
};

use super::{AT_ONCE, count};
use crate::support::{NodeProcess, TestApp, backends};

async fn sign(app: &TestApp) {
    app.server.node().sign_checkpoints().await.unwrap();
}

async fn faults(app: &TestApp) -> Vec<String> {
    let faults = app.verify_chain().await.faults;
    faults.iter().map(ToString::to_string).collect()
}

backends! {
    async fn checkpoints_with_nothing_left_under_them_become_one(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        let mut kept = Vec::new();
        for _ in 0..5 {
            app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
            sign(&app).await;
            let scope = app.principal().scope();
            let last = app.services().storage.find_checkpoint(&scope, None).await.unwrap().unwrap();
            kept.push(KeptCheckpoint { tenant_id: last.tenant_id, number: last.number, hash: last.hash });
        }
        app.services().runtime.remove_old().await.unwrap();
        assert_eq!(count(&backend, "checkpoint").await, 1);
        assert_eq!(count(&backend, "removed_entry").await, 0);
        assert_eq!(faults(&app).await, Vec::<String>::new());
        // The log goes on from there, and so does retention.
        for _ in 0..2 {
            app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
            sign(&app).await;
            app.services().runtime.remove_old().await.unwrap();
            app.assert_verified().await;
        }
        assert_eq!(count(&backend, "checkpoint").await, 1);
        // One that somebody kept elsewhere is not missed.
        let storage = &app.services().storage;
        let report = storage.verify_chain(Some(&|_: Signed<'_>| true), &kept).await.unwrap();
        assert_eq!(report.faults, []);
    }

    async fn what_is_removed_or_altered_after_it_was_signed_anew_is_found(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        let gated = app.submit(session, "gated", json!({})).await;
        sign(&app).await;
        app.services().runtime.remove_old().await.unwrap();
        assert_eq!(faults(&app).await, Vec::<String>::new());
        assert!(count(&backend, "event").await > 1);
        // With the execution and all that tells of it, as retention does.
        backend.execute("DELETE FROM event WHERE stream_kind = 0").await;
        backend.execute("DELETE FROM execution").await;
        let found = faults(&app).await;
        assert!(found[0].contains("are not those that were kept under checkpoint 1"), "{found:?}");
        backend.execute("UPDATE checkpoint SET kept_entries = 1").await;
        let found = faults(&app).await;
        assert!(found.iter().any(|fault| fault.contains("was not signed by a key of this server")), "{found:?}");
        drop(gated);
    }

    async fn retention_signs_nothing_that_was_tampered_with(backend: Backend) {
        let app = TestApp::start_with(&backend, &AT_ONCE).await;
        let session = app.session().await;
        app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        app.submit(session, "gated", json!({})).await;
        sign(&app).await;
        backend.execute("DELETE FROM event WHERE stream_kind = 1").await;
        let before = faults(&app).await;
        app.services().runtime.remove_old().await.unwrap();
        assert!(count(&backend, "removed_entry").await > 0);
        let after = faults(&app).await;
        let is_told = |found: &[String]| found.iter().any(|fault| fault.contains("checkpoint 1 signed"));
        assert!(is_told(&before) && is_told(&after), "{before:?} {after:?}");
    }

    async fn a_node_that_is_killed_while_it_removes_leaves_a_clean_log_and_the_next_one_goes_on(backend: Backend) {
        const LATER: [&str; 2] = ["retention.completed=90d", "retention.period_seconds=86400"];
        const NOW: [&str; 2] = ["retention.completed=0s", "retention.period_seconds=1"];
        let mut is_seen = false;
        for _ in 0..5 {
            let app = TestApp::start_with(&backend, &LATER).await;
            let session = app.session().await;
            let parameters = RawJson::from(&json!({"a": 1, "b": 2}));
            let intents = (0..1_500).map(|_| SubmitIntent::new("add", session, parameters.clone()));
            let submitted = app.services().runtime.submit_many(&app.principal(), intents.collect()).await;
            assert!(submitted.unwrap().iter().all(Result::is_ok));
            app.until(|| async {
                (count(&backend, "execution WHERE finished_at IS NULL").await == 0).then_some(())
            }).await;
            let whole = count(&backend, "execution").await;
            app.server.stop().await;
            let mut node = NodeProcess::start(&backend, &NOW).await;
            while count(&backend, "execution").await == whole {
                tokio::task::yield_now().await;
            }
            node.kill();
            let left = count(&backend, "execution").await;
            let app = TestApp::start_with(&backend, &LATER).await;
            app.assert_verified().await;
            app.server.stop().await;
            is_seen = left > 0;
            if is_seen {
                break;
            }
        }
        assert!(is_seen, "it was never killed half way");
        let node = NodeProcess::start(&backend, &NOW).await;
        while count(&backend, "execution").await > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        drop(node);
        let app = TestApp::start_with(&backend, &LATER).await;
        app.assert_verified().await;
    }
}
