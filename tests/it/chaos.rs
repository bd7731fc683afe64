//! A real server process killed by `kill -9` at random points under load: nothing acknowledged is
//! lost, nothing happens twice.
//!
//! The points come from a seed that is printed; `TAKEOFF_TEST_SEED` gives it again.

mod drawn;
mod fleet;
mod matrix;
mod work;

use std::{io::Write, process::Command, sync::atomic::Ordering, time::Duration};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use crate::support::{Backend, Load, NodeProcess, TestApp, variable};

const CLIENTS: u64 = 6;
/// Two beats may be missed on a busy machine.
const LEASE: &[&str] = &["runtime.lease_seconds=4", "telemetry.log=warn"];

fn seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    let given = variable("TAKEOFF_TEST_SEED").map(|seed| seed.parse().unwrap());
    let seed = given.unwrap_or_else(|| RandomState::new().hash_one(0) >> 32);
    // Past the capture of the test runner: a run that hangs is to be repeated, too.
    let _ = writeln!(std::io::stderr(), "chaos: TAKEOFF_TEST_SEED={seed}");
    seed
}

/// Returns the time for which the load goes on before the next blow.
fn calm(random: &mut StdRng) -> Duration {
    Duration::from_millis(random.random_range(200..1_500))
}

/// `takeoff verify`, as an operator would run it.
fn assert_verified_by_command(backend: &Backend) {
    let folder = backend.folder.path();
    let verify = Command::new(env!("CARGO_BIN_EXE_takeoff"))
        .args(["--config", "takeoff.toml", "--database-url", &backend.url()])
        .arg("verify")
        .current_dir(folder)
        .output()
        .unwrap();
    let said = [verify.stdout, verify.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(verify.status.success(), "{said}");
    assert!(said.contains(" 0 differences"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_again_and_again_loses_nothing() {
    let backend = Backend::sqlite();
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut node = NodeProcess::start(&backend, LEASE).await;
    let load = Load::begin(node.address, seed).await;
    let clients = load.submit(CLIENTS);
    let watcher = tokio::spawn(std::sync::Arc::clone(&load).watch());
    for _ in 0..6 {
        tokio::time::sleep(calm(&mut random)).await;
        node.kill();
        load.direct_to([]);
        node = NodeProcess::start(&backend, LEASE).await;
        load.direct_to([node.address]);
    }
    tokio::time::sleep(calm(&mut random)).await;
    node.kill();
    let app = TestApp::start(&backend).await;
    load.direct_to([app.server.address()]);
    let acknowledged = load.finish(clients).await;
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
    // The test would prove nothing had the faults not met the work.
    assert!(load.repeated.load(Ordering::Relaxed) > 0);
    assert!(load.resumed.load(Ordering::Relaxed) > 6);
    assert_verified_by_command(&backend);
}

/// PostgreSQL only: two nodes share the work, and one of them dies again and again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_killed_in_turn_lose_nothing_while_the_other_goes_on() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut nodes = [
        NodeProcess::start(&backend, LEASE).await,
        NodeProcess::start(&backend, LEASE).await,
    ];
    let load = Load::begin(nodes[0].address, seed).await;
    load.direct_to(nodes.each_ref().map(|node| node.address));
    let clients = load.submit(CLIENTS);
    let watcher = tokio::spawn(std::sync::Arc::clone(&load).watch());
    for _ in 0..5 {
        tokio::time::sleep(calm(&mut random)).await;
        let victim = random.random_range(0..2);
        nodes[victim].kill();
        load.direct_to([nodes[1 - victim].address]);
        tokio::time::sleep(calm(&mut random)).await;
        nodes[victim] = NodeProcess::start(&backend, LEASE).await;
        load.direct_to(nodes.each_ref().map(|node| node.address));
    }
    let acknowledged = load.finish(clients).await;
    let app = TestApp::start(&backend).await;
    app.audit(&backend, &load, &acknowledged).await;
    watcher.abort();
    assert!(load.repeated.load(Ordering::Relaxed) > 0);
    assert_verified_by_command(&backend);
}
