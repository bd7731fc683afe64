//! What a running handler writes on its way: events, step results, state.

use std::sync::Arc;

use entity::step;

use super::{
    super::Error,
    operation::{Needs, Operation},
    rows::StateRow,
    session::Standing,
    working::{Fence, Working},
};
use crate::model::{
    EventBody, ExecutionId, Micros, Payload, RawJson, Refusal, Session, SessionId, SessionKey,
    StateWriteMode, TenantScope, merge_patch,
};

/// Appends an event to the execution's stream.
#[derive(Debug, Clone)]
pub struct Emit {
    /// The attempt's right to write.
    pub fence: Fence,
    /// What happened.
    pub body: EventBody,
    /// The large value that goes with it.
    pub payload: Option<Payload>,
}

impl Operation for Emit {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.fenced(self.fence)?;
        working.append(
            self.fence.execution_id,
            self.body.clone(),
            self.payload.clone(),
        );
        Ok(())
    }
}

/// Records a step's result, once.
#[derive(Debug, Clone)]
pub struct RecordStep {
    /// The attempt's right to write.
    pub fence: Fence,
    /// The step.
    pub name: String,
    /// Its result.
    pub result: Payload,
    /// How long it took.
    pub took_micros: i64,
}

impl Operation for RecordStep {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.executions.push(self.fence.execution_id);
        needs
            .steps
            .push((self.fence.execution_id, self.name.clone()));
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let attempt = working.fenced(self.fence)?.attempt;
        let id = self.fence.execution_id;
        if !working.steps.insert((id, self.name.clone())) {
            let message = format!("step {:?} has a result already", self.name);
            return Err(Refusal::invalid(["step"], message).into());
        }
        let now = working.now;
        let started_at: Micros = now - self.took_micros;
        working.changes.steps.push(step::Model {
            execution_id: id.0,
            name: self.name.clone(),
            epoch: self.fence.epoch,
            attempt,
            result: self.result.as_str().to_owned(),
            started_at,
            finished_at: now,
        });
        let body = EventBody::StepCompleted {
            name: self.name.clone(),
            attempt,
            started_at,
        };
        working.append(id, body, Some(self.result.clone()));
        Ok(())
    }
}

/// Whose state is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StateTarget {
    /// A session's.
    Session(SessionId),
    /// An execution's own; needs the fence.
    Execution(ExecutionId),
}

/// Writes state: replaces or merges, unconditionally or at a version.
#[derive(Debug, Clone)]
pub struct WriteState {
    /// The tenant.
    pub scope: TenantScope,
    /// Who writes.
    pub actor: Arc<str>,
    /// Whose state.
    pub target: StateTarget,
    /// The attempt's right to write, when a handler writes.
    pub fence: Option<Fence>,
    /// How.
    pub mode: StateWriteMode,
    /// The version that the writer has seen; none to write whatever is there.
    pub if_version: Option<i64>,
    /// What is written.
    pub value: RawJson,
    /// The same for the log.
    pub logged: Payload,
    /// The largest state allowed.
    pub limit_bytes: u64,
}

/// State after a write.
#[derive(Debug, Clone)]
pub struct WrittenState {
    /// The state.
    pub state: RawJson,
    /// Its version.
    pub version: i64,
    /// The session, when the state is a session's.
    pub session: Option<Session>,
}

impl WriteState {
    fn next(&self, state: &RawJson, version: i64) -> Result<RawJson, Error> {
        if self.if_version.is_some_and(|expected| expected != version) {
            return Err(Refusal::StaleVersion {
                current_version: version,
            }
            .into());
        }
        let next = match self.mode {
            StateWriteMode::Replace => self.value.clone(),
            StateWriteMode::Merge => {
                RawJson::from(&merge_patch(state.to_value(), &self.value.to_value()))
            }
        };
        let actual_bytes = next.as_str().len() as u64;
        if actual_bytes > self.limit_bytes {
            let limit_bytes = self.limit_bytes;
            return Err(Refusal::TooLarge {
                what: "state",
                actual_bytes,
                limit_bytes,
            }
            .into());
        }
        Ok(next)
    }

    fn write_session(&self, working: &mut Working, id: SessionId) -> Result<WrittenState, Error> {
        let key = SessionKey::of(&self.scope, id);
        let (now, found) = (working.now, working.sessions.see(&key));
        let absent = || Refusal::not_found("session", "sessionId");
        let session = &found.ok_or_else(absent)?.session;
        Standing::of(session).check(now)?;
        let next = self.next(&session.state, session.state_version)?;
        let session = &mut working.sessions.change(&key).ok_or_else(absent)?.session;
        session.state = next;
        session.state_version += 1;
        session.updated_at = now;
        let session = session.clone();
        let (mode, version) = (self.mode, session.state_version);
        let body = EventBody::SessionStateChanged { mode, version };
        working.append_to_session(&key, Some(&self.actor), body, Some(self.logged.clone()));
        Ok(WrittenState {
            state: session.state.clone(),
            version,
            session: Some(session),
        })
    }

    fn write_execution(
        &self,
        working: &mut Working,
        id: ExecutionId,
    ) -> Result<WrittenState, Error> {
        let tenant_id = self.scope.tenant().clone();
        let fresh = StateRow {
            tenant_id,
            state: RawJson::empty_object(),
            version: 0,
        };
        let current = working.states.see(&id).unwrap_or(&fresh);
        let state = self.next(&current.state, current.version)?;
        let version = current.version + 1;
        let row = StateRow {
            state: state.clone(),
            version,
            ..fresh
        };
        match working.states.change(&id) {
            Some(held) => *held = row,
            None => working.states.make(id, row),
        }
        let body = EventBody::ExecutionStateChanged {
            mode: self.mode,
            version,
        };
        working.append(id, body, Some(self.logged.clone()));
        Ok(WrittenState {
            state,
            version,
            session: None,
        })
    }
}

impl Operation for WriteState {
    type Output = WrittenState;

    fn needs(&self, needs: &mut Needs) {
        needs
            .executions
            .extend(self.fence.map(|fence| fence.execution_id));
        match self.target {
            StateTarget::Session(id) => {
                needs.sessions_locked.push(SessionKey::of(&self.scope, id));
            }
            StateTarget::Execution(id) => needs.execution_states.push(id),
        }
    }

    fn decide(&self, working: &mut Working) -> Result<WrittenState, Error> {
        if let Some(fence) = self.fence {
            working.fenced(fence)?;
        }
        match self.target {
            StateTarget::Session(id) => self.write_session(working, id),
            StateTarget::Execution(id) => {
                let own = self.fence.is_some_and(|fence| fence.execution_id == id);
                if own {
                    self.write_execution(working, id)
                } else {
                    Err(Error::Fenced)
                }
            }
        }
    }
}
