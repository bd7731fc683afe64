//! Refused starts, each with words that name the cause; and starts that meet.

use std::{
    collections::HashSet,
    net::TcpListener,
    process::{Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use futures::future::join_all;
use serde_json::json;
use sqlx::{Connection, Executor};
use takeoff::{model::ExecutionStatus, storage};

use crate::support::{Backend, TestApp, backends};

/// A refusal comes within this time; a server that starts after all would run for ever.
const LIMIT: Duration = Duration::from_secs(50);

/// The `takeoff` command in the folder of a test, at a free port unless `arguments` say otherwise.
fn takeoff(backend: &Backend, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command
        .current_dir(backend.folder.path())
        .env("TAKEOFF_HTTP_BIND", "127.0.0.1:0")
        .env("TAKEOFF_LOG", "warn")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    command
}

/// Returns the message of a command that refuses to start.
fn refusal(mut command: Command) -> String {
    let child = command.spawn().unwrap();
    let id = child.id().to_string();
    let (ended, end) = mpsc::channel();
    std::thread::spawn(move || ended.send(child.wait_with_output()));
    let Ok(output) = end.recv_timeout(LIMIT) else {
        Command::new("kill").args(["-9", &id]).status().unwrap();
        panic!("it started: {command:?}");
    };
    let output = output.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("panicked"), "{said}");
    said
}

/// A port at which nothing listens.
fn dead_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn assert_names(said: &str, names: &[&str]) {
    for name in names {
        assert!(said.contains(name), "no {name} in: {said}");
    }
}

#[test]
fn a_database_that_is_not_there_is_named_without_its_password() {
    let port = dead_port().to_string();
    let url = format!("postgres://user:hunter2@127.0.0.1:{port}/none");
    let backend = Backend::sqlite();
    let said = refusal(takeoff(&backend, &["--database-url", &url]));
    assert_names(&said, &["database", &port, "refused"]);
    assert!(!said.contains("hunter2"), "{said}");
}

#[test]
fn a_redis_that_is_not_there_is_named() {
    let port = dead_port().to_string();
    let url = format!("redis://127.0.0.1:{port}");
    let backend = Backend::sqlite();
    let said = refusal(takeoff(&backend, &["--redis-url", &url]));
    assert_names(&said, &["Redis", &port]);
}

#[test]
fn a_content_folder_that_cannot_be_made_is_named() {
    let backend = Backend::sqlite();
    let file = backend.folder.path().join("a-file");
    std::fs::write(&file, "").unwrap();
    let url = format!("file://{}/content", file.display());
    let said = refusal(takeoff(&backend, &["--content-url", &url]));
    assert_names(&said, &["content store", "a-file"]);
}

#[test]
fn an_address_that_others_can_reach_is_refused() {
    let backend = Backend::sqlite();
    let said = refusal(takeoff(&backend, &["--http-bind", "0.0.0.0:0"]));
    assert_names(&said, &["http.bind", "0.0.0.0:0", "loopback"]);
}

#[test]
fn an_address_that_others_can_reach_needs_a_name_where_a_proof_is_required() {
    let backend = Backend::sqlite();
    let everywhere = ["--http-bind", "0.0.0.0:0", "--set", "auth.mode=required"];
    let said = refusal(takeoff(&backend, &everywhere));
    assert_names(
        &said,
        &["http.bind", "http.public_url", "http.allowed_hosts"],
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_others_can_reach_is_served_where_a_proof_is_required() {
    let backend = Backend::sqlite();
    let settings = [
        "auth.mode=required",
        "http.bind=0.0.0.0:0",
        "http.allowed_hosts=takeoff.internal",
    ];
    let app = TestApp::start_with(&backend, &settings).await;
    let url = format!(
        "http://127.0.0.1:{}/api/intents",
        app.server.address().port()
    );
    for (host, expected) in [("takeoff.internal", 401), ("evil.example", 421)] {
        let asked = app
            .http
            .get(&url)
            .header("host", host)
            .send()
            .await
            .unwrap();
        assert_eq!(asked.status().as_u16(), expected, "{host}");
    }
}

#[test]
fn a_role_with_an_unknown_scope_is_refused() {
    let backend = Backend::sqlite();
    let roles = "auth.roles=reader = executions:all";
    let said = refusal(takeoff(&backend, &["--set", roles]));
    assert_names(&said, &["auth.roles", "reader", "executions:all"]);
}

#[test]
fn a_port_in_use_is_named_before_anything_is_written() {
    let backend = Backend::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = refusal(takeoff(&backend, &["--http-bind", &address]));
    assert_names(&said, &["http.bind", &address, "in use"]);
    assert!(!backend.folder.path().join("data").exists());
}

#[test]
fn an_unknown_key_of_the_file_is_named_with_its_line() {
    let backend = Backend::sqlite();
    let file = backend.folder.path().join("takeoff.toml");
    std::fs::write(file, "[runtime]\nlease_seconds = 10\nlease_secondz = 10\n").unwrap();
    let said = refusal(takeoff(&backend, &[]));
    assert_names(&said, &["runtime.lease_secondz", "takeoff.toml line 3"]);
}

#[test]
fn a_bad_variable_is_named() {
    let backend = Backend::sqlite();
    let mut command = takeoff(&backend, &[]);
    command.env("TAKEOFF_RUNTIME_LEASE_SECONDS", "soon");
    assert_names(
        &refusal(command),
        &["TAKEOFF_RUNTIME_LEASE_SECONDS", "soon"],
    );
    let mut command = takeoff(&backend, &[]);
    command.env("TAKEOFF_LEESE", "10");
    assert_names(&refusal(command), &["TAKEOFF_LEESE"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_server_on_the_same_file_is_refused_and_the_first_goes_on() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let command = takeoff(&backend, &["--database-url", &backend.url()]);
    let said = tokio::task::spawn_blocking(|| refusal(command))
        .await
        .unwrap();
    assert_names(&said, &["takeoff.db", "used by another server"]);
    let done = app.run("add", json!({"a": 1, "b": 2})).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
}

const OF_A_LATER_VERSION: &str =
    "INSERT INTO seaql_migrations (version, applied_at) VALUES ('m20990101_000001_later', 1)";

backends! {
    async fn a_database_with_a_migration_of_a_later_version_is_refused(backend: Backend) {
        TestApp::start(&backend).await.server.stop().await;
        backend.execute(OF_A_LATER_VERSION).await;
        let command = takeoff(&backend, &["--database-url", &backend.url()]);
        let said = tokio::task::spawn_blocking(|| refusal(command)).await;
        assert_names(&said.unwrap(), &["m20990101_000001_later"]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_another_process_holds_is_named_and_ends_the_start_with_code_2() {
    let backend = Backend::sqlite();
    TestApp::start(&backend).await.server.stop().await;
    let url = backend.url();
    for held in ["BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"] {
        let mut holder = sqlx::SqliteConnection::connect(&url).await.unwrap();
        holder.execute(held).await.unwrap();
        holder.execute("DELETE FROM timer").await.unwrap();
        let command = takeoff(&backend, &["--database-url", &url]);
        let said = tokio::task::spawn_blocking(|| refusal(command)).await;
        assert_names(&said.unwrap(), &["takeoff.db is locked by another process"]);
        holder.execute("ROLLBACK").await.unwrap();
    }
    let node = TestApp::start(&backend).await;
    let done = node.run("add", json!({"a": 1, "b": 2})).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
}

backends! {
    async fn one_of_several_starters_migrates(backend: Backend) {
        let options = storage::Options {
            url: backend.url(),
            max_connections: 2,
            acquire_timeout: Duration::from_secs(50),
            statement_timeout: Duration::from_secs(50),
            low: None,
        };
        let applied = join_all((0..4).map(|_| {
            let options = options.clone();
            tokio::spawn(async move { storage::migrate(&options).await.unwrap() })
        }));
        let applied: Vec<_> = applied.await.into_iter().map(Result::unwrap).collect();
        assert_eq!(applied.iter().filter(|names| !names.is_empty()).count(), 1, "{applied:?}");
        assert_eq!(storage::migrate(&options).await.unwrap(), Vec::<String>::new());
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 2})).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
    }
}

/// PostgreSQL only: nodes that start together on an empty database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_start_together_all_work_and_are_announced() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let nodes = join_all((0..4).map(|_| TestApp::start(&backend))).await;
    let listed = nodes[0]
        .services()
        .runtime
        .nodes(&nodes[0].principal())
        .await
        .unwrap();
    let listed: HashSet<_> = listed.into_iter().map(|info| info.id).collect();
    let started = nodes.iter().map(|node| node.services().runtime.node_id());
    assert_eq!(listed, started.collect());
    for node in &nodes {
        let done = node.run("add", json!({"a": 1, "b": 2})).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
    }
    nodes[0].assert_verified().await;
}
