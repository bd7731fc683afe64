//! A newer version changes the schema while nodes of this one run: they go on. And a database that was
//! restored from a dump.

use futures::StreamExt;
use serde_json::json;
use takeoff::{
    model::{
        ArtifactId, ArtifactState, Cursor, Event, Execution, ExecutionStatus, RawJson, SessionId,
        StateWriteMode, TransitionRequest,
    },
    state_surface::NewSession,
    storage::{ExecutionFilter, PageRequest, StreamName, WalFilter},
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
    let principal = app.principal();
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

/// Undoes the migration of the lists' indexes, and the one of counts and more of them: before, lists had an index for their
/// order alone.
const WITHOUT_LISTS: [&str; 28] = [
    "DROP TABLE execution_count",
    "DROP INDEX execution_idx_finish",
    "DROP INDEX execution_idx_error",
    "DROP INDEX execution_idx_rerun",
    "ALTER TABLE execution DROP COLUMN error_code",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261130_000024%'",
    "DROP INDEX execution_idx_time",
    "DROP INDEX execution_idx_kind",
    "DROP INDEX execution_idx_type",
    "DROP INDEX execution_idx_unsuccessful",
    "DROP INDEX execution_idx_session",
    "DROP INDEX artifact_idx_time",
    "DROP INDEX artifact_idx_state",
    "DROP INDEX artifact_idx_type",
    "DROP INDEX artifact_idx_session",
    "DROP INDEX session_idx_time",
    "DROP INDEX session_idx_status",
    "DROP INDEX session_idx_user",
    "DROP INDEX session_idx_overdue",
    "ALTER TABLE execution DROP COLUMN listed_as",
    "CREATE INDEX execution_idx_0 ON execution (tenant_id, id)",
    "CREATE INDEX execution_idx_3 ON execution (id) WHERE finished_at IS NULL",
    "CREATE INDEX execution_idx_roots ON execution (tenant_id, id) WHERE parent_id IS NULL",
    "CREATE INDEX execution_idx_session ON execution (session_id, (tenant_id || ''), id)",
    "CREATE INDEX artifact_idx_11 ON artifact (tenant_id, key)",
    "CREATE INDEX artifact_idx_session ON artifact (session_id, (tenant_id || ''), key)",
    "CREATE INDEX session_idx_8 ON session (tenant_id, id)",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261128_000012%'",
];

backends! {
    async fn lists_of_an_earlier_version_are_the_same_by_every_filter(backend: Backend) {
        let app = TestApp::start(&backend).await;
        work(&app).await;
        app.run("panic", json!({})).await;
        app.run("compose_journey", json!({"steps": [{"name": "one", "intent_type": "add", "parameters": {"a": 1, "b": 1}}]})).await;
        let lists = "query ($after: DateTime!) {
            all: executions { nodes { id } }
            failed: executions(filter: {status: [FAILED]}) { nodes { id } }
            roots: executions(filter: {rootsOnly: true, createdAfter: $after}, orderBy: OLDEST_FIRST) { nodes { id } }
            adds: executions(filter: {intentType: [\"add\"], status: [COMPLETED]}) { nodes { id } }
            files: artifacts(filter: {lifecycleState: [ARCHIVED]}) { nodes { id } }
            sessions(filter: {status: [ACTIVE]}) { nodes { id } }
        }";
        let asked = json!({"after": "2020-01-01T00:00:00Z"});
        let before = app.data(lists, asked.clone()).await;
        for list in ["failed", "roots", "adds", "files", "sessions"] {
            let nodes = before[list]["nodes"].as_array().unwrap();
            assert!(!nodes.is_empty(), "{list}");
        }
        app.server.stop().await;
        for statement in WITHOUT_LISTS {
            backend.execute(statement).await;
        }
        let app = TestApp::start(&backend).await;
        assert_eq!(app.data(lists, asked).await, before);
        app.assert_verified().await;
    }
}

/// Undoes the migration of trees: before, children did not know theirs.
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

/// Returns the statements that undo the migration of sessions' keys: before, the id of a session
/// was unique among all tenants.
fn without_sessions_of_tenants(backend: &Backend) -> Vec<&'static str> {
    let of_before = "UPDATE event SET stream_id = session_id WHERE stream_kind = 1";
    let tables: &[&str] = if backend.is_postgres() {
        &[
            "ALTER TABLE session DROP CONSTRAINT session_pkey",
            "ALTER TABLE session DROP COLUMN stream_id",
            "ALTER TABLE session ADD PRIMARY KEY (id)",
        ]
    } else {
        &[
            "CREATE TABLE former (id uuid_blob NOT NULL, tenant_id text NOT NULL, user_id text, \
             solution_id text, is_anonymous boolean NOT NULL, status bigint NOT NULL, \
             metadata text NOT NULL, state text NOT NULL, state_version bigint NOT NULL, \
             next_seq bigint NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL, \
             expires_at bigint NOT NULL, PRIMARY KEY (id))",
            "INSERT INTO former SELECT id, tenant_id, user_id, solution_id, is_anonymous, status, \
             metadata, state, state_version, next_seq, created_at, updated_at, expires_at FROM session",
            "DROP TABLE session",
            "ALTER TABLE former RENAME TO session",
            "CREATE INDEX session_idx_8 ON session (tenant_id, id)",
            "CREATE INDEX session_idx_9 ON session (expires_at) WHERE status IN (0, 1)",
        ]
    };
    let mut statements = vec![of_before];
    statements.extend(tables);
    statements.extend([
        "DROP INDEX execution_idx_session",
        "CREATE INDEX execution_idx_1 ON execution (session_id, id)",
        "DROP INDEX event_idx_session",
        "CREATE INDEX event_idx_7 ON event (session_id, tx, ord)",
        "DROP INDEX artifact_idx_session",
        "CREATE INDEX artifact_idx_13 ON artifact (session_id, key)",
        "DELETE FROM seaql_migrations WHERE version LIKE 'm20261128_000010%'",
    ]);
    statements
}

/// Undoes the migration of the log's chains, and that of retention, which builds on it.
const WITHOUT_CHAINS: [&str; 11] = [
    "DROP TABLE removed_entry",
    "DROP TABLE log_trim",
    "DROP INDEX upload_age",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261130_000020%'",
    "DROP TABLE checkpoint",
    "ALTER TABLE event DROP COLUMN hash",
    "ALTER TABLE execution DROP COLUMN last_hash",
    "ALTER TABLE session DROP COLUMN last_hash",
    "ALTER TABLE artifact DROP COLUMN last_hash",
    "ALTER TABLE api_key DROP COLUMN last_hash",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261129_000016%'",
];

/// Undoes the migration of anonymous sessions' secrets.
const WITHOUT_SECRETS: [&str; 2] = [
    "ALTER TABLE session DROP COLUMN secret_digest",
    "DELETE FROM seaql_migrations WHERE version LIKE 'm20261129_000019%'",
];

async fn make_session(app: &TestApp, tenant: &str, id: Option<SessionId>) -> SessionId {
    let principal = app.principal_of(tenant);
    let new = NewSession {
        session_id: id,
        ..NewSession::anonymous()
    };
    let made = app.services().state.create_session(&principal, new).await;
    made.unwrap().id
}

/// The places of the entries of a session's own stream.
async fn stream(app: &TestApp, tenant: &str, id: SessionId) -> Vec<(Cursor, String)> {
    let scope = app.principal_of(tenant).scope();
    let filter = WalFilter {
        stream: Some(StreamName::Session(id)),
        ..WalFilter::default()
    };
    let storage = &app.services().storage;
    let entries = storage.wal_after(&scope, &filter, Cursor::default(), 100);
    let entries = entries.await.unwrap();
    let place = |event: &Event| (event.cursor, event.body.type_name());
    entries.iter().map(place).collect()
}

backends! {
    async fn sessions_of_an_earlier_version_keep_their_log_and_their_feeds(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let ours = app.principal().tenant().to_string();
        let chosen = takeoff::ids::IdSource::seeded(70).session();
        let sessions = [app.session().await, make_session(&app, &ours, Some(chosen)).await];
        let write = async |app: &TestApp, session, version: i64| {
            let state = RawJson::from(&json!({"n": version}));
            let (principal, mode) = (app.principal(), StateWriteMode::Replace);
            let surface = &app.services().state;
            let written = surface.set_session_state(&principal, session, state, mode, Some(version));
            assert_eq!(written.await.unwrap().state_version, version + 1);
        };
        let mut before = Vec::new();
        for session in sessions {
            write(&app, session, 1).await;
            let done = app.run_in(session, "make", json!({"name": session.to_string()})).await;
            let last = usize::try_from(done.next_seq - 1).unwrap();
            let events = feed(&app, session, None, last).await;
            before.push((done, events, stream(&app, &ours, session).await));
        }
        app.server.stop().await;
        let without_lists = WITHOUT_LISTS.into_iter().chain(without_sessions_of_tenants(&backend));
        let without_chains = WITHOUT_SECRETS.into_iter().chain(WITHOUT_CHAINS);
        for statement in without_chains.chain(without_lists) {
            backend.execute(statement).await;
        }

        let app = TestApp::start(&backend).await;
        for (session, (done, events, entries)) in sessions.into_iter().zip(before) {
            let last = events.last().unwrap().cursor;
            assert_eq!(feed(&app, session, None, events.len()).await, events);
            assert_eq!(stream(&app, &ours, session).await, entries);
            let unchained = Execution { last_hash: None, ..done.clone() };
            assert_eq!(app.execution(done.id).await, unchained);
            // It goes on where it was, beside another tenant's of the same id.
            make_session(&app, "other", Some(session)).await;
            write(&app, session, 2).await;
            let next = app.run_in(session, "add", json!({"a": 1, "b": 1})).await;
            let new = feed(&app, session, Some(last), 1).await;
            assert_eq!(new[0].stream_id, next.id.0);
            let types: Vec<_> = stream(&app, &ours, session).await.into_iter().map(|(place, name)| (place.seq, name)).collect();
            let changed = "session.state_changed".to_owned();
            assert_eq!(types, [(1, "session.created".into()), (2, changed.clone()), (3, changed)]);
            assert_eq!(stream(&app, "other", session).await.len(), 1);
            let filter = ExecutionFilter { session_id: Some(session), ..ExecutionFilter::default() };
            let storage = &app.services().storage;
            let (scope, page) = (app.principal().scope(), PageRequest::first(9));
            let page = storage.list_executions(&scope, &filter, &page).await.unwrap();
            let listed: Vec<_> = page.items.into_iter().map(|(id, _)| id).collect();
            assert_eq!(listed, [next.id, done.id]);
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
    let principal = app.principal();
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
    app.assert_agrees().await;
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
        .watch_session(&app.principal(), session, after)
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
