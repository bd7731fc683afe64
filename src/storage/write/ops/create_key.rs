//! Makes a key of the API, within the number that a tenant may have.

use std::sync::Arc;

use super::super::{
    super::{Error, convert::StoredKey},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{ApiKey, EventBody, Fault, KeyId, KeyRights, Micros, Refusal, TenantScope};

/// Keys that a tenant may have that can still be used.
const MAX_KEYS: i64 = 10_000;

/// Makes a key.
#[derive(Debug, Clone)]
pub struct CreateKey {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// Its id.
    pub id: KeyId,
    /// The part of its text that is no secret.
    pub prefix: String,
    /// SHA-256 (hex) of its whole text.
    pub digest: String,
    /// Its rights.
    pub rights: KeyRights,
    /// Its purpose.
    pub label: Option<String>,
    /// When it ends by itself.
    pub expires_at: Option<Micros>,
}

impl Operation for CreateKey {
    type Output = ApiKey;

    fn needs(&self, needs: &mut Needs) {
        needs.api_key_counts.push(self.scope.tenant().clone());
    }

    fn decide(&self, working: &mut Working) -> Result<ApiKey, Error> {
        let now = working.now;
        if self.expires_at.is_some_and(|end| end <= now) {
            let fault = Fault::at(["expiresAt"], "the time has passed");
            return Err(Refusal::InvalidInput(vec![fault]).into());
        }
        let tenant = self.scope.tenant();
        let count = working.api_key_counts.entry(tenant.clone()).or_default();
        if *count >= MAX_KEYS {
            let message = format!("a tenant has at most {MAX_KEYS} keys; revoke one");
            return Err(Refusal::InvalidInput(vec![Fault::at([], message)]).into());
        }
        *count += 1;
        let key = ApiKey {
            id: self.id,
            tenant_id: tenant.clone(),
            prefix: self.prefix.clone(),
            rights: self.rights.clone(),
            label: self.label.clone(),
            created_by: self.actor.to_string(),
            created_at: now,
            expires_at: self.expires_at,
            last_used_at: None,
            revoked_at: None,
        };
        let body = EventBody::KeyCreated {
            key_id: self.id,
            prefix: self.prefix.clone(),
            rights: self.rights.clone(),
            label: self.label.clone(),
            expires_at: self.expires_at,
        };
        working.append_to_key(&key, 1, &self.actor, body);
        let digest = self.digest.clone();
        let row = StoredKey {
            key: key.clone(),
            digest,
            last_hash: None,
        };
        working.api_keys.make(self.id, row);
        Ok(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::tests::{ACTOR, TENANT, alone, key, refusal},
    };

    #[tokio::test]
    async fn a_key_that_would_have_ended_already_is_refused_and_one_beside_it_is_made() {
        on_each_database(async |world| {
            let mut ended = key(1, TENANT);
            ended.expires_at = Some(1);
            let refused = refusal(alone(world, ended).await);
            assert!(matches!(refused, Refusal::InvalidInput(_)), "{refused:?}");
            let made = alone(world, key(2, TENANT)).await.unwrap();
            assert_eq!((made.created_by.as_str(), made.revoked_at), (ACTOR, None));
            assert!(alone(world, key(3, "theirs")).await.is_ok());
            let found = world.storage.find_key(&made.prefix).await.unwrap();
            assert_eq!(found.map(|(key, _)| key), Some(made));
        })
        .await;
    }
}
