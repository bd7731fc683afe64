//! Secrets of anonymous sessions, checked and made; see `anonymous`.

use std::net::IpAddr;

use super::{
    Authenticated, Authenticator, KeyText, Mode, Unproven,
    anonymous::{new_secret, session_of},
    authenticator::refused,
    key_text::{digest_of, is_digest_of},
};
use crate::model::{Action, Grants, Principal, Reach, Scope, SessionId};

/// An anonymous session to be made, with its secret.
#[derive(Debug)]
pub struct NewSecret {
    /// The secret, which is shown once.
    pub text: KeyText,
    /// SHA-256 (hex) of it, which is kept.
    pub digest: String,
    /// The life of the session in seconds.
    pub ttl_seconds: i64,
    /// Whoever makes the session: its holder, for this once.
    pub maker: Principal,
}

impl Authenticator {
    /// Whoever has no proof where anonymous sessions are given away: they may begin one, and nothing else.
    #[must_use]
    pub fn visitor(&self) -> Option<Principal> {
        if self.mode() == Mode::Development || self.0.anonymous.is_none() {
            return None;
        }
        Some(Principal::visitor())
    }

    /// Lets a visitor from an address begin an anonymous session.
    ///
    /// # Errors
    /// [`Unproven::Missing`] where there are none; [`Unproven::TooManySessions`] when too many of the address began one.
    pub fn begin_anonymous(&self, from: IpAddr) -> Result<(), Unproven> {
        let anonymous = self.0.anonymous.as_ref().ok_or(Unproven::Missing)?;
        let begun = anonymous.begin(from);
        begun.map_err(Unproven::TooManySessions)
    }

    /// The secret of a new anonymous session; none where there are no such sessions.
    #[must_use]
    pub fn new_secret(&self, session: SessionId) -> Option<NewSecret> {
        let settings = &self.0.anonymous.as_ref()?.settings;
        let text = new_secret(session);
        let grants = Grants::of([Scope::Any(Action::WriteSessions)]);
        let grants = grants.unwrap_or_default();
        Some(NewSecret {
            digest: text.digest(),
            text,
            ttl_seconds: settings.ttl_seconds,
            maker: Principal::proven(settings.tenant.clone(), &session.to_string(), grants),
        })
    }

    /// The holder of the secret of this session. A secret that was good before is looked up again.
    ///
    /// # Errors
    /// [`Unproven::Bad`] whatever is wrong with it; [`Unproven::Unavailable`] when the database does not answer.
    pub async fn holder_of_session(
        &self,
        session: SessionId,
        secret: &str,
    ) -> Result<Authenticated, Unproven> {
        if session_of(secret) != Some(session) {
            return Err(refused("it is no secret of the session"));
        }
        self.secret(secret).await
    }

    /// SHA-256 (hex) of a secret.
    #[must_use]
    pub fn digest_of_secret(&self, text: &str) -> String {
        digest_of(text)
    }

    /// Ends what the secret of a session has proved on this node. Other nodes find it out by themselves.
    pub fn forget_session(&self, session: SessionId) {
        self.0.keys.revoke_session(session);
    }

    pub(super) async fn secret(&self, text: &str) -> Result<Authenticated, Unproven> {
        let this = &*self.0;
        let anonymous = this.anonymous.as_ref();
        let anonymous = anonymous
            .ok_or_else(|| refused("it is of an anonymous session, and there are none"))?;
        let settings = &anonymous.settings;
        let session = session_of(text).ok_or_else(|| refused("it is not formed like a secret"))?;
        // Before it is looked up: what ends the secret from now on is seen.
        let revocation = this.keys.enter_session(session);
        let found = {
            // The semaphore is never closed.
            let _turn = this.lookups.acquire().await;
            let storage = &this.storage;
            storage
                .find_session_secret(&settings.tenant, session)
                .await?
        };
        let found = found.ok_or_else(|| refused("there is no such anonymous session"))?;
        if !is_digest_of(&found.digest, text) {
            return Err(refused(
                "the secret of the anonymous session is another one",
            ));
        }
        if this.clock.now() >= found.expires_at {
            return Err(refused("the anonymous session has expired"));
        }
        let grants = settings.grants.clone();
        let principal = Principal::proven(
            settings.tenant.clone(),
            &session.to_string(),
            grants.clone(),
        )
        .confined(Reach::Session(session), grants);
        Ok(Authenticated::by_secret(
            principal,
            found.expires_at,
            revocation,
        ))
    }
}
