//! Each fault once, while everything goes on that it may meet: a submit, a run, a completion, a subscriber, a schedule
//! and retention. docs/failure-matrix.md says which fault is where.

use std::{sync::atomic::Ordering, time::Duration};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use sqlx::{Connection, Executor, SqliteConnection};
use takeoff::{
    clock::Clock,
    model::{Execution, ExecutionStatus},
};

use super::{
    fleet::{Fault, Fleet, LEASE},
    work::{REMOVES, Work},
};
use crate::support::{Backend, Load, NodeProcess, TestApp};

/// The time for which a fault lasts that takes no node its lease.
const LENGTH: Duration = Duration::from_secs(3);

async fn nothing_is_lost(fault: Fault) {
    let length = match fault {
        Fault::Pause | Fault::FreezeDatabase => LEASE + Duration::from_secs(2),
        _ => LENGTH,
    };
    nothing_is_lost_for(fault, length).await;
}

async fn nothing_is_lost_for(fault: Fault, length: Duration) {
    let Some(mut fleet) = Fleet::start(2, &REMOVES).await else {
        return;
    };
    let mut work = Work::begin(fleet.addresses(None), 1, 4).await;
    work.load.works(50).await;
    // Some return while it lasts, and some afterwards.
    let napping = length.min(LENGTH);
    work.nap(2, napping / 2).await;
    work.nap(2, napping + Duration::from_secs(1)).await;
    let before = Clock::System.now();
    let mut random = StdRng::seed_from_u64(1);
    fleet.suffer((fault, length), &mut random, &work).await;
    let after = Clock::System.now();
    work.load.works(50).await;
    let interrupted = work.load.repeated.load(Ordering::Relaxed);
    let naps = work.assert_nothing_was_lost(fleet).await.naps;
    let completed = naps
        .iter()
        .filter(|nap| nap.status == ExecutionStatus::Completed);
    assert_eq!(completed.count(), 4, "{naps:?}");
    let met = |nap: &Execution| {
        nap.started_at.is_some_and(|at| at < after) && nap.finished_at.is_some_and(|at| at > before)
    };
    assert!(naps.iter().any(met), "no handler ran while it lasted");
    if fault.interrupts_clients() {
        assert!(interrupted > 0, "no client noticed it");
    }
}

macro_rules! each_fault {
    ($($name:ident: $fault:ident,)*) => {$(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            nothing_is_lost(Fault::$fault).await;
        }
    )*};
}

each_fault! {
    a_node_is_killed_and_started_again: Kill,
    a_node_is_paused_past_its_lease: Pause,
    a_node_is_cut_off_from_postgres: CutFromDatabase,
    packets_between_a_node_and_postgres_are_swallowed: FreezeDatabase,
    the_answers_of_postgres_to_a_node_are_swallowed: FreezeAnswers,
    the_way_between_a_node_and_postgres_is_slow: SlowDatabase,
    a_node_is_cut_off_from_redis: CutFromRedis,
    the_clock_of_a_node_jumps: ClockJump,
    postgres_is_started_again: RestartDatabase,
    postgres_crashes: CrashDatabase,
    postgres_fails_over_with_synchronous_replication: FailOver,
    redis_is_started_again: RestartRedis,
    redis_forgets_everything: FlushRedis,
}

/// Every node loses its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn postgres_is_gone_for_twenty_seconds() {
    nothing_is_lost_for(Fault::RestartDatabase, Duration::from_secs(20)).await;
}

/// Handlers that misbehave harm themselves alone: what runs beside them ends as it was asked to.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_panic_hang_loop_and_return_too_much() {
    let Some(fleet) = Fleet::start(2, &REMOVES).await else {
        return;
    };
    let mut work = Work::begin(fleet.addresses(None), 2, 4).await;
    let unruly = Load::begin(fleet.addresses(None)[0], 3).await;
    // More of them loop than a node has threads for handlers, for longer than its lease.
    let loops = LEASE.as_secs() * 1_000 + 1_000;
    let wrong = [
        ("panic", json!({}), Err("HANDLER_PANICKED")),
        ("hang", json!({}), Err("ATTEMPT_TIMEOUT")),
        ("silent", json!({}), Err("ATTEMPT_TIMEOUT")),
        (
            "big",
            json!({"bytes": 100_000_000}),
            Err("RESULT_TOO_LARGE"),
        ),
        ("spin", json!({"millis": loops}), Ok(())),
        ("spin", json!({"millis": loops}), Ok(())),
        ("spin", json!({"millis": loops}), Ok(())),
        ("spin", json!({"millis": loops}), Ok(())),
    ];
    work.nap(4, LEASE).await;
    let mut random = StdRng::seed_from_u64(2);
    let mut submitted = Vec::new();
    for (number, (intent_type, parameters, expected)) in wrong.into_iter().enumerate() {
        let input = json!({"intentType": intent_type, "sessionId": unruly.session(),
            "parameters": parameters, "idempotencyKey": format!("unruly-{number}")});
        submitted.push((unruly.insist(&input, &mut random).await, expected));
    }
    work.load.works(100).await;
    let checked = work.assert_nothing_was_lost(fleet).await;
    for (id, expected) in submitted {
        let ended = checked.app.ended(id).await;
        let error = ended.error.as_ref().map(|error| error.code.as_str());
        assert_eq!(error.map_or(Ok(()), Err), expected, "{ended:?}");
    }
}

/// SQLite only: of a database on another machine the disk is not ours to fill. No file may grow beyond what it has, as
/// on a disk that is full.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_disk_is_full_until_the_next_start() {
    let backend = Backend::sqlite();
    let settings = [REMOVES.as_slice(), &["telemetry.log=warn"]].concat();
    let node = NodeProcess::start_with_room(&backend, &settings, 6_000_000).await;
    let work = Work::begin(vec![node.address], 4, 4).await;
    let full = async {
        // Nothing is accepted any more, and clients are told to come back.
        let load = &work.load;
        let mut last = (load.answered(), load.repeated.load(Ordering::Relaxed));
        loop {
            tokio::time::sleep(Duration::from_millis(500)).await;
            let now = (load.answered(), load.repeated.load(Ordering::Relaxed));
            if now.0 == last.0 && now.1 > last.1 && now.0 > 0 {
                return;
            }
            last = now;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), full)
        .await
        .expect("it is never full");
    drop(node);
    goes_on_without_loss(&backend, work).await;
}

/// SQLite only. Another process writes for longer than anybody waits for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_file_is_locked_by_another_process() {
    let backend = Backend::sqlite();
    let settings = [REMOVES.as_slice(), &["telemetry.log=warn"]].concat();
    let node = NodeProcess::start(&backend, &settings).await;
    let mut work = Work::begin(vec![node.address], 5, 4).await;
    work.load.works(50).await;
    work.nap(2, LENGTH).await;
    let mut other = SqliteConnection::connect(&backend.url()).await.unwrap();
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let refused = async {
        let before = work.load.repeated.load(Ordering::Relaxed);
        while work.load.repeated.load(Ordering::Relaxed) == before {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_mins(1), refused)
        .await
        .expect("nobody is refused");
    other.execute("ROLLBACK").await.unwrap();
    other.close().await.unwrap();
    work.load.works(50).await;
    drop(node);
    goes_on_without_loss(&backend, work).await;
}

/// After the last process of a SQLite file has gone, another one goes on.
async fn goes_on_without_loss(backend: &Backend, work: Work) {
    let app = TestApp::start_with(backend, &REMOVES).await;
    work.direct_to(vec![app.server.address()]);
    work.load.works(50).await;
    let done = work.finish().await;
    done.assert_nothing_was_lost(&app, backend).await;
}
