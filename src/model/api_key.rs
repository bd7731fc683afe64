//! Keys by which services and scripts prove who they are. What is a secret of a key is in none of these
//! records.

use serde::{Deserialize, Serialize};

use super::{Grants, KeyId, Micros, TenantId};

/// The rights of a key: those of its roles at the time, and its scopes.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct KeyRights {
    /// Names of roles.
    pub roles: Vec<String>,
    /// Its permissions besides those of its roles.
    pub scopes: Grants,
}

/// A key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Its id.
    pub id: KeyId,
    /// The tenant it belongs to.
    pub tenant_id: TenantId,
    /// The part of its text that is no secret, by which it is found.
    pub prefix: String,
    /// Its roles and scopes.
    pub rights: KeyRights,
    /// Its purpose.
    pub label: Option<String>,
    /// Who made it.
    pub created_by: String,
    /// When it was made.
    pub created_at: Micros,
    /// When it ends by itself.
    pub expires_at: Option<Micros>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Micros>,
    /// When it was revoked.
    pub revoked_at: Option<Micros>,
}

impl ApiKey {
    /// Returns whether it proves anything at `now`.
    #[must_use]
    pub fn is_valid(&self, now: Micros) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|end| now < end)
    }
}
