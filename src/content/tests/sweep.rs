//! The sweep removes the remains of a killed process, and nothing else.

use std::time::{Duration, SystemTime};

use super::*;

const HOUR: Duration = Duration::from_hours(1);

fn left_behind(file: &Path, modified_s: u64) {
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let opened = std::fs::File::create(file).unwrap();
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(modified_s);
    opened.set_modified(modified).unwrap();
}

#[tokio::test]
async fn only_what_is_unfinished_and_old_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let stored = store
        .put(&scope("t"), Bytes::from_static(b"kept"))
        .await
        .unwrap();
    let place = folder.path().join(format!("content/t/{}", stored.digest));
    left_behind(&place, 1);
    let old = [
        "tmp/uploads/a",
        "tmp/uploads/b#1",
        "tmp/probe#2",
        "content/t/cc#1",
        "content/u/dd#12",
    ];
    for name in old {
        left_behind(&folder.path().join(name), 1_000);
    }
    let young = folder.path().join("tmp/uploads/young#1");
    left_behind(&young, 5_000);
    let swept = store.sweep_temporaries(HOUR, 5_000_000_000).await;
    assert_eq!(swept.unwrap(), 5);
    let mut left = files_below(folder.path());
    left.sort();
    assert_eq!(left, [place, young]);
}

#[tokio::test]
async fn an_empty_store_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert_eq!(store.sweep_temporaries(HOUR, i64::MAX).await.unwrap(), 0);
}

#[tokio::test]
async fn several_nodes_sweep_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for n in 0..50 {
        left_behind(&folder.path().join(format!("tmp/uploads/{n}")), 1);
        left_behind(&folder.path().join(format!("tmp/uploads/{n}#1")), 1);
    }
    let sweep = || store.sweep_temporaries(HOUR, i64::MAX);
    let (a, b, c) = tokio::join!(sweep(), sweep(), sweep());
    assert_eq!(a.unwrap() + b.unwrap() + c.unwrap(), 100);
    assert_eq!(files_below(folder.path()), Vec::<PathBuf>::new());
}
