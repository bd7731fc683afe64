//! Answers that come too late, and nodes that have slept past their lease.

use super::*;

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

/// PostgreSQL only: a node that sleeps past its lease wakes up as a zombie.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_paused_past_its_lease_cannot_write_when_it_wakes() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[SHORT_LEASE]).await;
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
        (app.services()
            .runtime
            .nodes(&app.principal())
            .await
            .unwrap()
            .len()
            == 2)
            .then_some(())
    })
    .await;
    let mut acknowledged = load.finish(clients).await;
    for (n, id) in napping.into_iter().enumerate() {
        let input = input(n);
        assert_eq!(load.insist(&input, &mut random).await, id);
        acknowledged.insert(format!("nap-{n}"), Acknowledged { input, id });
    }
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
}
