//! Redis is away, or has forgotten everything.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_redis_answers_are_right_and_events_cross_nodes() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let redis = backend.redis_url.clone().unwrap();
    let proxy = Proxy::before(&redis).await;
    let url = format!("redis.url={}", proxy.instead_of(&redis));
    let one = TestApp::start_with(&backend, &[&url]).await;
    let two = TestApp::start_with(&backend, &[&url]).await;
    let session = one.session().await;
    write_state(&one, session, json!({"n": 1})).await;
    assert_eq!(read_state(&two, session).await, json!({"n": 1}));
    for n in 2..4 {
        proxy.cut();
        write_state(&one, session, json!({"n": n})).await;
        assert_eq!(read_state(&two, session).await, json!({"n": n}));
        let id = crosses_nodes(&one, &two, session).await;
        assert_eq!(redis_state(&two).await, "down");
        proxy.mend().await;
        two.until(|| async { (redis_state(&two).await == "up").then_some(()) })
            .await;
        // What the hot copies hold by now is not taken for the truth.
        assert_eq!(read_state(&two, session).await, json!({"n": n}));
        crosses_nodes(&two, &one, session).await;
        assert_eq!(one.events(id).await, two.events(id).await);
    }
    two.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_forgets_everything_is_not_missed() {
    let (Some(mut backend), Some(redis)) = (Backend::postgres().await, Redis::start().await) else {
        return;
    };
    // That of the other tests is not to forget anything.
    backend.redis_url = Some(redis.url());
    let one = TestApp::start(&backend).await;
    let two = TestApp::start(&backend).await;
    let session = one.session().await;
    write_state(&one, session, json!({"n": 1})).await;
    assert_eq!(read_state(&two, session).await, json!({"n": 1}));
    redis.flush().await;
    assert_eq!(read_state(&two, session).await, json!({"n": 1}));
    write_state(&two, session, json!({"n": 2})).await;
    assert_eq!(read_state(&one, session).await, json!({"n": 2}));
    crosses_nodes(&one, &two, session).await;
    two.assert_verified().await;
}

/// Events of an execution on one node reach a subscriber on the other while it runs.
async fn crosses_nodes(from: &TestApp, to: &TestApp, session: SessionId) -> ExecutionId {
    let id = from.submit(session, "nap", json!({"millis": 300})).await.id;
    let principal = to.principal();
    let events = &to.services().events;
    let watched = events.watch_execution(&principal, id, None).await.unwrap();
    let seen = tokio::spawn(watched.map(|batch| batch.unwrap().events.to_vec()).concat());
    let seen = tokio::time::timeout(PATIENCE, seen).await;
    assert_eq!(seen.unwrap().unwrap(), from.events(id).await);
    id
}

async fn write_state(app: &TestApp, session: SessionId, state: Value) {
    let (principal, state) = (app.principal(), RawJson::from(&state));
    let surface = &app.services().state;
    surface
        .set_session_state(&principal, session, state, StateWriteMode::Replace, None)
        .await
        .unwrap();
}

async fn read_state(app: &TestApp, session: SessionId) -> Value {
    let scope = app.principal().scope();
    let found = app.services().state.get_session(&scope, session).await;
    found.unwrap().unwrap().state.to_value()
}

async fn redis_state(app: &TestApp) -> String {
    let ready = app.http.get(app.url("/ready")).send().await.unwrap();
    // Nothing but speed depends on it.
    assert_eq!(ready.status(), 200);
    let ready: Value = ready.json().await.unwrap();
    ready["dependencies"]["redis"].as_str().unwrap().to_owned()
}
