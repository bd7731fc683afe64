//! Files of a server on disk are for its user alone.
#![cfg(unix)]

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use serde_json::json;
use takeoff::model::ExecutionStatus;

use crate::support::{Backend, TestApp};

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// A folder and all that is below it.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![folder.to_owned()];
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

fn assert_private(folder: &Path) {
    for path in below(folder) {
        let most = if path.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(
            mode(&path) & !most,
            0,
            "{} {:o}",
            path.display(),
            mode(&path)
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_and_files_are_made_for_their_owner_and_tightened_when_they_are_wider() {
    let backend = Backend::sqlite();
    let data = backend.folder.path().join("data");
    let database = data.join("takeoff.db");
    let settings = [
        format!("data_dir={}", data.display()),
        format!("database.url=sqlite://{}", database.display()),
        "runtime.shutdown_grace_seconds=0".to_owned(),
    ];
    let settings: Vec<&str> = settings.iter().map(String::as_str).collect();
    let app = TestApp::start_with(&backend, &settings).await;
    // Its result is in the content store.
    let done = app.run("big", json!({"bytes": 200_000})).await;
    assert_eq!(done.status, ExecutionStatus::Completed);
    let files = below(&data);
    for kept in [
        "takeoff.db",
        "takeoff.db-wal",
        "takeoff.db-shm",
        "signing.key",
        "payloads",
    ] {
        let is_there = files.iter().any(|path| path.ends_with(kept));
        assert!(is_there, "{kept}: {files:?}");
    }
    assert_private(&data);
    app.server.stop().await;

    fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(&database, Permissions::from_mode(0o644)).unwrap();
    let app = TestApp::start_with(&backend, &settings).await;
    assert_private(&data);
    app.server.stop().await;
}
