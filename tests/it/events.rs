//! Subscriptions: past, then live, gapless, resumable, in order; on one node and on two.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use futures::{StreamExt, future::join_all};
use serde_json::json;
use takeoff::{
    model::{Cursor, Event, ExecutionId, RawJson, Refusal, SessionId},
    runtime::SubmitIntent,
    storage::{Error, Feed},
};

use crate::support::{Backend, TestApp, backends, soon};

fn seqs(events: &[Event]) -> Vec<i64> {
    events.iter().map(|event| event.cursor.seq).collect()
}

/// Reads an execution's stream to its end, leaving and coming back after every few batches.
async fn read_with_breaks(app: &TestApp, id: ExecutionId, batches: usize) -> Vec<Event> {
    let mut read: Vec<Event> = Vec::new();
    loop {
        let after = read.last().map(|event| event.cursor);
        let principal = app.principal();
        let events = &app.services().events;
        let stream = events.watch_execution(&principal, id, after).await.unwrap();
        let part: Vec<_> = soon(stream.take(batches).collect()).await;
        if part.is_empty() {
            return read;
        }
        for batch in part {
            read.extend(batch.unwrap().events.iter().cloned());
        }
        if read.last().is_some_and(|event| event.body.is_terminal()) {
            return read;
        }
    }
}

async fn submit_many(app: &TestApp, session: SessionId, count: i64) -> Vec<ExecutionId> {
    let intents = (0..count).map(|n| {
        let (name, parameters) = match n % 3 {
            0 => ("add", json!({"a": n, "b": 1})),
            1 => ("flaky", json!({"failures": 1})),
            _ => ("talk", json!({})),
        };
        SubmitIntent::new(name, session, RawJson::from(&parameters))
    });
    let submitted = app
        .services()
        .runtime
        .submit_many(&app.principal(), intents.collect())
        .await;
    submitted
        .unwrap()
        .into_iter()
        .map(|answer| answer.unwrap().execution.id)
        .collect()
}

/// Reads a feed until it has brought the end of every execution, reconnecting at every batch.
async fn read_feed(app: &TestApp, feed: Feed, expected: usize) -> Vec<Event> {
    let principal = app.principal();
    let mut read: Vec<Event> = Vec::new();
    let mut cursor: Option<Cursor> = None;
    while read.iter().filter(|event| event.body.is_terminal()).count() < expected {
        let events = &app.services().events;
        let stream = events
            .watch_tenant(&principal, feed.clone(), cursor)
            .await
            .unwrap();
        futures::pin_mut!(stream);
        for _ in 0..=(read.len() % 3) {
            let next = tokio::time::timeout(crate::support::PATIENCE, stream.next()).await;
            let batch = next.expect("the feed stopped").unwrap().unwrap();
            assert!((1..=100).contains(&batch.events.len()));
            cursor = Some(batch.cursor);
            read.extend(batch.events.iter().cloned());
            if read.iter().filter(|event| event.body.is_terminal()).count() >= expected {
                break;
            }
        }
    }
    read
}

/// Dense and in order within each execution; nothing twice.
fn assert_whole(events: &[Event], ids: &[ExecutionId]) {
    let mut streams: HashMap<ExecutionId, Vec<i64>> = HashMap::new();
    for event in events {
        streams
            .entry(event.execution_id().unwrap())
            .or_default()
            .push(event.cursor.seq);
    }
    for id in ids {
        let seqs = &streams[id];
        let dense: Vec<i64> = (1..).take(seqs.len()).collect();
        assert_eq!(*seqs, dense, "{id}");
    }
}

backends! {
    async fn past_events_come_first_and_the_stream_ends_with_the_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await;
        app.reaches(running.id, takeoff::model::ExecutionStatus::Running).await;
        let principal = app.principal();
        let events = &app.services().events;
        let stream = events.watch_execution(&principal, running.id, None).await.unwrap();
        futures::pin_mut!(stream);
        let past = soon(stream.next()).await.unwrap().unwrap();
        assert_eq!(seqs(&past.events), [1, 2]);
        assert!(!past.has_more_past_events);
        app.solution.gate.add_permits(1);
        let live = soon(stream.next()).await.unwrap().unwrap();
        assert_eq!(seqs(&live.events), [3]);
        assert!(soon(stream.next()).await.is_none());
        let after_the_end = events.watch_execution(&principal, running.id, Some(live.cursor)).await;
        assert_eq!(after_the_end.unwrap().count().await, 0);
    }

    async fn an_absent_or_foreign_execution_cannot_be_watched(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 1})).await;
        let other = app.principal_of("other");
        let refused = app.services().events.watch_execution(&other, done.id, None).await;
        assert!(matches!(refused.err(), Some(Error::Refused(Refusal::NotFound { .. }))));
    }

    async fn who_comes_back_misses_nothing_and_gets_nothing_twice(backend: Backend) {
        let app = Arc::new(TestApp::start(&backend).await);
        let session = app.session().await;
        let ids = submit_many(&app, session, 60).await;
        let readers = ids.iter().enumerate().map(|(n, id)| read_with_breaks(&app, *id, 1 + n % 2));
        let read = join_all(readers).await;
        for (id, events) in ids.iter().zip(&read) {
            let scope = app.principal().scope();
            let log = app.services().storage.events_after(&scope, *id, 0, 1000).await.unwrap();
            assert_eq!(*events, *log);
            assert_whole(events, &[*id]);
        }
        app.assert_verified().await;
    }

    async fn feeds_bring_every_event_in_order_while_many_write(backend: Backend) {
        let app = Arc::new(TestApp::start_with(&backend, &["database.writers=4"]).await);
        let session = app.session().await;
        let tenant = Feed::Tenant { types: HashSet::new(), intent_types: HashSet::new(), session_id: None };
        let ended = Feed::Tenant {
            types: HashSet::from(["execution.completed".into(), "execution.failed".into()]),
            intent_types: HashSet::new(),
            session_id: None,
        };
        let (submitted, of_session, of_tenant, only_ended) = tokio::join!(
            submit_many(&app, session, 150),
            read_feed(&app, Feed::Session(session), 150),
            read_feed(&app, tenant, 150),
            read_feed(&app, ended, 150),
        );
        assert_whole(&of_session, &submitted);
        assert_whole(&of_tenant, &submitted);
        assert_eq!(of_session.len(), of_tenant.len());
        assert_eq!(only_ended.len(), 150);
        app.assert_verified().await;
    }
}

/// PostgreSQL only: two nodes share a database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_one_node_reach_a_subscriber_of_another() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let (one, two) = (
        TestApp::start(&backend).await,
        TestApp::start(&backend).await,
    );
    let session = one.session().await;
    let ids = submit_many(&one, session, 60).await;
    let feed = Feed::Session(session);
    let (on_two, on_one) =
        tokio::join!(read_feed(&two, feed.clone(), 60), read_feed(&one, feed, 60));
    assert_whole(&on_two, &ids);
    assert_eq!(on_one, on_two);
    for id in ids {
        assert_eq!(
            read_with_breaks(&two, id, 1).await,
            read_with_breaks(&one, id, 2).await
        );
    }
    one.assert_verified().await;
}

/// PostgreSQL only: what a dead node ran, the other one takes over.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_other_node_takes_over() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let (one, two) = (
        TestApp::start(&backend).await,
        TestApp::start(&backend).await,
    );
    let session = one.session().await;
    let id = one.submit(session, "gated", json!({})).await.id;
    one.reaches(id, takeoff::model::ExecutionStatus::Running)
        .await;
    one.crash(&backend).await;
    two.solution.gate.add_permits(1);
    let done = two.ended(id).await;
    assert_eq!(
        (done.status, done.attempt),
        (takeoff::model::ExecutionStatus::Completed, 2)
    );
    two.assert_verified().await;
}

/// PostgreSQL only: a feed passes nothing that a slow transaction has yet to commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_feed_waits_for_transactions_that_commit_late() {
    use sqlx::{Connection, Executor, PgConnection};
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let done = app.submit(session, "add", json!({"a": 1, "b": 1})).await;
    app.ended(done.id).await;
    let scope = app.principal().scope();
    let feed = Feed::Session(session);
    let storage = &app.services().storage;
    let page = app
        .until(|| async {
            let page = storage
                .feed_after(&scope, &feed, Cursor::default(), 100)
                .await
                .unwrap();
            (page.events.len() == 3).then_some(page)
        })
        .await;

    // A transaction takes its number, then others come and commit, then it writes and commits.
    let mut slow = PgConnection::connect(&backend.url()).await.unwrap();
    // Writers are known by the name of their sessions.
    slow.execute("SET application_name = 'takeoff'")
        .await
        .unwrap();
    slow.execute("BEGIN").await.unwrap();
    slow.execute("SELECT pg_current_xact_id()").await.unwrap();
    let later = app.submit(session, "add", json!({"a": 2, "b": 1})).await;
    app.ended(later.id).await;
    let hidden = storage
        .feed_after(&scope, &feed, page.last, 100)
        .await
        .unwrap();
    assert_eq!(hidden.events, []);
    let insert = "INSERT INTO event SELECT stream_id, 99, stream_kind, tenant_id, session_id, \
        intent_type, event_type, data, payload, pg_current_xact_id()::text::bigint, 0, occurred_at \
        FROM event WHERE seq = 1 AND event_type = 'execution.created' LIMIT 1";
    slow.execute(insert).await.unwrap();
    slow.execute("COMMIT").await.unwrap();
    let all = app
        .until(|| async {
            let next = storage
                .feed_after(&scope, &feed, page.last, 100)
                .await
                .unwrap();
            (next.events.len() == 4).then_some(next.events)
        })
        .await;
    assert_eq!(all[0].cursor.seq, 99, "the late one has the lower number");
}
