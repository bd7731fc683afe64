//! The store and the signatures, on real folders.

use bytes::Bytes;
use futures::stream;

use super::*;

async fn open(folder: &std::path::Path) -> ContentStore {
    let url = format!("file://{}", folder.display());
    ContentStore::open(&url, &S3Options::default())
        .await
        .unwrap()
}

fn files_below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_below(&path));
        } else {
            found.push(path);
        }
    }
    found.retain(|path| !path.ends_with("probe"));
    found
}

#[tokio::test]
async fn the_same_content_is_stored_once_and_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let bytes = Bytes::from_static(b"same");
    let (a, b) = tokio::join!(store.put("t", bytes.clone()), store.put("t", bytes.clone()));
    let stored = a.unwrap();
    assert_eq!(stored, b.unwrap());
    assert_eq!(store.get("t", &stored.digest).await.unwrap(), bytes);
    assert_eq!(files_below(folder.path()).len(), 1);
    assert!(matches!(
        store.get("other", &stored.digest).await,
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
            .put(tenant, Bytes::from(format!("of {tenant}")))
            .await
            .unwrap();
        assert!(store.get(tenant, &stored.digest).await.is_ok(), "{tenant}");
    }
    let inside = files_below(&inner).len();
    assert_eq!((inside, files_below(outer.path()).len()), (7, 7));
}

#[tokio::test]
async fn a_stream_that_is_not_what_was_declared_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let parts = |parts: Vec<Result<&'static str, &'static str>>| {
        stream::iter(
            parts
                .into_iter()
                .map(|part| part.map(Bytes::from_static_str)),
        )
    };
    let whole = || parts(vec![Ok("abc"), Ok("def")]);
    let limit = Expected {
        max_bytes: 100,
        ..Expected::default()
    };
    let cases = [
        (
            whole(),
            Expected {
                max_bytes: 5,
                ..limit
            },
            "TooLarge",
        ),
        (
            whole(),
            Expected {
                declared_size: Some(5),
                ..limit
            },
            "TooLarge",
        ),
        (
            whole(),
            Expected {
                declared_size: Some(7),
                ..limit
            },
            "SizeMismatch",
        ),
        (
            whole(),
            Expected {
                declared_digest: Some(Digest::of(b"x")),
                ..limit
            },
            "DigestMismatch",
        ),
        (parts(vec![Ok("abc"), Err("cut off")]), limit, "Source"),
    ];
    for (stream, expected, name) in cases {
        let error = store.put_stream("t", stream, expected).await.unwrap_err();
        assert!(
            format!("{error:?}").starts_with(name),
            "{error:?} is not {name}"
        );
    }
    assert_eq!(files_below(folder.path()), Vec::<std::path::PathBuf>::new());
    let right = Expected {
        declared_size: Some(6),
        declared_digest: Some(Digest::of(b"abcdef")),
        ..limit
    };
    let stored = store.put_stream("t", whole(), right).await.unwrap();
    assert_eq!(store.get("t", &stored.digest).await.unwrap(), "abcdef");
}

trait FromStaticStr {
    fn from_static_str(text: &'static str) -> Bytes;
}

impl FromStaticStr for Bytes {
    fn from_static_str(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }
}

#[tokio::test]
async fn damaged_content_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let stored = store.put("t", Bytes::from_static(b"right")).await.unwrap();
    std::fs::write(&files_below(folder.path())[0], b"wrong").unwrap();
    assert!(matches!(
        store.get("t", &stored.digest).await,
        Err(Error::Corrupt)
    ));
}

#[tokio::test]
async fn a_store_that_cannot_be_used_is_refused() {
    for url in ["ftp://x", "file:///proc/takeoff", "content"] {
        let opened = ContentStore::open(url, &S3Options::default()).await;
        assert!(matches!(opened, Err(Error::Url { .. })), "{url}");
    }
}

#[test]
fn a_signature_covers_every_part_and_expires() {
    let signer = Signer::new([7; 32]);
    let url = signer.sign_upload("t", "upl_1", 100);
    let signature = url.rsplit('=').next().unwrap();
    let check = |tenant: &str, id: &str, expires: i64, signature: &str, now: i64| {
        signer.verify_upload(tenant, id, expires, signature, now)
    };
    assert_eq!(check("t", "upl_1", 100, signature, 99), Ok(()));
    assert_eq!(
        check("t", "upl_1", 100, signature, 100),
        Err(SignatureError::Expired)
    );
    for (tenant, id, expires, signature) in [
        ("u", "upl_1", 100, signature),
        ("t", "upl_2", 100, signature),
        ("t", "upl_1", 101, signature),
        ("t", "upl_1", 100, "00"),
        ("t", "upl_1", 100, "zz"),
    ] {
        assert_eq!(
            check(tenant, id, expires, signature, 0),
            Err(SignatureError::Invalid)
        );
    }
    let digest = Digest::of(b"x");
    let url = signer.sign_download("t", &digest, Some("a b&c.csv"), 100);
    assert!(url.contains("name=a%20b%26c.csv"), "{url}");
    let signature = url.rsplit('=').next().unwrap();
    assert_eq!(
        signer.verify_download("t", &digest, Some("a b&c.csv"), 100, signature, 1),
        Ok(())
    );
    let other = signer.verify_download("t", &digest, None, 100, signature, 1);
    assert_eq!(other, Err(SignatureError::Invalid));
}

#[test]
fn several_starters_end_with_one_key() {
    let folder = tempfile::tempdir().unwrap();
    let keys: Vec<[u8; 32]> = std::thread::scope(|scope| {
        let starters: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| load_or_create_key(folder.path())))
            .collect();
        starters
            .into_iter()
            .map(|starter| starter.join().unwrap().unwrap())
            .collect()
    });
    assert!(keys.iter().all(|key| *key == keys[0]));
    std::fs::write(folder.path().join("signing.key"), "short").unwrap();
    assert!(load_or_create_key(folder.path()).is_err());
}
