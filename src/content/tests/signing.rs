//! Signed URLs open one object, for one purpose, until they expire or their key leaves the ring.

use super::{super::*, scope};
use crate::model::KeyRing;

const ONE: &str = "one:0123456789abcdef0123456789abcdef";
const TWO: &str = "two:fedcba9876543210fedcba9876543210";

fn signer(ring: &str) -> Signer {
    Signer::new(&ring.parse::<KeyRing>().unwrap())
}

fn link(tenant: &str, expires_at_s: i64, key: &str, signature: &str) -> Link {
    Link {
        tenant: tenant.to_owned(),
        expires_at_s,
        key: key.to_owned(),
        signature: signature.to_owned(),
    }
}

fn signature_of(url: &str) -> &str {
    url.rsplit_once("&signature=").unwrap().1
}

#[test]
fn an_upload_is_signed_in_every_part() {
    // The second key has the secret of the first, so what differs is the id alone.
    let ring = format!("{ONE}, same:{}", ONE.split_once(':').unwrap().1);
    let signer = signer(&ring);
    let url = signer.sign_upload(&scope("t"), "upl_1", 100);
    assert!(url.starts_with("/uploads/upl_1?tenant=t&expires=100&key=one&signature="));
    let right = signature_of(&url);
    let check = |id: &str, link: &Link, now: i64| signer.verify_upload(id, link, now);
    let good = link("t", 100, "one", right);
    assert_eq!(check("upl_1", &good, 99), Ok(scope("t")));
    assert_eq!(check("upl_1", &good, 100), Err(SignatureError::Expired));
    let cut = &right[..right.len() - 2];
    let longer = format!("{right}00");
    for (id, link) in [
        ("upl_1", link("u", 100, "one", right)),
        ("upl_2", link("t", 100, "one", right)),
        // The same letters, divided otherwise.
        ("pl_1", link("tu", 100, "one", right)),
        ("upl_1one", link("t", 100, "", right)),
        ("upl_1", link("t", 101, "one", right)),
        ("upl_1", link("t", 100, "same", right)),
        ("upl_1", link("t", 100, "", right)),
        ("upl_1", link("t", 100, "one", "00")),
        ("upl_1", link("t", 100, "one", "zz")),
        ("upl_1", link("t", 100, "one", "")),
        ("upl_1", link("t", 100, "one", cut)),
        ("upl_1", link("t", 100, "one", &longer)),
    ] {
        // A link that is not ours is never called expired.
        for now in [0, 1_000] {
            assert_eq!(
                check(id, &link, now),
                Err(SignatureError::Invalid),
                "{id} {link:?}"
            );
        }
    }
}

#[test]
fn a_download_is_signed_in_every_part() {
    let signer = signer(ONE);
    let digest = Digest::of(b"x");
    let url = signer.sign_download(&scope("t"), &digest, Some("a b&c.csv"), 100);
    assert!(url.contains("name=a%20b%26c.csv&key=one&"), "{url}");
    let right = signature_of(&url);
    let check = |tenant, digest: &Digest, name, expires, now| {
        signer.verify_download(digest, name, &link(tenant, expires, "one", right), now)
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
    let signer = signer(ONE);
    let digest = Digest::of(b"x");
    let upload = signer.sign_upload(&scope("t"), &digest.to_string(), 100);
    let link = link("t", 100, "one", signature_of(&upload));
    assert_eq!(
        signer.verify_download(&digest, None, &link, 1),
        Err(SignatureError::Invalid)
    );
}

#[test]
fn links_of_an_older_key_go_on_until_it_leaves_the_ring() {
    let url = signer(ONE).sign_upload(&scope("t"), "upl_1", 100);
    let old = link("t", 100, "one", signature_of(&url));
    let check = |ring: &str| signer(ring).verify_upload("upl_1", &old, 1);
    let both = format!("{TWO}, {ONE}");
    assert_eq!(check(&both), Ok(scope("t")));
    assert!(
        signer(&both)
            .sign_upload(&scope("t"), "upl_1", 100)
            .contains("&key=two&")
    );
    assert_eq!(check(TWO), Err(SignatureError::Invalid));
    // Another secret under the id that was known.
    let renamed = format!("one:{}", TWO.split_once(':').unwrap().1);
    assert_eq!(check(&renamed), Err(SignatureError::Invalid));
}
