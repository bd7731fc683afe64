//! Sessions of browsers: a proof that was exchanged for a cookie which no script can read. Nothing is stored. The cookie
//! has the proof itself, sealed, so that the session permits what the proof does, and ends with it; and a time at which
//! it ends in any case.

use std::{fmt, sync::Arc, time::Duration};

use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use super::{key_text::secret_text, revocation::Revocation};
use crate::{
    clock::Clock,
    model::{KeyRing, Micros, sealed},
};

/// What the keys serve.
const PURPOSE: &str = "sessions of browsers";

/// The life of a session.
const LIFE_SECONDS: i64 = 12 * 60 * 60;

/// Longer proofs do not fit into a cookie, for which browsers have 4,096 bytes.
pub const MAX_PROOF_BYTES: usize = 2_500;

/// Longer texts are no session.
const MAX_TEXT_BYTES: usize = 4_096;

/// The sessions whose end on this node is remembered, and told to what is open in them.
const MAX_KNOWN: u64 = 100_000;

/// A proof that is too long for a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proof of more than {MAX_PROOF_BYTES} bytes does not fit into a cookie")]
pub struct ProofTooLong;

/// A session that was opened.
#[derive(Clone)]
pub struct BrowserSession {
    claims: Arc<Claims>,
    ended: Arc<Revocation>,
}

/// What is sealed.
#[derive(Serialize, Deserialize)]
struct Claims {
    #[serde(rename = "p")]
    proof: String,
    /// Named by requests that change something. It also tells the session from all others.
    #[serde(rename = "c")]
    csrf: String,
    #[serde(rename = "e")]
    expires_at_s: i64,
}

impl fmt::Debug for BrowserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSession")
    }
}

impl BrowserSession {
    /// The proof that it was begun with.
    #[must_use]
    pub fn proof(&self) -> &str {
        &self.claims.proof
    }

    /// The text that shows that a request was made by a page which the session belongs to.
    #[must_use]
    pub fn csrf(&self) -> &str {
        &self.claims.csrf
    }

    /// Returns whether a text is that of [`Self::csrf`], compared in constant time.
    #[must_use]
    pub fn is_csrf(&self, text: &[u8]) -> bool {
        self.claims.csrf.as_bytes().ct_eq(text).into()
    }

    /// When it ends, if its proof does not end before.
    #[must_use]
    pub fn expires_at(&self) -> Micros {
        self.claims.expires_at_s.saturating_mul(1_000_000)
    }

    /// Told when the session is ended on this node.
    pub(super) fn revocation(&self) -> &Arc<Revocation> {
        &self.ended
    }
}

/// Begins, opens and ends sessions. Clones know the same ones.
#[derive(Clone)]
pub struct BrowserSessions(Arc<Shared>);

struct Shared {
    ring: KeyRing,
    clock: Clock,
    /// By their CSRF text.
    known: Cache<String, Arc<Revocation>>,
}

impl fmt::Debug for BrowserSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSessions")
    }
}

impl BrowserSessions {
    /// Sessions that are sealed by the first key of the ring.
    pub(super) fn new(ring: KeyRing, clock: Clock) -> Self {
        let life = Duration::from_secs(LIFE_SECONDS.unsigned_abs());
        let known = Cache::builder().max_capacity(MAX_KNOWN).time_to_live(life);
        Self(Arc::new(Shared {
            ring,
            clock,
            known: known.build(),
        }))
    }

    /// Begins a session by a proof that was found good: its text for the cookie, and the session.
    ///
    /// # Errors
    /// When the proof is too long for a cookie.
    pub fn begin(&self, proof: &str) -> Result<(String, BrowserSession), ProofTooLong> {
        if proof.len() > MAX_PROOF_BYTES {
            return Err(ProofTooLong);
        }
        let now_s = self.0.clock.now().div_euclid(1_000_000);
        let claims = Claims {
            proof: proof.to_owned(),
            csrf: secret_text(),
            expires_at_s: now_s.saturating_add(LIFE_SECONDS),
        };
        // Plain data, which is always JSON.
        let plain = serde_json::to_vec(&claims).unwrap_or_default();
        let key = self.0.ring.first();
        // The cipher refuses only what is too long.
        let place = key.id().as_bytes();
        let sealed = sealed::seal(&key.bytes_for(PURPOSE), place, plain).ok_or(ProofTooLong)?;
        Ok((format!("{}.{sealed}", key.id()), self.session(claims)))
    }

    /// The session of a text; none if it was not made here, has ended, or was ended on this node.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<BrowserSession> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let (id, text) = text.split_once('.')?;
        let key = self.0.ring.find(id)?.bytes_for(PURPOSE);
        let plain = sealed::open(&key, id.as_bytes(), text)?;
        let claims: Claims = serde_json::from_slice(&plain).ok()?;
        let session = self.session(claims);
        let has_ended = session.ended.has_come() || self.0.clock.now() >= session.expires_at();
        (!has_ended).then_some(session)
    }

    /// Ends a session on this node, with all that is open in it.
    pub fn end(&self, session: &BrowserSession) {
        session.ended.revoke();
    }

    /// The seconds for which a browser keeps a new cookie.
    #[must_use]
    pub fn life_seconds(&self) -> i64 {
        LIFE_SECONDS
    }

    fn session(&self, claims: Claims) -> BrowserSession {
        let ended = self.0.known.get_with_by_ref(&claims.csrf, Arc::default);
        BrowserSession {
            claims: Arc::new(claims),
            ended,
        }
    }
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64URL_NOPAD;

    use super::*;

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
    fn a_session_ends_by_its_time_or_by_being_ended_and_no_other_does() {
        let (sessions, clock) = sessions(SECRET);
        let (one, begun) = sessions.begin("tk_one").unwrap();
        let (other, _) = sessions.begin("tk_one").unwrap();
        sessions.end(&begun);
        assert!(begun.revocation().has_come());
        assert!(sessions.open(&one).is_none());
        assert!(sessions.clone().open(&other).is_some());
        clock.advance(LIFE_SECONDS * 1_000_000);
        assert!(sessions.open(&other).is_none());
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
    }
}
