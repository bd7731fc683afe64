//! Creates a session.

use std::sync::Arc;

use uuid::Uuid;

use super::super::{
    super::{Error, convert::SessionRow},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    EventBody, Payload, RawJson, Refusal, Session, SessionId, SessionKey, SessionStatus,
    TenantScope,
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
    /// Its life.
    pub ttl_micros: i64,
    /// SHA-256 (hex) of the secret by which it is used, if it is by one.
    pub secret_digest: Option<String>,
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
            last_hash: None,
            secret_digest: self.secret_digest.clone(),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, Scene, TENANT, alone, refusal},
    };

    fn create(scene: &Scene, user: Option<&str>) -> CreateSession {
        CreateSession {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            id: scene.ids.session(),
            stream_id: None,
            user_id: user.map(Into::into),
            solution_id: None,
            metadata: RawJson::empty_object(),
            state: RawJson::empty_object(),
            logged: Payload::inline(&RawJson::empty_object()),
            ttl_micros: 1_000_000,
            secret_digest: None,
        }
    }

    #[tokio::test]
    async fn a_session_is_anonymous_without_a_user_and_its_id_is_taken_once() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            for user in [None, Some("bob")] {
                let create = create(&scene, user);
                let session = alone(world, create.clone()).await.unwrap();
                assert_eq!(session.is_anonymous, user.is_none());
                assert_eq!(session.status, SessionStatus::Active);
                assert_eq!(session.expires_at - session.created_at, 1_000_000);
                let found = world
                    .storage
                    .find_sessions(&create.scope, &[create.id])
                    .await;
                assert_eq!(found.unwrap(), [session]);
                let taken = Refusal::invalid(["sessionId"], "a session with this id exists");
                assert_eq!(refusal(alone(world, create).await), taken);
            }
        })
        .await;
    }
}
