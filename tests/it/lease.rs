//! Faults that keep a node from prolonging its lease, and those that do not.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use takeoff::{
    app::App,
    ids::IdSource,
    model::{Execution, ExecutionStatus},
};

use crate::support::{Backend, PATIENCE, TestApp, TrySolution, backends, config};

/// Long enough that a busy machine does not lose it.
const LEASE: [&str; 2] = ["runtime.lease_seconds=5", "runtime.heartbeat_seconds=1"];
const LEASE_MICROS: i64 = 5_000_000;

/// Until when the one node of a database is trusted to live.
async fn expiry(backend: &Backend) -> i64 {
    let query = "SELECT max(expires_at) FROM node";
    if backend.is_postgres() {
        let mut connection = PgConnection::connect(&backend.url()).await.unwrap();
        sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    } else {
        let mut connection = SqliteConnection::connect(&backend.url()).await.unwrap();
        sqlx::query_scalar(query)
            .fetch_one(&mut connection)
            .await
            .unwrap()
    }
}

/// Returns when the node has gone on prolonging its lease for longer than a lease lasts.
async fn outlives_a_lease(backend: &Backend) {
    let began = expiry(backend).await;
    let prolonged = async {
        while expiry(backend).await < began + LEASE_MICROS + 1_000_000 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let prolonged = tokio::time::timeout(PATIENCE, prolonged).await;
    prolonged.expect("the lease was not prolonged");
}

async fn running(app: &TestApp) -> Execution {
    let id = app.submit(app.session().await, "gated", json!({})).await.id;
    let runs = &app.solution.runs;
    app.until(|| async { (runs.load(Ordering::SeqCst) == 1).then_some(()) })
        .await;
    app.execution(id).await
}

/// PostgreSQL only: SQLite's writer has a connection that no read can take.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reads_on_every_connection_of_the_pool_do_not_cost_the_lease() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let pool = ["database.max_connections=4", "database.writers=1"];
    let app = TestApp::start_with(&backend, &[LEASE, pool].concat()).await;
    let execution = running(&app).await;
    let node = app.services().runtime.node_id();
    // Whoever reads artifacts waits for this one.
    let mut holder = PgConnection::connect(&backend.url()).await.unwrap();
    holder.execute("BEGIN; LOCK TABLE artifact").await.unwrap();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let request = app.http.post(app.url("/graphql")).json(&json!({
                "query": "{ artifacts(first: 1) { nodes { id } } }"
            }));
            tokio::spawn(async move {
                // Until it is answered, with whatever.
                let _ = request.send().await;
            })
        })
        .collect();
    let mut watcher = PgConnection::connect(&backend.url()).await.unwrap();
    let waiting = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
        AND wait_event_type = 'Lock'";
    let all_wait = async {
        // The writer keeps one of the four.
        while sqlx::query_scalar::<_, i64>(waiting)
            .fetch_one(&mut watcher)
            .await
            .unwrap()
            < 3
        {}
    };
    tokio::time::timeout(PATIENCE, all_wait).await.unwrap();
    outlives_a_lease(&backend).await;
    holder.execute("ROLLBACK").await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    app.solution.gate.add_permits(1);
    assert_eq!(app.ended(execution.id).await.attempt, 1);
    assert_eq!(app.services().runtime.node_id(), node);
}

/// Ids whose source panics on the thread of the lease, once each time it is told to.
fn defective_ids(is_defective: &Arc<AtomicBool>) -> IdSource {
    let (sound, is_defective) = (IdSource::system(), Arc::clone(is_defective));
    IdSource::made_by(move || {
        let of_lease = std::thread::current().name() == Some("takeoff-lease");
        assert!(
            !(of_lease && is_defective.swap(false, Ordering::SeqCst)),
            "a defect"
        );
        sound.node().0
    })
}

backends! {
    async fn a_panic_while_the_lease_is_kept_costs_the_lease_and_not_the_node(backend: Backend) {
        let is_defective = Arc::default();
        let solution = TrySolution::default();
        let app = App::new(config(&backend, &LEASE)).solution(solution.clone());
        let server = app.ids(defective_ids(&is_defective)).listen().await.unwrap();
        let app = TestApp::of(server, solution);
        let (execution, node) = (running(&app).await, app.services().runtime.node_id());
        // Declared dead it takes another id, in the middle of which it panics.
        is_defective.store(true, Ordering::SeqCst);
        backend.execute("UPDATE node SET expires_at = 0").await;
        let storage = &app.services().storage;
        let new = app.until(|| async {
            let now = app.services().runtime.node_id();
            let held = storage.leases_of(now).await.unwrap();
            (now != node && !held.is_empty()).then_some(now)
        }).await;
        assert!(!is_defective.load(Ordering::SeqCst), "nothing panicked");
        app.solution.gate.add_permits(100);
        let done = app.ended(execution.id).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        // It may have begun once more for the incarnation that did not know yet of its end.
        assert!(done.attempt >= 2, "{}", done.attempt);
        assert_eq!(app.services().runtime.node_id(), new);
        outlives_a_lease(&backend).await;
        app.assert_verified().await;
    }
}

/// Every thread that serves requests and runs the engine is held up at once.
fn blocked_threads_do_not_cost_the_lease(backend: &Backend) {
    const THREADS: usize = 2;
    let served = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .unwrap();
    let beside = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (app, execution) = served.block_on(async {
        let app = TestApp::start_with(backend, &LEASE).await;
        let execution = running(&app).await;
        (app, execution)
    });
    let node = app.services().runtime.node_id();
    let all_blocked = Arc::new(std::sync::Barrier::new(THREADS + 1));
    let mut release = Vec::new();
    for _ in 0..THREADS {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let all_blocked = Arc::clone(&all_blocked);
        served.spawn(async move {
            all_blocked.wait();
            let _ = ended.recv();
        });
        release.push(end);
    }
    all_blocked.wait();
    beside.block_on(outlives_a_lease(backend));
    drop(release);
    served.block_on(async {
        app.solution.gate.add_permits(1);
        let done = app.ended(execution.id).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 1));
        assert_eq!(app.services().runtime.node_id(), node);
        app.server.stop().await;
    });
}

#[test]
fn blocked_threads_do_not_cost_the_lease_on_sqlite() {
    blocked_threads_do_not_cost_the_lease(&Backend::sqlite());
}

#[test]
fn blocked_threads_do_not_cost_the_lease_on_postgres() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    if let Some(backend) = runtime.block_on(Backend::postgres()) {
        blocked_threads_do_not_cost_the_lease(&backend);
    }
}
