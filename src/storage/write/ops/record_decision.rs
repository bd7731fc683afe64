//! Puts a decision of a policy into the log, into the stream of the session that it concerns.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{EventBody, Refusal, SessionId, SessionKey, TenantScope};

/// A decision of a policy.
#[derive(Debug, Clone)]
pub struct RecordDecision {
    /// The tenant.
    pub scope: TenantScope,
    /// Who asked.
    pub actor: Arc<str>,
    /// The session that it concerns, in whatever status.
    pub session_id: SessionId,
    /// The decision.
    pub body: EventBody,
}

impl Operation for RecordDecision {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        let key = SessionKey::of(&self.scope, self.session_id);
        needs.sessions_locked.push(key);
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let key = SessionKey::of(&self.scope, self.session_id);
        if !working.sessions.has(&key) {
            return Err(Refusal::not_found("session", "sessionId").into());
        }
        working.append_to_session(&key, Some(&self.actor), self.body.clone(), None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, Scene, TENANT, alone, refusal},
    };

    #[tokio::test]
    async fn a_decision_is_told_in_its_session_and_in_no_other_tenants() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let body = EventBody::PolicyAllowed {
                action: "submit".into(),
                resource: "IntentType::\"echo\"".into(),
                policies: vec!["scopes".into()],
                execution_id: None,
            };
            let record = |tenant: &str| RecordDecision {
                scope: scope_of(tenant),
                actor: ACTOR.into(),
                session_id: scene.session,
                body: body.clone(),
            };
            alone(world, record(TENANT)).await.unwrap();
            let refused = refusal(alone(world, record("theirs")).await);
            assert_eq!(refused, Refusal::not_found("session", "sessionId"));
            let report = world.storage.verify().await.unwrap();
            assert_eq!(report.differences, []);
            let chain = world.storage.verify_chain(None, &[]).await.unwrap();
            assert_eq!(chain.faults, []);
        })
        .await;
    }
}
