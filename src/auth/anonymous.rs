//! Anonymous sessions: who may begin one without a proof, and the secret by which each is used. The secret is a proof
//! as any other; its holder is confined to the session. It counts while the session is anonymous and has not ended.

use std::{net::IpAddr, time::Duration};

use super::{KeyText, attempts::Attempts, key_text::secret_text};
use crate::model::{Grants, Rate, Scope, SessionId, TenantId};

/// The texts of secrets begin with it.
pub(super) const MARK: &str = "as_";

/// The characters of a session's id behind its prefix.
const ID_CHARS: usize = 26;

/// A bucket holds so many tokens for each session, since it fills by the minute.
const TOKENS: u64 = 60;

/// How anonymous sessions are given away.
#[derive(Debug, Clone)]
pub struct AnonymousSettings {
    /// The tenant that they live in.
    pub tenant: TenantId,
    /// What the holder of a secret may do in the session.
    pub grants: Grants,
    /// Sessions that an address may begin at once.
    pub burst: u64,
    /// How many more it may begin in a minute.
    pub per_minute: u64,
    /// The life of a session in seconds.
    pub ttl_seconds: i64,
}

/// The settings would give away more than one session.
#[derive(Debug, thiserror::Error)]
#[error(
    "the scope {0} reaches beyond one session: name scopes that end with :own, and intents:submit:TYPE"
)]
pub struct AnonymousError(Scope);

impl AnonymousSettings {
    /// Refuses scopes that reach beyond the session.
    fn check(&self) -> Result<(), AnonymousError> {
        let is_wide = |scope: &Scope| matches!(scope, Scope::Any(_));
        match self.grants.scopes().find(is_wide) {
            Some(scope) => Err(AnonymousError(scope)),
            None => Ok(()),
        }
    }
}

/// Gives anonymous sessions away.
#[derive(Debug)]
pub struct AnonymousSessions {
    pub(super) settings: AnonymousSettings,
    begun: Attempts,
}

impl AnonymousSessions {
    /// Those of these settings.
    ///
    /// # Errors
    /// When a scope reaches beyond the session.
    pub fn new(settings: AnonymousSettings) -> Result<Self, AnonymousError> {
        settings.check()?;
        let rate = Rate {
            burst: settings.burst.saturating_mul(TOKENS),
            per_second: settings.per_minute,
        };
        Ok(Self {
            settings,
            begun: Attempts::at(rate),
        })
    }

    /// Lets an address begin a session.
    ///
    /// # Errors
    /// The time that it has to wait.
    pub(super) fn begin(&self, from: IpAddr) -> Result<(), Duration> {
        self.begun.take(from, TOKENS)
    }
}

/// A new secret of a session.
pub(super) fn new_secret(session: SessionId) -> KeyText {
    let id = session.to_string();
    let id = id.rsplit('_').next().unwrap_or_default();
    KeyText::of_token(format!("{MARK}{id}_{}", secret_text()))
}

/// The session of a text that may be a secret; none for one that cannot be.
pub(super) fn session_of(text: &str) -> Option<SessionId> {
    let (id, secret) = text.strip_prefix(MARK)?.split_at_checked(ID_CHARS)?;
    let is_secret = secret
        .strip_prefix('_')
        .is_some_and(super::key_text::is_secret);
    let session = format!("{}_{id}", SessionId::PREFIX).parse().ok();
    session.filter(|_| is_secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_tells_its_session_and_no_other_text_does() {
        let session = SessionId(uuid::Uuid::from_u128(7));
        let secret = new_secret(session);
        let text = secret.expose();
        assert_eq!(session_of(text), Some(session));
        assert_ne!(new_secret(session), secret);
        for wrong in [
            "",
            "as_",
            &text[1..],
            &text[..text.len() - 1],
            &format!("{text}x"),
            &text.replacen("as_", "tk_", 1),
            &format!("as_{}", "ü".repeat(40)),
            &format!("as_{}_{}", "z".repeat(26), "a".repeat(43)),
        ] {
            assert_eq!(session_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn scopes_beyond_one_session_are_refused_by_their_name() {
        let of = |scopes: &str| {
            AnonymousSessions::new(AnonymousSettings {
                tenant: TenantId::default_tenant(),
                grants: scopes.parse().unwrap(),
                burst: 1,
                per_minute: 1,
                ttl_seconds: 60,
            })
        };
        for wide in ["sessions:read", "intents:submit", "log:read", "keys:manage"] {
            let error = of(&format!("executions:read:own {wide}")).unwrap_err();
            assert!(error.to_string().contains(wide), "{error}");
        }
        assert!(of("sessions:read:own intents:submit:echo").is_ok());
    }

    #[test]
    fn an_address_begins_so_many_at_once_and_more_by_the_minute() {
        let settings = AnonymousSettings {
            tenant: TenantId::default_tenant(),
            grants: Grants::none(),
            burst: 2,
            per_minute: 6,
            ttl_seconds: 60,
        };
        let sessions = AnonymousSessions::new(settings).unwrap();
        let [one, other] = [[10, 0, 0, 1], [10, 0, 0, 2]].map(IpAddr::from);
        sessions.begin(one).unwrap();
        sessions.begin(one).unwrap();
        let wait = sessions.begin(one).unwrap_err();
        assert!(
            wait > Duration::from_secs(9) && wait <= Duration::from_secs(10),
            "{wait:?}"
        );
        sessions.begin(other).unwrap();
    }
}
