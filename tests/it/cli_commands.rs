//! The command line's commands, each against a real server.

use std::process::{Output, Stdio};

use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{Backend, TestApp};

fn command(app: &TestApp, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command
        .env_clear()
        .env("TAKEOFF_URL", app.url(""))
        .args(arguments);
    command
}

async fn takeoff(app: &TestApp, arguments: &[&str]) -> Output {
    command(app, arguments).output().await.unwrap()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap_or(-1)
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn complaint(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Returns the output of a command that succeeds.
async fn done(app: &TestApp, arguments: &[&str]) -> String {
    let output = takeoff(app, arguments).await;
    assert_eq!(code(&output), 0, "{arguments:?}: {output:?}");
    out(&output)
}

async fn json_of(app: &TestApp, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(app, arguments).await).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_without_a_session_finds_its_execution_again() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let add = |a: &'static str| {
        [
            "submit", "add", "--key", "k", "--param", a, "--param", "b=1",
        ]
    };
    let first = takeoff(&app, &add("a=1")).await;
    let again = takeoff(&app, &add("a=1")).await;
    assert_eq!((code(&first), code(&again)), (0, 0), "{again:?}");
    assert_eq!(out(&first), out(&again));
    assert!(complaint(&again).contains("the key was used before"));
    let other = takeoff(&app, &add("a=2")).await;
    assert_eq!(code(&other), 2);
    assert!(complaint(&other).contains("IDEMPOTENCY_KEY_CONFLICT"));
    // The sessions that were made in vain are closed.
    let open = json_of(&app, &["session", "list", "--status", "active", "--json"]).await;
    assert!(open.as_array().unwrap().len() <= 2, "{open}");

    // What is uploaded anew each time is the same if its bytes are.
    let file = backend.folder.path().join("large.csv");
    let write = async |row: &str| tokio::fs::write(&file, format!("a,b\n{}", row.repeat(100_000)));
    let path = file.to_str().unwrap();
    let ingest = ["submit", "ingest_file", "--key", "f", "--file", path];
    write("1,2\n").await.await.unwrap();
    let first = done(&app, &ingest).await;
    assert_eq!(done(&app, &ingest).await, first);
    write("1,3\n").await.await.unwrap();
    let other = takeoff(&app, &ingest).await;
    assert_eq!(code(&other), 2, "{other:?}");
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn flags_of_the_configuration_stand_before_and_behind_the_command() {
    let backend = Backend::sqlite();
    let run = async |arguments: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_takeoff"))
            .env_clear()
            .current_dir(backend.folder.path())
            .args(arguments)
            .output()
            .await
            .unwrap()
    };
    let line = "--log warn --set runtime.poll_ms=21 config --data-dir /x --set database.writers=3";
    let both = run(&line.split(' ').collect::<Vec<_>>()).await;
    assert_eq!(code(&both), 0, "{both:?}");
    for set in [
        "log = \"warn\"",
        "poll_ms = 21",
        "data_dir = \"/x\"",
        "writers = 3",
    ] {
        assert!(out(&both).contains(set), "{set}");
    }
    let twice = run(&["--log", "warn", "config", "--log", "info"]).await;
    assert_eq!(code(&twice), 2);
    assert!(complaint(&twice).contains("set twice"));
    let client = run(&["--log", "warn", "executions"]).await;
    assert_eq!(code(&client), 2);
    assert!(complaint(&client).contains("--url"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_execution_is_cancelled_run_again_and_shown() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = done(&app, &["session", "create", "--user", "ann"]).await;
    let session = session.trim();
    let gated = done(&app, &["submit", "gated", "--session", session]).await;
    let gated = gated.trim();
    done(&app, &["cancel", gated, "--reason", "not needed"]).await;
    app.ended(gated.parse().unwrap()).await;
    let twice = takeoff(&app, &["cancel", gated]).await;
    assert_eq!(code(&twice), 2);
    assert!(complaint(&twice).contains("ALREADY_TERMINAL"));

    let failed = app
        .run("flaky", json!({"failures": 9, "fatal": true}))
        .await;
    let failed = failed.id.to_string();
    let again = takeoff(&app, &["rerun", &failed, "--watch"]).await;
    assert_eq!(code(&again), 1, "{again:?}");
    let lines = out(&again);
    let lines: Vec<&str> = lines.lines().collect();
    let end = lines.len() - 2;
    assert!(lines[end].ends_with("execution.failed"), "{lines:?}");
    assert!(lines[end + 1].starts_with("  NOT_TODAY: "), "{lines:?}");

    // The end of an id is enough.
    let shown = done(&app, &["show", &failed[failed.len() - 8..]]).await;
    for part in [failed.as_str(), "flaky", "FAILED", "NOT_TODAY: "] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    let shown = json_of(&app, &["show", gated, "--json"]).await;
    assert_eq!(shown["status"], "CANCELLED");
    let absent = takeoff(&app, &["show", "zzzzzz"]).await;
    assert_eq!(code(&absent), 2);
    let shown = done(&app, &["session", "show", session]).await;
    assert!(shown.contains("ann") && shown.contains("ACTIVE"), "{shown}");
    done(&app, &["session", "close", session]).await;
    let closed = json_of(&app, &["session", "list", "--status", "closed", "--json"]).await;
    assert_eq!(closed[0]["id"], session);
    let types = done(&app, &["types"]).await;
    assert!(types.contains("compose_journey"), "{types}");
    assert!(done(&app, &["types", "echo"]).await.contains("\"message\""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn files_go_in_side_by_side_also_from_standard_input_and_come_out_again() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let folder = backend.folder.path();
    let (good, bad) = (folder.join("good.csv"), folder.join("bad.csv"));
    tokio::fs::write(&good, "name,age\nAda,36\n").await.unwrap();
    tokio::fs::write(&bad, "a,b\n1,2\n3\n").await.unwrap();
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    let arguments = [
        "submit",
        "compose_journey",
        "--param",
        "journey_id=content_pipeline",
        "--watch",
        "--file",
        good,
        "--file",
        bad,
        "--file",
        "-",
        "--file",
        "/nonexistent",
    ];
    let mut child = command(&app, &arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"x;y\n1;2\n3;4\n").await.unwrap();
    drop(stdin);
    let output = child.wait_with_output().await.unwrap();
    // Three of them went their way; the fourth is why the command as a whole was not carried out.
    assert_eq!(code(&output), 2, "{output:?}");
    assert!(complaint(&output).contains("/nonexistent"), "{output:?}");
    let lines = out(&output);
    assert!(
        lines.contains(&format!("{good} execution.completed 1 row")),
        "{lines}"
    );
    assert!(
        lines.contains("stdin execution.completed 2 rows"),
        "{lines}"
    );
    let reason = lines.lines().find(|line| line.starts_with("  ")).unwrap();
    assert!(reason.contains("line 3"), "{lines}");

    let arguments = ["artifacts", "--type", "parsed_content", "--json"];
    let listed = json_of(&app, &arguments).await;
    let named = |name| {
        let mut all = listed.as_array().unwrap().iter();
        all.find(|one| one["displayName"] == name).unwrap()["id"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let id = named("good.csv");
    let content = done(&app, &["download", &id, "--output", "-"]).await;
    assert_eq!(content, "{\"name\":\"Ada\",\"age\":36}\n");
    let mut here = command(&app, &["download", &id]);
    let here = here.current_dir(folder).output().await.unwrap();
    assert_eq!(code(&here), 0, "{here:?}");
    let name = out(&here).split(" (").next().unwrap().to_owned();
    assert_eq!(
        std::fs::read_to_string(folder.join(&name)).unwrap(),
        content
    );
    let mut again = command(&app, &["download", &id]);
    let again = again.current_dir(folder).output().await.unwrap();
    assert_eq!(code(&again), 2);
    assert!(complaint(&again).contains("--force"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_go_on_after_a_cursor_and_say_when_they_are_empty() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let empty = takeoff(&app, &["executions", "--status", "Failed"]).await;
    assert_eq!((code(&empty), out(&empty).as_str()), (0, ""));
    assert!(complaint(&empty).contains("there are no such executions"));
    for n in 0..5 {
        let ended = app.run("add", json!({"a": n, "b": 1})).await;
        assert_eq!(ended.status, ExecutionStatus::Completed);
    }
    let all = done(&app, &["executions", "--all"]).await;
    let mut seen = String::new();
    let mut after = String::new();
    loop {
        let mut arguments = vec!["executions", "--limit", "2"];
        if !after.is_empty() {
            arguments.extend(["--after", &after]);
        }
        let page = takeoff(&app, &arguments).await;
        seen += &out(&page);
        match complaint(&page).trim().split_once("--after ") {
            Some((_, cursor)) => after = cursor.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, all);
    assert_eq!(all.lines().count(), 5);
    let unknown = takeoff(&app, &["executions", "--status", "done"]).await;
    assert_eq!(code(&unknown), 2);
    assert!(complaint(&unknown).contains("COMPLETED"), "{unknown:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_are_json_where_json_is_asked_for() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    for (arguments, wanted) in [
        (
            &["submit", "add", "--param", "a=x", "--json"][..],
            "INVALID_INPUT",
        ),
        (
            &["watch", "exe_01kaa000000000000000000000", "--json"],
            "BAD_USER_INPUT",
        ),
        (
            &["executions", "--url", "http://127.0.0.1:9", "--json"],
            "UNREACHABLE",
        ),
        (&["executions", "--statuss", "--json"], "USAGE"),
        (
            &["submit", "add", "--file", "/nonexistent", "--json"],
            "NOT_DONE",
        ),
    ] {
        let output = takeoff(&app, arguments).await;
        assert_eq!(code(&output), 2, "{output:?}");
        let errors: Value = serde_json::from_str(&complaint(&output)).unwrap();
        assert_eq!(errors["errors"][0]["code"], wanted, "{errors}");
        assert!(errors["errors"][0]["message"].is_string(), "{errors}");
    }
    let refused = takeoff(&app, &["submit", "add", "--param", "a=x", "--json"]).await;
    let errors: Value = serde_json::from_str(&complaint(&refused)).unwrap();
    assert_eq!(errors["errors"][0]["path"], json!(["input", "parameters"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_cannot_act_on_the_terminal() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let hostile = "a\u{202e}txt\u{2066}.exe";
    let made = app
        .run(
            "make",
            json!({"name": "m", "note": hostile, "owner": hostile}),
        )
        .await;
    assert_eq!(made.status, ExecutionStatus::Completed);
    let listed = json_of(&app, &["artifacts", "--json"]).await;
    let id = listed[0]["id"].as_str().unwrap().to_owned();
    app.run(
        "echo",
        json!({"message": format!("{hostile}\u{1b}[2J\u{9b}31m")}),
    )
    .await;
    let acts = |c: char| (c.is_control() && c != '\n') || matches!(c, '\u{202e}' | '\u{2066}');
    for arguments in [
        &["show", &id][..],
        &["show", &id, "--json"],
        &["artifacts"],
        &["artifacts", "--json"],
        &["executions", "--json"],
        &["lineage", &id],
        &["lineage", &id, "--mermaid"],
    ] {
        let said = done(&app, arguments).await;
        assert!(!said.contains(acts), "{arguments:?}: {said:?}");
    }
    let shown = json_of(&app, &["show", &id, "--json"]).await;
    assert_eq!(shown["owner"], hostile);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_are_filtered_and_say_how_many_there_are() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let step = json!({"name": "a", "intent_type": "echo", "parameters": {"message": "hello"}});
    app.run("compose_journey", json!({"steps": [step]})).await;
    let create =
        "mutation($i: CreateSessionInput!) { createSession(input: $i) { session { id } } }";
    let input = json!({"i": {"metadata": {"team": "blue", "size": 2}}});
    let session = app.data(create, input).await["createSession"]["session"]["id"].take();
    let submit =
        "mutation($i: SubmitIntentInput!) { submitIntent(input: $i) { execution { id } } }";
    let mut ids = vec![];
    for n in 0..3 {
        let input = json!({"i": {"intentType": "add", "sessionId": session, "idempotencyKey": format!("k{n}"),
            "parameters": {"a": n, "b": 1}, "metadata": {"order": n, "team": "blue"}}});
        ids.push(app.data(submit, input).await["submitIntent"]["execution"]["id"].take());
    }
    let listed = async |arguments: &[&str]| -> Vec<Value> {
        let all = [&["executions", "--json"], arguments].concat();
        let Value::Array(nodes) = json_of(&app, &all).await else {
            panic!("not a list")
        };
        nodes
            .into_iter()
            .map(|mut node| node["id"].take())
            .collect()
    };
    assert_eq!(listed(&["--roots"]).await.len(), 4);
    assert_eq!(listed(&[]).await.len(), 5);
    assert_eq!(listed(&["--key", "k1"]).await, [ids[1].clone()]);
    assert_eq!(
        listed(&["--metadata", "team=blue", "--metadata", "order=2"]).await,
        [ids[2].clone()]
    );
    let sessions = json_of(&app, &["session", "list", "--metadata", "size=2", "--json"]).await;
    assert_eq!(
        (sessions.as_array().unwrap().len(), &sessions[0]["id"]),
        (1, &session)
    );

    let part = takeoff(&app, &["executions", "--roots", "--limit", "3"]).await;
    assert_eq!(out(&part).lines().count(), 3);
    assert!(
        complaint(&part).starts_with("takeoff: 3 of 4; more: --after exe_"),
        "{part:?}"
    );
    let part = takeoff(&app, &["executions", "--limit", "1", "--json"]).await;
    let more: Value = serde_json::from_str(&complaint(&part)).unwrap();
    assert_eq!(more["more"]["total"], json!({"count": 5, "exact": true}));
    let whole = takeoff(&app, &["executions", "--all"]).await;
    assert_eq!(
        (out(&whole).lines().count(), complaint(&whole)),
        (5, String::new())
    );
    let bad = takeoff(&app, &["executions", "--metadata", "team"]).await;
    assert_eq!(code(&bad), 2);
    assert!(complaint(&bad).contains("NAME=VALUE"), "{bad:?}");
}
