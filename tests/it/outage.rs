//! The database or Redis goes away later and comes back: errors while it lasts, recovery by itself,
//! nothing lost. What is cut is a proxy; the services themselves are shared and go on.

use std::{
    net::SocketAddr,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use takeoff::{
    model::{
        EventBody, Execution, ExecutionId, ExecutionStatus, RawJson, SessionId, StateWriteMode,
    },
    storage::{Emit, Error, Fence},
};

use crate::support::{
    Acknowledged, Backend, Load, NodeProcess, PATIENCE, Proxy, Received, Socket, TestApp,
};

/// Limits that a test can wait for: an answer comes within their sum.
const IMPATIENT: [&str; 2] = [
    "database.acquire_timeout_ms=1000",
    "database.statement_timeout_ms=1000",
];
/// By then every request has been answered, on a busy machine, too.
const ANSWERED: Duration = Duration::from_secs(10);
/// A lease that outlives the cuts of a test.
const LONG_LEASE: &str = "runtime.lease_seconds=20";

/// A server that reaches PostgreSQL through a proxy.
async fn behind_proxy(more: &[&str]) -> Option<(Backend, Proxy, TestApp)> {
    let backend = Backend::postgres().await?;
    let proxy = Proxy::before(&backend.url()).await;
    let url = format!("database.url={}", proxy.instead_of(&backend.url()));
    let settings = [IMPATIENT.as_slice(), &[url.as_str()], more].concat();
    let app = TestApp::start_with(&backend, &settings).await;
    Some((backend, proxy, app))
}

async fn submit_over_http(app: &TestApp, session: SessionId) -> Value {
    let query = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { \
        errors { __typename } execution { id } } }";
    let input = json!({"intentType": "add", "sessionId": session.to_string(),
        "parameters": {"a": 1, "b": 2}});
    app.graphql(query, json!({"input": input})).await
}

fn assert_unavailable(answer: &Value) {
    let error = &answer["errors"][0]["extensions"];
    assert_eq!(error["code"], "UNAVAILABLE", "{answer}");
    assert_eq!(error["retryable"], true, "{answer}");
}

/// What every request gets while the database is away, and how soon.
async fn assert_refused_in_time(app: &TestApp, session: SessionId) {
    let began = Instant::now();
    let query = "{ executions(first: 1) { nodes { id } } }";
    let (submit, read, ready) = tokio::join!(
        submit_over_http(app, session),
        app.graphql(query, json!({})),
        app.http.get(app.url("/ready")).send(),
    );
    assert_unavailable(&submit);
    assert_unavailable(&read);
    let ready = ready.unwrap();
    assert_eq!(ready.status(), 503);
    let ready: Value = ready.json().await.unwrap();
    assert_eq!(ready["dependencies"]["database"], "down");
    assert!(began.elapsed() < ANSWERED, "{:?}", began.elapsed());
}

/// Handlers that wait for the gate, and run.
async fn gated(app: &TestApp, session: SessionId, count: u64) -> Vec<Execution> {
    let mut running = Vec::new();
    for _ in 0..count {
        let id = app.submit(session, "gated", json!({})).await.id;
        running.push(app.reaches(id, ExecutionStatus::Running).await);
    }
    let runs = &app.solution.runs;
    app.until(|| async { (runs.load(Ordering::SeqCst) >= count).then_some(()) })
        .await;
    running
}

/// Waits until the database is back for this node.
async fn until_submits_are_accepted(app: &TestApp, session: SessionId) {
    app.until(|| async {
        let answer = submit_over_http(app, session).await;
        answer["data"]["submitIntent"]["execution"]["id"]
            .as_str()
            .map(drop)
    })
    .await;
}

async fn late_write(app: &TestApp, execution: &Execution) -> Result<(), Error> {
    let emit = Emit {
        fence: Fence {
            execution_id: execution.id,
            epoch: execution.epoch,
        },
        body: EventBody::Domain {
            name: "too.late".to_owned(),
        },
        payload: None,
    };
    app.services().storage.emit(emit).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_outlive_a_database_that_is_away_for_less_than_the_lease() {
    let Some((_backend, proxy, app)) = behind_proxy(&[LONG_LEASE]).await else {
        return;
    };
    let session = app.session().await;
    let node = app.services().runtime.node_id();
    let running = gated(&app, session, 3).await;
    let principal = TestApp::principal();
    let events = &app.services().events;
    let mut watched = Box::pin(
        events
            .watch_execution(&principal, running[0].id, None)
            .await
            .unwrap(),
    );
    let past = watched.next().await.unwrap().unwrap();
    proxy.cut();
    // They end while nothing can be recorded.
    app.solution.gate.add_permits(3);
    assert_refused_in_time(&app, session).await;
    proxy.mend().await;
    for execution in &running {
        let done = app.ended(execution.id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 1));
    }
    assert_eq!(app.services().runtime.node_id(), node);
    // The subscription went on, or ended with an error that says to come back.
    let mut seen = past.events.to_vec();
    loop {
        match watched.next().await {
            Some(Ok(batch)) => seen.extend(batch.events.iter().cloned()),
            Some(Err(error)) => {
                assert!(error.is_retryable(), "{error}");
                let after = seen.last().map(|event| event.cursor);
                let again = events
                    .watch_execution(&principal, running[0].id, after)
                    .await;
                watched = Box::pin(again.unwrap());
            }
            None => break,
        }
    }
    assert_eq!(seen, app.events(running[0].id).await);
    until_submits_are_accepted(&app, session).await;
    app.until(|| async {
        (app.services().runtime.backlog().await.unwrap().running == 0).then_some(())
    })
    .await;
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_database_past_its_lease_goes_on_under_a_new_incarnation() {
    let Some((backend, proxy, app)) = behind_proxy(&[]).await else {
        return;
    };
    let session = app.session().await;
    let node = app.services().runtime.node_id();
    let running = gated(&app, session, 3).await;
    proxy.cut();
    assert_refused_in_time(&app, session).await;
    // Another node finds the lease run out and takes the work.
    let other = TestApp::start(&backend).await;
    other.solution.gate.add_permits(3);
    for execution in &running {
        let done = other.ended(execution.id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 2));
        assert_eq!(done.lost_attempts, 1);
    }
    proxy.mend().await;
    until_submits_are_accepted(&app, session).await;
    app.until(|| async {
        let nodes = app.services().runtime.nodes().await.unwrap();
        let mine = app.services().runtime.node_id();
        let is_known = |id| nodes.iter().any(|info| info.id == id);
        (is_known(mine) && !is_known(node)).then_some(())
    })
    .await;
    for execution in &running {
        assert!(matches!(
            late_write(&app, execution).await,
            Err(Error::Fenced)
        ));
    }
    // It works on: a handler whose gate is open on this node alone can end.
    let id = app.submit(session, "add", json!({"a": 1, "b": 1})).await.id;
    assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
    app.until(|| async { app.verify().await.differences.is_empty().then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lone_node_takes_its_own_work_up_again() {
    let Some((_backend, proxy, app)) = behind_proxy(&[]).await else {
        return;
    };
    let session = app.session().await;
    let node = app.services().runtime.node_id();
    let running = gated(&app, session, 3).await;
    proxy.cut();
    app.until(|| async {
        // Its handlers stop before others may take over.
        let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
        let metrics = metrics.text().await.unwrap();
        metrics
            .lines()
            .any(|line| line == "takeoff_running 0")
            .then_some(())
    })
    .await;
    proxy.mend().await;
    app.solution.gate.add_permits(3);
    for execution in &running {
        let done = app.ended(execution.id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 2));
        assert!(matches!(
            late_write(&app, execution).await,
            Err(Error::Fenced)
        ));
    }
    assert_ne!(app.services().runtime.node_id(), node);
    app.assert_verified().await;
}

/// A cut may come between a commit and its answer: what was committed is found all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_short_cuts_under_load_lose_nothing() {
    let Some((_backend, proxy, app)) = behind_proxy(&[LONG_LEASE]).await else {
        return;
    };
    let load = Load::begin(app.server.address(), 7).await;
    let clients = load.submit(6);
    let watcher = tokio::spawn(Arc::clone(&load).watch());
    for round in 0..12 {
        tokio::time::sleep(Duration::from_millis(150 + 17 * round)).await;
        proxy.cut();
        tokio::time::sleep(Duration::from_millis(60)).await;
        proxy.mend().await;
    }
    let acknowledged = load.finish(clients).await;
    app.audit(&load, &acknowledged).await;
    watcher.abort();
    assert!(load.repeated.load(Ordering::Relaxed) > 0);
}

/// No connection ends, nothing is refused: every packet is swallowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_answer_is_not_waited_for() {
    let Some((_backend, proxy, app)) = behind_proxy(&[]).await else {
        return;
    };
    let load = Load::begin(app.server.address(), 8).await;
    let session = app.session().await;
    let clients = load.submit(3);
    let watcher = tokio::spawn(Arc::clone(&load).watch());
    gated(&app, session, 1).await;
    proxy.freeze();
    assert_refused_in_time(&app, session).await;
    proxy.thaw();
    app.solution.gate.add_permits(1);
    until_submits_are_accepted(&app, session).await;
    let acknowledged = load.finish(clients).await;
    app.audit(&load, &acknowledged).await;
    watcher.abort();
}

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
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let one = TestApp::start(&backend).await;
    let two = TestApp::start(&backend).await;
    let session = one.session().await;
    write_state(&one, session, json!({"n": 1})).await;
    assert_eq!(read_state(&two, session).await, json!({"n": 1}));
    let client = redis::Client::open(backend.redis_url.clone().unwrap()).unwrap();
    let mut redis = client.get_multiplexed_async_connection().await.unwrap();
    let flushed: Result<(), _> = redis::cmd("FLUSHALL").query_async(&mut redis).await;
    flushed.unwrap();
    assert_eq!(read_state(&two, session).await, json!({"n": 1}));
    write_state(&two, session, json!({"n": 2})).await;
    assert_eq!(read_state(&one, session).await, json!({"n": 2}));
    crosses_nodes(&one, &two, session).await;
    two.assert_verified().await;
}

/// Events of an execution on one node reach a subscriber on the other while it runs.
async fn crosses_nodes(from: &TestApp, to: &TestApp, session: SessionId) -> ExecutionId {
    let id = from.submit(session, "nap", json!({"millis": 300})).await.id;
    let principal = TestApp::principal();
    let events = &to.services().events;
    let watched = events.watch_execution(&principal, id, None).await.unwrap();
    let seen = tokio::spawn(watched.map(|batch| batch.unwrap().events.to_vec()).concat());
    let seen = tokio::time::timeout(Duration::from_secs(15), seen).await;
    assert_eq!(seen.unwrap().unwrap(), from.events(id).await);
    id
}

async fn write_state(app: &TestApp, session: SessionId, state: Value) {
    let (principal, state) = (TestApp::principal(), RawJson::from(&state));
    let surface = &app.services().state;
    surface
        .set_session_state(&principal, session, state, StateWriteMode::Replace, None)
        .await
        .unwrap();
}

async fn read_state(app: &TestApp, session: SessionId) -> Value {
    let scope = TestApp::principal().scope();
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_delays_or_refuses_and_recovers() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let running = gated(&app, session, 2).await;
    let mut other = SqliteConnection::connect(&backend.url()).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    // Shortly: they wait.
    let waiting = submit_over_http(&app, session);
    let released = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        other.execute("ROLLBACK").await.unwrap();
    };
    let (answer, ()) = tokio::join!(waiting, released);
    assert!(
        answer["data"]["submitIntent"]["execution"]["id"].is_string(),
        "{answer}"
    );
    // Long, and past the lease, which nobody can take here: they are refused. Reads go on.
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    app.solution.gate.add_permits(2);
    let refused = tokio::time::timeout(Duration::from_secs(20), submit_over_http(&app, session));
    assert_unavailable(&refused.await.expect("a submit hangs"));
    assert_eq!(
        app.execution(running[0].id).await.status,
        ExecutionStatus::Running
    );
    other.execute("ROLLBACK").await.unwrap();
    for execution in &running {
        let done = app.ended(execution.id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 1));
    }
    until_submits_are_accepted(&app, session).await;
    app.until(|| async { app.verify().await.differences.is_empty().then_some(()) })
        .await;
}

/// Returns when the first attempt of an execution has begun.
async fn has_started(address: SocketAddr, id: ExecutionId) {
    let mut socket = Socket::open(address, &json!({})).await.unwrap();
    let query = "subscription($id: ID!) { executionEvents(executionId: $id) { events { type } } }";
    let variables = json!({"id": id});
    socket.subscribe("1", query, &variables).await.unwrap();
    loop {
        match socket.receive().await.unwrap() {
            Received::Message(message) if message.to_string().contains("execution.started") => {
                return;
            }
            Received::Message(_) => {}
            Received::Closed(frame) => panic!("closed: {frame:?}"),
        }
    }
}

/// PostgreSQL only: it ends a session that does nothing within a transaction, and says so by a code
/// that is not among those of an outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_ended_for_idling_may_be_asked_again() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[LONG_LEASE]).await;
    let http = reqwest::Client::new();
    let ask = async |query: &str, variables: Value| -> Value {
        let request = http
            .post(format!("http://{}/graphql", node.address))
            .json(&json!({"query": query, "variables": variables}));
        request.send().await.unwrap().json().await.unwrap()
    };
    let create = "mutation { createSession(input: {}) { session { id } } }";
    let made = ask(create, json!({})).await;
    let session = &made["data"]["createSession"]["session"]["id"];
    let close = "mutation($id: ID!) { closeSession(input: {sessionId: $id}) { \
        errors { __typename } session { status } } }";
    let mut other = PgConnection::connect(&backend.url()).await.unwrap();
    let mut holder = PgConnection::connect(&backend.url()).await.unwrap();
    holder.execute("BEGIN").await.unwrap();
    holder
        .execute("SELECT id FROM session FOR UPDATE")
        .await
        .unwrap();
    let closed = async {
        let asked = ask(close, json!({"id": session}));
        let slept = async {
            // The node's transaction has begun and waits for the session.
            let waiting = "SELECT pid FROM pg_stat_activity \
                WHERE datname = current_database() AND wait_event_type = 'Lock'";
            let pid = until_found(&mut other, waiting).await;
            node.pause();
            holder.execute("ROLLBACK").await.unwrap();
            let gone = format!(
                "SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM pg_stat_activity WHERE pid = {pid})"
            );
            until_found(&mut other, &gone).await;
            node.resume();
        };
        tokio::join!(asked, slept).0
    };
    let refused = tokio::time::timeout(PATIENCE, closed).await;
    assert_unavailable(&refused.expect("it hangs"));
    let closed = ask(close, json!({"id": session})).await;
    let payload = &closed["data"]["closeSession"];
    assert_eq!(payload["session"]["status"], "CLOSED", "{closed}");
}

/// A commit takes so long that the node gives it up, and happens all the same.
const LATE_COMMITS: &str = "
    CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.finished_at IS NOT NULL THEN
            -- The limit of a statement does not hold for the commit. A client that has gone is looked
            -- for once more, and not again.
            PERFORM set_config('client_connection_check_interval', '0', true);
            PERFORM pg_sleep(4);
        END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER late AFTER UPDATE ON execution
        DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()";

/// PostgreSQL only: SQLite has no network on which an answer is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outcome_that_was_recorded_without_an_answer_is_not_a_zombies() {
    let Some((backend, _proxy, app)) = behind_proxy(&[LONG_LEASE]).await else {
        return;
    };
    let session = app.session().await;
    let running = gated(&app, session, 1).await;
    backend.execute(LATE_COMMITS).await;
    app.solution.gate.add_permits(1);
    let done = app.ended(running[0].id).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
    let ended = "takeoff_executions_total{intent_type=\"gated\",outcome=\"completed\"} 1";
    let metrics = app
        .until(|| async {
            let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
            let metrics = metrics.text().await.unwrap();
            let ended = metrics.contains("executions_total{intent_type=\"gated\"");
            ended.then_some(metrics)
        })
        .await;
    for line in [ended, "takeoff_zombies_dropped_total 0"] {
        assert!(metrics.lines().any(|found| found == line), "{metrics}");
    }
}

/// The first value of a query, once it has one.
async fn until_found(connection: &mut PgConnection, query: &str) -> i32 {
    loop {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let found = sqlx::query_scalar(query).fetch_optional(&mut *connection);
        if let Some(value) = found.await.unwrap() {
            return value;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// PostgreSQL only: a node that sleeps past its lease wakes up as a zombie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_paused_past_its_lease_cannot_write_when_it_wakes() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[]).await;
    let load = Load::begin(node.address, 9).await;
    let watcher = tokio::spawn(Arc::clone(&load).watch());
    let clients = load.submit(4);
    // Started before there is another node: all of it runs on the one that will sleep.
    let input = |n| {
        json!({"intentType": "nap", "sessionId": load.session(),
        "parameters": {"millis": 4_000}, "idempotencyKey": format!("nap-{n}")})
    };
    let mut random = rand::SeedableRng::seed_from_u64(9);
    let mut napping: Vec<ExecutionId> = Vec::new();
    for n in 0..5 {
        napping.push(load.insist(&input(n), &mut random).await);
    }
    for id in &napping {
        // One that still waits for a slot would have its first attempt elsewhere.
        has_started(node.address, *id).await;
    }
    node.pause();
    let app = TestApp::start(&backend).await;
    load.direct_to([app.server.address()]);
    for id in &napping {
        // On a busy machine this node may miss its lease, too.
        let done = app.ended(*id).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        assert!(done.attempt >= 2, "{}", done.attempt);
    }
    node.resume();
    load.direct_to([app.server.address(), node.address]);
    // It lives again, under another name.
    app.until(|| async {
        (app.services().runtime.nodes().await.unwrap().len() == 2).then_some(())
    })
    .await;
    let mut acknowledged = load.finish(clients).await;
    for (n, id) in napping.into_iter().enumerate() {
        let input = input(n);
        assert_eq!(load.insist(&input, &mut random).await, id);
        acknowledged.insert(format!("nap-{n}"), Acknowledged { input, id });
    }
    app.audit(&load, &acknowledged).await;
    watcher.abort();
}

/// The disk of the content store is not mounted for a while, or its bucket is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_store_that_is_away_is_no_execution_s_fault_however_often_it_is_tried() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let mut large = Vec::new();
    // One that reads its parameters from the store, and one that writes its result there.
    let name = "x".repeat(20_000);
    for (intent_type, parameters) in [
        ("gated", json!({"padding": name})),
        ("big", json!({"bytes": 20_000})),
    ] {
        let intent = takeoff::runtime::SubmitIntent {
            run_at: Some(i64::MAX / 4),
            ..takeoff::runtime::SubmitIntent::new(intent_type, session, RawJson::from(&parameters))
        };
        large.push(app.try_submit(intent).await.unwrap().execution.id);
    }
    let (content, disk) = (
        backend.folder.path().join("content"),
        backend.folder.path().join("disk"),
    );
    std::fs::rename(&content, &disk).unwrap();
    // Far more attempts than are lost before an execution is given up whose nodes die.
    backend
        .execute("UPDATE execution SET lost_attempts = 0")
        .await;
    backend.execute("UPDATE timer SET fire_at = 0").await;
    for id in &large {
        let lost = |execution: Execution| execution.lost_attempts >= 3;
        app.until(|| async { lost(app.execution(*id).await).then_some(()) })
            .await;
        assert_eq!(app.execution(*id).await.status, ExecutionStatus::Running);
    }
    std::fs::rename(&disk, &content).unwrap();
    app.solution.gate.add_permits(1);
    for id in large {
        let ended = app.ended(id).await;
        assert_eq!(
            ended.status,
            ExecutionStatus::Completed,
            "{:?}",
            ended.error
        );
    }
    app.assert_verified().await;
}
