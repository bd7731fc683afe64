//! Taking bytes.

use base64::{Engine, engine::general_purpose::STANDARD};

use super::*;
use crate::content::Digest;

const DATA: &str = "a,b\n1,2\n";
const OTHER: &str = "a,b\n3,4\n";

async fn put(world: &World, url: &str, body: impl Into<Body>) -> Response<Body> {
    let request = request(Method::PUT, url, &[], body.into());
    world.send(request).await
}

#[tokio::test]
async fn the_announced_bytes_are_taken_and_found_by_their_digest() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    let response = put(&world, &created.url, DATA).await;
    assert_eq!(response.status(), StatusCode::CREATED);
    let digest = Digest::of(DATA.as_bytes());
    let body = json_of(response).await;
    assert_eq!(body["digest"], digest.to_string());
    assert_eq!(body["size_bytes"], DATA.len());
    assert_eq!(body["upload_id"], created.upload.id.to_string());
    assert_eq!(world.digest(&created).await, Some(digest.to_string()));
    let kept = world.content.get(&anyone().scope(), &digest).await.unwrap();
    assert_eq!(kept, DATA);
}

#[tokio::test]
async fn the_same_bytes_again_are_well_and_others_a_conflict() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    let statuses = [DATA, DATA, OTHER, DATA].map(async |data| {
        let response = put(&world, &created.url, streamed(&[data])).await;
        response.status().as_u16()
    });
    let mut seen = Vec::new();
    for status in statuses {
        seen.push(status.await);
    }
    assert_eq!(seen, [201, 200, 409, 200]);
    let refused_code = refused(put(&world, &created.url, OTHER).await).await;
    assert_eq!(
        refused_code,
        refusal(StatusCode::CONFLICT, "UPLOAD_CONFLICT")
    );
    let digest = Digest::of(DATA.as_bytes()).to_string();
    assert_eq!(world.digest(&created).await, Some(digest));
}

#[tokio::test]
async fn of_two_that_arrive_at_once_one_stays() {
    let world = World::new().await;
    for _ in 0..10 {
        let created = world.created(DATA.len()).await;
        let (one, other) = tokio::join!(
            put(&world, &created.url, DATA),
            put(&world, &created.url, OTHER)
        );
        let mut statuses = [one.status().as_u16(), other.status().as_u16()];
        let stayed = if statuses[0] == 201 { DATA } else { OTHER };
        statuses.sort_unstable();
        assert_eq!(statuses, [201, 409]);
        let digest = Digest::of(stayed.as_bytes()).to_string();
        assert_eq!(world.digest(&created).await, Some(digest));
    }
}

#[tokio::test]
async fn more_or_fewer_bytes_than_announced_leave_nothing_behind() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    let too_large = refusal(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE");
    let mismatch = refusal(StatusCode::UNPROCESSABLE_ENTITY, "SIZE_MISMATCH");
    let cases = [
        (Body::from(format!("{DATA}x")), &too_large),
        (streamed(&[DATA, "x"]), &too_large),
        (Body::from("a"), &mismatch),
        (streamed(&["a", ",b"]), &mismatch),
        (Body::empty(), &mismatch),
    ];
    for (body, expected) in cases {
        assert_eq!(
            &refused(put(&world, &created.url, body).await).await,
            expected
        );
    }
    assert_eq!((world.digest(&created).await, world.files()), (None, 0));
    // The same holds once the bytes are there.
    assert_eq!(put(&world, &created.url, DATA).await.status(), 201);
    let again = put(&world, &created.url, streamed(&[DATA, "x"])).await;
    assert_eq!(refused(again).await, too_large);
    let again = put(&world, &created.url, streamed(&["a"])).await;
    assert_eq!(refused(again).await, mismatch);
}

#[tokio::test]
async fn a_length_that_is_too_large_is_refused_before_a_byte_is_read() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    // This body would never end.
    let endless = Body::from_stream(futures::stream::pending::<Result<Bytes, Failed>>());
    let headers = [("content-length", "1000000000000")];
    let request = request(Method::PUT, &created.url, &headers, endless);
    let answer = tokio::time::timeout(Duration::from_secs(10), world.send(request));
    let answer = refused(answer.await.expect("an answer")).await;
    assert_eq!(answer, refusal(StatusCode::PAYLOAD_TOO_LARGE, "TOO_LARGE"));
}

#[tokio::test]
async fn a_digest_that_comes_with_the_bytes_is_checked() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    let (right, wrong) = (Digest::of(DATA.as_bytes()), Digest::of(OTHER.as_bytes()));
    let field = |digest: Digest| format!("md5=:AA==:, sha-256=:{}:", STANDARD.encode(digest.0));
    let send = async |headers: &[(&str, &str)]| {
        let request = request(Method::PUT, &created.url, headers, Body::from(DATA));
        world.send(request).await
    };
    let mismatch = refusal(StatusCode::UNPROCESSABLE_ENTITY, "DIGEST_MISMATCH");
    let malformed = refusal(StatusCode::UNPROCESSABLE_ENTITY, "INVALID_INPUT");
    let (right_hex, wrong_hex) = (right.to_string(), wrong.to_string());
    let (right_field, wrong_field) = (field(right), field(wrong));
    let cases: [(&[(&str, &str)], _); 6] = [
        (&[("x-content-sha256", &wrong_hex)], &mismatch),
        (&[("content-digest", &wrong_field)], &mismatch),
        (
            &[
                ("content-digest", &right_field),
                ("x-content-sha256", &wrong_hex),
            ],
            &mismatch,
        ),
        (&[("x-content-sha256", "abc")], &malformed),
        (&[("content-digest", "sha-256=abc")], &malformed),
        (&[("content-digest", "sha-256=:YWJj:")], &malformed),
    ];
    for (headers, expected) in cases {
        assert_eq!(&refused(send(headers).await).await, expected, "{headers:?}");
    }
    assert_eq!((world.digest(&created).await, world.files()), (None, 0));
    let headers = [
        ("content-digest", right_field.as_str()),
        ("x-content-sha256", &right_hex.to_uppercase()),
    ];
    assert_eq!(send(&headers).await.status(), StatusCode::CREATED);
    let repeated = send(&[("x-content-sha256", &wrong_hex)]).await;
    assert_eq!(refused(repeated).await, mismatch);
}

#[tokio::test]
async fn bytes_that_break_off_leave_nothing_and_may_come_again() {
    let world = World::new().await;
    let created = world.created(DATA.len()).await;
    let parts = [Ok(Bytes::from_static(b"a,b\n")), Err(Failed)];
    let broken = Body::from_stream(futures::stream::iter(parts));
    let answer = refused(put(&world, &created.url, broken).await).await;
    assert_eq!(answer, refusal(StatusCode::BAD_REQUEST, "INCOMPLETE_BODY"));
    assert_eq!((world.digest(&created).await, world.files()), (None, 0));
    assert_eq!(put(&world, &created.url, DATA).await.status(), 201);
}

#[tokio::test]
async fn a_link_opens_one_upload_of_one_tenant_for_a_while() {
    let world = World::new().await;
    let (created, other) = (world.created(8).await, world.created(8).await);
    let (id, other_id) = (created.upload.id.to_string(), other.upload.id.to_string());
    let invalid = refusal(StatusCode::FORBIDDEN, "LINK_INVALID");
    let url = &created.url;
    let (bare, _) = url.split_once('?').unwrap();
    for bad in [
        url.replace(&id, &other_id),
        url.replace("tenant=default", "tenant=other"),
        url.replace("expires=", "expires=1"),
        url.replace("signature=", "signature=00"),
        bare.to_owned(),
        format!("{bare}?tenant=default&expires=x&signature="),
    ] {
        assert_eq!(
            refused(put(&world, &bad, DATA).await).await,
            invalid,
            "{bad}"
        );
    }
    let nothing = url.replace(&id, "nothing");
    let answer = refused(put(&world, &nothing, DATA).await).await;
    assert_eq!(answer, refusal(StatusCode::NOT_FOUND, "NOT_FOUND"));
    world.clock.advance((TTL_SECONDS + 1) * 1_000_000);
    let answer = refused(put(&world, url, DATA).await).await;
    assert_eq!(answer, refusal(StatusCode::FORBIDDEN, "LINK_EXPIRED"));
    assert_eq!((world.digest(&created).await, world.files()), (None, 0));
}
