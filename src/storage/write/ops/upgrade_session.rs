//! Gives an anonymous session its user, once.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    sessions::{active_session, change_session, check_secret},
    working::Working,
};
use crate::model::{
    EventBody, Micros, RawJson, Refusal, Session, SessionId, SessionKey, SessionStatus,
    TenantScope, merge_patch,
};

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
    /// The secret that has to be the session's, if one has to.
    pub by_secret: Option<BySecret>,
}

/// An upgrade by the session's secret.
#[derive(Debug, Clone)]
pub struct BySecret {
    /// SHA-256 (hex) of it.
    pub digest: String,
    /// The time for which the session lives from now on, at least.
    pub ttl_micros: i64,
}

impl BySecret {
    /// When a session that is upgraded now ends by itself, if that is later than before.
    pub(in crate::storage::write) fn prolonged(
        &self,
        session: &Session,
        now: Micros,
    ) -> Option<Micros> {
        let later = now.saturating_add(self.ttl_micros);
        (later > session.expires_at).then_some(later)
    }
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
        if let Some(secret) = &self.by_secret {
            check_secret(working, &key, &secret.digest)?;
        }
        let session = active_session(working, &key)?;
        if !session.is_anonymous || !session.status.can_become(SessionStatus::Upgraded) {
            let status = session.status;
            return Err(Refusal::SessionTransition {
                wanted: "upgraded",
                status,
            }
            .into());
        }
        if let Some(row) = working.sessions.change(&key) {
            row.secret_digest = None;
        }
        let now = working.now;
        let session = change_session(working, &key)?;
        let secret = self.by_secret.as_ref();
        let expires_at = secret.and_then(|secret| secret.prolonged(session, now));
        session.expires_at = expires_at.unwrap_or(session.expires_at);
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
            from_tenant: None,
            expires_at,
        };
        working.append_to_session(&key, Some(&self.actor), body, None);
        Ok(session)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, Scene, TENANT, alone, force, refusal},
    };

    #[tokio::test]
    async fn an_anonymous_session_gets_its_user_once() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 1).await;
            let metadata = serde_json::json!({"plan": "free"});
            let upgrade = |user: &str| UpgradeSession {
                scope: scope_of(TENANT),
                actor: ACTOR.into(),
                id: scene.session,
                user_id: user.into(),
                metadata: Some(RawJson::from(&metadata)),
                by_secret: None,
            };
            let session = alone(world, upgrade("bob")).await.unwrap();
            assert_eq!(session.user_id.as_deref(), Some("bob"));
            assert_eq!(session.metadata.as_str(), r#"{"plan":"free"}"#);
            assert!(!session.is_anonymous && session.status == SessionStatus::Upgraded);
            let refused = refusal(alone(world, upgrade("eve")).await);
            let expected = Refusal::SessionTransition {
                wanted: "upgraded",
                status: SessionStatus::Upgraded,
            };
            assert_eq!(refused, expected);
            let found = world
                .storage
                .find_sessions(&scope_of(TENANT), &[scene.session])
                .await;
            assert_eq!(found.unwrap(), [session]);
        })
        .await;
    }

    #[tokio::test]
    async fn a_session_whose_time_has_passed_gets_no_user() {
        on_each_database(async |world| {
            let scene = Scene::begin(world, 2).await;
            force(world, "UPDATE session SET expires_at = 1").await;
            let upgrade = UpgradeSession {
                scope: scope_of(TENANT),
                actor: ACTOR.into(),
                id: scene.session,
                user_id: "bob".into(),
                metadata: None,
                by_secret: None,
            };
            let status = SessionStatus::Expired;
            let refused = refusal(alone(world, upgrade).await);
            assert_eq!(refused, Refusal::SessionNotActive { status });
        })
        .await;
    }
}
