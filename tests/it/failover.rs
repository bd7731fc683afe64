//! A primary fails, its standby takes over, and the old one comes back as a standby.

use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};

use futures::StreamExt;
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use takeoff::{
    events::EventBatch,
    model::{Cursor, ExecutionId, ExecutionStatus, RawJson, SessionId},
    runtime::SubmitIntent,
    storage::Error,
};

use crate::support::{Backend, Cluster, Load, NodeProcess, PATIENCE, Proxy, TestApp};

type Batches = futures::stream::BoxStream<'static, Result<EventBatch, Error>>;

/// Follows the events of a session.
async fn feed(app: &TestApp, session: SessionId, after: Option<Cursor>) -> Result<Batches, Error> {
    let (events, principal) = (&app.services().events, app.principal());
    let watched = events.watch_session(&principal, session, after).await?;
    Ok(watched.boxed())
}

/// The events that come until an execution has ended: whose they are, which of theirs, and the place.
async fn until_end_of(feed: &mut Batches, id: ExecutionId) -> Vec<(uuid::Uuid, i64, Cursor)> {
    let mut seen = Vec::new();
    let all = async {
        loop {
            let batch = feed.next().await.expect("the feed ends").unwrap();
            for event in batch.events.iter() {
                seen.push((event.stream_id, event.cursor.seq, event.cursor));
            }
            let last = batch.events.iter().rfind(|event| event.stream_id == id.0);
            if last.is_some_and(|event| event.body.is_terminal()) {
                return;
            }
        }
    };
    let all = tokio::time::timeout(PATIENCE, all).await;
    all.expect("the feed stands still");
    seen
}

/// Commits that a standby had not got when it was promoted are lost, and it gives out the numbers
/// of those transactions again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn feeds_go_on_over_a_failover_that_loses_what_they_have_shown() {
    let Some(mut one) = Cluster::start().await else {
        return;
    };
    let mut proxy = Proxy::before(&one.url("takeoff")).await;
    let backend = Backend {
        database_url: Some(proxy.instead_of(&one.url("takeoff"))),
        ..Backend::sqlite()
    };
    let app = TestApp::start_with(&backend, &["runtime.lease_seconds=20"]).await;
    let session = app.session().await;
    let mut two = one.standby().await;
    let mut live = feed(&app, session, None).await.unwrap();
    let kept = app.run_in(session, "add", json!({"a": 1, "b": 1})).await.id;
    let before = until_end_of(&mut live, kept).await;
    let arrives = async {
        let ended = "SELECT count(*) FROM execution WHERE finished_at IS NOT NULL";
        let mut standby = PgConnection::connect(&two.url("takeoff")).await.unwrap();
        let mut count = async || -> i64 {
            let count = sqlx::query_scalar(ended).fetch_one(&mut standby);
            count.await.unwrap()
        };
        while count().await == 0 {}
    };
    tokio::time::timeout(PATIENCE, arrives).await.unwrap();
    two.stop();
    // More transactions than the other one will have had when it is asked in the end.
    one.execute(
        "DO $$ BEGIN FOR n IN 1..1000 LOOP PERFORM pg_current_xact_id(); COMMIT; END LOOP; END $$",
    )
    .await;
    let lost = app.run_in(session, "add", json!({"a": 2, "b": 2})).await.id;
    let shown = until_end_of(&mut live, lost).await;
    one.stop();
    two.resume(&[]).await;
    two.promote().await;
    proxy.lead_to(&two.url("takeoff")).await;
    let new = app
        .until(|| async {
            let parameters = RawJson::from(&json!({"a": 3, "b": 3}));
            // It may be accepted and its answer lost.
            let intent = SubmitIntent {
                idempotency_key: Some("new".to_owned()),
                ..SubmitIntent::new("add", session, parameters)
            };
            app.try_submit(intent).await.ok()
        })
        .await;
    let new = app.ended(new.execution.id).await;
    assert_eq!(new.status, ExecutionStatus::Completed);
    let after = until_end_of(&mut live, new.id).await;
    let seqs: Vec<_> = after
        .iter()
        .map(|(stream, seq, _)| (*stream, *seq))
        .collect();
    assert_eq!(seqs, [(new.id.0, 1), (new.id.0, 2), (new.id.0, 3)]);
    // Whoever comes back with a place that is lost is told, and others go on.
    let place = |events: &[(uuid::Uuid, i64, Cursor)]| events.last().map(|event| event.2);
    let refused = feed(&app, session, place(&shown)).await.err();
    assert!(
        matches!(refused, Some(Error::CursorExpired { .. })),
        "{refused:?}"
    );
    let mut resumed = feed(&app, session, place(&before)).await.unwrap();
    assert_eq!(until_end_of(&mut resumed, new.id).await, after);
    app.assert_verified().await;
    app.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_has_become_a_standby_is_not_read_from() {
    let Some(mut one) = Cluster::start().await else {
        return;
    };
    let mut proxy = Proxy::before(&one.url("takeoff")).await;
    let backend = Backend {
        database_url: Some(proxy.instead_of(&one.url("takeoff"))),
        ..Backend::sqlite()
    };
    let limits = [
        "database.acquire_timeout_ms=2000",
        "database.statement_timeout_ms=2000",
    ];
    let app = TestApp::start_with(&backend, &limits).await;
    let session = app.session().await;
    app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
    let two = one.standby().await;
    one.stop();
    two.promote().await;
    one.follow(&two);
    one.resume(&[]).await;
    // It would answer.
    let mut direct = PgConnection::connect(&one.url("takeoff")).await.unwrap();
    let is_standby: bool = sqlx::query_scalar("SELECT pg_is_in_recovery() FROM session")
        .fetch_one(&mut direct)
        .await
        .unwrap();
    assert!(is_standby);
    let query = "{ executions(first: 1) { nodes { id } } }";
    for _ in 0..3 {
        let answer = app.graphql(query, json!({})).await;
        assert_eq!(
            answer["errors"][0]["extensions"]["code"], "UNAVAILABLE",
            "{answer}"
        );
        assert_eq!(answer["data"]["executions"], Value::Null);
    }
    // The address leads to the new primary.
    proxy.lead_to(&two.url("takeoff")).await;
    app.until(|| async {
        let answer = app.graphql(query, json!({})).await;
        answer["data"]["executions"].is_object().then_some(())
    })
    .await;
    let done = app.run_in(session, "add", json!({"a": 2, "b": 2})).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
    app.server.stop().await;
}

/// A fleet of two processes under load, whose address names a primary and its standby.
struct Pair {
    one: Cluster,
    two: Cluster,
    backend: Backend,
    nodes: [NodeProcess; 2],
    load: Arc<Load>,
}

impl Pair {
    async fn start(is_synchronous: bool) -> Option<Self> {
        let one = Cluster::start().await?;
        let two = one.standby().await;
        if is_synchronous {
            one.commit_with_standby().await;
        }
        let backend = Backend {
            database_url: Some(two.url_after(&one)),
            ..Backend::sqlite()
        };
        let settings = [
            "runtime.lease_seconds=6",
            "telemetry.log=warn",
            "database.acquire_timeout_ms=2000",
            "database.statement_timeout_ms=2000",
        ];
        let nodes = [
            NodeProcess::start(&backend, &settings).await,
            NodeProcess::start(&backend, &settings).await,
        ];
        let load = Load::begin(nodes[0].address, 17).await;
        load.direct_to(nodes.each_ref().map(|node| node.address));
        Some(Self {
            one,
            two,
            backend,
            nodes,
            load,
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_synchronous_replication_a_failover_under_load_loses_nothing() {
    let Some(mut pair) = Pair::start(true).await else {
        return;
    };
    let clients = pair.load.submit(4);
    let watcher = tokio::spawn(Arc::clone(&pair.load).watch());
    pair.load.works(100).await;
    pair.one.crash();
    pair.two.promote().await;
    pair.load.works(100).await;
    let acknowledged = pair.load.finish(clients).await;
    let app = TestApp::start(&pair.backend).await;
    app.audit(&pair.backend, &pair.load, &acknowledged).await;
    watcher.abort();
    assert!(pair.load.repeated.load(Ordering::Relaxed) > 0);
}

/// What was acknowledged in the last moments may be gone with the primary, and nothing else: what is there is whole, and
/// whoever asks again with a key that is gone is accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_synchronous_replication_a_failover_loses_the_last_commits_and_nothing_else() {
    let Some(mut pair) = Pair::start(false).await else {
        return;
    };
    let clients = pair.load.submit_alone(4);
    pair.load.works(100).await;
    let early = pair.load.so_far();
    let arrived: BTreeMap<_, _> = {
        // What is at the standby now is there after the failover.
        let at_primary = "SELECT pg_current_wal_lsn()::text";
        let lsn = pair.one.ask(at_primary).await;
        let has_it = format!("SELECT (pg_last_wal_replay_lsn() >= '{lsn}')::text");
        let arrives = async { while pair.two.ask(&has_it).await != "true" {} };
        tokio::time::timeout(PATIENCE, arrives).await.unwrap();
        early
    };
    pair.two.stop();
    pair.load.works(50).await;
    pair.one.crash();
    pair.two.resume(&[]).await;
    pair.two.promote().await;
    pair.load.works(50).await;
    let acknowledged = pair.load.finish(clients).await;
    let app = TestApp::start(&pair.backend).await;
    let scope = app.principal().scope();
    let storage = &app.services().storage;
    let mut lost = 0;
    for (key, one) in &acknowledged {
        let found = storage.find_executions(&scope, &[one.id]).await.unwrap();
        assert!(
            !(found.is_empty() && arrived.contains_key(key)),
            "{key} had arrived at the standby"
        );
        if found.is_empty() {
            lost += 1;
            let mut random = rand::SeedableRng::seed_from_u64(0);
            let again = pair.load.insist(&one.input, &mut random).await;
            assert_ne!(again, one.id);
            app.ended(again).await;
        } else {
            app.ended(one.id).await;
        }
    }
    assert!(lost > 0, "nothing was lost, so nothing was tried");
    app.assert_verified().await;
    drop(pair.nodes);
}
