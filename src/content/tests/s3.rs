//! The store on a bucket, over real HTTP.

use std::io;

use futures::{StreamExt as _, stream};

use super::{
    s3_server::S3,
    scope,
    streams::{LIMIT, eventually},
    *,
};

fn options(endpoint: &str) -> S3Options {
    S3Options {
        endpoint: Some(endpoint.to_owned()),
        region: Some("us-east-1".to_owned()),
        access_key_id: Some("id".to_owned()),
        secret_access_key: Some("key".to_owned()),
        allow_http: true,
        path_style: true,
    }
}

async fn start() -> (S3, ContentStore) {
    let (server, address) = S3::start().await;
    let opened = ContentStore::open("s3://bucket/some/prefix", &options(&address)).await;
    (server, opened.unwrap())
}

fn paths(server: &S3) -> Vec<String> {
    let all = server.with(|bucket| bucket.objects.keys().cloned().collect::<Vec<_>>());
    all.into_iter()
        .filter(|path| !path.ends_with("probe") && !path.ends_with(store::MARK))
        .collect()
}

fn in_megabytes(bytes: &Bytes) -> impl futures::Stream<Item = Result<Bytes, io::Error>> + use<> {
    let parts = bytes
        .chunks(1 << 20)
        .map(|part| Ok(Bytes::copy_from_slice(part)));
    stream::iter(parts.collect::<Vec<_>>())
}

#[tokio::test]
async fn content_is_put_and_read_in_a_bucket() {
    let (server, store) = start().await;
    let bytes = Bytes::from_static(b"small");
    let tenant = scope("t/../u");
    let stored = store.put(&tenant, bytes.clone()).await.unwrap();
    assert_eq!(store.put(&tenant, bytes.clone()).await.unwrap(), stored);
    assert_eq!(store.get(&tenant, &stored.digest).await.unwrap(), bytes);
    for other in ["u", "t"] {
        let read = store.get(&scope(other), &stored.digest).await;
        assert!(matches!(read, Err(Error::NotFound)));
    }
    let paths = paths(&server);
    assert_eq!(paths.len(), 1);
    assert!(
        paths[0].starts_with("/bucket/some/prefix/content/"),
        "{paths:?}"
    );
}

#[tokio::test]
async fn a_stream_of_several_parts_ends_as_one_object() {
    let (server, store) = start().await;
    let bytes: Bytes = (0..12_u8).flat_map(|n| vec![n; 1 << 20]).collect();
    let stream = in_megabytes(&bytes);
    let stored = store.put_stream(&scope("t"), stream, LIMIT).await.unwrap();
    assert_eq!(store.get(&scope("t"), &stored.digest).await.unwrap(), bytes);
    let place = format!("/bucket/some/prefix/content/t/{}", Digest::of(&bytes));
    assert_eq!(paths(&server), [place]);
    assert!(server.with(|bucket| bucket.uploads.is_empty()));
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing_in_the_bucket() {
    let (server, store) = start().await;
    let bytes = Bytes::from(vec![1; 6 << 20]);
    let cut = in_megabytes(&bytes).chain(stream::iter([Err(io::Error::other("cut off"))]));
    let error = store.put_stream(&scope("t"), cut, LIMIT).await.unwrap_err();
    assert!(matches!(error, Error::Source(_)));
    let other = Expected {
        declared_digest: Some(Digest::of(b"x")),
        ..LIMIT
    };
    let error = store
        .put_stream(&scope("t"), in_megabytes(&bytes), other)
        .await;
    assert!(matches!(error, Err(Error::DigestMismatch)));
    assert_eq!(paths(&server), Vec::<String>::new());
    assert!(server.with(|bucket| bucket.uploads.is_empty()));
}

#[tokio::test]
async fn a_sender_that_goes_away_leaves_no_parts_in_the_bucket() {
    let (server, store) = start().await;
    let bytes = Bytes::from(vec![1; 6 << 20]);
    let stream = in_megabytes(&bytes).chain(stream::pending());
    let receiving = tokio::spawn(async move { store.put_stream(&scope("t"), stream, LIMIT).await });
    eventually(|| server.with(|bucket| bucket.uploads.values().any(|parts| !parts.is_empty())))
        .await;
    receiving.abort();
    assert!(receiving.await.unwrap_err().is_cancelled());
    eventually(|| server.with(|bucket| bucket.uploads.is_empty())).await;
}

#[tokio::test]
async fn content_is_stored_though_its_temporary_object_stays_until_the_sweep() {
    let (server, store) = start().await;
    let temporaries = "some/prefix/tmp/uploads/".to_owned();
    server.with(|bucket| bucket.undeletable = Some(temporaries));
    let bytes = Bytes::from_static(b"moved in two steps");
    let stream = in_megabytes(&bytes);
    let stored = store.put_stream(&scope("t"), stream, LIMIT).await.unwrap();
    assert_eq!(paths(&server).len(), 2);
    server.with(|bucket| bucket.undeletable = None);
    let hour = std::time::Duration::from_hours(1);
    assert_eq!(store.sweep_temporaries(hour, i64::MAX).await.unwrap(), 1);
    assert_eq!(paths(&server).len(), 1);
    assert_eq!(store.get(&scope("t"), &stored.digest).await.unwrap(), bytes);
}

#[tokio::test]
async fn a_host_that_cannot_have_a_name_below_it_gets_the_bucket_in_the_path() {
    let (server, address) = S3::start().await;
    let by_host = S3Options {
        path_style: false,
        ..options(&address)
    };
    let store = ContentStore::open("s3://bucket", &by_host).await.unwrap();
    let stored = store
        .put(&scope("t"), Bytes::from_static(b"x"))
        .await
        .unwrap();
    let place = format!("/bucket/content/t/{}", stored.digest);
    assert_eq!(paths(&server), [place]);
}

#[test]
fn a_bucket_is_named_in_the_host_or_in_the_path() {
    for (endpoint, path_style, address, in_path) in [
        (
            "https://s3.example.com",
            false,
            "https://b.s3.example.com",
            false,
        ),
        (
            "https://s3.example.com:9/",
            false,
            "https://b.s3.example.com:9",
            false,
        ),
        (
            "https://s3.example.com",
            true,
            "https://s3.example.com",
            true,
        ),
        ("http://minio:9000", false, "http://minio:9000", true),
        ("http://10.0.0.1:9000", false, "http://10.0.0.1:9000", true),
        ("http://[::1]:9000", false, "http://[::1]:9000", true),
    ] {
        let found = open::bucket_address(endpoint, "b", path_style).unwrap();
        assert_eq!(found, (address.to_owned(), in_path));
    }
}

#[tokio::test]
async fn a_bucket_that_is_away_or_half_configured_is_refused() {
    let (_, address) = S3::start().await;
    let without_key = S3Options {
        secret_access_key: None,
        ..options(&address)
    };
    let without_http = S3Options {
        allow_http: false,
        ..options(&address)
    };
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = options(&format!("http://{}", closed.local_addr().unwrap()));
    drop(closed);
    let nonsense = options("not an address");
    let missing = ContentStore::open("s3://missing", &options(&address)).await;
    assert!(matches!(missing, Err(Error::Url { .. })));
    let open = async |s3: &S3Options| ContentStore::open("s3://bucket", s3).await;
    assert!(matches!(open(&without_key).await, Err(Error::Url { .. })));
    assert!(matches!(open(&nonsense).await, Err(Error::Url { .. })));
    assert!(matches!(
        open(&without_http).await,
        Err(Error::Unavailable(_))
    ));
    assert!(matches!(open(&away).await, Err(Error::Unavailable(_))));
}
