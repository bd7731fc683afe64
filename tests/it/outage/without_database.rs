//! The database is away, or does not answer.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_outlive_a_database_that_is_away_for_less_than_the_lease() {
    let Some((_backend, proxy, app)) = behind_proxy(&[LONG_LEASE]).await else {
        return;
    };
    let session = app.session().await;
    let node = app.services().runtime.node_id();
    let running = gated(&app, session, 3).await;
    let principal = app.principal();
    let events = &app.services().events;
    let mut watched = Box::pin(
        events
            .watch_execution(&principal, running[0].id, None)
            .await
            .unwrap(),
    );
    let past = soon(watched.next()).await.unwrap().unwrap();
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
        match soon(watched.next()).await {
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
        (app.services()
            .runtime
            .backlog(&app.principal())
            .await
            .unwrap()
            .running
            == 0)
            .then_some(())
    })
    .await;
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_without_database_past_its_lease_goes_on_under_a_new_incarnation() {
    let Some((backend, proxy, app)) = behind_proxy(&[SHORT_LEASE]).await else {
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
        let nodes = app
            .services()
            .runtime
            .nodes(&app.principal())
            .await
            .unwrap();
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
    let Some((_backend, proxy, app)) = behind_proxy(&[SHORT_LEASE]).await else {
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
    let Some((backend, proxy, app)) = behind_proxy(&[LONG_LEASE]).await else {
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
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
    assert!(load.repeated.load(Ordering::Relaxed) > 0);
}

/// No connection ends, nothing is refused: every packet is swallowed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_does_not_answer_is_not_waited_for() {
    let Some((backend, proxy, app)) = behind_proxy(&[SHORT_LEASE]).await else {
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
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_sqlite_file_delays_or_refuses_and_recovers() {
    let backend = Backend::sqlite();
    let app = TestApp::start_with(&backend, &IMPATIENT).await;
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
    let refused = tokio::time::timeout(PATIENCE, submit_over_http(&app, session));
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

/// PostgreSQL only: it ends a session that does nothing within a transaction, and says so by a code
/// that is not among those of an outage.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transaction_ended_for_idling_may_be_asked_again() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[LONG_LEASE]).await;
    let http = crate::support::http();
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

/// PostgreSQL only: a server whose SQLite cannot be reached is not there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cannot_know_which_keys_are_revoked_trusts_none() {
    let Some((_backend, proxy, app)) = behind_proxy(&["auth.mode=required", LONG_LEASE]).await
    else {
        return;
    };
    let new = NewKey {
        roles: vec!["viewer".to_owned()],
        ..NewKey::default()
    };
    let made = app.services().keys.create(&app.principal(), new).await;
    let made = made.unwrap();
    // It reads nothing, so that nothing but the proof needs the database.
    let ask = async || {
        let request = app.http.get(app.url("/graphql?query=%7B__typename%7D"));
        let answer = request.bearer_auth(made.text.expose()).send().await;
        answer.unwrap().status().as_u16()
    };
    assert_eq!(ask().await, 200);
    proxy.cut();
    app.until(|| async { (ask().await == 503).then_some(()) })
        .await;
    assert_eq!(ask().await, 503);
    proxy.mend().await;
    app.until(|| async { (ask().await == 200).then_some(()) })
        .await;
}
