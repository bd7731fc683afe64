//! Rows that cannot be read do not hold up those beside them.

use serde_json::json;
use takeoff::{
    model::{ExecutionStatus, RawJson},
    runtime::SubmitIntent,
};

use crate::support::{TestApp, backends};

const SPOIL: &str = "UPDATE execution SET error = '{' WHERE intent_type = 'flaky'";

async fn set_aside(app: &TestApp) -> u64 {
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
    let text = metrics.text().await.unwrap();
    let value = text.lines().find_map(|line| {
        let value = line.strip_prefix("takeoff_executions_set_aside_total ")?;
        value.parse().ok()
    });
    value.expect("the metric is not there")
}

backends! {
    async fn an_execution_that_cannot_be_read_does_not_hold_up_claims(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=1"]).await;
        let session = app.session().await;
        let blocker = app.submit(session, "gated", json!({})).await;
        app.reaches(blocker.id, ExecutionStatus::Running).await;
        app.submit(session, "flaky", json!({"failures": 0})).await;
        let good = app.submit(session, "add", json!({"a": 1, "b": 1})).await;
        backend.execute(SPOIL).await;
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(good.id).await.status, ExecutionStatus::Completed);
        assert!(set_aside(&app).await > 0);
    }

    async fn an_execution_that_cannot_be_read_does_not_hold_up_timers(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let first = app.run("add", json!({"a": 1, "b": 1})).await;
        let mut ids = Vec::new();
        for (intent_type, parameters) in [("flaky", json!({"failures": 0})), ("add", json!({"a": 1, "b": 1}))] {
            let mut intent = SubmitIntent::new(intent_type, session, RawJson::from(&parameters));
            intent.run_at = Some(first.finished_at.unwrap() + 3_000_000);
            ids.push(app.try_submit(intent).await.unwrap().execution.id);
        }
        backend.execute(SPOIL).await;
        assert_eq!(app.ended(ids[1]).await.status, ExecutionStatus::Completed);
        assert!(set_aside(&app).await > 0);
    }

    async fn an_execution_that_cannot_be_read_does_not_hold_up_recovery(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let good = app.submit(session, "gated", json!({})).await;
        let bad = app.submit(session, "killer", json!({})).await;
        for id in [good.id, bad.id] {
            app.reaches(id, ExecutionStatus::Running).await;
        }
        app.crash(&backend).await;
        backend.execute("UPDATE execution SET error = '{' WHERE intent_type = 'killer'").await;
        let app = TestApp::start(&backend).await;
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(good.id).await.status, ExecutionStatus::Completed);
        assert!(set_aside(&app).await > 0);
    }
}
