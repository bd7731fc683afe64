//! Limits of what runs at once, and of what is started within a time: what waits, what is refused, and what makes way.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::Ordering,
};

use serde_json::{Value, json};
use takeoff::model::{EventBody, Execution, ExecutionId, ExecutionStatus};

use crate::support::{Backend, NodeProcess, TestApp, backends, config};

const WAITING: &str = "query($id: ID!) { execution(id: $id) { waitingFor waitingForLimit } }";
const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
    execution { id } errors { code message path } } }";

async fn waiting(app: &TestApp, id: ExecutionId) -> (Value, Value) {
    let mut answer = app.data(WAITING, json!({"id": id.to_string()})).await;
    let found = &mut answer["execution"];
    (found["waitingFor"].take(), found["waitingForLimit"].take())
}

/// Waits until so many attempts have begun.
async fn begun(app: &TestApp, runs: u64) {
    let count = || app.solution.runs.load(Ordering::SeqCst);
    app.until(|| async { (count() == runs).then_some(()) })
        .await;
}

/// No repair was needed, by any sweep.
async fn assert_nothing_was_repaired(app: &TestApp) {
    let mended = app
        .services()
        .storage
        .mend_limits(None, 10_000)
        .await
        .unwrap();
    assert_eq!(mended.0, 0);
    let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let mut repairs = metrics
        .lines()
        .filter(|line| line.starts_with("takeoff_sweep_repairs_total"));
    assert!(repairs.all(|line| line.ends_with(" 0")), "{metrics}");
}

/// The most that ran at once of each key, and of all, as the log tells it.
async fn most_at_once(app: &TestApp, all: &BTreeMap<ExecutionId, String>) -> (usize, usize) {
    let mut told = Vec::new();
    for id in all.keys() {
        for event in app.events(*id).await {
            told.push((event.cursor, *id, event.body));
        }
    }
    told.sort_by_key(|(cursor, _, _)| (cursor.tx, cursor.ord));
    let (mut running, mut by_key, mut most) = (BTreeSet::new(), BTreeMap::new(), (0, 0));
    for (_, id, body) in told {
        let of_key: &mut BTreeSet<ExecutionId> = by_key.entry(&all[&id]).or_default();
        if matches!(body, EventBody::ExecutionStarted { .. }) {
            running.insert(id);
            of_key.insert(id);
        } else if body.is_terminal() || matches!(body, EventBody::ExecutionRetrying { .. }) {
            running.remove(&id);
            of_key.remove(&id);
        }
        most = (most.0.max(of_key.len()), most.1.max(running.len()));
    }
    most
}

async fn submit(node: &NodeProcess, session: &str, key: &str, millis: u64) -> ExecutionId {
    let input = json!({
        "intentType": "queued-nap", "sessionId": session, "parameters": {"key": key, "millis": millis},
    });
    let body = json!({"query": SUBMIT, "variables": {"input": input}});
    let answer = crate::support::http()
        .post(format!("http://{}/graphql", node.address))
        .json(&body);
    let answer: Value = answer.send().await.unwrap().json().await.unwrap();
    let made = &answer["data"]["submitIntent"]["execution"]["id"];
    made.as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .parse()
        .unwrap()
}

/// Two nodes where the database has several, and one else; one of them is killed, and all runs nevertheless.
async fn nodes_that_are_killed(backend: &Backend) {
    const LEASE: &[&str] = &[
        "runtime.lease_seconds=3",
        "runtime.sweep_seconds=1",
        "telemetry.log=warn",
    ];
    let app = if backend.is_postgres() {
        Some(TestApp::start_with(backend, LEASE).await)
    } else {
        None
    };
    let mut node = NodeProcess::start(backend, LEASE).await;
    let made = crate::support::http()
        .post(format!("http://{}/graphql", node.address))
        .json(&json!({"query": "mutation { createSession(input: {}) { session { id } } }"}));
    let made: Value = made.send().await.unwrap().json().await.unwrap();
    let session = made["data"]["createSession"]["session"]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let mut all = BTreeMap::new();
    for number in 0..24 {
        let key = format!("key {}", number % 6);
        let id = submit(&node, &session, &key, 150).await;
        all.insert(id, key);
    }
    // It may run while the node is killed, and others beside it.
    let id = submit(&node, &session, "alone", 1_500).await;
    all.insert(id, "alone".to_owned());
    node.kill();
    let app = match app {
        Some(app) => app,
        None => TestApp::start_with(backend, LEASE).await,
    };
    for id in all.keys() {
        assert_eq!(app.ended(*id).await.status, ExecutionStatus::Completed);
    }
    let (of_key, together) = most_at_once(&app, &all).await;
    assert_eq!(of_key, 1);
    assert!((2..=4).contains(&together), "{together}");
    app.assert_verified().await;
    assert_nothing_was_repaired(&app).await;
}

backends! {
    async fn what_has_the_same_key_runs_one_after_the_other_and_others_meanwhile(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut same = Vec::new();
        for _ in 0..3 {
            same.push(app.submit(session, "queued", json!({"key": "a"})).await.id);
        }
        let other = app.submit(session, "queued", json!({"key": "b"})).await.id;
        begun(&app, 2).await;
        app.reaches(other, ExecutionStatus::Running).await;
        assert_eq!(waiting(&app, same[0]).await, (Value::Null, Value::Null));
        for id in &same[1..] {
            assert_eq!(waiting(&app, *id).await, (json!("LIMIT"), json!("key")));
        }
        let ready = app.services().runtime.backlog(&app.principal()).await.unwrap().ready;
        assert_eq!(ready, 0);
        app.assert_verified().await;
        app.solution.gate.add_permits(4);
        let mut ends: Vec<Execution> = Vec::new();
        for id in &same {
            ends.push(app.ended(*id).await);
        }
        for pair in ends.windows(2) {
            assert!(pair[0].finished_at <= pair[1].started_at);
        }
        app.ended(other).await;
        app.assert_verified().await;
        assert_nothing_was_repaired(&app).await;
    }

    async fn an_intent_is_refused_where_the_limit_lets_nothing_wait(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let input = |key: &str| json!({"input": {
            "intentType": "rejected", "sessionId": session.to_string(), "parameters": {"key": key},
        }});
        let first = app.data(SUBMIT, input("a")).await;
        let first = first["submitIntent"]["execution"]["id"].as_str().unwrap().parse().unwrap();
        let refused = app.data(SUBMIT, input("a")).await;
        let message = "as many run, or have been started, as the limit key allows";
        let expected = json!({"execution": null, "errors": [{"code": "LIMIT_REACHED", "message": message, "path": null}]});
        assert_eq!(refused["submitIntent"], expected);
        let body = json!({"intent_type": "rejected", "session_id": session.to_string(), "parameters": {"key": "a"}});
        let answer = app.http.post(app.url("/api/intent/submit")).json(&body).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 429);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error_code"], "LIMIT_REACHED");
        app.data(SUBMIT, input("b")).await;
        app.solution.gate.add_permits(3);
        app.ended(first).await;
        let again = app.data(SUBMIT, input("a")).await;
        let again = again["submitIntent"]["execution"]["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(app.ended(again).await.status, ExecutionStatus::Completed);
        app.assert_verified().await;
    }

    async fn a_later_execution_takes_the_place_of_those_before_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let other = app.submit(session, "replaced", json!({"key": "b"})).await.id;
        let mut same = Vec::new();
        for _ in 0..3 {
            same.push(app.submit(session, "replaced", json!({"key": "a"})).await.id);
        }
        for id in &same[..2] {
            let ended = app.ended(*id).await;
            assert_eq!(ended.status, ExecutionStatus::Cancelled);
            let reason = "a later execution has its place under the limit key";
            assert_eq!(ended.cancel_reason.as_deref(), Some(reason));
        }
        app.reaches(same[2], ExecutionStatus::Running).await;
        app.solution.gate.add_permits(2);
        for id in [same[2], other] {
            assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
        }
        app.assert_verified().await;
        assert_nothing_was_repaired(&app).await;
    }

    async fn what_a_rate_puts_off_says_so_and_can_be_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let first = app.submit(session, "paced", json!({})).await.id;
        let second = app.submit(session, "paced", json!({})).await.id;
        assert_eq!(app.ended(first).await.status, ExecutionStatus::Completed);
        assert_eq!(waiting(&app, second).await, (json!("LIMIT"), json!("tenant-rate")));
        app.services().runtime.cancel(&app.principal(), second, None).await.unwrap();
        assert_eq!(app.ended(second).await.status, ExecutionStatus::Cancelled);
        app.assert_verified().await;
    }

    async fn a_configuration_changes_limits_and_adds_those_of_tenants(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.intent_limits=queued = key:2, gated = tenant:1"]).await;
        let session = app.session().await;
        for _ in 0..3 {
            app.submit(session, "queued", json!({"key": "a"})).await;
        }
        let first = app.submit(session, "gated", json!({})).await.id;
        let second = app.submit(session, "gated", json!({})).await.id;
        begun(&app, 3).await;
        app.reaches(first, ExecutionStatus::Running).await;
        assert_eq!(waiting(&app, second).await, (json!("LIMIT"), json!("tenant")));
        let other = app.principal_of("other");
        let session = app.services().state.create_session(&other, takeoff::state_surface::NewSession::anonymous());
        let session = session.await.unwrap().id;
        let intent = takeoff::runtime::SubmitIntent::new("gated", session, takeoff::model::RawJson::from(&json!({})));
        app.services().runtime.submit(&other, intent).await.unwrap();
        begun(&app, 4).await;
        app.solution.gate.add_permits(9);
        begun(&app, 6).await;
        app.ended(second).await;
        app.assert_verified().await;
    }

    async fn of_nodes_that_are_killed_no_more_run_than_may_and_all_run_in_the_end(backend: Backend) {
        nodes_that_are_killed(&backend).await;
    }
}

#[tokio::test]
async fn a_configuration_that_names_no_limit_is_refused() {
    use takeoff::app::App;
    let backend = Backend::sqlite();
    for (wrong, why) in [
        ("nothing = all:1", "no handler of this intent type"),
        ("queued = customer:1", "no handler has a limit customer"),
        ("queued = key:1/1m", "no handler has a limit key"),
    ] {
        let config = config(&backend, &[&format!("runtime.intent_limits={wrong}")]);
        let app = App::new(config).solution(crate::support::TrySolution::default());
        let refused = format!("{:#}", app.listen().await.err().unwrap());
        assert!(refused.contains(why), "{refused}");
    }
}
