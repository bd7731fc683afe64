//! Giving bytes.

use super::*;
use crate::{
    content::Digest,
    model::{ArtifactId, MaterializationId},
};
use uuid::Uuid;

const DATA: &str = "a,b\n1,2\n";

fn form(digest: Digest, format: &str) -> Materialization {
    let artifact_id = ArtifactId(Uuid::from_u128(1));
    Materialization {
        id: MaterializationId::derived(artifact_id, 0),
        artifact_id,
        storage_type: "content".to_owned(),
        uri: "content".to_owned(),
        format: format.to_owned(),
        compression: None,
        size_bytes: 8,
        digest: digest.to_string(),
        created_at: 0,
    }
}

async fn stored(world: &World, data: &'static str) -> Digest {
    let bytes = Bytes::from_static(data.as_bytes());
    world
        .content
        .put(&anyone().scope(), bytes)
        .await
        .unwrap()
        .digest
}

fn link(world: &World, digest: Digest) -> String {
    let (form, name) = (form(digest, "csv"), Some("Ümläut data.csv"));
    let url = world.uploads.link(&form, name, &anyone().scope());
    url.unwrap()
}

async fn fetch(world: &World, url: &str) -> Response<Body> {
    world
        .send(request(Method::GET, url, &[], Body::empty()))
        .await
}

#[tokio::test]
async fn a_link_gives_the_bytes_as_a_file_to_keep() {
    let world = World::new().await;
    let digest = stored(&world, DATA).await;
    let response = fetch(&world, &link(&world, digest)).await;
    assert_eq!(response.status(), StatusCode::OK);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-length"), "8");
    assert_eq!(header("content-type"), "application/octet-stream");
    assert_eq!(header("x-content-type-options"), "nosniff");
    assert_eq!(
        header("content-security-policy"),
        "sandbox; default-src 'none'; frame-ancestors 'none'"
    );
    assert_eq!(
        header("content-disposition"),
        "attachment; filename=\"_ml_ut_data.csv\"; filename*=UTF-8''%C3%9Cml%C3%A4ut%20data.csv"
    );
    assert_eq!(header("accept-ranges"), "bytes");
    assert!(header("content-digest").starts_with("sha-256=:"));
    assert_eq!(bytes_of(response).await.unwrap(), DATA);
}

#[tokio::test]
async fn no_name_can_forge_a_header() {
    let world = World::new().await;
    let digest = stored(&world, DATA).await;
    let name = "ü\"; x=\r\ny: z\\.csv";
    let signer = &world.uploads.0.signer;
    let expires_at_s = seconds(world.clock.now()) + 60;
    let path = signer.sign_download(&anyone().scope(), &digest, Some(name), expires_at_s);
    let response = fetch(&world, &format!("https://takeoff.example{path}")).await;
    assert_eq!(
        response.headers()["content-disposition"],
        "attachment; filename=\"____x___y__z_.csv\"; \
         filename*=UTF-8''%C3%BC%22%3B%20x%3D%0D%0Ay%3A%20z%5C.csv"
    );
}

#[tokio::test]
async fn a_link_opens_one_content_of_one_tenant_for_a_while() {
    let world = World::new().await;
    let digest = stored(&world, DATA).await;
    let other = stored(&world, "other").await;
    let url = link(&world, digest);
    let invalid = refusal(StatusCode::FORBIDDEN, "LINK_INVALID");
    for bad in [
        url.replace(&digest.to_string(), &other.to_string()),
        url.replace("/default/", "/other/"),
        url.replace(".csv", ".exe"),
        url.replace("expires=", "expires=1"),
        url.split_once('?').unwrap().0.to_owned(),
    ] {
        assert_eq!(refused(fetch(&world, &bad).await).await, invalid, "{bad}");
    }
    world.clock.advance(TTL_SECONDS * 1_000_000);
    let answer = refused(fetch(&world, &url).await).await;
    assert_eq!(answer, refusal(StatusCode::FORBIDDEN, "LINK_EXPIRED"));
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let world = World::new().await;
    let absent = Digest::of(b"never stored");
    let answer = refused(fetch(&world, &link(&world, absent)).await).await;
    assert_eq!(answer, refusal(StatusCode::NOT_FOUND, "NOT_FOUND"));
    let elsewhere = Materialization {
        storage_type: "warehouse".to_owned(),
        ..form(absent, "csv")
    };
    let link = world.uploads.link(&elsewhere, None, &anyone().scope());
    assert_eq!(link, None);
}

#[tokio::test]
async fn damaged_content_never_looks_like_a_whole_download() {
    let world = World::new().await;
    let digest = stored(&world, DATA).await;
    let place = format!("content/content/default/{digest}");
    let place = world.folder.path().join(place);
    for damaged in ["a,b\n1,3\n", ""] {
        std::fs::write(&place, damaged).unwrap();
        let response = fetch(&world, &link(&world, digest)).await;
        let is_whole = response.status() == StatusCode::OK && bytes_of(response).await.is_ok();
        assert!(!is_whole, "{damaged:?} was given");
    }
}

#[test]
fn a_download_is_named_after_its_artifact_with_its_format_behind() {
    let id = ArtifactId(Uuid::from_u128(1)).to_string();
    for (display_name, format, name) in [
        (Some("orders.csv"), "csv", "orders.csv".to_owned()),
        (Some("orders.csv"), "ndjson", "orders.csv.ndjson".to_owned()),
        (Some("Orders.CSV"), "csv", "Orders.CSV".to_owned()),
        (
            Some("../../etc/passwd"),
            "csv",
            "_.._etc_passwd.csv".to_owned(),
        ),
        (Some("a\u{202e}vsc.exe"), "csv", "avsc.exe.csv".to_owned()),
        (Some(".."), "csv", format!("{id}.csv")),
        (None, "csv", format!("{id}.csv")),
        (None, "x/y", id.clone()),
    ] {
        let form = form(Digest::of(b""), format);
        assert_eq!(check::download_name(&form, display_name), name);
    }
}

#[tokio::test]
async fn a_range_gives_a_part_and_a_download_goes_on_where_it_broke_off() {
    let world = World::new().await;
    let digest = stored(&world, DATA).await;
    let url = link(&world, digest);
    let fetch = async |headers: &[(&str, &str)]| {
        let request = request(Method::GET, &url, headers, Body::empty());
        world.send(request).await
    };
    let whole = fetch(&[]).await;
    let etag = whole.headers()["etag"].to_str().unwrap().to_owned();
    let rest = fetch(&[("range", "bytes=4-"), ("if-range", &etag)]).await;
    assert_eq!(rest.status(), StatusCode::PARTIAL_CONTENT);
    assert_eq!(rest.headers()["content-range"], "bytes 4-7/8");
    assert_eq!(rest.headers()["content-length"], "4");
    assert!(!rest.headers().contains_key("content-digest"));
    assert_eq!(bytes_of(rest).await.unwrap(), "1,2\n");
    let other = fetch(&[("range", "bytes=4-"), ("if-range", "\"other\"")]).await;
    assert_eq!(other.status(), StatusCode::OK);
    assert_eq!(bytes_of(other).await.unwrap(), DATA);
    let beyond = fetch(&[("range", "bytes=8-")]).await;
    assert_eq!(beyond.headers()["content-range"], "bytes */8");
    let answer = refused(beyond).await;
    let expected = refusal(StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_NOT_SATISFIABLE");
    assert_eq!(answer, expected);
}

/// Content that is packed at rest: what handlers make of this size is.
async fn packed(world: &World) -> (Digest, Vec<u8>) {
    let rows = (0..60_000).map(|n| format!("{{\"n\":{n},\"name\":\"row {n}\"}}\n"));
    let text: Vec<u8> = rows.collect::<String>().into_bytes();
    let scope = anyone().scope();
    let stored = world.content.put(&scope, Bytes::from(text.clone()));
    let digest = stored.await.unwrap().digest;
    let place = world
        .folder
        .path()
        .join(format!("content/content/default/{digest}"));
    let size = std::fs::metadata(place).unwrap().len();
    assert!(
        size < text.len() as u64 / 4,
        "{size} bytes: it is not packed"
    );
    (digest, text)
}

#[tokio::test]
async fn a_range_of_packed_content_is_that_of_the_content() {
    let world = World::new().await;
    let (digest, text) = packed(&world).await;
    let url = link(&world, digest);
    let fetch = async |headers: &[(&str, &str)]| {
        let request = request(Method::GET, &url, headers, Body::empty());
        world.send(request).await
    };
    let size = text.len();
    let frame = 256 * 1024;
    // Within a frame, over the seam of two, over several, at the ends.
    for (first, last) in [
        (0, 0),
        (10, 99),
        (frame - 5, frame + 5),
        (frame, 2 * frame - 1),
        (1_000, 3 * frame),
        (size - 7, size - 1),
        (0, size - 1),
    ] {
        for encoding in ["identity", "gzip"] {
            let range = format!("bytes={first}-{last}");
            let part = fetch(&[("range", &range), ("accept-encoding", encoding)]).await;
            assert_eq!(part.status(), StatusCode::PARTIAL_CONTENT, "{range}");
            assert!(!part.headers().contains_key("content-encoding"), "{range}");
            let content_range = format!("bytes {first}-{last}/{size}");
            assert_eq!(part.headers()["content-range"], content_range.as_str());
            assert_eq!(
                part.headers()["content-length"],
                (last - first + 1).to_string().as_str()
            );
            assert!(
                bytes_of(part).await.unwrap() == text[first..=last],
                "{range}"
            );
        }
    }
    let tail = fetch(&[("range", "bytes=-100")]).await;
    assert!(bytes_of(tail).await.unwrap() == text[size - 100..]);
    let beyond = fetch(&[("range", &format!("bytes={size}-"))]).await;
    assert_eq!(beyond.status(), StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        beyond.headers()["content-range"],
        format!("bytes */{size}").as_str()
    );
    // Whole, it is compressed for the way though it is packed at rest.
    let whole = fetch(&[]).await;
    assert_eq!(whole.headers()["content-length"], size.to_string().as_str());
    assert!(bytes_of(whole).await.unwrap() == text);
    let compressed = fetch(&[("accept-encoding", "gzip")]).await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    assert!(bytes_of(compressed).await.unwrap().len() < size / 4);
}

#[tokio::test]
async fn content_is_compressed_for_those_who_take_it_so() {
    let world = World::new().await;
    let text: &'static str = Box::leak("city,founded\n".repeat(1000).into_boxed_str());
    let digest = stored(&world, text).await;
    let url = link(&world, digest);
    let fetch = async |headers: &[(&str, &str)]| {
        let request = request(Method::GET, &url, headers, Body::empty());
        world.send(request).await
    };
    let compressed = fetch(&[("accept-encoding", "gzip")]).await;
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let tag = compressed.headers()["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/"), "{tag}");
    assert!(bytes_of(compressed).await.unwrap().len() < text.len() / 10);
    // A part of the compressed bytes cannot be had, so the whole comes again.
    let again = fetch(&[
        ("accept-encoding", "gzip"),
        ("range", "bytes=9-"),
        ("if-range", &tag),
    ])
    .await;
    assert_eq!(again.status(), StatusCode::OK);
    let part = fetch(&[("accept-encoding", "gzip"), ("range", "bytes=0-3")]).await;
    assert!(!part.headers().contains_key("content-encoding"));
    assert_eq!(bytes_of(part).await.unwrap(), "city");
}
