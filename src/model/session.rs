//! Sessions: who talks to the runtime, and the state that is theirs.

use serde::{Deserialize, Serialize};

use super::{Micros, RawJson, SessionId, TenantId, TenantScope};

/// Where a session is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SessionStatus {
    /// Accepts intents.
    Active,
    /// Began anonymous and now belongs to a user; accepts intents.
    Upgraded,
    /// Closed by its owner; accepts nothing.
    Closed,
    /// Ran out of time; accepts nothing.
    Expired,
}

impl SessionStatus {
    /// Every status, in the order of [`Self::code`].
    pub const ALL: [Self; 4] = [Self::Active, Self::Upgraded, Self::Closed, Self::Expired];

    /// Returns whether the session takes intents and state writes.
    #[must_use]
    pub fn accepts_writes(self) -> bool {
        matches!(self, Self::Active | Self::Upgraded)
    }

    /// Returns the status that a session of this one has, given whether its time has passed.
    #[must_use]
    pub fn when(self, is_overdue: bool) -> Self {
        if is_overdue && self.accepts_writes() {
            Self::Expired
        } else {
            self
        }
    }

    /// Returns whether a session may go from this status to `next`.
    #[must_use]
    pub fn can_become(self, next: Self) -> bool {
        matches!(
            (self, next),
            (Self::Active, Self::Upgraded)
                | (Self::Active | Self::Upgraded, Self::Closed | Self::Expired)
        )
    }

    /// The number that the database keeps.
    #[must_use]
    pub fn code(self) -> i64 {
        self as i64
    }

    /// The status with that number.
    #[must_use]
    pub fn from_code(code: i64) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }
}

/// The key of a session. Its id is unique within its tenant alone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionKey {
    /// Its id.
    pub id: SessionId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
}

impl SessionKey {
    /// The key of the session that the tenant of `scope` knows by this id.
    #[must_use]
    pub fn of(scope: &TenantScope, id: SessionId) -> Self {
        let tenant_id = scope.tenant().clone();
        Self { id, tenant_id }
    }
}

/// A session as it stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Its id.
    pub id: SessionId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The user, once there is one.
    pub user_id: Option<String>,
    /// The solution that intents of this session go to unless they say otherwise.
    pub solution_id: Option<String>,
    /// True until the session has a user.
    pub is_anonymous: bool,
    /// Where it is in its life.
    pub status: SessionStatus,
    /// The client's notes of creation and upgrade.
    pub metadata: RawJson,
    /// The session's state.
    pub state: RawJson,
    /// Grows by one with every change of the state.
    pub state_version: i64,
    /// When it was created.
    pub created_at: Micros,
    /// When it or its state last changed.
    pub updated_at: Micros,
    /// When it stops accepting anything.
    pub expires_at: Micros,
}

impl Session {
    /// Returns its key.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        let (id, tenant_id) = (self.id, self.tenant_id.clone());
        SessionKey { id, tenant_id }
    }
}
