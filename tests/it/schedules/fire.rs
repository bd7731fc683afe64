//! What a schedule submits, and when: once, whatever becomes of the nodes.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use takeoff::clock::Clock;

use super::{CREATE, MINUTE, NOON, READ, SECOND, created, node, once, read, times_of};
use crate::support::{Backend, NodeProcess, SHORT_LEASE, TestApp, backends, soon};

/// From here on nothing writes down where a schedule goes on.
async fn forbid_advances(backend: &Backend) {
    if backend.is_postgres() {
        backend
            .execute(
                "CREATE OR REPLACE FUNCTION refuse() RETURNS trigger AS $$ BEGIN RAISE EXCEPTION 'not now'; END $$ LANGUAGE plpgsql; \
                 CREATE TRIGGER refuse BEFORE UPDATE ON schedule FOR EACH ROW \
                 WHEN (NEW.last_fired_at IS DISTINCT FROM OLD.last_fired_at) EXECUTE FUNCTION refuse()",
            )
            .await;
    } else {
        backend
            .execute(
                "CREATE TRIGGER refuse BEFORE UPDATE ON schedule \
                 WHEN NEW.last_fired_at IS NOT OLD.last_fired_at BEGIN SELECT RAISE(ABORT, 'not now'); END",
            )
            .await;
    }
}

async fn permit_advances(backend: &Backend) {
    let statement = if backend.is_postgres() {
        "DROP TRIGGER refuse ON schedule"
    } else {
        // Waits for whatever the node that has died may still write.
        "BEGIN IMMEDIATE; DROP TRIGGER refuse; COMMIT"
    };
    backend.execute(statement).await;
}

/// An answer of a node in a process of its own.
async fn ask(node: &NodeProcess, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let url = format!("http://{}/graphql", node.address);
    let answer = crate::support::http().post(url).json(&body).send().await;
    let mut answer: Value = answer.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

backends! {
    async fn a_schedule_submits_its_intent_at_its_time_and_once(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let id = created(&app, session, json!({"cron": "*/5 * * * *"})).await;
        let before = read(&app, &id).await;
        assert_eq!(before["nextTimes"], json!(["2026-01-05T12:05:00.000000Z"]), "{before}");
        assert_eq!(times_of(&before), [""; 0]);
        clock.advance(5 * MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(fired["lastFiredAt"], "2026-01-05T12:05:00.000000Z");
        assert_eq!(fired["nextTimes"], json!(["2026-01-05T12:10:00.000000Z"]));
        assert_eq!(times_of(&fired), ["2026-01-05T12:05:00Z"]);
        let execution = fired["executions"]["nodes"][0].clone();
        assert_eq!(execution["submittedBy"], "development");
        let execution = execution["id"].as_str().unwrap().parse().unwrap();
        let ended = app.ended(execution).await;
        assert_eq!(ended.result.unwrap().as_str(), r#"{"sum":3}"#);
        clock.advance(5 * MINUTE);
        let fired = once(&app, &id, |it| it["lastFiredAt"] == "2026-01-05T12:10:00.000000Z").await;
        assert_eq!(times_of(&fired), ["2026-01-05T12:10:00Z", "2026-01-05T12:05:00Z"]);
        app.assert_verified().await;
    }

    async fn a_time_is_fired_once_by_however_many_nodes(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        // A file of SQLite has one node.
        let other = if backend.is_postgres() { Some(node(&backend, &clock).await) } else { None };
        let session = app.session().await;
        let mut ids = Vec::new();
        for _ in 0..12 {
            ids.push(created(&app, session, json!({"cron": "* * * * *", "overlap": "ALLOW"})).await);
        }
        for minute in 1..=3 {
            clock.advance(MINUTE);
            let last = format!("2026-01-05T12:0{minute}:00.000000Z");
            for id in &ids {
                once(&app, id, |it| it["lastFiredAt"] == last.as_str()).await;
            }
        }
        for id in &ids {
            let times = times_of(&read(&app, id).await);
            assert_eq!(times, ["2026-01-05T12:03:00Z", "2026-01-05T12:02:00Z", "2026-01-05T12:01:00Z"]);
        }
        drop(other);
        app.assert_verified().await;
    }

    async fn a_process_that_is_killed_after_the_submit_leaves_no_second_execution(backend: Backend) {
        let mut node = NodeProcess::start(&backend, &["runtime.poll_ms=20", SHORT_LEASE]).await;
        let session = ask(&node, "mutation { createSession(input: {}) { session { id } } }", json!({})).await;
        let input = json!({
            "intentType": "add", "sessionId": session["createSession"]["session"]["id"],
            "parameters": {"a": 1, "b": 2}, "everySeconds": 3, "overlap": "ALLOW",
        });
        let made = ask(&node, CREATE, json!({"input": input})).await;
        let id = made["createSchedule"]["schedule"]["id"].as_str().unwrap().to_owned();
        forbid_advances(&backend).await;
        let fired = soon(async {
            loop {
                let found = ask(&node, READ, json!({"id": id})).await["schedule"].take();
                if !times_of(&found).is_empty() {
                    return found;
                }
                tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            }
        }).await;
        node.kill();
        permit_advances(&backend).await;
        let last = times_of(&fired)[0].parse::<chrono::DateTime<chrono::Utc>>().unwrap();
        // Before the next time, and after the dead process has held the schedule.
        let clock = Clock::manual(last.timestamp_micros() + 2_900_000);
        let app = super::node(&backend, &clock).await;
        backend.execute("UPDATE schedule SET due_at = next_at").await;
        let moved = once(&app, &id, |it| it["lastFiredAt"].is_string()).await;
        let times = times_of(&moved);
        let different: BTreeSet<&String> = times.iter().collect();
        assert_eq!(different.len(), times.len(), "{times:?}");
        assert_eq!(times, times_of(&fired));
        app.assert_verified().await;
    }

    async fn the_latest_time_that_was_missed_is_made_up_for(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let every = json!({"cron": "*/5 * * * *", "catchUpSeconds": 600});
        let soon = created(&app, session, every).await;
        let strict = created(&app, session, json!({"cron": "*/5 * * * *", "catchUpSeconds": 60})).await;
        app.server.stop().await;
        // 13:02:30.
        clock.advance(62 * MINUTE);
        let app = node(&backend, &clock).await;
        let made_up = once(&app, &soon, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(times_of(&made_up), ["2026-01-05T13:00:00Z"], "the latest alone");
        assert_eq!(made_up["nextTimes"], json!(["2026-01-05T13:05:00.000000Z"]));
        let late = once(&app, &strict, |it| it["skippedCount"] == "1").await;
        assert_eq!(late["lastFiredAt"], Value::Null);
        clock.advance(3 * MINUTE);
        let on_time = once(&app, &strict, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(times_of(&on_time), ["2026-01-05T13:05:00Z"]);
        app.assert_verified().await;
    }

    async fn jitter_delays_the_submit_and_not_the_time(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node(&backend, &clock).await;
        let session = app.session().await;
        let mut ids = Vec::new();
        for _ in 0..6 {
            let more = json!({"cron": "5 * * * *", "jitterSeconds": 600, "overlap": "ALLOW"});
            ids.push(created(&app, session, more).await);
        }
        let mut seen = BTreeSet::new();
        // 12:05:00 to 12:15:00, half a minute at a time.
        clock.advance(4 * MINUTE + 30 * SECOND);
        for step in 0..=20 {
            // A schedule that is not spread shows that the node has looked.
            let mark = created(&app, session, json!({"everySeconds": 1, "overlap": "ALLOW"})).await;
            clock.advance(SECOND);
            once(&app, &mark, |it| it["lastFiredAt"].is_string()).await;
            app.data("mutation($id: ID!) { deleteSchedule(input: {id: $id}) { errors { code } } }", json!({"id": mark})).await;
            for id in &ids {
                if read(&app, id).await["lastFiredAt"].is_string() && seen.insert(id.clone()) {
                    assert_eq!(times_of(&read(&app, id).await), ["2026-01-05T12:05:00Z"], "{step}");
                }
            }
            if step == 0 {
                assert!(seen.len() < ids.len(), "none is delayed");
            }
            clock.advance(29 * SECOND);
        }
        clock.advance(MINUTE);
        for id in &ids {
            once(&app, id, |it| it["lastFiredAt"].is_string()).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_due_at_once_is_worked_off_in_batches() {
    let backend = Backend::sqlite();
    let clock = Clock::manual(NOON);
    let app: TestApp = node(&backend, &clock).await;
    let session = app.session().await;
    // More than a node holds at a time.
    for _ in 0..300 {
        created(&app, session, json!({"cron": "@hourly"})).await;
    }
    clock.advance(60 * MINUTE);
    let count = "{ executions(first: 1) { totalCount { count } } }";
    app.until(|| async {
        let found = app.data(count, json!({})).await;
        (found["executions"]["totalCount"]["count"] == 300).then_some(())
    })
    .await;
}

/// On SQLite a node that has crashed within the test's process may keep the file locked; a process that is killed does
/// not, and is tried above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_dies_after_the_submit_leaves_no_second_execution() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    for overlap in ["ALLOW", "SKIP", "CANCEL_PREVIOUS"] {
        let clock = Clock::manual(NOON);
        // The node's connections are dropped at the end of the block.
        let (id, fired) = {
            let app = node(&backend, &clock).await;
            let session = app.session().await;
            let more = json!({
                "intentType": "gated", "parameters": {}, "cron": "*/5 * * * *", "overlap": overlap,
            });
            let id = created(&app, session, more).await;
            forbid_advances(&backend).await;
            clock.advance(5 * MINUTE);
            let fired = once(&app, &id, |it| !times_of(it).is_empty()).await;
            assert_eq!(
                fired["lastFiredAt"],
                Value::Null,
                "the node has not written it down"
            );
            app.crash(&backend).await;
            (id, fired)
        };
        permit_advances(&backend).await;
        // The time for which the dead node holds the schedule.
        clock.advance(25 * SECOND);
        let app = node(&backend, &clock).await;
        let moved = once(&app, &id, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(
            moved["lastFiredAt"], "2026-01-05T12:05:00.000000Z",
            "{overlap}"
        );
        assert_eq!(moved["skippedCount"], "0", "{overlap}");
        assert_eq!(times_of(&moved), times_of(&fired), "{overlap}");
        assert_ne!(
            moved["executions"]["nodes"][0]["status"], "CANCELLED",
            "{overlap}"
        );
        app.crash(&backend).await;
    }
}
