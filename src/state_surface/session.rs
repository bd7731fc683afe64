//! Sessions: made, closed, and their state.

use std::sync::Arc;

use uuid::Uuid;

use super::{Error, StateSurface, check, copies};
use crate::{
    model::{
        Action, Fault, Principal, RawJson, Reach, Refusal, Session, SessionId, StateWriteMode,
        TenantScope, check_reason,
    },
    storage::{self, CloseSession, CreateSession, Fence, StateStamp, StateTarget, WriteState},
};

/// A session to be made.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Its id, if the client has one already.
    pub session_id: Option<SessionId>,
    /// The user; none for an anonymous session.
    pub user_id: Option<String>,
    /// The solution of its intents.
    pub solution_id: Option<String>,
    /// Notes of the client, an object.
    pub metadata: RawJson,
    /// Its first state, any JSON value.
    pub state: RawJson,
    /// Its life in seconds.
    pub ttl_seconds: Option<i64>,
}

impl NewSession {
    /// An anonymous session without anything.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            session_id: None,
            user_id: None,
            solution_id: None,
            metadata: RawJson::empty_object(),
            state: RawJson::empty_object(),
            ttl_seconds: None,
        }
    }
}

/// The session to be made, with the user to whom it has to belong: whoever may only make sessions of their own names
/// no other.
fn owned(new: NewSession, principal: &Principal, reach: &Reach) -> Result<NewSession, Refusal> {
    let user = match reach {
        Reach::Tenant => {
            return Ok(NewSession {
                user_id: new.user_id.or_else(|| principal.user().map(str::to_owned)),
                ..new
            });
        }
        Reach::User(own) => own,
        Reach::Session(_) | Reach::Executions(_) => {
            return Err(Refusal::lacking(Action::WriteSessions));
        }
    };
    if new.user_id.as_deref().is_some_and(|named| *named != **user) {
        return Err(Refusal::lacking(Action::WriteSessions));
    }
    Ok(NewSession {
        user_id: Some(user.to_string()),
        ..new
    })
}

fn stamp(session: &Session) -> StateStamp {
    StateStamp {
        version: session.state_version,
        updated_at: session.updated_at,
    }
}

impl StateSurface {
    /// Makes a session.
    ///
    /// # Errors
    /// [`Error::Refused`] for faulty input, a value too large, or an id that is taken.
    pub async fn create_session(
        &self,
        principal: &Principal,
        new: NewSession,
    ) -> Result<Session, Error> {
        let reach = principal.check(Action::WriteSessions)?;
        let new = owned(new, principal, &reach)?;
        // What the log calls it must be unique among all tenants, which a client's choice is not.
        let made = self.new_id();
        let (id, stream_id) = match new.session_id {
            Some(chosen) => (chosen, Some(made.0)),
            None => (made, None),
        };
        self.make(principal, new, id, stream_id, None).await
    }

    /// The id of a session that is not made yet.
    #[must_use]
    pub fn new_id(&self) -> SessionId {
        self.0.ids.session()
    }

    /// Makes an anonymous session with an id of [`Self::new_id`], which is used by the secret with this SHA-256 (hex).
    ///
    /// # Errors
    /// [`Error::Refused`] for faulty input, or a value too large.
    pub async fn create_anonymous_session(
        &self,
        maker: &Principal,
        new: NewSession,
        id: SessionId,
        secret_digest: String,
    ) -> Result<Session, Error> {
        maker.check_all(Action::WriteSessions)?;
        self.make(maker, new, id, None, Some(secret_digest)).await
    }

    async fn make(
        &self,
        principal: &Principal,
        new: NewSession,
        id: SessionId,
        stream_id: Option<Uuid>,
        secret_digest: Option<String>,
    ) -> Result<Session, Error> {
        let inner = &self.0;
        let ttl_micros = self.check_new(&new)?;
        let scope = principal.scope();
        let create = CreateSession {
            id,
            stream_id,
            user_id: new.user_id,
            solution_id: new.solution_id,
            metadata: new.metadata,
            logged: inner.payloads.store(&scope, &new.state).await?,
            state: new.state,
            ttl_micros,
            secret_digest,
            actor: Arc::clone(principal.actor()),
            scope,
        };
        let session = inner.storage.create_session(create).await?;
        self.keep(principal, &session).await;
        Ok(session)
    }

    fn check_new(&self, new: &NewSession) -> Result<i64, Refusal> {
        let limits = &self.0.limits;
        check::state(limits, &new.state)?;
        check::metadata(limits, &new.metadata)?;
        let mut faults: Vec<Fault> = Vec::new();
        let user = new.user_id.as_deref().map(check::user_id);
        faults.extend(user.and_then(Result::err));
        let solution = new.solution_id.as_deref().map(check::solution_id);
        faults.extend(solution.and_then(Result::err));
        match check::ttl_micros(limits, new.ttl_seconds) {
            Ok(ttl_micros) if faults.is_empty() => Ok(ttl_micros),
            Ok(_) => Err(Refusal::InvalidInput(faults)),
            Err(fault) => {
                faults.push(fault);
                Err(Refusal::InvalidInput(faults))
            }
        }
    }

    /// Closes a session: it takes no more intents and writes.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or has ended.
    pub async fn close_session(
        &self,
        principal: &Principal,
        id: SessionId,
        reason: Option<String>,
    ) -> Result<Session, Error> {
        let reach = principal.check(Action::WriteSessions)?;
        check_reason(reason.as_deref())?;
        let scope = principal.scope();
        self.check_reached(&scope, &reach, id).await?;
        let key = copies::session_key(&scope, id);
        let close = CloseSession {
            scope,
            actor: Arc::clone(principal.actor()),
            id,
            reason,
        };
        let session = self.0.storage.close_session(close).await?;
        self.0.copies.drop(&key).await;
        Ok(session)
    }

    /// The session with its state; none when there is none in the tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn get_session(
        &self,
        scope: &TenantScope,
        id: SessionId,
    ) -> Result<Option<Session>, Error> {
        let reach = scope.check(Action::ReadSessions)?;
        let inner = &self.0;
        let head = inner.storage.session_head(scope, id).await?;
        let Some(head) = head.filter(|head| head.is_within(&reach)) else {
            return Ok(None);
        };
        let key = copies::session_key(scope, id);
        if let Some(state) = inner.copies.find(&key, head.stamp()).await {
            if let Some(meter) = scope.meter() {
                meter.read(state.as_str().len() as u64)?;
            }
            return Ok(Some(head.with_state(state)));
        }
        // The session may have moved on since: what is returned is one row, read at one time.
        let found = inner.storage.find_sessions(scope, &[id]).await?;
        let session = inner.storage.reached_sessions(&reach, found);
        let session = session.into_iter().next();
        if let Some(session) = &session {
            inner
                .copies
                .keep(&key, stamp(session), &session.state)
                .await;
        }
        Ok(session)
    }

    /// Writes a session's state: replaces or merges (RFC 7396), at `if_version` if one is given.
    ///
    /// # Errors
    /// [`Error::Refused`] for a stale version, a state too large or a session that has ended.
    pub async fn set_session_state(
        &self,
        principal: &Principal,
        id: SessionId,
        state: RawJson,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<Session, Error> {
        let reach = principal.check(Action::WriteSessions)?;
        self.check_reached(&principal.scope(), &reach, id).await?;
        self.write_session(principal, None, id, state, mode, if_version)
            .await
    }

    /// The same for a running attempt, which loses the right to write when it is no longer the
    /// execution's.
    ///
    /// # Errors
    /// [`storage::Error::Fenced`] then; else as [`Self::set_session_state`].
    pub async fn set_session_state_fenced(
        &self,
        principal: &Principal,
        fence: Fence,
        id: SessionId,
        state: RawJson,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<Session, Error> {
        let reach = principal.check(Action::WriteSessions)?;
        self.check_reached(&principal.scope(), &reach, id).await?;
        self.write_session(principal, Some(fence), id, state, mode, if_version)
            .await
    }

    /// Refuses a session that is beyond reach, as one that is not there.
    async fn check_reached(
        &self,
        scope: &TenantScope,
        reach: &Reach,
        id: SessionId,
    ) -> Result<(), Error> {
        if self.0.storage.reaches_session(scope, reach, id).await? {
            return Ok(());
        }
        Err(Refusal::not_found("session", "sessionId").into())
    }

    async fn write_session(
        &self,
        principal: &Principal,
        fence: Option<Fence>,
        id: SessionId,
        value: RawJson,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<Session, Error> {
        let target = StateTarget::Session(id);
        let written = self
            .write(principal, fence, target, value, mode, if_version)
            .await?;
        let session = written.session.ok_or(storage::Error::Corrupt {
            what: "session",
            source: None,
        })?;
        self.keep(principal, &session).await;
        Ok(session)
    }

    pub(super) async fn write(
        &self,
        principal: &Principal,
        fence: Option<Fence>,
        target: StateTarget,
        value: RawJson,
        mode: StateWriteMode,
        if_version: Option<i64>,
    ) -> Result<storage::WrittenState, Error> {
        let inner = &self.0;
        check::state(&inner.limits, &value)?;
        let scope = principal.scope();
        let write = WriteState {
            target,
            fence,
            mode,
            if_version,
            logged: inner.payloads.store(&scope, &value).await?,
            value,
            limit_bytes: inner.limits.state_bytes,
            actor: Arc::clone(principal.actor()),
            scope,
        };
        Ok(inner.storage.write_state(write).await?)
    }

    pub(super) async fn keep(&self, principal: &Principal, session: &Session) {
        let key = copies::session_key(&principal.scope(), session.id);
        let copies = &self.0.copies;
        copies.keep(&key, stamp(session), &session.state).await;
    }
}
