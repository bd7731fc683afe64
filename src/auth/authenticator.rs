//! From the text of a proof to its holder.

use std::{net::IpAddr, sync::Arc, time::Duration};

use moka::sync::Cache;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{
    AccessTokens, AnonymousSessions, Authenticated, BrowserSession, BrowserSessions, Issuers,
    Roles, access_tokens, anonymous,
    attempts::Attempts,
    key_text::{MARK, is_digest_of, prefix_of},
    keys_in_use::{CHECK_EVERY, KeysInUse},
};
use crate::{
    clock::Clock,
    model::{ApiKey, Grants, KeyId, Micros, Principal, Rate, TenantId},
    storage::{self, Storage},
};

/// Longer texts are no proof.
const MAX_PROOF_BYTES: usize = 8 * 1024;

/// Proofs that were found good and are kept.
const MAX_VERIFIED: u64 = 10_000;

/// Proofs that are looked up at the same time; callers without one cannot take every connection of the database.
const MAX_LOOKUPS: usize = 8;

/// Who may call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Whoever reaches the server, as any tenant.
    Development,
    /// Whoever has a proof.
    Required,
}

/// Why a caller is not known.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// There is no proof.
    #[error("there is no proof")]
    Missing,
    /// The proof is not good.
    #[error("the proof is not good")]
    Bad,
    /// Too many proofs from its address were not good: how long it has to wait.
    #[error("too many proofs of the address were not good")]
    TooMany(Duration),
    /// Too many anonymous sessions were begun from its address: how long it has to wait.
    #[error("too many anonymous sessions were begun from the address")]
    TooManySessions(Duration),
    /// The proof cannot be checked now.
    #[error("the proof cannot be checked")]
    Unavailable(#[from] storage::Error),
}

/// Turns proofs into callers. Clones share what was found good.
#[derive(Debug, Clone)]
pub struct Authenticator(pub(super) Arc<Shared>);

#[derive(Debug)]
pub(super) struct Shared {
    mode: Mode,
    pub(super) storage: Storage,
    pub(super) clock: Clock,
    pub(super) roles: Roles,
    pub(super) issuers: Issuers,
    access_tokens: AccessTokens,
    pub(super) browser_sessions: BrowserSessions,
    /// By the SHA-256 of the proof.
    verified: Cache<[u8; 32], Authenticated>,
    pub(super) keys: KeysInUse,
    pub(super) lookups: Semaphore,
    pub(super) attempts: Attempts,
    pub(super) anonymous: Option<AnonymousSessions>,
}

impl Authenticator {
    /// One that looks keys up in `storage`, trusts tokens of `issuers`, allows each address so many proofs that are not
    /// good, and gives `anonymous` sessions away.
    #[must_use]
    #[expect(clippy::too_many_arguments, reason = "each is a part of its own")]
    pub fn new(
        mode: Mode,
        storage: Storage,
        clock: Clock,
        roles: Roles,
        issuers: Issuers,
        access_tokens: AccessTokens,
        bad_proofs: Rate,
        anonymous: Option<AnonymousSessions>,
    ) -> Self {
        Self(Arc::new(Shared {
            mode,
            storage,
            clock,
            roles,
            issuers,
            browser_sessions: access_tokens.browser_sessions(),
            access_tokens,
            verified: Cache::new(MAX_VERIFIED),
            keys: KeysInUse::new(),
            lookups: Semaphore::new(MAX_LOOKUPS),
            attempts: Attempts::at(bad_proofs),
            anonymous,
        }))
    }

    /// Who may call.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// The clock by which proofs end.
    #[must_use]
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// Sessions of browsers.
    #[must_use]
    pub fn browser_sessions(&self) -> &BrowserSessions {
        &self.0.browser_sessions
    }

    /// The holder of the proof of a browser's session, for as long as the session goes on, too.
    ///
    /// # Errors
    /// Those of [`Self::bearer`]; [`Unproven::Bad`] when the session was ended.
    pub async fn in_session(
        &self,
        session: &BrowserSession,
        from: IpAddr,
    ) -> Result<Authenticated, Unproven> {
        self.check_open(session).await?;
        let caller = self.bearer(session.proof(), from).await?;
        Ok(caller.within(session.clone()))
    }

    /// Refuses the session of a browser that was ended before its time.
    pub(super) async fn check_open(&self, session: &BrowserSession) -> Result<(), Unproven> {
        let this = &*self.0;
        let (storage, are_watched) = (&this.storage, this.keys.are_watched());
        let sessions = &this.browser_sessions;
        let is_open = sessions.is_open(session, storage, are_watched, &this.lookups);
        if is_open.await? {
            return Ok(());
        }
        Err(refused("the browser has logged out"))
    }

    /// Ends the session of a browser that is at an address, on other nodes within some seconds. The issuer at which it was
    /// begun is told, too.
    ///
    /// # Errors
    /// [`Unproven::TooMany`] when too many were ended from the address, [`Unproven::Unavailable`] when the database is
    /// away; then the session goes on.
    pub async fn log_out(&self, session: &BrowserSession, from: IpAddr) -> Result<(), Unproven> {
        let this = &*self.0;
        // Each is written down.
        this.attempts.take(from, 1).map_err(Unproven::TooMany)?;
        this.browser_sessions.end(session, &this.storage).await?;
        self.give_back(session);
        Ok(())
    }

    /// The caller from `tenant` that brings no proof.
    ///
    /// # Errors
    /// [`Unproven::Missing`] unless every caller is trusted.
    pub fn without_proof(&self, tenant: TenantId) -> Result<Authenticated, Unproven> {
        match self.0.mode {
            Mode::Development => Ok(Authenticated::trusted(Principal::development(tenant))),
            Mode::Required => Err(Unproven::Missing),
        }
    }

    /// The holder of a bearer token that came from an address.
    ///
    /// # Errors
    /// [`Unproven::Bad`] whatever is wrong with it; the log says what. [`Unproven::TooMany`] when too many of the
    /// address were. [`Unproven::Unavailable`] when the database does not answer.
    pub async fn bearer(&self, token: &str, from: IpAddr) -> Result<Authenticated, Unproven> {
        let found = self.holder(token, from).await;
        if matches!(found, Err(Unproven::Bad)) {
            self.0.attempts.failed(from);
        }
        found
    }

    /// Allows a proof that is not remembered to be looked at.
    pub(super) fn check_attempts(&self, from: IpAddr) -> Result<(), Unproven> {
        self.0.attempts.check(from).map_err(Unproven::TooMany)
    }

    async fn holder(&self, token: &str, from: IpAddr) -> Result<Authenticated, Unproven> {
        let this = &*self.0;
        if token.len() > MAX_PROOF_BYTES {
            self.check_attempts(from)?;
            return Err(refused("it is too long"));
        }
        let digest: [u8; 32] = Sha256::digest(token.as_bytes()).into();
        let now = this.clock.now();
        let found = this.verified.get(&digest);
        // The database tells which keys are revoked, and has nothing to say of tokens of issuers.
        let counts = |caller: &Authenticated| !caller.is_watched() || this.keys.are_watched();
        let found = found.filter(|caller| caller.is_valid(now) && counts(caller));
        if let Some(caller) = found {
            if let Some(key) = caller.key() {
                key.used(now);
            }
            return Ok(caller);
        }
        this.verified.invalidate(&digest);
        self.check_attempts(from)?;
        let caller = self.verify(token, from).await?;
        if caller.is_valid(now) {
            this.verified.insert(digest, caller.clone());
        }
        Ok(caller)
    }

    async fn verify(&self, token: &str, from: IpAddr) -> Result<Authenticated, Unproven> {
        if token.starts_with(MARK) {
            return self.key(token, from).await;
        }
        if token.starts_with(access_tokens::MARK) {
            return self.access_token(token).await;
        }
        if token.starts_with(anonymous::MARK) {
            return self.secret(token).await;
        }
        if self.0.issuers.are_none() {
            return Err(refused("it is no key, and there are no auth.issuers"));
        }
        self.token(token).await
    }

    async fn token(&self, token: &str) -> Result<Authenticated, Unproven> {
        let this = &*self.0;
        let holder = this.issuers.verify(token, &this.roles, this.clock.now());
        let holder = holder.await.map_err(refused)?;
        let principal =
            Principal::proven(holder.tenant, &holder.actor, holder.grants).of_a_person();
        Ok(Authenticated::by_token(
            principal,
            holder.expires_at,
            holder.revocation,
        ))
    }

    async fn key(&self, token: &str, from: IpAddr) -> Result<Authenticated, Unproven> {
        let this = &*self.0;
        let prefix = prefix_of(token).ok_or_else(|| refused("it is not formed like a key"))?;
        let found = {
            // The semaphore is never closed.
            let _turn = this.lookups.acquire().await;
            // Those that waited together were all allowed before the first of them was bad.
            self.check_attempts(from)?;
            this.storage.find_key(prefix).await?
        };
        let (key, digest) = found.ok_or_else(|| refused("there is no such key"))?;
        if !is_digest_of(&digest, token) {
            return Err(refused_key(&key, "its secret is another one"));
        }
        let now = this.clock.now();
        let grants = self.grants_of(&key, now)?;
        let in_use = this.keys.enter(key.id, key.last_used_at);
        in_use.used(now);
        let principal = Principal::proven(key.tenant_id.clone(), &key.id.to_string(), grants);
        Ok(Authenticated::by_key(principal, key.expires_at, in_use))
    }

    /// The grants of a key that is good.
    fn grants_of(&self, key: &ApiKey, now: Micros) -> Result<Grants, Unproven> {
        if key.revoked_at.is_some() {
            return Err(refused_key(key, "it was revoked"));
        }
        if !key.is_valid(now) {
            return Err(refused_key(key, "it has expired"));
        }
        let grants = self.0.roles.grants(&key.rights);
        grants.map_err(|_| refused_key(key, "its roles name too many intent types"))
    }

    /// The holder of a token that a key handed out, which counts as long as the key does.
    async fn access_token(&self, token: &str) -> Result<Authenticated, Unproven> {
        let this = &*self.0;
        let claims = this.access_tokens.read(token);
        let claims = claims.ok_or_else(|| refused("no key of auth.token_keys has signed it"))?;
        let now = this.clock.now();
        let expires_at = claims.expires_at_s.saturating_mul(1_000_000);
        if now >= expires_at {
            return Err(refused("the access token has expired"));
        }
        let id = claims.key.ok_or_else(|| refused("no key handed it out"))?;
        let found = {
            let _turn = this.lookups.acquire().await;
            this.storage.find_key_by_id(id).await?
        };
        let key = found.filter(|key| key.tenant_id == claims.tenant);
        let key = key.ok_or_else(|| refused("the key that handed it out is not there"))?;
        let of_key = self.grants_of(&key, now)?;
        if !of_key.covers(&claims.grants) {
            return Err(refused_key(&key, "it lacks what the token permits"));
        }
        let in_use = this.keys.enter(key.id, key.last_used_at);
        in_use.used(now);
        let own = claims.own();
        let principal = Principal::proven(key.tenant_id.clone(), &claims.actor, claims.grants)
            .confined(own, of_key.limited_to_own());
        let ends = key.expires_at.map_or(expires_at, |end| end.min(expires_at));
        Ok(Authenticated::by_key(principal, Some(ends), in_use))
    }

    /// Ends what a key has proved on this node. Other nodes find it out by themselves.
    pub(super) fn forget(&self, key: KeyId) {
        self.0.keys.revoke(key);
    }

    /// Looks for keys that were revoked, and for those of issuers, until the node stops.
    pub async fn watch_until(self, stop: CancellationToken) {
        // An issuer that does not answer must not hold up what is asked of the database.
        let both = async { tokio::join!(self.watch_keys(), self.renew_issuers()) };
        tokio::select! {
            _ = both => {}
            () = stop.cancelled() => {}
        }
    }

    async fn watch_keys(&self) {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            if let Err(error) = self.check_watched().await {
                tracing::warn!(%error, "it is not known which keys were revoked and who has logged out; each is looked up until it is");
            }
        }
    }

    async fn check_watched(&self) -> Result<(), storage::Error> {
        let asked_at = self.0.keys.now();
        self.0.browser_sessions.check(&self.0.storage).await?;
        let anonymous = self.0.anonymous.as_ref();
        let tenant = anonymous.map(|anonymous| &anonymous.settings.tenant);
        self.0.keys.check(&self.0.storage, tenant, asked_at).await
    }

    async fn renew_issuers(&self) {
        loop {
            tokio::time::sleep(CHECK_EVERY).await;
            self.0.issuers.refresh().await;
        }
    }
}

pub(super) fn refused(reason: &'static str) -> Unproven {
    tracing::info!(reason, "a proof was refused");
    Unproven::Bad
}

fn refused_key(key: &ApiKey, reason: &'static str) -> Unproven {
    tracing::info!(key = %key.id, tenant = %key.tenant_id, reason, "a key was refused");
    Unproven::Bad
}
