//! Sessions of browsers: a proof that was exchanged for a cookie which no script can read. The cookie has the proof itself,
//! sealed, so that the session permits what the proof does, and ends with it; and a time at which it ends in any case.
//! Only the end of a session before its time is stored, so that every node knows of it.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq as _;
use tokio::sync::Semaphore;

use super::{LoginFault, key_text::secret_text, revocation::Revocation};
use crate::{
    clock::Clock,
    model::{KeyRing, Micros, sealed},
    storage::{Error, Storage},
};

/// What the keys serve.
const PURPOSE: &str = "sessions of browsers";

/// The life of a session.
const LIFE_SECONDS: i64 = 12 * 60 * 60;

/// Longer proofs do not fit into a cookie, for which browsers have 4,096 bytes.
pub const MAX_PROOF_BYTES: usize = 2_500;

/// Longer texts are no session.
const MAX_TEXT_BYTES: usize = 4_096;

/// What came of a renewal is remembered for so long: what was given for it may be good for one time.
const RENEWED_FOR: Duration = Duration::from_mins(10);
/// An issuer that was not there is not asked again for so long.
const LEFT_ALONE: Duration = Duration::from_secs(10);

/// Sessions in one statement.
const AT_ONCE: usize = 1_000;

/// A proof that is too long for a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a proof of more than {MAX_PROOF_BYTES} bytes does not fit into a cookie")]
pub struct ProofTooLong;

/// A session that was opened.
#[derive(Clone)]
pub struct BrowserSession {
    claims: Arc<Claims>,
    known: Arc<Known>,
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
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    renewal: Option<Renewal>,
}

/// What gives a session another proof before its own ends.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Renewal {
    /// Who gives it.
    #[serde(rename = "i")]
    pub(super) issuer: String,
    /// What it is given for.
    #[serde(rename = "t")]
    pub(super) token: String,
    /// From when on it is asked for.
    #[serde(rename = "a")]
    pub(super) at_s: i64,
    /// Whose proof it is, as a digest: another's is none for this session.
    #[serde(rename = "w")]
    pub(super) who: String,
}

/// What came of asking for another proof.
pub(super) struct Renewed {
    /// What was given for it.
    of: String,
    at: Instant,
    outcome: Result<(String, Arc<Claims>), LoginFault>,
}

/// What this node knows of a session.
#[derive(Default)]
struct Known {
    /// Comes when the session is ended before its time.
    ended: Revocation,
    /// True once the database has said that it was not ended.
    is_open: AtomicBool,
    /// True if it was opened since the database was last asked.
    is_used: AtomicBool,
    /// What came of asking for another proof. One asks for all who have the session open.
    renewed: tokio::sync::Mutex<Option<Renewed>>,
}

impl Known {
    /// Returns whether a browser may still come that has not heard of another proof.
    fn is_lately_renewed(&self) -> bool {
        // Who holds it asks for another proof.
        let renewed = self.renewed.try_lock();
        renewed.map_or(true, |it| {
            it.as_ref().is_some_and(|it| it.at.elapsed() < RENEWED_FOR)
        })
    }
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

    /// When another proof is to be asked for, if there is somebody who gives one.
    #[must_use]
    pub fn renew_at(&self) -> Option<Micros> {
        let renewal = self.renewal()?;
        Some(renewal.at_s.saturating_mul(1_000_000))
    }

    pub(super) fn renewal(&self) -> Option<&Renewal> {
        self.claims.renewal.as_ref()
    }

    /// What has come of asking for another proof, for who asks now.
    pub(super) async fn renewed(&self) -> tokio::sync::MutexGuard<'_, Option<Renewed>> {
        self.known.renewed.lock().await
    }

    /// What has come of it for this cookie, if that is still so at `now`.
    pub(super) fn outcome(
        &self,
        last: Option<&Renewed>,
        now: Micros,
    ) -> Option<Result<(String, Self), LoginFault>> {
        let last = last.filter(|last| Some(&last.of) == self.renewal().map(|it| &it.token))?;
        match &last.outcome {
            Ok((text, claims)) => {
                let session = Self {
                    claims: Arc::clone(claims),
                    known: Arc::clone(&self.known),
                };
                let is_fresh = session.renew_at().is_none_or(|at| at > now);
                is_fresh.then(|| Ok((text.clone(), session)))
            }
            Err(LoginFault::Unavailable(_)) if last.at.elapsed() >= LEFT_ALONE => None,
            Err(fault) => Some(Err(fault.clone())),
        }
    }

    /// What is remembered of asking for another proof.
    pub(super) fn remembered(of: String, outcome: &Result<(String, Self), LoginFault>) -> Renewed {
        let outcome = outcome.as_ref();
        let outcome = outcome.map(|(text, session)| (text.clone(), Arc::clone(&session.claims)));
        Renewed {
            of,
            at: Instant::now(),
            outcome: outcome.map_err(Clone::clone),
        }
    }

    /// Told when the session is ended before its time.
    pub(super) fn revocation(&self) -> &Revocation {
        &self.known.ended
    }

    /// Its name in the database, from which its texts cannot be found.
    fn id(&self) -> String {
        id_of(&self.claims.csrf)
    }
}

fn id_of(csrf: &str) -> String {
    HEXLOWER.encode(&Sha256::digest(csrf.as_bytes()))
}

/// Begins, opens and ends sessions. Clones know the same ones.
#[derive(Clone)]
pub struct BrowserSessions(Arc<Shared>);

struct Shared {
    ring: KeyRing,
    clock: Clock,
    /// By their names in the database: those that are in use, and were lately.
    known: Mutex<HashMap<String, Arc<Known>>>,
}

impl fmt::Debug for BrowserSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrowserSessions")
    }
}

impl BrowserSessions {
    /// Sessions that are sealed by the first key of the ring.
    pub(super) fn new(ring: KeyRing, clock: Clock) -> Self {
        let known = Mutex::default();
        Self(Arc::new(Shared { ring, clock, known }))
    }

    /// Begins a session by a proof that was found good: its text for the cookie, and the session.
    ///
    /// # Errors
    /// When the proof is too long for a cookie.
    pub fn begin(&self, proof: &str) -> Result<(String, BrowserSession), ProofTooLong> {
        self.begin_renewed(proof, None)
    }

    /// The same, with what gives another proof, if there is room for it.
    pub(super) fn begin_renewed(
        &self,
        proof: &str,
        renewal: Option<Renewal>,
    ) -> Result<(String, BrowserSession), ProofTooLong> {
        let now_s = self.0.clock.now().div_euclid(1_000_000);
        let claims = Claims {
            proof: proof.to_owned(),
            csrf: secret_text(),
            expires_at_s: now_s.saturating_add(LIFE_SECONDS),
            renewal,
        };
        let (text, session) = self.written(claims)?;
        // Nobody else has it yet.
        session.known.is_open.store(true, Ordering::Release);
        Ok((text, session))
    }

    /// The same session with another proof.
    pub(super) fn renewed(
        &self,
        session: &BrowserSession,
        proof: &str,
        renewal: Option<Renewal>,
    ) -> Result<(String, BrowserSession), ProofTooLong> {
        self.written(Claims {
            proof: proof.to_owned(),
            csrf: session.claims.csrf.clone(),
            expires_at_s: session.claims.expires_at_s,
            renewal,
        })
    }

    /// Returns whether a cookie has room for what gives another proof.
    pub(super) fn has_room(proof: &str, issuer: &str, token: &str) -> bool {
        proof.len() + issuer.len() + token.len() <= MAX_PROOF_BYTES
    }

    fn written(&self, claims: Claims) -> Result<(String, BrowserSession), ProofTooLong> {
        let text = (claims.proof.len() <= MAX_PROOF_BYTES)
            .then(|| self.seal(PURPOSE, &claims))
            .flatten();
        Ok((text.ok_or(ProofTooLong)?, self.session(claims)))
    }

    /// Seals something for a cookie by the first key of the ring.
    pub(super) fn seal(&self, purpose: &str, what: &impl Serialize) -> Option<String> {
        let plain = serde_json::to_vec(what).ok()?;
        let key = self.0.ring.first();
        let sealed = sealed::seal(&key.bytes_for(purpose), key.id().as_bytes(), plain)?;
        Some(format!("{}.{sealed}", key.id()))
    }

    /// What was sealed for a purpose; none if it was not, or by none of the keys.
    pub(super) fn opened<T: DeserializeOwned>(&self, purpose: &str, text: &str) -> Option<T> {
        if text.len() > MAX_TEXT_BYTES {
            return None;
        }
        let (id, text) = text.split_once('.')?;
        let key = self.0.ring.find(id)?.bytes_for(purpose);
        let plain = sealed::open(&key, id.as_bytes(), text)?;
        serde_json::from_slice(&plain).ok()
    }

    /// The session of a text; none if it was not made here, or its time has passed, or this node knows that it was ended.
    #[must_use]
    pub fn open(&self, text: &str) -> Option<BrowserSession> {
        let session = self.session(self.opened(PURPOSE, text)?);
        let has_ended =
            session.revocation().has_come() || self.0.clock.now() >= session.expires_at();
        (!has_ended).then_some(session)
    }

    /// Returns whether a session goes on. The database is asked for one that this node does not know to be open, or for each
    /// if `are_watched` says that it has not told lately which were ended; by so many at once as there are `turns`.
    pub(super) async fn is_open(
        &self,
        session: &BrowserSession,
        storage: &Storage,
        are_watched: bool,
        turns: &Semaphore,
    ) -> Result<bool, Error> {
        let known = &session.known;
        if !(are_watched && known.is_open.load(Ordering::Acquire)) {
            // The semaphore is never closed.
            let _turn = turns.acquire().await;
            if storage.logged_out(&[session.id()]).await?.is_empty() {
                known.is_open.store(true, Ordering::Release);
            } else {
                known.ended.revoke();
            }
        }
        Ok(!known.ended.has_come())
    }

    /// Ends a session on all nodes, with all that is open in it.
    ///
    /// # Errors
    /// When the database is away; then it goes on.
    pub(super) async fn end(
        &self,
        session: &BrowserSession,
        storage: &Storage,
    ) -> Result<(), Error> {
        let recorded = storage.record_logout(session.id(), session.expires_at());
        recorded.await?;
        session.known.ended.revoke();
        Ok(())
    }

    /// Asks which of the sessions in use were ended, by other nodes.
    pub(super) async fn check(&self, storage: &Storage) -> Result<(), Error> {
        let ids = self.in_use();
        for ids in ids.chunks(AT_ONCE) {
            for id in storage.logged_out(ids).await? {
                if let Some(known) = self.known().get(&id) {
                    known.ended.revoke();
                }
            }
        }
        Ok(())
    }

    /// Those in use, or opened since this was last called; the others are forgotten.
    fn in_use(&self) -> Vec<String> {
        let mut all = self.known();
        all.retain(|_, known| {
            let is_used = known.is_used.swap(false, Ordering::Relaxed);
            is_used || Arc::strong_count(known) > 1 || known.is_lately_renewed()
        });
        all.keys().cloned().collect()
    }

    /// The seconds for which a browser keeps a new cookie.
    #[must_use]
    pub fn life_seconds(&self) -> i64 {
        LIFE_SECONDS
    }

    fn session(&self, claims: Claims) -> BrowserSession {
        let known = Arc::clone(self.known().entry(id_of(&claims.csrf)).or_default());
        known.is_used.store(true, Ordering::Relaxed);
        BrowserSession {
            claims: Arc::new(claims),
            known,
        }
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Known>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
