//! Operations whose list cannot be read, whose place in it is gone, and whose node lacks a handler.

use serde_json::{Value, json};
use takeoff::{app::App, clock::Clock};

use super::{MANY, begun, count, counts, ended, forbid_advances, permit_advances, read, waiting};
use crate::support::{Backend, TestApp, TrySolution, backends, config};

const MINUTE: i64 = 60_000_000;
const POLL: &str = "runtime.poll_ms=20";

async fn node_by(backend: &Backend, clock: &Clock) -> TestApp {
    let solution = TrySolution::default();
    let app = App::new(config(backend, &[POLL]));
    let app = app.solution(solution.clone()).clock(clock.clone());
    TestApp::of(app.listen().await.unwrap(), solution)
}

/// The time of this name of the only operation, if it has one.
async fn time_of(backend: &Backend, column: &str) -> Option<i64> {
    let text = format!("SELECT CAST(COALESCE({column}, -1) AS text) FROM operation");
    let time = backend.texts(&text).await[0].parse().unwrap();
    (time >= 0).then_some(time)
}

/// Waits until the only operation has failed to go on and is due at this time.
async fn waits_until(app: &TestApp, backend: &Backend, time: i64) {
    app.until(|| async {
        let failing = time_of(backend, "failing_since").await;
        (failing.is_some() && time_of(backend, "due_at").await == Some(time)).then_some(())
    })
    .await;
}

backends! {
    async fn an_operation_whose_list_cannot_be_read_goes_on_once_it_can(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let app = node_by(&backend, &clock).await;
        let session = app.session().await;
        waiting(&app, session, 3).await;
        backend.execute("UPDATE execution SET grants = 'nonsense'").await;
        let id = begun(&app, "cancelExecutions", json!({"filter": {"intentType": ["remote"]}})).await;
        waits_until(&app, &backend, clock.now() + MINUTE / 12).await;
        assert_eq!(read(&app, &id).await["status"], "RUNNING");
        clock.advance(MINUTE);
        // The pauses grow.
        waits_until(&app, &backend, clock.now() + MINUTE).await;
        backend.execute("UPDATE execution SET grants = NULL").await;
        clock.advance(2 * MINUTE);
        let operation = ended(&app, &id).await;
        assert_eq!((&operation["status"], counts(&operation)), (&json!("COMPLETED"), [3, 3, 0, 0]), "{operation}");
        assert_eq!(time_of(&backend, "failing_since").await, None);
    }

    async fn an_operation_whose_list_cannot_be_read_for_long_fails_with_a_reason(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let app = node_by(&backend, &clock).await;
        let session = app.session().await;
        waiting(&app, session, 1).await;
        backend.execute("UPDATE execution SET grants = 'nonsense'").await;
        let id = begun(&app, "cancelExecutions", json!({"filter": {"intentType": ["remote"]}})).await;
        waits_until(&app, &backend, clock.now() + MINUTE / 12).await;
        clock.advance(59 * MINUTE);
        waits_until(&app, &backend, clock.now() + 5 * MINUTE).await;
        assert_eq!(read(&app, &id).await["status"], "RUNNING");
        clock.advance(6 * MINUTE);
        let operation = ended(&app, &id).await;
        assert_eq!(operation["status"], "FAILED", "{operation}");
        assert!(operation["error"].as_str().unwrap().contains("could not be read"), "{operation}");
        assert!(operation["finishedAt"].is_string());
    }

    async fn a_place_that_is_gone_leads_past_nothing_and_back_to_nothing(backend: Backend) {
        let app = TestApp::start_with(&backend, &[POLL]).await;
        let session = app.session().await;
        waiting(&app, session, MANY).await;
        // The times in the ids are others than those by which the list is ordered.
        backend.execute("UPDATE execution SET created_at = created_at - 3600000000").await;
        forbid_advances(&backend).await;
        let id = begun(&app, "cancelExecutions", json!({"filter": {"intentType": ["remote"]}})).await;
        let cancelled = json!({"status": ["CANCELLED"]});
        app.until(|| async { (count(&app, cancelled.clone()).await == 100).then_some(()) }).await;
        backend.execute(
            "DELETE FROM execution WHERE id IN (SELECT id FROM execution ORDER BY created_at, id LIMIT 1 OFFSET 99)"
        ).await;
        permit_advances(&backend).await;
        backend.execute("UPDATE operation SET due_at = 1").await;
        let operation = ended(&app, &id).await;
        let many = MANY as u64;
        // The one that is gone was cancelled before, whether that was written down or not.
        let [matched, done, skipped, refused] = counts(&operation);
        assert_eq!((matched, done + skipped, refused), (many, many, 0), "{operation}");
        assert_eq!(count(&app, cancelled).await, many - 1);
    }

    async fn what_a_node_has_no_handler_for_is_left_to_another_one(backend: Backend) {
        // A node with SQLite is alone.
        if !backend.is_postgres() {
            return;
        }
        let app = TestApp::start(&backend).await;
        let mut done = Vec::new();
        for _ in 0..3 {
            done.push(app.run("add", json!({"a": 1, "b": 2})).await.id);
        }
        let stranger = App::new(config(&backend, &[])).listen().await.unwrap();
        let stranger = TestApp::of(stranger, TrySolution::default());
        let input = json!({"filter": {"status": ["COMPLETED"], "intentType": ["add"]}});
        let id = begun(&stranger, "rerunExecutions", input.clone()).await;
        let operation = ended(&app, &id).await;
        assert_eq!((&operation["status"], counts(&operation)), (&json!("COMPLETED"), [3, 3, 0, 0]), "{operation}");
        // Where nobody else is left it is refused.
        app.server.stop().await;
        let id = begun(&stranger, "rerunExecutions", input).await;
        let operation = ended(&stranger, &id).await;
        let refused: &Value = &operation["refusals"][0]["code"];
        assert_eq!(refused, "UNKNOWN_INTENT_TYPE", "{operation}");
    }
}
