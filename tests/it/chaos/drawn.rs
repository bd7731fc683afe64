//! A fleet at work, while faults are drawn from a seed.
//!
//! The suite runs it for a moment; `scripts/chaos` for as long as it is told to.

use std::{
    io::Write,
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::{
    fleet::{Fault, Fleet},
    seed,
    work::{REMOVES, Work},
};
use crate::support::variable;

const NODES: usize = 3;
/// The time for which faults are drawn in the suite.
const MOMENT: Duration = Duration::from_secs(30);
/// What is to interrupt nobody's lease lasts no longer than this.
const LONGEST: Duration = Duration::from_secs(5);

/// `TAKEOFF_CHAOS_SECONDS`, which `scripts/chaos` sets.
fn length() -> Duration {
    let given = variable("TAKEOFF_CHAOS_SECONDS").map(|seconds| seconds.parse().unwrap());
    given.map_or(MOMENT, Duration::from_secs)
}

fn say(words: &str) {
    // Past the capture of the test runner: a run that hangs is to be understood, too.
    let _ = writeln!(std::io::stderr(), "chaos: {words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fleet_under_faults_that_are_drawn_from_a_seed_loses_nothing() {
    let length = length();
    // In a long run most of what has ended goes; by then it has been seen, whatever fault holds a subscriber up.
    let minutes = ["retention.types=add = completed:120s"];
    let settings = if length > MOMENT {
        [REMOVES.as_slice(), &minutes].concat()
    } else {
        REMOVES.to_vec()
    };
    let Some(mut fleet) = Fleet::start(NODES, &settings).await else {
        return;
    };
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let work = Work::begin(fleet.addresses(None), seed, 6).await;
    let (began, mut faults) = (Instant::now(), 0);
    while began.elapsed() < length {
        let calm = random.random_range(300..2_000);
        tokio::time::sleep(Duration::from_millis(calm)).await;
        let drawn = Fault::drawn(&mut random, LONGEST);
        say(&format!(
            "{:>6.1} s {drawn:?}",
            began.elapsed().as_secs_f64()
        ));
        fleet.suffer(drawn, &mut random, &work).await;
        faults += 1;
    }
    let memory = fleet.memory_bytes();
    let memory: Vec<u64> = memory.iter().map(|bytes| bytes >> 20).collect();
    let repeated = work.load.repeated.load(Ordering::Relaxed);
    let accepted = work.assert_nothing_was_lost(fleet).await.accepted;
    assert!(repeated > 0, "no fault met the work");
    say(&format!(
        "{faults} faults, {accepted} executions, {repeated} requests repeated; nodes of {memory:?} MiB at the end"
    ));
}
