//! What a schedule does when it is due while an execution that it made has not ended.

use serde_json::{Value, json};
use takeoff::{clock::Clock, model::ExecutionStatus};

use super::{MINUTE, NOON, SECOND, created, node, once, read, times_of};
use crate::support::{TestApp, backends};

const FIRST: &str = "2026-01-05T12:01:00Z";
const SECOND_TIME: &str = "2026-01-05T12:02:00Z";
const THIRD: &str = "2026-01-05T12:03:00Z";

/// A schedule of each minute, whose first execution waits at the gate.
async fn waiting(app: &TestApp, clock: &Clock, overlap: &str) -> String {
    let session = app.session().await;
    let more = json!({
        "intentType": "gated", "parameters": {}, "cron": "* * * * *", "overlap": overlap,
    });
    let id = created(app, session, more).await;
    clock.advance(MINUTE);
    let fired = once(app, &id, |it| times_of(it) == [FIRST]).await;
    assert_ne!(fired["executions"]["nodes"][0]["status"], "COMPLETED");
    id
}

/// The time of the schedule has come that is the first of its next ones.
async fn has_looked(app: &TestApp, id: &str, next: &str) -> Value {
    let next = json!([next]);
    once(app, id, |it| it["nextTimes"] == next).await
}

async fn nothing_runs(app: &TestApp, id: &str) {
    let ended = |it: &Value| {
        let nodes = it["executions"]["nodes"].as_array().unwrap();
        nodes
            .iter()
            .all(|node| node["status"] == "COMPLETED" || node["status"] == "CANCELLED")
    };
    once(app, id, ended).await;
}

backends! {
    async fn skip_leaves_out_what_would_overlap(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let id = waiting(&app, &clock, "SKIP").await;
        clock.advance(MINUTE);
        let looked = has_looked(&app, &id, "2026-01-05T12:03:00.000000Z").await;
        assert_eq!(looked["skippedCount"], "1", "{looked}");
        assert_eq!(looked["queuedTimes"], json!([]));
        app.solution.gate.add_permits(2);
        nothing_runs(&app, &id).await;
        clock.advance(MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"] == "2026-01-05T12:03:00.000000Z").await;
        assert_eq!(times_of(&fired), [THIRD, FIRST]);
        app.assert_verified().await;
    }

    async fn one_may_wait_for_the_end(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let id = waiting(&app, &clock, "QUEUE_ONE").await;
        clock.advance(MINUTE);
        let looked = has_looked(&app, &id, "2026-01-05T12:03:00.000000Z").await;
        assert_eq!(looked["queuedTimes"], json!(["2026-01-05T12:02:00.000000Z"]));
        clock.advance(MINUTE);
        let looked = has_looked(&app, &id, "2026-01-05T12:04:00.000000Z").await;
        assert_eq!((&looked["queuedTimes"], &looked["skippedCount"]),
            (&json!(["2026-01-05T12:02:00.000000Z"]), &json!("1")));
        app.solution.gate.add_permits(2);
        nothing_runs(&app, &id).await;
        clock.advance(20 * SECOND);
        let fired = once(&app, &id, |it| it["queuedTimes"] == json!([])).await;
        assert_eq!(times_of(&fired), [SECOND_TIME, FIRST]);
        app.assert_verified().await;
    }

    async fn all_may_wait_and_run_one_after_the_other(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let id = waiting(&app, &clock, "QUEUE_ALL").await;
        clock.advance(MINUTE);
        has_looked(&app, &id, "2026-01-05T12:03:00.000000Z").await;
        clock.advance(MINUTE);
        let looked = has_looked(&app, &id, "2026-01-05T12:04:00.000000Z").await;
        assert_eq!(looked["queuedTimes"].as_array().unwrap().len(), 2, "{looked}");
        app.solution.gate.add_permits(1);
        nothing_runs(&app, &id).await;
        clock.advance(12 * SECOND);
        let fired = once(&app, &id, |it| times_of(it).len() == 2).await;
        assert_eq!(times_of(&fired), [SECOND_TIME, FIRST], "not before the other has ended");
        app.solution.gate.add_permits(2);
        nothing_runs(&app, &id).await;
        clock.advance(12 * SECOND);
        let fired = once(&app, &id, |it| it["queuedTimes"] == json!([])).await;
        assert_eq!(times_of(&fired), [THIRD, SECOND_TIME, FIRST]);
        assert_eq!(fired["skippedCount"], "0");
        app.assert_verified().await;
    }

    async fn what_runs_may_be_cancelled_for_the_next(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let id = waiting(&app, &clock, "CANCEL_PREVIOUS").await;
        clock.advance(MINUTE);
        has_looked(&app, &id, "2026-01-05T12:03:00.000000Z").await;
        let first = read(&app, &id).await["executions"]["nodes"].as_array().unwrap().last().unwrap()["id"].clone();
        let first = app.ended(first.as_str().unwrap().parse().unwrap()).await;
        assert_eq!(first.status, ExecutionStatus::Cancelled);
        clock.advance(20 * SECOND);
        let fired = once(&app, &id, |it| times_of(it).len() == 2).await;
        assert_eq!(times_of(&fired), [SECOND_TIME, FIRST]);
        assert_ne!(fired["executions"]["nodes"][0]["status"], "CANCELLED");
        app.assert_verified().await;
    }

    async fn overlap_may_be_allowed(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let id = waiting(&app, &clock, "ALLOW").await;
        clock.advance(MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"] == "2026-01-05T12:02:00.000000Z").await;
        assert_eq!(times_of(&fired), [SECOND_TIME, FIRST]);
        let live = fired["executions"]["nodes"].as_array().unwrap().iter();
        assert!(live.clone().all(|node| node["status"] != "COMPLETED"), "{fired}");
        app.assert_verified().await;
    }
}
