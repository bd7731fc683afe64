//! How much of a tenant's data a permission concerns.

use std::{fmt, sync::Arc};

use super::{ExecutionId, SessionId};

/// The part of a tenant's data that a permission concerns. An execution and an artifact are reached by the user
/// or the session that they belong to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[must_use = "what is beyond it must not be shown"]
pub enum Reach {
    /// All of it.
    Tenant,
    /// The sessions of this user, and what was done in them.
    User(Arc<str>),
    /// This session, and what was done in it.
    Session(SessionId),
    /// These executions with those below them, and what they made.
    Executions(Arc<[ExecutionId]>),
}

impl Reach {
    /// No part.
    pub(super) fn nothing() -> Self {
        Self::Executions(Arc::default())
    }

    /// The key by which a request is found again; those of the whole tenant and of each part are apart.
    #[must_use]
    pub fn own_key(&self, key: String) -> String {
        if self.is_whole() {
            return key;
        }
        // No key of a caller has a control character.
        format!("{self}\n{key}")
    }

    /// The session, if the text is that of one.
    #[must_use]
    pub fn session_named(text: &str) -> Option<SessionId> {
        text.strip_prefix("session:")?.parse().ok()
    }

    /// Returns whether all of the other part is within this one, as far as can be told without looking.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tenant, _) => true,
            (Self::Executions(all), Self::Executions(some)) => {
                some.iter().all(|id| all.contains(id))
            }
            (one, other) => one == other,
        }
    }

    /// Returns whether it is all of the tenant's data.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        matches!(self, Self::Tenant)
    }
}

/// A text that no other part of the tenant has; empty for the whole.
impl fmt::Display for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tenant => Ok(()),
            Self::User(user) => write!(f, "user:{user}"),
            Self::Session(id) => write!(f, "session:{id}"),
            Self::Executions(ids) => {
                f.write_str("executions:")?;
                ids.iter().try_for_each(|id| write!(f, " {id}"))
            }
        }
    }
}
