//! Signed URLs open one object, for one purpose, until they expire.

use super::{super::*, scope};

fn signature_of(url: &str) -> &str {
    url.rsplit_once("&signature=").unwrap().1
}

#[test]
fn an_upload_is_signed_in_every_part() {
    let signer = Signer::new([7; 32]);
    let url = signer.sign_upload(&scope("t"), "upl_1", 100);
    assert!(url.starts_with("/uploads/upl_1?tenant=t&expires=100&signature="));
    let right = signature_of(&url);
    let check = |tenant: &str, id: &str, expires: i64, signature: &str, now: i64| {
        signer.verify_upload(tenant, id, expires, signature, now)
    };
    assert_eq!(check("t", "upl_1", 100, right, 99), Ok(scope("t")));
    assert_eq!(
        check("t", "upl_1", 100, right, 100),
        Err(SignatureError::Expired)
    );
    let cut = &right[..right.len() - 2];
    let longer = format!("{right}00");
    for (tenant, id, expires, signature) in [
        ("u", "upl_1", 100, right),
        ("t", "upl_2", 100, right),
        // The same letters, divided otherwise.
        ("tu", "pl_1", 100, right),
        ("t", "upl_1", 101, right),
        ("t", "upl_1", 100, "00"),
        ("t", "upl_1", 100, "zz"),
        ("t", "upl_1", 100, ""),
        ("t", "upl_1", 100, cut),
        ("t", "upl_1", 100, &longer),
    ] {
        // A link that is not ours is never called expired.
        for now in [0, 1_000] {
            let checked = check(tenant, id, expires, signature, now);
            assert_eq!(checked, Err(SignatureError::Invalid), "{tenant} {id}");
        }
    }
    let other = Signer::new([8; 32]);
    assert_eq!(
        other.verify_upload("t", "upl_1", 100, right, 0),
        Err(SignatureError::Invalid)
    );
}

#[test]
fn a_download_is_signed_in_every_part() {
    let signer = Signer::new([7; 32]);
    let digest = Digest::of(b"x");
    let url = signer.sign_download(&scope("t"), &digest, Some("a b&c.csv"), 100);
    assert!(url.contains("name=a%20b%26c.csv"), "{url}");
    let right = signature_of(&url);
    let check = |tenant, digest: &Digest, name, expires, now| {
        signer.verify_download(tenant, digest, name, expires, right, now)
    };
    let name = Some("a b&c.csv");
    assert_eq!(check("t", &digest, name, 100, 99), Ok(scope("t")));
    assert_eq!(
        check("t", &digest, name, 100, 100),
        Err(SignatureError::Expired)
    );
    for (tenant, digest, name, expires) in [
        ("u", digest, name, 100),
        ("t", Digest::of(b"y"), name, 100),
        ("t", digest, None, 100),
        ("t", digest, Some("a b&c.exe"), 100),
        ("t", digest, name, i64::MAX),
    ] {
        assert_eq!(
            check(tenant, &digest, name, expires, 0),
            Err(SignatureError::Invalid)
        );
    }
}

#[test]
fn a_link_to_send_does_not_serve_to_fetch() {
    let signer = Signer::new([7; 32]);
    let digest = Digest::of(b"x");
    let upload = signer.sign_upload(&scope("t"), &digest.to_string(), 100);
    assert_eq!(
        signer.verify_download("t", &digest, None, 100, signature_of(&upload), 1),
        Err(SignatureError::Invalid)
    );
}
