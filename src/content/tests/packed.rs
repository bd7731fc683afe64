//! Content that is compressed at rest is read like any other.

use futures::TryStreamExt as _;

use super::*;
use crate::content::LineWindow;

const WINDOW: LineWindow = LineWindow {
    skip: 0,
    most: 3,
    max_bytes: 1 << 20,
};

fn lines(range: std::ops::Range<u64>) -> String {
    let line = |n| format!("{{\"the number of this line\":{n}}}\n");
    range.map(line).collect::<Vec<_>>().concat()
}

fn object(folder: &Path, digest: &Digest) -> PathBuf {
    folder.join("content/t").join(digest.to_string())
}

#[tokio::test]
async fn large_content_is_smaller_at_rest_and_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let text = lines(0..100_000);
    let stored = store
        .put(&scope("t"), Bytes::from(text.clone()))
        .await
        .unwrap();
    assert_eq!(stored.size_bytes, text.len() as u64);
    let path = object(folder.path(), &stored.digest);
    let at_rest = std::fs::metadata(&path).unwrap();
    assert!(at_rest.len() * 4 < stored.size_bytes, "{}", at_rest.len());
    assert_eq!(
        store.get(&scope("t"), &stored.digest).await.unwrap(),
        text.as_bytes()
    );
    let (size, body) = store
        .get_verified_stream(&scope("t"), &stored.digest)
        .await
        .unwrap();
    let parts: Vec<Bytes> = body.try_collect().await.unwrap();
    assert_eq!(
        (size, parts.concat()),
        (stored.size_bytes, text.clone().into_bytes())
    );
    // Storing it again, packed or not, does nothing.
    store.put(&scope("t"), Bytes::from(text)).await.unwrap();
    let again = std::fs::metadata(&path).unwrap();
    assert_eq!(again.modified().unwrap(), at_rest.modified().unwrap());
}

#[tokio::test]
async fn lines_are_read_from_the_frames_that_hold_them() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let text = lines(0..100_000);
    let packed = store
        .put(&scope("t"), Bytes::from(text.clone()))
        .await
        .unwrap()
        .digest;
    // As an upload it is stored as it is.
    let part: Result<_, std::io::Error> = Ok(Bytes::from(text.clone()));
    let part = futures::stream::iter([part]);
    let plain = store
        .put_stream(&scope("u"), part, streams::LIMIT)
        .await
        .unwrap()
        .digest;
    for skip in [
        0,
        1,
        5_000,
        7_281,
        7_282,
        7_283,
        99_998,
        99_999,
        100_000,
        u64::MAX,
    ] {
        let window = LineWindow { skip, ..WINDOW };
        let last = skip.saturating_add(3).min(100_000);
        let expected = lines(skip..last.max(skip));
        for (tenant, digest) in [("t", &packed), ("u", &plain)] {
            let found = store.lines(&scope(tenant), digest, window).await.unwrap();
            assert_eq!(
                String::from_utf8(found).unwrap(),
                expected,
                "{tenant} {skip}"
            );
        }
    }
    // What is not needed may even be damaged.
    let path = object(folder.path(), &packed);
    let mut damaged = std::fs::read(&path).unwrap();
    let last = damaged.len() - 100;
    damaged[last] ^= 1;
    std::fs::write(&path, damaged).unwrap();
    assert!(store.lines(&scope("t"), &packed, WINDOW).await.is_ok());
    let at_the_end = LineWindow {
        skip: 99_990,
        ..WINDOW
    };
    assert!(matches!(
        store.lines(&scope("t"), &packed, at_the_end).await,
        Err(Error::Corrupt)
    ));
    assert!(matches!(
        store.get(&scope("t"), &packed).await,
        Err(Error::Corrupt)
    ));
}

#[tokio::test]
async fn lines_have_a_bound_in_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let stored = store
        .put(&scope("t"), Bytes::from("x".repeat(300_000)))
        .await
        .unwrap();
    let window = LineWindow {
        max_bytes: 100_000,
        ..WINDOW
    };
    let refused = store.lines(&scope("t"), &stored.digest, window).await;
    assert!(
        matches!(
            refused,
            Err(Error::TooLarge {
                limit_bytes: 100_000
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn content_that_looks_packed_is_not_taken_apart() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let packed = store
        .put(&scope("t"), Bytes::from(lines(0..10_000)))
        .await
        .unwrap();
    let object = std::fs::read(object(folder.path(), &packed.digest)).unwrap();
    let stored = store
        .put(&scope("t"), Bytes::from(object.clone()))
        .await
        .unwrap();
    assert_eq!(stored.size_bytes, object.len() as u64);
    assert_eq!(
        store.get(&scope("t"), &stored.digest).await.unwrap(),
        object
    );
}

#[tokio::test]
async fn what_is_put_aside_is_not_found_until_it_is_brought_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let stored = store
        .put(&scope("t"), Bytes::from_static(b"bytes"))
        .await
        .unwrap();
    let digest = &stored.digest;
    store.put_aside(&scope("t"), digest).await.unwrap();
    assert!(!store.contains(&scope("t"), digest).await.unwrap());
    store.put_aside(&scope("t"), digest).await.unwrap();
    store.bring_back(&scope("t"), digest).await.unwrap();
    assert_eq!(store.get(&scope("t"), digest).await.unwrap(), "bytes");
    store.put_aside(&scope("t"), digest).await.unwrap();
    store
        .put(&scope("t"), Bytes::from_static(b"bytes"))
        .await
        .unwrap();
    store.bring_back(&scope("t"), digest).await.unwrap();
    store.remove_aside(&scope("t"), digest).await.unwrap();
    assert_eq!(store.get(&scope("t"), digest).await.unwrap(), "bytes");
}
