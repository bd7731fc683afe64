//! Closes a session.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    sessions::change_session,
    working::Working,
};
use crate::model::{EventBody, Session, SessionId, SessionKey, SessionStatus, TenantScope};

/// Closes a session.
#[derive(Debug, Clone)]
pub struct CloseSession {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The session.
    pub id: SessionId,
    /// The reason.
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
        let session = change_session(working, &key)?;
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Refusal,
        storage::{
            read_tests::{on_each_database, scope_of},
            write::tests::{ACTOR, Scene, TENANT, alone, completion, refusal},
        },
    };

    #[tokio::test]
    async fn a_closed_session_takes_no_intents_and_what_runs_in_it_goes_on() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let running = scene.running(world).await;
            let close = |tenant: &str| CloseSession {
                scope: scope_of(tenant),
                actor: ACTOR.into(),
                id: scene.session,
                reason: None,
            };
            let refused = refusal(alone(world, close("theirs")).await);
            assert_eq!(refused, Refusal::not_found("session", "sessionId"));
            let session = alone(world, close(TENANT)).await.unwrap();
            assert_eq!(session.status, SessionStatus::Closed);
            let status = SessionStatus::Closed;
            let expected = Refusal::SessionNotActive { status };
            assert_eq!(refusal(alone(world, scene.submit()).await), expected);
            assert_eq!(refusal(alone(world, close(TENANT)).await), expected);
            let child = alone(world, scene.child(&running, "child")).await;
            assert!(child.is_ok(), "{child:?}");
            alone(world, completion(&running)).await.unwrap();
        })
        .await;
    }
}
