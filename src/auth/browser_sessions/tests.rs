//! Tests of sessions of browsers.

use data_encoding::BASE64URL_NOPAD;

use super::*;
use crate::storage::read_tests::on_each_database;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

fn sessions(ring: &str) -> (BrowserSessions, Clock) {
    let clock = Clock::manual(1_000_000_000);
    let sessions = BrowserSessions::new(ring.parse().unwrap(), clock.clone());
    (sessions, clock)
}

#[test]
fn a_session_has_its_proof_and_its_text_does_not_show_it() {
    let (sessions, _) = sessions(SECRET);
    let (text, begun) = sessions.begin("tk_proof").unwrap();
    let opened = sessions.open(&text).unwrap();
    assert_eq!(opened.proof(), "tk_proof");
    assert!(opened.is_csrf(begun.csrf().as_bytes()) && !opened.is_csrf(b""));
    let sealed = BASE64URL_NOPAD.decode(text.split_once('.').unwrap().1.as_bytes());
    let sealed = sealed.unwrap();
    assert!(!sealed.windows(8).any(|part| part == b"tk_proof"));
    assert_ne!(sessions.begin("tk_proof").unwrap().0, text);
    assert!(!format!("{opened:?} {sessions:?}").contains("tk_proof"));
}

#[test]
fn a_text_that_was_altered_or_made_elsewhere_is_no_session() {
    let (one, _) = sessions(SECRET);
    let (text, _) = one.begin("tk_proof").unwrap();
    let (other, _) = sessions("fedcba9876543210fedcba9876543210");
    assert!(other.open(&text).is_none(), "another secret");
    let (renamed, _) = sessions(&format!("k2:{SECRET}"));
    assert!(renamed.open(&text).is_none(), "no key of this id");
    assert!(
        renamed.open(&text.replacen("k1", "k2", 1)).is_none(),
        "another id"
    );
    for at in 0..text.len() {
        let mut twisted = text.clone().into_bytes();
        twisted[at] = if twisted[at] == b'A' { b'B' } else { b'A' };
        let twisted = String::from_utf8(twisted).unwrap();
        assert!(one.open(&twisted).is_none(), "{at}");
    }
    for bad in ["", ".", "k1.", "k1.AAAA", &"k1.A".repeat(2_000)] {
        assert!(one.open(bad).is_none(), "{bad}");
    }
}

#[test]
fn a_session_ends_by_its_time() {
    let (sessions, clock) = sessions(SECRET);
    let (text, _) = sessions.begin("tk_one").unwrap();
    clock.advance(LIFE_SECONDS * 1_000_000 - 1_000_000);
    assert!(sessions.clone().open(&text).is_some());
    clock.advance(1_000_000);
    assert!(sessions.open(&text).is_none());
}

#[tokio::test]
async fn a_session_that_was_ended_on_one_node_ends_on_all_and_no_other_does() {
    on_each_database(async |world| {
        let storage = &world.storage;
        let (here, _) = sessions(SECRET);
        let (there, _) = sessions(SECRET);
        let (text, begun) = here.begin("tk_one").unwrap();
        let (other, _) = here.begin("tk_one").unwrap();
        let watched = there.open(&text).unwrap();
        let turns = Semaphore::new(1);
        let open = async |session: &BrowserSession| {
            there.is_open(session, storage, true, &turns).await.unwrap()
        };
        assert!(open(&watched).await);
        here.end(&begun, storage).await.unwrap();
        assert!(here.open(&text).is_none(), "at once where it was ended");
        assert!(open(&watched).await, "until it is asked for");
        there.check(storage).await.unwrap();
        assert!(watched.revocation().has_come() && !open(&watched).await);
        assert!(there.open(&text).is_none());
        drop((watched, begun));
        let (later, _) = sessions(SECRET);
        let first = later.open(&text).unwrap();
        assert!(
            !later.is_open(&first, storage, true, &turns).await.unwrap(),
            "a node that starts"
        );
        let unwatched = later.open(&other).unwrap();
        assert!(
            later
                .is_open(&unwatched, storage, false, &turns)
                .await
                .unwrap()
        );
    })
    .await;
}

#[test]
fn a_session_that_nobody_uses_is_forgotten() {
    let (sessions, _) = sessions(SECRET);
    let (_, one) = sessions.begin("tk_one").unwrap();
    let (text, two) = sessions.begin("tk_two").unwrap();
    assert_eq!(sessions.in_use().len(), 2);
    drop(two);
    assert_eq!(sessions.in_use(), [one.id()]);
    assert!(sessions.open(&text).is_some());
    assert_eq!(sessions.in_use().len(), 2, "it was opened since");
}

#[test]
fn a_session_that_an_older_key_has_sealed_goes_on() {
    let (old, _) = sessions(&format!("k1:{SECRET}"));
    let (text, _) = old.begin("tk_proof").unwrap();
    let (new, _) = sessions(&format!("k2:fedcba9876543210fedcba9876543210, k1:{SECRET}"));
    assert!(new.open(&text).is_some());
}

#[test]
fn the_longest_proof_fits_into_a_cookie_and_a_longer_one_is_refused() {
    let (sessions, _) = sessions(SECRET);
    let (text, _) = sessions.begin(&"a".repeat(MAX_PROOF_BYTES)).unwrap();
    assert!(text.len() < 3_800, "{}", text.len());
    assert!(sessions.open(&text).is_some());
    let longer = "a".repeat(MAX_PROOF_BYTES + 1);
    assert_eq!(sessions.begin(&longer).unwrap_err(), ProofTooLong);
    let (issuer, token) = ("i".repeat(100), "r".repeat(400));
    let proof = "a".repeat(MAX_PROOF_BYTES - 500);
    assert!(BrowserSessions::has_room(&proof, &issuer, &token));
    assert!(!BrowserSessions::has_room(
        &format!("{proof}a"),
        &issuer,
        &token
    ));
    let renewal = Renewal {
        issuer,
        token,
        at_s: 1_100,
        who: "w".repeat(16),
    };
    let (text, session) = sessions.begin_renewed(&proof, Some(renewal)).unwrap();
    assert!(text.len() < 3_900, "{}", text.len());
    assert_eq!(session.renew_at(), Some(1_100_000_000));
}

#[test]
fn a_session_goes_on_with_another_proof_until_its_own_time() {
    let (sessions, clock) = sessions(SECRET);
    let (_, begun) = sessions.begin("tk_one").unwrap();
    clock.advance(1_000_000);
    let (text, _) = sessions.renewed(&begun, "tk_two", None).unwrap();
    let renewed = sessions.open(&text).unwrap();
    assert_eq!(renewed.proof(), "tk_two");
    assert_eq!(
        (renewed.csrf(), renewed.expires_at()),
        (begun.csrf(), begun.expires_at())
    );
    assert!(
        Arc::ptr_eq(&renewed.known, &begun.known),
        "one end ends both"
    );
}
