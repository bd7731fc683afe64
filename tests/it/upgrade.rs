//! A newer version changes the schema while nodes of this one run: they go on. And a database that was
//! restored from a dump.

use futures::StreamExt;
use serde_json::json;
use takeoff::model::{
    ArtifactId, ArtifactState, Cursor, Event, ExecutionStatus, RawJson, SessionId, StateWriteMode,
    TransitionRequest,
};

use crate::support::{Backend, PATIENCE, TestApp, backends};

const TABLES: [&str; 16] = [
    "execution",
    "idempotency",
    "ready",
    "timer",
    "lease",
    "node",
    "step",
    "event",
    "session",
    "execution_state",
    "artifact",
    "artifact_edge",
    "artifact_transition",
    "materialization",
    "upload",
    "cancellation",
];

/// Every kind of record, as a page of a console would show it.
const EVERYTHING: &str = "{
    runtime { nodes { id } }
    sessions(first: 5) { nodes { id state } }
    walEntries(first: 5) { nodes { sequence } }
    artifacts(first: 5) { nodes { id materializations { digest } transitions { to }
        parents(first: 2) { nodes { id } } children(first: 2) { nodes { id } } } }
    executions(first: 5) { nodes { id steps { name } children(first: 5) { nodes { id } }
        artifacts(first: 5) { nodes { id } } events(first: 5) { nodes { sequence } } } }
}";

async fn completes(app: &TestApp, intent_type: &str, parameters: serde_json::Value) -> RawJson {
    let done = app.run(intent_type, parameters).await;
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    assert!(!app.events(done.id).await.is_empty());
    done.result.unwrap().as_inline().unwrap().clone()
}

/// Reads and writes each table.
async fn work(app: &TestApp) {
    completes(app, "steps", json!({})).await;
    completes(app, "talk", json!({})).await;
    completes(app, "family", json!({"children": 2})).await;
    let mut made: Vec<ArtifactId> = Vec::new();
    for name in ["a", "b"] {
        let result = completes(app, "make", json!({"name": name, "parents": made})).await;
        made.push(result.read().unwrap());
    }
    let principal = TestApp::principal();
    let archive = TransitionRequest {
        artifact_id: made[1],
        to: ArtifactState::Archived,
        actor: "ann".into(),
        reason: None,
    };
    let services = app.services();
    services
        .artifacts
        .transition(&principal, archive)
        .await
        .unwrap();
    let path = services
        .artifacts
        .path(&principal.scope(), made[1], made[0])
        .await;
    assert_eq!(path.unwrap(), Some(vec![made[1], made[0]]));
    let (session, state) = (app.session().await, RawJson::from(&json!({"seen": true})));
    let merge = StateWriteMode::Merge;
    let written = services
        .state
        .set_session_state(&principal, session, state, merge, None);
    written.await.unwrap();
    app.data(EVERYTHING, json!({})).await;
    app.assert_verified().await;
}

/// Each connection of the pool has prepared what it does.
const SETTLED: usize = 3;

backends! {
    async fn a_running_node_does_not_notice_columns_that_are_added(backend: Backend) {
        let app = TestApp::start_with(&backend, &["database.max_connections=4"]).await;
        for _ in 0..SETTLED {
            work(&app).await;
        }
        for table in TABLES {
            let statement = format!("ALTER TABLE {table} ADD COLUMN of_a_later_version bigint");
            backend.execute(&statement).await;
        }
        for _ in 0..SETTLED {
            work(&app).await;
        }
    }
}

/// What a database lacks that was made before children knew their trees.
const WITHOUT_TREES: [&str; 7] = [
    "DROP TABLE cancellation",
    "DROP INDEX execution_idx_tree",
    "CREATE INDEX execution_idx_root ON execution (root_id)",
    "ALTER TABLE execution DROP COLUMN interruptions",
    "ALTER TABLE execution DROP COLUMN repetitions",
    "UPDATE execution SET root_id = NULL, depth = 0",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261128_000007%'",
];

backends! {
    async fn children_of_an_earlier_version_get_their_place_in_their_tree(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let inner = json!({"steps": [{"name": "leaf", "intent_type": "add", "parameters": {"a": 1, "b": 1}}]});
        let steps = json!([{"name": "inner", "intent_type": "compose_journey", "parameters": inner}]);
        let root = app.run("compose_journey", json!({"steps": steps})).await;
        assert_eq!(root.status, ExecutionStatus::Completed);
        app.server.stop().await;
        for statement in WITHOUT_TREES {
            backend.execute(statement).await;
        }
        let app = TestApp::start(&backend).await;
        let all = app.all_executions().await;
        let mut depths: Vec<i64> = all.iter().map(|one| one.depth).collect();
        depths.sort_unstable();
        assert_eq!(depths, [0, 1, 2]);
        for one in all.iter().filter(|one| one.depth > 0) {
            assert_eq!(one.root_id, Some(root.id));
        }
        app.assert_verified().await;
    }
}

/// The names stay, the types change: no statement that was prepared before works any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_prepares_anew_what_no_longer_fits_the_tables() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start_with(&backend, &["database.max_connections=4"]).await;
    for _ in 0..SETTLED {
        work(&app).await;
    }
    for column in [
        "execution ALTER intent_type",
        "step ALTER name",
        "event ALTER event_type",
        "session ALTER state",
        "execution_state ALTER state",
        "artifact ALTER display_name",
        "artifact_transition ALTER actor",
        "node ALTER name",
    ] {
        backend
            .execute(&format!("ALTER TABLE {column} TYPE varchar"))
            .await;
    }
    for _ in 0..SETTLED {
        work(&app).await;
    }
}

/// A dump carries the numbers of the transactions of the cluster in which it was made, which one that is
/// new has not reached for long.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_of_a_cluster_that_is_far_ahead_goes_on_in_a_new_one() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let done = app.run_in(session, "talk", json!({})).await;
    let cancelled = app.submit(session, "gated", json!({})).await.id;
    app.reaches(cancelled, ExecutionStatus::Running).await;
    let later = takeoff::runtime::SubmitIntent {
        run_at: Some(i64::MAX / 4),
        ..takeoff::runtime::SubmitIntent::new("talk", session, RawJson::from(&json!({})))
    };
    let scheduled = app.try_submit(later).await.unwrap().execution.id;
    let before = feed(&app, session, None, 9).await;
    app.server.stop().await;
    for statement in [
        "UPDATE event SET tx = tx + 1000000000",
        "UPDATE execution SET last_tx = last_tx + 1000000000",
        "UPDATE era SET cluster = 'of the dump'",
    ] {
        backend.execute(statement).await;
    }

    let app = TestApp::start(&backend).await;
    let restored = feed(&app, session, None, before.len()).await;
    let names = |events: &[Event]| -> Vec<_> {
        let place = |event: &Event| (event.stream_id, event.cursor.seq);
        events.iter().map(place).collect()
    };
    // The handler that was cut off has begun again meanwhile.
    assert_eq!(names(&restored)[..before.len()], names(&before));
    let principal = TestApp::principal();
    let cancel = app
        .services()
        .runtime
        .cancel(&principal, cancelled, None)
        .await;
    cancel.unwrap();
    backend
        .execute("UPDATE timer SET fire_at = 0 WHERE kind = 0")
        .await;
    assert_eq!(
        app.ended(cancelled).await.status,
        ExecutionStatus::Cancelled
    );
    assert_eq!(
        app.ended(scheduled).await.status,
        ExecutionStatus::Completed
    );
    let again = app.run_in(session, "talk", json!({})).await;
    assert_eq!(again.status, ExecutionStatus::Completed);
    // Who had seen all of it gets what is new, and in the order in which it came.
    let last = restored.last().unwrap().cursor;
    let new = feed(&app, session, Some(last), 4).await;
    assert!(
        new.iter()
            .all(|event| event.cursor > last && event.stream_id != done.id.0)
    );
    assert!(new.is_sorted_by_key(|event| event.cursor));
    app.assert_verified().await;
    app.server.stop().await;
    // The same cluster is no reason for another era.
    let app = TestApp::start(&backend).await;
    app.run_in(session, "talk", json!({})).await;
    let fresh = feed(&app, session, new.last().map(|event| event.cursor), 1).await;
    assert_eq!(fresh[0].cursor.tx >> 48, 1);
}

/// The first `count` events of a session after a cursor.
async fn feed(
    app: &TestApp,
    session: SessionId,
    after: Option<Cursor>,
    count: usize,
) -> Vec<Event> {
    let events = &app.services().events;
    let batches = events
        .watch_session(&TestApp::principal(), session, after)
        .await
        .unwrap();
    let mut batches = std::pin::pin!(batches);
    let mut found: Vec<Event> = Vec::new();
    let all = async {
        while found.len() < count {
            found.extend(
                batches
                    .next()
                    .await
                    .unwrap()
                    .unwrap()
                    .events
                    .iter()
                    .cloned(),
            );
        }
    };
    tokio::time::timeout(PATIENCE, all)
        .await
        .expect("the feed stands still");
    found
}
