//! Upgrades: an anonymous session gets its user, once, under the same id. Whoever shows its secret takes it into their
//! own tenant, if it lives in another one.

use std::sync::Arc;

use super::{Error, StateSurface, check, copies};
use crate::{
    model::{Action, Principal, RawJson, Reach, Refusal, Session, SessionId, TenantScope},
    storage::{self, BySecret, Members, MoveSession, UpgradeSession},
};

/// So often it is tried to move a session whose state is written meanwhile.
const MOVE_ATTEMPTS: usize = 8;

/// An anonymous session to be upgraded.
#[derive(Debug, Clone)]
pub struct Upgrade {
    /// The session.
    pub id: SessionId,
    /// Its user; whoever asks, where that is a person or may only write to what is their own.
    pub user_id: Option<String>,
    /// Merged into its notes (RFC 7396).
    pub metadata: Option<RawJson>,
}

/// The secret by which it is upgraded.
#[derive(Debug, Clone)]
pub struct SecretUpgrade {
    /// SHA-256 (hex) of the secret.
    pub digest: String,
    /// True to leave the executions of the session in the tenant where they ran, if that is another one.
    pub leaves_executions: bool,
}

impl StateSurface {
    /// Gives an anonymous session of the caller's tenant its user, once.
    ///
    /// # Errors
    /// [`Error::Refused`] for faulty input, or when it is absent, ended, or has a user.
    pub async fn upgrade_session(
        &self,
        principal: &Principal,
        upgrade: Upgrade,
    ) -> Result<Session, Error> {
        principal.check_all(Action::WriteSessions)?;
        let user_id = self.check_upgrade(principal, &upgrade)?;
        self.upgrade(principal, upgrade, user_id, None).await
    }

    /// Gives the anonymous session of `holder` to the caller, once, in the caller's tenant.
    ///
    /// # Errors
    /// [`Error::Refused`] for faulty input, when its secret is none any more, when a session of the caller's tenant has
    /// its id, or when it has executions in another tenant that are not to be left.
    pub async fn upgrade_by_secret(
        &self,
        principal: &Principal,
        holder: &Principal,
        upgrade: Upgrade,
        secret: SecretUpgrade,
    ) -> Result<Session, Error> {
        let user_id = self.check_upgrade(principal, &upgrade)?;
        if holder.tenant() == principal.tenant() {
            let secret = Some(self.by_secret(secret.digest));
            return self.upgrade(principal, upgrade, user_id, secret).await;
        }
        let from = holder.scope();
        if !secret.leaves_executions {
            self.check_left(&from, upgrade.id).await?;
        }
        let by_secret = self.by_secret(secret.digest);
        let session = self
            .move_session(principal, &from, &upgrade, user_id, by_secret)
            .await?;
        let left = copies::session_key(&from, upgrade.id);
        self.0.copies.drop(&left).await;
        self.keep(principal, &session).await;
        Ok(session)
    }

    /// Returns the user that an upgrade means.
    ///
    /// # Errors
    /// For faulty input, and for whoever may not give the session to that user.
    pub fn check_upgrade(
        &self,
        principal: &Principal,
        upgrade: &Upgrade,
    ) -> Result<String, Refusal> {
        let named = upgrade.user_id.as_deref();
        let user_id = match principal.check(Action::WriteSessions)? {
            Reach::Tenant => named
                .or(principal.user())
                .map(str::to_owned)
                .ok_or_else(|| {
                    Refusal::invalid(["userId"], "name the user: the caller is no person")
                })?,
            Reach::User(own) if named.is_none_or(|named| *named == *own) => own.to_string(),
            Reach::User(_) | Reach::Session(_) | Reach::Executions(_) => {
                return Err(Refusal::lacking(Action::WriteSessions));
            }
        };
        check::user_id(&user_id).map_err(|fault| Refusal::InvalidInput(vec![fault]))?;
        if let Some(metadata) = &upgrade.metadata {
            check::metadata(&self.0.limits, metadata)?;
        }
        Ok(user_id)
    }

    /// One that was upgraded lives as long as any.
    fn by_secret(&self, digest: String) -> BySecret {
        let ttl = self.0.limits.session_ttl_seconds;
        BySecret {
            digest,
            ttl_micros: ttl.saturating_mul(1_000_000),
        }
    }

    async fn upgrade(
        &self,
        principal: &Principal,
        upgrade: Upgrade,
        user_id: String,
        by_secret: Option<BySecret>,
    ) -> Result<Session, Error> {
        let upgrade = UpgradeSession {
            scope: principal.scope(),
            actor: Arc::clone(principal.actor()),
            id: upgrade.id,
            user_id,
            metadata: upgrade.metadata,
            by_secret,
        };
        let session = self.0.storage.upgrade_session(upgrade).await?;
        self.keep(principal, &session).await;
        Ok(session)
    }

    /// Refuses to leave executions behind.
    async fn check_left(&self, from: &TenantScope, id: SessionId) -> Result<(), Error> {
        let (storage, ids) = (&self.0.storage, [id.0]);
        let counts = storage
            .count_members(from, Members::ExecutionsOfSession, &ids)
            .await?;
        if counts.get(&id.0).is_none_or(|count| count.count == 0) {
            return Ok(());
        }
        let message = "the session has executions, which stay in the tenant where they ran: leave them by \
                       leaveExecutions";
        Err(Refusal::invalid(["leaveExecutions"], message).into())
    }

    /// Moves the session with its state as it is then.
    async fn move_session(
        &self,
        principal: &Principal,
        from: &TenantScope,
        upgrade: &Upgrade,
        user_id: String,
        by_secret: BySecret,
    ) -> Result<Session, Error> {
        let inner = &self.0;
        let mut left = MOVE_ATTEMPTS;
        loop {
            let found = inner.storage.find_sessions(from, &[upgrade.id]).await?;
            let Some(before) = found.into_iter().next() else {
                return Err(Refusal::not_found("session", "sessionId").into());
            };
            let scope = principal.scope();
            let moved = inner.storage.move_session(MoveSession {
                from: from.clone(),
                logged: inner.payloads.store(&scope, &before.state).await?,
                scope,
                actor: Arc::clone(principal.actor()),
                id: upgrade.id,
                stream_id: self.new_id().0,
                by_secret: by_secret.clone(),
                user_id: user_id.clone(),
                metadata: upgrade.metadata.clone(),
                state_version: before.state_version,
            });
            left -= 1;
            match moved.await {
                Err(storage::Error::Refused(Refusal::StaleVersion { .. })) if left > 0 => {}
                moved => return Ok(moved?),
            }
        }
    }
}
