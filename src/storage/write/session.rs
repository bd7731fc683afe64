//! Sessions: created, upgraded once, closed.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    super::{Error, convert::SessionRow},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    EventBody, Micros, Payload, RawJson, Refusal, Session, SessionId, SessionKey, SessionStatus,
    TenantScope, merge_patch,
};

/// Makes a session.
#[derive(Debug, Clone)]
pub struct CreateSession {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// Its id.
    pub id: SessionId,
    /// The id of its stream in the log, which no other stream of any tenant has; none where that is the
    /// session's own id, as only one that the server made may be.
    pub stream_id: Option<Uuid>,
    /// The user; none for an anonymous session.
    pub user_id: Option<String>,
    /// The solution of its intents.
    pub solution_id: Option<String>,
    /// The client's notes.
    pub metadata: RawJson,
    /// Its first state.
    pub state: RawJson,
    /// The same for the log.
    pub logged: Payload,
    /// How long it lives.
    pub ttl_micros: i64,
}

impl Operation for CreateSession {
    type Output = Session;

    fn needs(&self, needs: &mut Needs) {
        needs
            .sessions_locked
            .push(SessionKey::of(&self.scope, self.id));
    }

    fn decide(&self, working: &mut Working) -> Result<Session, Error> {
        let key = SessionKey::of(&self.scope, self.id);
        if working.sessions.has(&key) {
            return Err(Refusal::invalid(["sessionId"], "a session with this id exists").into());
        }
        let now = working.now;
        let session = Session {
            id: key.id,
            tenant_id: key.tenant_id.clone(),
            user_id: self.user_id.clone(),
            solution_id: self.solution_id.clone(),
            is_anonymous: self.user_id.is_none(),
            status: SessionStatus::Active,
            metadata: self.metadata.clone(),
            state: self.state.clone(),
            state_version: 1,
            created_at: now,
            updated_at: now,
            expires_at: now.saturating_add(self.ttl_micros),
        };
        let row = SessionRow {
            session: session.clone(),
            stream_id: self.stream_id,
            next_seq: 1,
        };
        working.sessions.make(key.clone(), row);
        let body = EventBody::SessionCreated {
            user_id: self.user_id.clone(),
            solution_id: self.solution_id.clone(),
            metadata: self.metadata.clone(),
            expires_at: session.expires_at,
        };
        working.append_to_session(&key, Some(&self.actor), body, Some(self.logged.clone()));
        Ok(session)
    }
}

/// Gives an anonymous session its user.
#[derive(Debug, Clone)]
pub struct UpgradeSession {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The session.
    pub id: SessionId,
    /// The user.
    pub user_id: String,
    /// Merged into the notes (RFC 7396).
    pub metadata: Option<RawJson>,
}

impl Operation for UpgradeSession {
    type Output = Session;

    fn needs(&self, needs: &mut Needs) {
        needs
            .sessions_locked
            .push(SessionKey::of(&self.scope, self.id));
    }

    fn decide(&self, working: &mut Working) -> Result<Session, Error> {
        let key = SessionKey::of(&self.scope, self.id);
        let session = live(working, &key)?;
        if !session.is_anonymous || !session.status.can_become(SessionStatus::Upgraded) {
            let status = session.status;
            return Err(Refusal::SessionTransition {
                wanted: "upgraded",
                status,
            }
            .into());
        }
        session.status = SessionStatus::Upgraded;
        session.is_anonymous = false;
        session.user_id = Some(self.user_id.clone());
        if let Some(metadata) = &self.metadata {
            let merged = merge_patch(session.metadata.to_value(), &metadata.to_value());
            session.metadata = RawJson::from(&merged);
        }
        let session = session.clone();
        let body = EventBody::SessionUpgraded {
            user_id: self.user_id.clone(),
            metadata: session.metadata.clone(),
        };
        working.append_to_session(&key, Some(&self.actor), body, None);
        Ok(session)
    }
}

/// Closes a session.
#[derive(Debug, Clone)]
pub struct CloseSession {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The session.
    pub id: SessionId,
    /// Why.
    pub reason: Option<String>,
}

impl Operation for CloseSession {
    type Output = Session;

    fn needs(&self, needs: &mut Needs) {
        needs
            .sessions_locked
            .push(SessionKey::of(&self.scope, self.id));
    }

    fn decide(&self, working: &mut Working) -> Result<Session, Error> {
        let key = SessionKey::of(&self.scope, self.id);
        let session = live(working, &key)?;
        session.status = SessionStatus::Closed;
        let session = session.clone();
        let reason = self.reason.clone();
        let body = EventBody::SessionClosed {
            status: SessionStatus::Closed,
            reason,
        };
        working.append_to_session(&key, Some(&self.actor), body, None);
        Ok(session)
    }
}

/// Whether and how long a session takes anything.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) status: SessionStatus,
    pub(super) expires_at: Micros,
}

impl Standing {
    pub(super) fn of(session: &Session) -> Self {
        let (status, expires_at) = (session.status, session.expires_at);
        Self { status, expires_at }
    }

    /// Refuses when the session has ended, or its time has passed.
    pub(super) fn check(self, now: Micros) -> Result<(), Refusal> {
        let status = self.status.when(self.expires_at <= now);
        if status.accepts_writes() {
            Ok(())
        } else {
            Err(Refusal::SessionNotActive { status })
        }
    }
}

/// The session, if there is one and it has not ended. The caller is about to change it.
fn live<'a>(working: &'a mut Working, key: &SessionKey) -> Result<&'a mut Session, Error> {
    let (now, found) = (working.now, working.sessions.see(key));
    let absent = || Refusal::not_found("session", "sessionId");
    Standing::of(&found.ok_or_else(absent)?.session).check(now)?;
    let session = &mut working.sessions.change(key).ok_or_else(absent)?.session;
    session.updated_at = now;
    Ok(session)
}
