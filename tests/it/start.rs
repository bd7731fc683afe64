//! What a server refuses to start with, and many that start at once.

use std::process::Output;

use futures::future::join_all;
use takeoff::{app::App, config::Config};
use tokio::process::Command;

use crate::support::{Backend, TestApp, backends, config};

/// Runs the real program, which must refuse: its exit code and what it says.
async fn refusal(
    folder: &std::path::Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> String {
    let run = Command::new(env!("CARGO_BIN_EXE_takeoff"))
        .env_clear()
        .envs(variables.iter().copied())
        .current_dir(folder)
        .args(["--http-bind", "127.0.0.1:0"])
        .args(arguments)
        .kill_on_drop(true)
        .output();
    let output: Output = tokio::time::timeout(std::time::Duration::from_secs(30), run)
        .await
        .expect("it serves")
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_dependency_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("a-file"), "").unwrap();
    let cases: [(&[&str], &[&str]); 5] = [
        (
            &["--database-url", "postgres://nobody@127.0.0.1:9/none"],
            &["database", "127.0.0.1:9"],
        ),
        (
            &["--redis-url", "redis://127.0.0.1:9"],
            &["Redis", "127.0.0.1:9"],
        ),
        (
            &["--content-url", "file:///proc/takeoff"],
            &["content store", "/proc/takeoff"],
        ),
        (&["--data-dir", "a-file"], &["a-file"]),
        (
            &["--database-url", "sqlite:///proc/takeoff/x.db"],
            &["/proc/takeoff"],
        ),
    ];
    for (arguments, words) in cases {
        let said = refusal(folder, arguments, &[]).await;
        for word in words {
            assert!(said.contains(word), "{arguments:?} says {said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_faulty_configuration_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let said = refusal(folder, &[], &[("TAKEOFF_RUNTIME_LEASE_SECOND", "3")]).await;
    assert!(said.contains("TAKEOFF_RUNTIME_LEASE_SECOND"), "{said}");
    let said = refusal(folder, &[], &[("TAKEOFF_RUNTIME_LEASE_SECONDS", "soon")]).await;
    assert!(
        said.contains("runtime.lease_seconds") && said.contains("soon"),
        "{said}"
    );
    let said = refusal(folder, &["--set", "http.bind_to=1"], &[]).await;
    assert!(said.contains("http.bind_to"), "{said}");
    std::fs::write(folder.join("takeoff.toml"), "[http]\nport = 1\n").unwrap();
    let said = refusal(folder, &[], &[]).await;
    assert!(
        said.contains("http.port") && said.contains("takeoff.toml"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_others_reach_or_have_is_refused() {
    let backend = Backend::sqlite();
    let open = config(&backend, &["http.bind=0.0.0.0:0"]);
    let error = App::new(open).listen().await.err().unwrap().to_string();
    assert!(error.contains("loopback"), "{error}");
    let app = TestApp::start(&backend).await;
    let other = Backend::sqlite();
    let taken = config(&other, &[&format!("http.bind={}", app.server.address())]);
    let error = App::new(taken).listen().await.err().unwrap().to_string();
    assert!(error.contains(&app.server.address().to_string()), "{error}");
    let second = config(&backend, &[]);
    let error = App::new(second).listen().await.err().unwrap().to_string();
    assert!(error.contains("used by another server"), "{error}");
}

backends! {
    async fn several_starters_migrate_at_once(backend: Backend) {
        let config: Config = config(&backend, &[]);
        let url = config.database.url.expose().to_owned();
        let options = takeoff::storage::Options {
            url,
            max_connections: 4,
            acquire_timeout: std::time::Duration::from_secs(20),
            statement_timeout: std::time::Duration::from_secs(20),
        };
        let starters = join_all((0..4).map(|_| takeoff::storage::migrate(&options))).await;
        let applied: usize = starters.into_iter().map(|applied| applied.unwrap().len()).sum();
        assert_eq!(applied, 1, "one of them did the work");
        let app = TestApp::start(&backend).await;
        app.run("add", serde_json::json!({"a": 1, "b": 1})).await;
        app.assert_verified().await;
    }

    async fn a_node_announces_itself_and_takes_its_leave(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let nodes = app.services().runtime.nodes().await.unwrap();
        assert_eq!(nodes.len(), 1);
        assert_eq!(nodes[0].id, app.services().runtime.node_id());
        let storage = app.services().storage.clone();
        app.server.stop().await;
        assert_eq!(storage.list_nodes().await.unwrap(), []);
    }
}
