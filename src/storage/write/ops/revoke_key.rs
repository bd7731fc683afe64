//! Revokes a key of the API, once.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{ApiKey, EventBody, KeyId, Refusal, TenantScope};

/// Revokes a key; one that is revoked already stays as it is.
#[derive(Debug, Clone)]
pub struct RevokeKey {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The key.
    pub id: KeyId,
    /// The reason.
    pub reason: Option<String>,
}

impl Operation for RevokeKey {
    type Output = ApiKey;

    fn needs(&self, needs: &mut Needs) {
        needs.api_keys.push(self.id);
    }

    fn decide(&self, working: &mut Working) -> Result<ApiKey, Error> {
        let (now, tenant) = (working.now, self.scope.tenant());
        let found = working.api_keys.see(&self.id);
        let found = found.filter(|row| row.key.tenant_id == *tenant);
        let found = found.ok_or_else(|| Refusal::not_found("key", "id"))?;
        if found.key.revoked_at.is_some() {
            return Ok(found.key.clone());
        }
        let absent = || Refusal::not_found("key", "id");
        let row = working.api_keys.change(&self.id).ok_or_else(absent)?;
        row.key.revoked_at = Some(now);
        let key = row.key.clone();
        let body = EventBody::KeyRevoked {
            key_id: self.id,
            reason: self.reason.clone(),
        };
        working.append_to_key(&key, 2, &self.actor, body);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::{on_each_database, scope_of},
        write::tests::{ACTOR, TENANT, alone, key, refusal},
    };

    #[tokio::test]
    async fn a_key_is_revoked_once_and_by_its_own_tenant_alone() {
        on_each_database(async |world| {
            let made = alone(world, key(1, TENANT)).await.unwrap();
            let revoke = |tenant: &str| RevokeKey {
                scope: scope_of(tenant),
                actor: ACTOR.into(),
                id: made.id,
                reason: None,
            };
            let refused = refusal(alone(world, revoke("theirs")).await);
            assert_eq!(refused, Refusal::not_found("key", "id"));
            let revoked = alone(world, revoke(TENANT)).await.unwrap();
            assert!(revoked.revoked_at.is_some());
            assert_eq!(alone(world, revoke(TENANT)).await.unwrap(), revoked);
        })
        .await;
    }
}
