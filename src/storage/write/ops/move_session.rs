//! Moves an anonymous session into the tenant of its user, once.

use std::sync::Arc;

use uuid::Uuid;

use super::{
    super::{
        super::{Error, convert::SessionRow},
        operation::{Needs, Operation},
        sessions::check_secret,
        working::Working,
    },
    upgrade_session::BySecret,
};
use crate::model::{
    EventBody, Payload, RawJson, Refusal, Session, SessionId, SessionKey, SessionStatus,
    TenantScope, merge_patch,
};

/// Why the session of before is closed.
const MOVED: &str = "it was upgraded into another tenant";

/// Moves an anonymous session into the tenant of its user, under the same id. In the tenant that it leaves a closed
/// session without notes and state remains, to which what was done in it belongs.
#[derive(Debug, Clone)]
pub struct MoveSession {
    /// The tenant that it leaves.
    pub from: TenantScope,
    /// The tenant of its user.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The session.
    pub id: SessionId,
    /// The id of its stream in the log of its user's tenant, which no other stream has.
    pub stream_id: Uuid,
    /// Its secret.
    pub by_secret: BySecret,
    /// The user.
    pub user_id: String,
    /// Merged into the notes (RFC 7396).
    pub metadata: Option<RawJson>,
    /// The version of the state that goes along.
    pub state_version: i64,
    /// That state for the log.
    pub logged: Payload,
}

impl Operation for MoveSession {
    type Output = Session;

    fn needs(&self, needs: &mut Needs) {
        for scope in [&self.from, &self.scope] {
            needs.sessions_locked.push(SessionKey::of(scope, self.id));
        }
    }

    fn decide(&self, working: &mut Working) -> Result<Session, Error> {
        let [from, to] = [&self.from, &self.scope].map(|scope| SessionKey::of(scope, self.id));
        check_secret(working, &from, &self.by_secret.digest)?;
        if working.sessions.has(&to) {
            return Err(Refusal::invalid(["sessionId"], "a session with this id exists").into());
        }
        let now = working.now;
        let Some(row) = working.sessions.see(&from) else {
            return Err(Refusal::not_found("session", "sessionId").into());
        };
        let before = row.session.clone();
        if before.state_version != self.state_version {
            let current_version = before.state_version;
            return Err(Refusal::StaleVersion { current_version }.into());
        }
        let expires_at = self.by_secret.prolonged(&before, now);
        let mut metadata = before.metadata.clone();
        if let Some(patch) = &self.metadata {
            metadata = RawJson::from(&merge_patch(metadata.to_value(), &patch.to_value()));
        }
        let session = Session {
            tenant_id: to.tenant_id.clone(),
            user_id: Some(self.user_id.clone()),
            is_anonymous: false,
            status: SessionStatus::Upgraded,
            metadata,
            updated_at: now,
            expires_at: expires_at.unwrap_or(before.expires_at),
            ..before.clone()
        };
        let row = SessionRow {
            session: session.clone(),
            stream_id: Some(self.stream_id),
            next_seq: 1,
            last_hash: None,
            secret_digest: None,
        };
        working.sessions.make(to.clone(), row);
        self.tell(working, &to, &before, &session);
        leave(working, &from, &self.actor);
        Ok(session)
    }
}

impl MoveSession {
    /// The log of the user's tenant begins with the session as it came.
    fn tell(&self, working: &mut Working, to: &SessionKey, before: &Session, session: &Session) {
        let created = EventBody::SessionCreated {
            user_id: None,
            solution_id: before.solution_id.clone(),
            metadata: before.metadata.clone(),
            expires_at: before.expires_at,
        };
        let actor = Some(&self.actor);
        working.append_to_session(to, actor, created, Some(self.logged.clone()));
        let upgraded = EventBody::SessionUpgraded {
            user_id: self.user_id.clone(),
            metadata: session.metadata.clone(),
            from_tenant: Some(self.from.tenant().clone()),
            expires_at: (session.expires_at != before.expires_at).then_some(session.expires_at),
        };
        working.append_to_session(to, actor, upgraded, None);
    }
}

/// Closes the session in the tenant that it leaves, without anything of its holder in it.
fn leave(working: &mut Working, from: &SessionKey, actor: &Arc<str>) {
    let now = working.now;
    if let Some(row) = working.sessions.change(from) {
        row.secret_digest = None;
        let session = &mut row.session;
        session.status = SessionStatus::Closed;
        session.metadata = RawJson::empty_object();
        session.state = RawJson::empty_object();
        session.state_version += 1;
        session.updated_at = now;
    }
    let body = EventBody::SessionClosed {
        status: SessionStatus::Closed,
        reason: Some(MOVED.to_owned()),
    };
    working.append_to_session(from, Some(actor), body, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Reach,
        storage::{
            read_tests::{World, on_each_database, scope_of},
            write::{
                ops::{CloseSession, CreateSession},
                tests::{ACTOR, Scene, TENANT, alone, force, refusal},
            },
        },
    };

    const OTHER: &str = "another";

    /// An anonymous session, and what moves it.
    async fn begun(world: &World, scene: &Scene) -> MoveSession {
        let id = scene.ids.session();
        let state = RawJson::from(&serde_json::json!({"cart": [1]}));
        let create = CreateSession {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            id,
            stream_id: None,
            user_id: None,
            solution_id: None,
            metadata: RawJson::from(&serde_json::json!({"page": "cart"})),
            logged: Payload::inline(&state),
            state: state.clone(),
            ttl_micros: 3_600_000_000,
            secret_digest: Some("digest".into()),
        };
        alone(world, create).await.unwrap();
        MoveSession {
            from: scope_of(TENANT),
            scope: scope_of(OTHER),
            actor: "ann".into(),
            id,
            stream_id: scene.ids.session().0,
            by_secret: BySecret {
                digest: "digest".into(),
                ttl_micros: 7_200_000_000,
            },
            user_id: "ann".into(),
            metadata: Some(RawJson::from(&serde_json::json!({"plan": "free"}))),
            state_version: 1,
            logged: Payload::inline(&state),
        }
    }

    #[tokio::test]
    async fn a_session_is_moved_once_and_leaves_nothing_of_its_holder() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let moving = begun(world, &scene).await;
            let session = alone(world, moving.clone()).await.unwrap();
            assert_eq!(session.state.as_str(), r#"{"cart":[1]}"#);
            assert_eq!(
                session.metadata.as_str(),
                r#"{"page":"cart","plan":"free"}"#
            );
            assert_eq!(session.user_id.as_deref(), Some("ann"));
            assert_eq!(session.expires_at - session.updated_at, 7_200_000_000);
            let found = |scope| {
                let ids = [moving.id];
                async move { world.storage.find_sessions(&scope, &ids).await.unwrap() }
            };
            assert_eq!(found(scope_of(OTHER)).await, [session]);
            let left = found(scope_of(TENANT)).await.remove(0);
            assert_eq!(left.status, SessionStatus::Closed);
            assert_eq!((left.state.as_str(), left.metadata.as_str()), ("{}", "{}"));
            assert_eq!(left.user_id, None);
            let again = refusal(alone(world, moving.clone()).await);
            assert_eq!(again, Refusal::not_found("session", "sessionId"));
            let tenant = moving.from.tenant();
            let secret = world.storage.find_session_secret(tenant, moving.id).await;
            assert_eq!(secret.unwrap(), None);
            let ended = world
                .storage
                .ended_session_secrets(tenant, &[moving.id])
                .await;
            assert_eq!(ended.unwrap(), [moving.id]);
            let report = world.storage.verify_chain(None, &[]).await.unwrap();
            assert_eq!(report.faults, []);
        })
        .await;
    }

    #[tokio::test]
    async fn what_is_not_the_session_of_the_secret_is_not_there() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            let moving = begun(world, &scene).await;
            let ended = begun(world, &scene).await;
            let close = CloseSession {
                scope: scope_of(TENANT),
                actor: ACTOR.into(),
                id: ended.id,
                reason: None,
            };
            alone(world, close).await.unwrap();
            let by = |digest: &str| BySecret {
                digest: digest.into(),
                ttl_micros: 1,
            };
            let wrong = [
                MoveSession {
                    by_secret: by("another"),
                    ..moving.clone()
                },
                MoveSession {
                    from: scope_of(OTHER),
                    scope: scope_of(TENANT),
                    ..moving.clone()
                },
                // One that was made without a secret.
                MoveSession {
                    id: scene.session,
                    by_secret: by(""),
                    ..moving.clone()
                },
                ended,
            ];
            for wrong in wrong {
                let refused = refusal(alone(world, wrong).await);
                assert_eq!(refused, Refusal::not_found("session", "sessionId"));
            }
            // Its state was written since it was read.
            let stale = MoveSession {
                state_version: 2,
                ..moving.clone()
            };
            let refused = refusal(alone(world, stale).await);
            assert_eq!(refused, Refusal::StaleVersion { current_version: 1 });
            force(world, "UPDATE session SET expires_at = 1").await;
            let refused = refusal(alone(world, moving).await);
            assert_eq!(refused, Refusal::not_found("session", "sessionId"));
        })
        .await;
    }

    #[tokio::test]
    async fn a_session_of_the_same_id_is_not_overwritten_and_only_the_living_have_secrets() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 3).await;
            let moving = begun(world, &scene).await;
            let theirs = CreateSession {
                scope: scope_of(OTHER),
                actor: ACTOR.into(),
                id: moving.id,
                stream_id: Some(scene.ids.session().0),
                user_id: Some("bob".into()),
                solution_id: None,
                metadata: RawJson::empty_object(),
                state: RawJson::empty_object(),
                logged: Payload::inline(&RawJson::empty_object()),
                ttl_micros: 1_000_000,
                secret_digest: None,
            };
            let theirs = alone(world, theirs).await.unwrap();
            let taken = Refusal::invalid(["sessionId"], "a session with this id exists");
            assert_eq!(refusal(alone(world, moving.clone()).await), taken);
            let found = world
                .storage
                .find_sessions(&moving.scope, &[moving.id])
                .await
                .unwrap();
            assert_eq!(
                world.storage.reached_sessions(&Reach::Tenant, found),
                [theirs]
            );
            let tenant = moving.from.tenant();
            let ids = [moving.id, scene.session];
            let ended = world.storage.ended_session_secrets(tenant, &ids).await;
            assert_eq!(ended.unwrap(), [scene.session], "it has none");
            let secret = world.storage.find_session_secret(tenant, moving.id).await;
            assert_eq!(secret.unwrap().unwrap().digest, "digest");
            let other = moving.scope.tenant();
            let secret = world.storage.find_session_secret(other, moving.id).await;
            assert_eq!(secret.unwrap(), None);
        })
        .await;
    }
}
