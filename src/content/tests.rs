//! The store on real folders.

mod packed;
mod s3;
mod s3_server;
mod signing;
mod streams;
mod sweep;
mod unreferenced;

use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::*;
use crate::model::{Principal, TenantScope};

fn scope(tenant: &str) -> TenantScope {
    Principal::for_test(tenant).scope()
}

async fn open(folder: &Path) -> ContentStore {
    let url = format!("file://{}", folder.display());
    ContentStore::open(&url, &S3Options::default())
        .await
        .unwrap()
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.retain(|path| !path.ends_with("probe") && !path.ends_with(store::MARK));
    found
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let bytes = Bytes::from_static(b"same");
    let t = scope("t");
    let (a, b) = tokio::join!(store.put(&t, bytes.clone()), store.put(&t, bytes.clone()));
    let stored = a.unwrap();
    assert_eq!(stored, b.unwrap());
    assert_eq!(store.get(&scope("t"), &stored.digest).await.unwrap(), bytes);
    assert_eq!(files_below(folder.path()).len(), 1);
    assert!(matches!(
        store.get(&scope("other"), &stored.digest).await,
        Err(Error::NotFound)
    ));
}

#[tokio::test]
async fn no_name_of_a_tenant_leads_out_of_the_folder() {
    let outer = tempfile::tempdir().unwrap();
    let inner = outer.path().join("store");
    let store = open(&inner).await;
    for tenant in ["..", "../..", "a/b", "/etc", "", "ü%2e", "."] {
        let stored = store
            .put(&scope(tenant), Bytes::from(format!("of {tenant}")))
            .await
            .unwrap();
        assert!(
            store.get(&scope(tenant), &stored.digest).await.is_ok(),
            "{tenant}"
        );
    }
    let inside = files_below(&inner).len();
    assert_eq!((inside, files_below(outer.path()).len()), (7, 7));
}

#[tokio::test]
async fn damaged_content_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let stored = store
        .put(&scope("t"), Bytes::from_static(b"right"))
        .await
        .unwrap();
    std::fs::write(&files_below(folder.path())[0], b"wrong").unwrap();
    assert!(matches!(
        store.get(&scope("t"), &stored.digest).await,
        Err(Error::Corrupt)
    ));
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_refused() {
    let here = tempfile::NamedTempFile::new().unwrap();
    let a_file = format!("file://{}", here.path().display());
    for url in [
        "ftp://x",
        "content",
        "s3://",
        "s3:///prefix",
        "file://relative",
        "file://",
        "file:///proc/takeoff",
        &a_file,
    ] {
        let opened = ContentStore::open(url, &S3Options::default()).await;
        assert!(
            matches!(opened, Err(Error::Url { .. })),
            "{url}: {opened:?}"
        );
    }
}

#[tokio::test]
async fn a_read_of_many_bytes_is_verified_too() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let bytes = Bytes::from(vec![5; 1 << 20]);
    let stored = store.put(&scope("t"), bytes.clone()).await.unwrap();
    assert_eq!(stored.digest, Digest::of(&bytes));
    assert_eq!(store.get(&scope("t"), &stored.digest).await.unwrap(), bytes);
    let mut damaged = bytes.to_vec();
    damaged[1 << 19] ^= 1;
    std::fs::write(&files_below(folder.path())[0], damaged).unwrap();
    assert!(matches!(
        store.get(&scope("t"), &stored.digest).await,
        Err(Error::Corrupt)
    ));
}

#[tokio::test]
async fn what_was_cut_short_on_disk_is_put_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let bytes = Bytes::from_static(b"whole");
    let stored = store.put(&scope("t"), bytes.clone()).await.unwrap();
    std::fs::write(&files_below(folder.path())[0], b"who").unwrap();
    store.put(&scope("t"), bytes.clone()).await.unwrap();
    assert_eq!(store.get(&scope("t"), &stored.digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_folder_that_is_gone_is_noticed() {
    let outer = tempfile::tempdir().unwrap();
    let folder = outer.path().join("store");
    let store = open(&folder).await;
    store.check().await.unwrap();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, b"in its place").unwrap();
    assert!(matches!(store.check().await, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn a_disk_that_is_not_mounted_is_not_damage_and_nothing_is_written_in_its_place() {
    let outer = tempfile::tempdir().unwrap();
    let (folder, disk) = (outer.path().join("store"), outer.path().join("disk"));
    let store = open(&folder).await;
    let stored = store
        .put(&scope("t"), Bytes::from_static(b"there"))
        .await
        .unwrap();
    std::fs::rename(&folder, &disk).unwrap();
    // What is left of a mount is an empty folder.
    std::fs::create_dir(&folder).unwrap();
    let is_absent = |error: Error| assert!(matches!(error, Error::Absent), "{error}");
    is_absent(store.get(&scope("t"), &stored.digest).await.unwrap_err());
    is_absent(
        store
            .put(&scope("t"), Bytes::from_static(b"new"))
            .await
            .unwrap_err(),
    );
    is_absent(store.check().await.unwrap_err());
    let parts = futures::stream::iter([Ok::<_, Error>(Bytes::from_static(b"part"))]);
    let expected = Expected {
        max_bytes: 10,
        ..Expected::default()
    };
    is_absent(
        store
            .put_stream(&scope("t"), parts, expected)
            .await
            .unwrap_err(),
    );
    assert!(files_below(&folder).is_empty());
    std::fs::remove_dir(&folder).unwrap();
    std::fs::rename(&disk, &folder).unwrap();
    assert!(store.get(&scope("t"), &stored.digest).await.is_ok());
    // With the store there, what it does not have is missing.
    let other = Digest::of(b"other");
    assert!(matches!(
        store.get(&scope("t"), &other).await,
        Err(Error::NotFound)
    ));
}

/// The target of a link may be anything, also a file with the right bytes.
#[cfg(unix)]
#[tokio::test]
async fn links_in_the_folder_are_not_followed() {
    let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    // The folder itself may be one.
    let link = elsewhere.path().join("store");
    std::os::unix::fs::symlink(folder.path(), &link).unwrap();
    let store = open(&link).await;
    for bytes in [
        Bytes::from_static(b"small"),
        Bytes::from(vec![b'x'; 200_000]),
    ] {
        let digest = store.put(&scope("t"), bytes.clone()).await.unwrap().digest;
        let place = folder.path().join("content/t").join(digest.to_string());
        let moved = elsewhere.path().join(digest.to_string());
        let refused = async || {
            let read = store.get(&scope("t"), &digest).await;
            let streamed = store
                .get_stream(&scope("t"), &digest)
                .await
                .map(|_| Bytes::new());
            let part = store
                .get_part(&scope("t"), &digest, 0..2)
                .await
                .map(|_| Bytes::new());
            let stored = store
                .put(&scope("t"), bytes.clone())
                .await
                .map(|_| Bytes::new());
            [read, streamed, part, stored]
                .iter()
                .all(|result| matches!(result, Err(Error::NotPlain(_))))
        };
        std::fs::rename(&place, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &place).unwrap();
        assert!(refused().await);
        std::fs::remove_file(&place).unwrap();
        std::fs::create_dir(&place).unwrap();
        assert!(refused().await);
        std::fs::remove_dir(&place).unwrap();
        std::fs::rename(&moved, &place).unwrap();
        assert_eq!(store.get(&scope("t"), &digest).await.unwrap(), bytes);
        // Nor is the folder of the tenant a link.
        let (tenant, other) = (folder.path().join("content/t"), elsewhere.path().join("t"));
        std::fs::rename(&tenant, &other).unwrap();
        std::os::unix::fs::symlink(&other, &tenant).unwrap();
        assert!(refused().await);
        std::fs::remove_file(&tenant).unwrap();
        std::fs::rename(&other, &tenant).unwrap();
    }
}
