//! Writes the state of a session or of an execution.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    rows::StateRow,
    sessions::{active_session, change_session},
    working::{Fence, Working},
};
use crate::model::{
    EventBody, ExecutionId, Payload, RawJson, Refusal, Session, SessionId, SessionKey,
    StateWriteMode, TenantScope, merge_patch,
};

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
    /// Replaced or merged.
    pub mode: StateWriteMode,
    /// The version that the writer has seen; none to write whatever is there.
    pub if_version: Option<i64>,
    /// The value to write.
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
        let session = active_session(working, &key)?;
        let next = self.next(&session.state, session.state_version)?;
        let session = change_session(working, &key)?;
        session.state = next;
        session.state_version += 1;
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, Scene, TENANT, alone, fence, force, refusal},
    };

    fn write(target: StateTarget, mode: StateWriteMode, value: &serde_json::Value) -> WriteState {
        let value = RawJson::from(value);
        WriteState {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            target,
            fence: None,
            mode,
            if_version: None,
            logged: Payload::inline(&value),
            value,
            limit_bytes: 64,
        }
    }

    #[tokio::test]
    async fn a_state_is_replaced_or_merged_and_each_write_has_a_version() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let target = StateTarget::Session(scene.session);
            let replace = write(target, StateWriteMode::Replace, &json!({"a": 1, "b": 2}));
            assert_eq!(alone(world, replace).await.unwrap().version, 2);
            let mut merge = write(target, StateWriteMode::Merge, &json!({"a": null, "c": 3}));
            merge.if_version = Some(2);
            let merged = alone(world, merge.clone()).await.unwrap();
            assert_eq!(
                (merged.version, merged.state.as_str()),
                (3, r#"{"b":2,"c":3}"#)
            );
            let stale = Refusal::StaleVersion { current_version: 3 };
            assert_eq!(refusal(alone(world, merge).await), stale);
        })
        .await;
    }

    #[tokio::test]
    async fn a_state_that_would_be_too_large_or_of_an_ended_session_is_not_written() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let target = StateTarget::Session(scene.session);
            let large = json!({"text": "x".repeat(64)});
            let large = write(target, StateWriteMode::Replace, &large);
            let refused = refusal(alone(world, large).await);
            assert!(
                matches!(
                    refused,
                    Refusal::TooLarge {
                        limit_bytes: 64,
                        ..
                    }
                ),
                "{refused:?}"
            );
            force(world, "UPDATE session SET expires_at = 1").await;
            let late = write(target, StateWriteMode::Replace, &json!({}));
            let refused = refusal(alone(world, late).await);
            assert!(
                matches!(refused, Refusal::SessionNotActive { .. }),
                "{refused:?}"
            );
            let found = world
                .storage
                .find_sessions(&scope_of(TENANT), &[scene.session])
                .await;
            assert_eq!(found.unwrap()[0].state_version, 1);
        })
        .await;
    }

    #[tokio::test]
    async fn an_attempt_writes_the_state_of_its_own_execution_alone() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 3).await;
            let (own, other) = (scene.running(world).await, scene.running(world).await);
            for (target, is_own) in [(own.id, true), (other.id, false)] {
                let target = StateTarget::Execution(target);
                let mut write = write(target, StateWriteMode::Replace, &json!({"at": 1}));
                write.fence = Some(fence(&own));
                let written = alone(world, write).await;
                assert_eq!(written.is_ok(), is_own, "{written:?}");
            }
            let scope = scope_of(TENANT);
            let state = world.storage.execution_state(&scope, own.id).await.unwrap();
            assert_eq!(state.unwrap().0.as_str(), r#"{"at":1}"#);
            let none = world
                .storage
                .execution_state(&scope, other.id)
                .await
                .unwrap();
            assert!(none.is_none());
        })
        .await;
    }
}
