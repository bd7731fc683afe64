//! The example program, as somebody who has just cloned the project runs it.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// `cargo test` builds the examples beside the test programs.
fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let name = format!("order_fulfilment{}", std::env::consts::EXE_SUFFIX);
    tests
        .ancestors()
        .nth(2)
        .unwrap()
        .join("examples")
        .join(name)
}

/// Runs it in an empty folder with an environment that holds nothing but `variables`.
fn run(variables: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(program())
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder.path())
        .output()
        .expect("the example is built by `cargo test`")
}

/// The numbered event lines of one execution's name, in order.
fn events<'a>(output: &'a str, name: &str) -> Vec<&'a str> {
    let lines = output.lines().map(str::trim_start);
    lines
        .filter_map(|line| line.strip_prefix(name)?.trim_start().split_once("  "))
        .map(|(_, event)| event)
        .collect()
}

#[test]
fn the_example_shows_a_retry_a_child_lineage_and_a_cancellation() {
    let data = tempfile::tempdir().unwrap();
    let ran = run(&[("TAKEOFF_DATA_DIR", data.path().to_str().unwrap())]);
    let output = String::from_utf8(ran.stdout).unwrap();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{output}{errors}");
    assert!(data.path().join("takeoff.db").exists());
    assert_eq!(
        events(&output, "fulfil_order"),
        [
            "execution.created",
            "execution.started: attempt 1",
            "step.completed: reserve",
            "execution.retrying: PAYMENT_BUSY: the payment service asks to come back later",
            "execution.started: attempt 2",
            "step.completed: charge",
            "progress.reported: paid, now packing",
            "child.submitted: pack_parcel",
            "artifact.registered: shipment",
            "execution.completed",
            "execution.created",
            "execution.started: attempt 1",
            "step.completed: reserve",
            "execution.retrying: PAYMENT_BUSY: the payment service asks to come back later",
            "execution.started: attempt 2",
            "step.completed: charge",
            "progress.reported: paid, now packing",
            "child.submitted: pack_parcel",
            "execution.cancel_requested: the customer changed their mind",
            "execution.cancelled",
        ]
    );
    for line in [
        "  attempts: 2, reservations: 1",
        "    shipment (READY) made by fulfil_order",
        "      parcel (READY) made by pack_parcel",
        "verified: log and state of 4 executions and 2 artifacts agree",
    ] {
        assert!(
            output.lines().any(|l| l == line),
            "{line:?} not in\n{output}"
        );
    }
}

#[test]
fn the_example_fails_when_it_cannot_have_what_it_needs() {
    let ran = run(&[("TAKEOFF_REDIS_URL", "redis://127.0.0.1:1")]);
    assert!(!ran.status.success());
    let errors = String::from_utf8(ran.stderr).unwrap();
    assert!(errors.contains("Redis"), "{errors}");
}
