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
    world.content.put("default", bytes).await.unwrap().digest
}

fn link(world: &World, digest: Digest) -> String {
    let tenant = TenantId::default_tenant();
    let url = world.uploads.download_url(&form(digest, "csv"), &tenant);
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
    let name = format!("{}.csv", ArtifactId(Uuid::from_u128(1)));
    assert_eq!(
        header("content-disposition"),
        format!("attachment; filename=\"{name}\"; filename*=UTF-8''{name}")
    );
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
    let path = signer.sign_download("default", &digest, Some(name), expires_at_s);
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
    let tenant = TenantId::default_tenant();
    assert_eq!(world.uploads.download_url(&elsewhere, &tenant), None);
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
