//! The command line: the real program against a real server.

use std::process::Output;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::support::{Backend, TestApp};

async fn takeoff(app: &TestApp, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_takeoff"))
        .env_clear()
        .env("TAKEOFF_URL", app.url(""))
        .args(arguments)
        .output()
        .await
        .unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn submit_shows_events_and_tells_the_outcome_by_its_exit_code() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let done = takeoff(
        &app,
        &[
            "submit", "add", "--param", "a=2", "--param", "b=3", "--watch", "--json",
        ],
    )
    .await;
    assert_eq!(code(&done), 0, "{done:?}");
    let types: Vec<Value> = lines(&done)
        .iter()
        .map(|event| event["type"].clone())
        .collect();
    assert_eq!(
        types,
        [
            "execution.created",
            "execution.started",
            "execution.completed"
        ]
    );

    let flaky = [
        "submit",
        "flaky",
        "--params-json",
        "{\"failures\": 9, \"fatal\": true}",
        "--watch",
    ];
    let failed = takeoff(&app, &flaky).await;
    assert_eq!(code(&failed), 1);
    assert!(String::from_utf8_lossy(&failed.stdout).contains("NOT_TODAY"));

    let refused = takeoff(&app, &["submit", "add", "--param", "a=x"]).await;
    assert_eq!(code(&refused), 2);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("INVALID_INPUT at input.parameters"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_goes_in_and_its_lineage_comes_out() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let file = backend.folder.path().join("people.csv");
    tokio::fs::write(&file, "name,age\nAda,36\n").await.unwrap();
    let large = backend.folder.path().join("large.csv");
    tokio::fs::write(&large, format!("a,b\n{}", "1,2\n".repeat(200_000)))
        .await
        .unwrap();
    for path in [&file, &large] {
        let journey = [
            "submit",
            "compose_journey",
            "--param",
            "journey_id=content_pipeline",
            "--file",
            path.to_str().unwrap(),
            "--watch",
        ];
        let done = takeoff(&app, &journey).await;
        assert_eq!(code(&done), 0, "{done:?}");
    }
    let listed = takeoff(
        &app,
        &["artifacts", "--type", "deterministic_embeddings", "--json"],
    )
    .await;
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().unwrap().len(), 2);
    let profile = listed[1]["id"].as_str().unwrap();
    let tree = takeoff(&app, &["lineage", profile]).await;
    let tree = String::from_utf8(tree.stdout).unwrap();
    assert_eq!(tree.lines().count(), 3, "{tree}");
    assert!(
        tree.lines()
            .last()
            .unwrap()
            .contains("file people.csv (READY)"),
        "{tree}"
    );
    let json = takeoff(&app, &["lineage", profile, "--json"]).await;
    let json: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
    let executions = takeoff(&app, &["executions", "--status", "completed", "--json"]).await;
    let executions: Value = serde_json::from_slice(&executions.stdout).unwrap();
    assert_eq!(executions.as_array().unwrap().len(), 10);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watch_joins_late_and_an_absent_server_is_told() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let done = app.run("flaky", json!({"failures": 1})).await;
    let watched = takeoff(&app, &["watch", &done.id.to_string(), "--json"]).await;
    assert_eq!(code(&watched), 0);
    assert_eq!(lines(&watched).len(), 5);
    let nowhere = Command::new(env!("CARGO_BIN_EXE_takeoff"))
        .env_clear()
        .args(["executions", "--url", "http://127.0.0.1:9"])
        .output()
        .await
        .unwrap();
    assert_eq!(code(&nowhere), 2);
    assert!(String::from_utf8_lossy(&nowhere.stderr).contains("127.0.0.1:9 cannot be reached"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_demo_pushes_its_samples_through_and_verify_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let run = async |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_takeoff"))
            .env_clear()
            .current_dir(folder.path())
            .args(["--http-bind", "127.0.0.1:0"])
            .args(arguments)
            .output()
            .await
            .unwrap()
    };
    let demo = run(&["demo", "--once"]).await;
    let text = String::from_utf8(demo.stdout.clone()).unwrap();
    assert_eq!(code(&demo), 0, "{text}");
    for sample in ["orders.csv", "catalog.json", "readings.ndjson", "notes.txt"] {
        assert!(text.contains(&format!("file {sample} (READY)")), "{text}");
    }
    // Nobody answers there any more.
    assert!(
        !text.contains("/graphiql") && !text.contains("/console"),
        "{text}"
    );
    let verified = run(&["verify"]).await;
    assert_eq!(code(&verified), 0);
    std::fs::write(folder.path().join("bad.csv"), "a,b\n1,2\n3\n").unwrap();
    let bad = run(&["demo", "--once", "bad.csv"]).await;
    assert_eq!(code(&bad), 1);
    assert!(String::from_utf8_lossy(&bad.stdout).contains("line 3"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn verify_exits_1_when_log_and_state_differ() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    app.run("add", json!({"a": 1, "b": 1})).await;
    backend.execute("UPDATE execution SET result = '7'").await;
    let verify = Command::new(env!("CARGO_BIN_EXE_takeoff"))
        .env_clear()
        .args(["--database-url", &backend.url(), "verify"])
        .current_dir(backend.folder.path())
        .output()
        .await
        .unwrap();
    assert_eq!(code(&verify), 1);
    assert!(
        String::from_utf8_lossy(&verify.stdout).contains("result is Some(\"7\")"),
        "{verify:?}"
    );
}
