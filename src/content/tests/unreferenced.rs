//! Objects are withdrawn, brought back by who looks for them, and removed.

use futures::TryStreamExt;

use super::*;
use crate::content::StoredObject;

/// A time later than that of any file.
const LATER: i64 = 4_000_000_000_000_000;

async fn objects(store: &ContentStore) -> Vec<StoredObject> {
    store.objects().try_collect().await.unwrap()
}

async fn withdrawn(store: &ContentStore) -> Vec<StoredObject> {
    store.withdrawn_objects().try_collect().await.unwrap()
}

#[tokio::test]
async fn withdrawn_content_is_brought_back_by_each_way_of_looking_for_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (t, bytes) = (scope("t"), Bytes::from_static(b"wanted"));
    let digest = store.put(&t, bytes.clone()).await.unwrap().digest;
    for way in ["get", "stream", "size", "contains"] {
        let [object] = objects(&store).await.try_into().unwrap();
        assert_eq!((object.tenant.as_str(), object.size_bytes), ("t", 6));
        store.withdraw(&object, 7_000_000).await.unwrap();
        assert!(objects(&store).await.is_empty());
        let [aside] = withdrawn(&store).await.try_into().unwrap();
        assert_eq!((aside.digest, aside.modified_at), (digest, 7_000_000));
        match way {
            "get" => assert_eq!(store.get(&t, &digest).await.unwrap(), bytes),
            "stream" => assert_eq!(store.get_stream(&t, &digest).await.unwrap().0, 6),
            "size" => assert_eq!(store.size(&t, &digest).await.unwrap(), 6),
            _ => assert!(store.contains(&t, &digest).await.unwrap()),
        }
        assert!(withdrawn(&store).await.is_empty(), "{way}");
    }
}

#[tokio::test]
async fn content_that_is_stored_again_is_there_whatever_becomes_of_what_was_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (t, bytes) = (scope("t"), Bytes::from_static(b"again"));
    let digest = store.put(&t, bytes.clone()).await.unwrap().digest;
    let [object] = objects(&store).await.try_into().unwrap();
    store.withdraw(&object, LATER).await.unwrap();
    store.put(&t, bytes.clone()).await.unwrap();
    let [aside] = withdrawn(&store).await.try_into().unwrap();
    store.remove_withdrawn(&aside).await.unwrap();
    // Another node was slower.
    store.remove_withdrawn(&aside).await.unwrap();
    store.reinstate(&aside).await.unwrap();
    assert_eq!(store.get(&t, &digest).await.unwrap(), bytes);
    store.withdraw(&object, LATER).await.unwrap();
    store.withdraw(&object, LATER).await.unwrap();
    assert_eq!(withdrawn(&store).await.len(), 1);
}

#[tokio::test]
async fn what_is_deleted_does_not_come_back_from_where_it_was_withdrawn() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let (t, bytes) = (scope("t"), Bytes::from_static(b"deleted"));
    for is_stored_again in [true, false] {
        let digest = store.put(&t, bytes.clone()).await.unwrap().digest;
        let [object] = objects(&store).await.try_into().unwrap();
        store.withdraw(&object, LATER).await.unwrap();
        if is_stored_again {
            store.put(&t, bytes.clone()).await.unwrap();
        }
        store.put_aside(&t, &digest).await.unwrap();
        assert!(withdrawn(&store).await.is_empty());
        assert!(!store.contains(&t, &digest).await.unwrap());
        store.bring_back(&t, &digest).await.unwrap();
        assert!(store.contains(&t, &digest).await.unwrap());
        store.put_aside(&t, &digest).await.unwrap();
        store.remove_aside(&t, &digest).await.unwrap();
        assert!(files_below(folder.path()).is_empty());
    }
}

#[tokio::test]
async fn only_objects_of_tenants_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let digest = store
        .put(&scope("t"), Bytes::from_static(b"one"))
        .await
        .unwrap()
        .digest;
    let names = [
        "content/notes.txt".to_owned(),
        "content/t/notes.txt".to_owned(),
        format!("content/t/{digest}#1"),
        format!("content/.hidden/{digest}"),
        format!("aside/t/{digest}"),
        format!("tmp/uploads/{digest}"),
    ];
    for name in names {
        let file = folder.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, "x").unwrap();
    }
    let [object] = objects(&store).await.try_into().unwrap();
    assert_eq!(object.digest, digest);
    let payloads = store.for_payloads();
    payloads
        .put(&scope("t"), Bytes::from_static(b"other"))
        .await
        .unwrap();
    assert_eq!(objects(&store).await.len(), 2);
}

#[tokio::test]
async fn a_store_knows_all_installations_that_have_used_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    assert!(store.is_only_used_by("one").await.unwrap());
    assert!(store.is_only_used_by("one").await.unwrap());
    assert!(!store.is_only_used_by("two").await.unwrap());
    assert!(!store.is_only_used_by("one").await.unwrap());
}
