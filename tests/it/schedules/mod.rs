//! Schedules: made by the API, fired once whatever the nodes do.

mod api;
mod fire;
mod overlap;
mod rights;

use std::sync::Arc;

use serde_json::{Value, json};
use takeoff::{
    app::App,
    clock::Clock,
    model::{Micros, SessionId},
};

use crate::support::{Backend, TestApp, TrySolution, config};

pub const SECOND: i64 = 1_000_000;
pub const MINUTE: i64 = 60 * SECOND;

/// 2026-01-05T12:00:30Z, a Monday.
pub const NOON: Micros = 1_767_614_430 * SECOND;

/// A node that goes by `clock`.
pub async fn node(backend: &Backend, clock: &Clock) -> TestApp {
    node_with(backend, clock, &[]).await
}

pub async fn node_with(backend: &Backend, clock: &Clock, settings: &[&str]) -> TestApp {
    let settings = [&["runtime.poll_ms=20"], settings].concat();
    let solution = TrySolution::default();
    let app = App::new(config(backend, &settings));
    let app = app.solution(solution.clone()).clock(clock.clone());
    let server = app.listen().await.unwrap();
    TestApp::of(server, solution)
}

pub const CREATE: &str = "mutation Create($input: CreateScheduleInput!) { createSchedule(input: $input) { \
    schedule { id status cron timeZone everySeconds overlap nextTimes(count: 2) } errors { code message path } } }";

/// Makes a schedule of `echo`, with the fields of `more` besides.
pub async fn create(app: &TestApp, session: SessionId, more: Value) -> Value {
    let mut input = json!({
        "intentType": "add", "sessionId": session.to_string(), "parameters": {"a": 1, "b": 2},
    });
    for (key, value) in more.as_object().unwrap() {
        input[key] = value.clone();
    }
    let mut data = app.data(CREATE, json!({"input": input})).await;
    data["createSchedule"].take()
}

/// The id of a schedule that must be made.
pub async fn created(app: &TestApp, session: SessionId, more: Value) -> String {
    let made = create(app, session, more).await;
    assert_eq!(made["errors"], json!([]), "{made}");
    made["schedule"]["id"].as_str().unwrap().to_owned()
}

pub const READ: &str = "query Read($id: ID!) { schedule(id: $id) { id status skippedCount lastFiredAt queuedTimes \
    nextTimes(count: 1) lastError { message at } executions { totalCount { count } nodes { id status submittedBy \
    intent { idempotencyKey } } } } }";

/// The schedule as it stands.
pub async fn read(app: &TestApp, id: &str) -> Value {
    app.data(READ, json!({"id": id})).await["schedule"].take()
}

/// The schedule, once it is as wanted.
pub async fn once(app: &TestApp, id: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let wanted = Arc::new(wanted);
    app.until(|| async {
        let found = read(app, id).await;
        wanted(&found).then_some(found)
    })
    .await
}

/// The keys of the executions that a schedule has made, newest first: what they are for.
pub fn times_of(schedule: &Value) -> Vec<String> {
    let nodes = schedule["executions"]["nodes"].as_array().unwrap();
    let key = |node: &Value| {
        let key = node["intent"]["idempotencyKey"].as_str().unwrap_or("none");
        key.split('/').next_back().unwrap().to_owned()
    };
    nodes.iter().map(key).collect()
}
