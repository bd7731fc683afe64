//! Keys, by which two requests are one.

use entity::idempotency;
use sea_orm::ActiveValue::Set;

use crate::model::{ExecutionId, Micros, TenantId};

/// Who chose a key; keys of different scopes never meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum KeyScope {
    /// The caller.
    Caller = 0,
    /// The handler, from the parameters.
    Fingerprint = 1,
    /// A parent naming its child.
    Child = 2,
    /// A schedule naming one of its times.
    Schedule = 3,
    /// The caller choosing the id of the execution.
    Chosen = 4,
    /// A bulk operation naming what it runs again.
    Operation = 5,
}

/// The key of a request, by which two requests are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Who chose it.
    pub scope: KeyScope,
    /// The key.
    pub key: String,
    /// SHA-256 (hex) of the request.
    pub request_hash: String,
    /// For how long it is remembered; for ever if none.
    pub ttl_micros: Option<i64>,
}

/// The unique name of a key.
pub(super) type KeyName = (TenantId, KeyScope, String);

/// A key that an execution wants to hold.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct KeyClaim {
    pub(super) tenant_id: TenantId,
    pub(super) scope: KeyScope,
    pub(super) key: String,
    pub(super) execution_id: ExecutionId,
    pub(super) request_hash: String,
    pub(super) ttl_micros: Option<i64>,
}

impl KeyClaim {
    /// Its row while the execution holds it.
    pub(super) fn row(&self, now: Micros) -> idempotency::Model {
        let expires_at = self
            .ttl_micros
            .map_or(i64::MAX, |ttl| now.saturating_add(ttl));
        idempotency::Model {
            tenant_id: self.tenant_id.to_string(),
            scope: self.scope as i64,
            key: self.key.clone(),
            execution_id: self.execution_id.0,
            request_hash: self.request_hash.clone(),
            expires_at,
        }
    }

    /// The key of that row.
    pub(super) fn row_name(&self) -> idempotency::ActiveModel {
        idempotency::ActiveModel {
            tenant_id: Set(self.tenant_id.to_string()),
            scope: Set(self.scope as i64),
            key: Set(self.key.clone()),
            ..idempotency::ActiveModel::default()
        }
    }

    /// Returns its unique name.
    pub(super) fn name(&self) -> KeyName {
        (self.tenant_id.clone(), self.scope, self.key.clone())
    }
}

/// Who holds a key.
#[derive(Debug, Clone)]
pub(super) struct KeyHolder {
    pub(super) execution_id: ExecutionId,
    pub(super) request_hash: String,
}
