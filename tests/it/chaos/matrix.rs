//! Each fault once, while everything goes on that it may meet: a submit, a run, a completion, a subscriber, a schedule
//! and retention. docs/failure-matrix.md says which fault is where.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::json;
use takeoff::{
    clock::Clock,
    model::{Execution, ExecutionStatus},
};

use super::{
    assert_verified_by_command,
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
    let mut work = Work::begin(&fleet, 1, 4).await;
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
    let mut work = Work::begin(&fleet, 2, 4).await;
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
    let settings = ["telemetry.log=warn"];
    let node = NodeProcess::start_with_room(&backend, &settings, 6_000_000).await;
    let load = Load::begin(node.address, 4).await;
    let clients = load.submit(4);
    let watcher = tokio::spawn(Arc::clone(&load).watch());
    let full = async {
        // Nothing is accepted any more, and clients are told to come back.
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
    let app = TestApp::start(&backend).await;
    load.direct_to([app.server.address()]);
    load.works(50).await;
    let acknowledged = load.finish(clients).await;
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
    assert_verified_by_command(&backend);
}
