//! Streams are stored whole or not at all.

use std::{io, time::Duration};

use futures::{StreamExt as _, stream};

use super::*;

pub(super) const LIMIT: Expected = Expected {
    max_bytes: 64 << 20,
    declared_size: None,
    declared_digest: None,
};

type Part = Result<Bytes, &'static str>;

fn parts(parts: &[Result<&'static str, &'static str>]) -> stream::Iter<std::vec::IntoIter<Part>> {
    let owned =
        |part: &Result<&'static str, _>| part.map(|text| Bytes::from_static(text.as_bytes()));
    stream::iter(parts.iter().map(owned).collect::<Vec<_>>())
}

/// Waits for a condition that becomes true by itself.
pub(super) async fn eventually(mut holds: impl FnMut() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it does not come true");
}

#[tokio::test]
async fn a_stream_that_is_not_what_was_declared_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let whole = || parts(&[Ok("abc"), Ok("def")]);
    let declared = |size| Expected {
        declared_size: Some(size),
        ..LIMIT
    };
    let most = Expected {
        max_bytes: 5,
        ..LIMIT
    };
    let other = Expected {
        declared_digest: Some(Digest::of(b"x")),
        ..LIMIT
    };
    let cases = [
        (whole(), most, "TooLarge { limit_bytes: 5 }"),
        (whole(), declared(5), "TooLarge { limit_bytes: 5 }"),
        (
            whole(),
            declared(7),
            "SizeMismatch { declared: 7, actual: 6 }",
        ),
        (whole(), other, "DigestMismatch"),
        (
            parts(&[Ok("abc"), Err("cut off")]),
            LIMIT,
            "Source(\"cut off\")",
        ),
    ];
    for (stream, expected, message) in cases {
        let error = store
            .put_stream(&scope("t"), stream, expected)
            .await
            .unwrap_err();
        assert_eq!(format!("{error:?}"), message);
    }
    assert_eq!(files_below(folder.path()), Vec::<PathBuf>::new());
}

#[tokio::test]
async fn a_stream_that_is_what_was_declared_is_stored() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let right = Expected {
        max_bytes: 6,
        declared_size: Some(6),
        declared_digest: Some(Digest::of(b"abcdef")),
    };
    let stream = parts(&[Ok("abc"), Ok(""), Ok("def")]);
    let stored = store.put_stream(&scope("t"), stream, right).await.unwrap();
    assert_eq!(stored.size_bytes, 6);
    assert_eq!(
        store.get(&scope("t"), &stored.digest).await.unwrap(),
        "abcdef"
    );
    let (size, body) = store.get_stream(&scope("t"), &stored.digest).await.unwrap();
    let read: Vec<Bytes> = body.map(Result::unwrap).collect().await;
    assert_eq!((size, read.concat()), (6, b"abcdef".to_vec()));
    let empty = store
        .put_stream(&scope("t"), parts(&[]), LIMIT)
        .await
        .unwrap();
    assert_eq!(store.get(&scope("t"), &empty.digest).await.unwrap(), "");
    assert_eq!(files_below(folder.path()).len(), 2);
}

#[tokio::test]
async fn more_than_may_come_is_refused_before_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let expected = Expected {
        max_bytes: 10,
        declared_size: Some(11),
        declared_digest: None,
    };
    // Nothing ever comes of this stream.
    let stream = stream::pending::<Result<Bytes, io::Error>>();
    let error = store
        .put_stream(&scope("t"), stream, expected)
        .await
        .unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit_bytes: 10 }));
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let first = stream::iter([Ok::<_, io::Error>(Bytes::from(vec![1; 6 << 20]))]);
    let stream = first.chain(stream::pending());
    let receiving = tokio::spawn(async move { store.put_stream(&scope("t"), stream, LIMIT).await });
    eventually(|| !files_below(folder.path()).is_empty()).await;
    receiving.abort();
    assert!(receiving.await.unwrap_err().is_cancelled());
    eventually(|| files_below(folder.path()).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_content_from_many_senders_is_there_once() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let bytes = Bytes::from(vec![3; 700_000]);
    let senders = (0..16).map(|n| {
        let (store, bytes) = (store.clone(), bytes.clone());
        tokio::spawn(async move {
            if n % 2 == 0 {
                return store.put(&scope("t"), bytes).await.unwrap();
            }
            let halves = [bytes.slice(..350_000), bytes.slice(350_000..)];
            let stream = stream::iter(halves.map(Ok::<_, io::Error>));
            store.put_stream(&scope("t"), stream, LIMIT).await.unwrap()
        })
    });
    for stored in futures::future::join_all(senders).await {
        assert_eq!(stored.unwrap().digest, Digest::of(&bytes));
    }
    assert_eq!(files_below(folder.path()).len(), 1);
    assert_eq!(
        store.get(&scope("t"), &Digest::of(&bytes)).await.unwrap(),
        bytes
    );
}
