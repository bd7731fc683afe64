//! Keys of the API: made, and revoked once. A key's stream in the log has these two entries at most.

use std::sync::Arc;

use super::{
    super::{Error, convert::StoredKey},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    ApiKey, Cursor, Event, EventBody, Fault, KeyId, KeyRights, Micros, Refusal, SessionId,
    StreamKind, TenantScope,
};

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
    /// What it may do.
    pub rights: KeyRights,
    /// What it is for.
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
        };
        working.api_keys.make(self.id, row);
        Ok(key)
    }
}

/// Revokes a key; one that is revoked already stays as it is.
#[derive(Debug, Clone)]
pub struct RevokeKey {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The key.
    pub id: KeyId,
    /// Why.
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

/// Notes when keys were last used.
#[derive(Debug, Clone)]
pub(in crate::storage) struct NoteKeyUses {
    pub(in crate::storage) uses: Vec<(KeyId, Micros)>,
}

impl Operation for NoteKeyUses {
    type Output = ();

    fn needs(&self, needs: &mut Needs) {
        needs.api_keys.extend(self.uses.iter().map(|(id, _)| *id));
    }

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        for (id, at) in &self.uses {
            let found = working.api_keys.see(id);
            // Nodes tell of the same key in any order.
            if found.is_none_or(|row| row.key.last_used_at >= Some(*at)) {
                continue;
            }
            if let Some(row) = working.api_keys.change(id) {
                row.key.last_used_at = Some(*at);
            }
        }
        Ok(())
    }
}

impl Working {
    /// Appends to a key's stream.
    fn append_to_key(&mut self, key: &ApiKey, seq: i64, actor: &Arc<str>, body: EventBody) {
        let (tx, ord) = (self.tx, self.next_ord());
        self.changes.events.push(Event {
            stream_kind: StreamKind::Key,
            stream_id: key.id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: key.tenant_id.clone(),
            session_id: SessionId(uuid::Uuid::nil()),
            intent_type: None,
            actor: Some(Arc::clone(actor)),
            body,
            payload: None,
            occurred_at: self.now,
        });
    }
}
