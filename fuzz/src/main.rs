//! Runs one target of `takeoff::fuzzing` under libFuzzer; `TAKEOFF_FUZZ_TARGET` names it.
#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use takeoff::fuzzing::{TARGETS, Target};

fn target() -> Target {
    static TARGET: OnceLock<Target> = OnceLock::new();
    *TARGET.get_or_init(|| {
        let name = std::env::var("TAKEOFF_FUZZ_TARGET").unwrap_or_default();
        let found = TARGETS.iter().find(|(known, _)| *known == name);
        let names: Vec<&str> = TARGETS.iter().map(|(known, _)| *known).collect();
        let (_, target) = found.unwrap_or_else(|| panic!("TAKEOFF_FUZZ_TARGET is one of {}", names.join(", ")));
        *target
    })
}

fuzz_target!(|data: &[u8]| target()(data));
