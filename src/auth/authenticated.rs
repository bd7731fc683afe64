//! A caller whose proof was found good, and when it ends.

use std::{sync::Arc, time::Duration};

use super::{BrowserSession, keys_in_use::KeyInUse, revocation::Revocation};
use crate::{
    clock::Clock,
    model::{Micros, Principal},
};

/// The longest sleep before the clock is looked at again: it may be set.
const LONGEST_SLEEP: Duration = Duration::from_mins(1);

/// A caller whose proof was found good. Clones are cheap.
#[derive(Debug, Clone)]
pub struct Authenticated {
    principal: Principal,
    /// None for a caller that needs no proof.
    proof: Option<Arc<Proof>>,
    /// The session of a browser that has the proof, if one does.
    session: Option<BrowserSession>,
}

#[derive(Debug)]
struct Proof {
    /// None for a proof that ends by being revoked alone.
    expires_at: Option<Micros>,
    revocation: Arc<Revocation>,
    /// Where a key is the proof.
    key: Option<Arc<KeyInUse>>,
    /// True if the database tells of its revocation.
    is_watched: bool,
}

impl Authenticated {
    /// A caller that needs no proof.
    pub(super) fn trusted(principal: Principal) -> Self {
        Self {
            principal,
            proof: None,
            session: None,
        }
    }

    /// The holder of a key.
    pub(super) fn by_key(
        principal: Principal,
        expires_at: Option<Micros>,
        key: Arc<KeyInUse>,
    ) -> Self {
        let revocation = Arc::clone(key.revocation());
        Self::by(
            principal,
            Proof {
                expires_at,
                revocation,
                key: Some(key),
                is_watched: true,
            },
        )
    }

    /// The holder of a token.
    pub(super) fn by_token(
        principal: Principal,
        expires_at: Micros,
        revocation: Arc<Revocation>,
    ) -> Self {
        let expires_at = Some(expires_at);
        Self::by(
            principal,
            Proof {
                expires_at,
                revocation,
                key: None,
                is_watched: false,
            },
        )
    }

    /// The holder of the secret of an anonymous session.
    pub(super) fn by_secret(
        principal: Principal,
        expires_at: Micros,
        revocation: Arc<Revocation>,
    ) -> Self {
        Self::by(
            principal,
            Proof {
                expires_at: Some(expires_at),
                revocation,
                key: None,
                is_watched: true,
            },
        )
    }

    fn by(principal: Principal, proof: Proof) -> Self {
        let proof = Some(Arc::new(proof));
        Self {
            principal,
            proof,
            session: None,
        }
    }

    /// The same caller within the session of a browser: it ends with that, too.
    #[must_use]
    pub(super) fn within(self, session: BrowserSession) -> Self {
        Self {
            session: Some(session),
            ..self
        }
    }

    /// Who it is.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The key that is the proof, if it is one.
    pub(super) fn key(&self) -> Option<&KeyInUse> {
        self.proof.as_ref()?.key.as_deref()
    }

    /// Returns whether the database tells of the revocation of the proof.
    pub(super) fn is_watched(&self) -> bool {
        self.proof.as_ref().is_some_and(|proof| proof.is_watched)
    }

    /// When the proof ends by itself, if it does.
    #[must_use]
    pub fn expires_at(&self) -> Option<Micros> {
        let of_proof = self.proof.as_ref().and_then(|proof| proof.expires_at);
        let of_session = self.session.as_ref().map(BrowserSession::expires_at);
        of_proof.into_iter().chain(of_session).min()
    }

    /// Returns whether the proof may end before its holder is done.
    #[must_use]
    pub fn may_end(&self) -> bool {
        self.proof.is_some()
    }

    /// Returns whether the proof is good at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Micros) -> bool {
        let is_revoked = self.revocations().any(Revocation::has_come);
        !is_revoked && self.expires_at().is_none_or(|end| now < end)
    }

    /// Returns when the proof is not good any more: its time has passed, or it was revoked.
    pub async fn ended(&self, clock: &Clock) {
        let revoked = async {
            let revocations: Vec<_> = self
                .revocations()
                .map(|revocation| Box::pin(revocation.come()))
                .collect();
            if revocations.is_empty() {
                std::future::pending::<()>().await;
            } else {
                _ = futures::future::select_all(revocations).await;
            }
        };
        let expired = async {
            match self.expires_at() {
                Some(end) => until(end, clock).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = revoked => {}
            () = expired => {}
        }
    }
}

impl Authenticated {
    /// By what it may end before its time.
    fn revocations(&self) -> impl Iterator<Item = &Revocation> {
        let of_proof = self.proof.iter().map(|proof| &*proof.revocation);
        let of_session = self.session.iter().map(BrowserSession::revocation);
        of_proof.chain(of_session)
    }
}

async fn until(end: Micros, clock: &Clock) {
    loop {
        let left = end.saturating_sub(clock.now());
        if left <= 0 {
            return;
        }
        let left = Duration::from_micros(left.unsigned_abs());
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}

/// Returns when the proof of a caller ends; never without one.
pub async fn proof_ended(caller: Option<Authenticated>, clock: Clock) {
    match caller.filter(Authenticated::may_end) {
        Some(caller) => caller.ended(&clock).await,
        None => std::future::pending().await,
    }
}
