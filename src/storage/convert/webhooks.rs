//! Rows of webhooks.

use entity::webhook;

use super::{
    super::{Error, chain},
    json, known,
};
use crate::model::{
    ChainHash, Cursor, Delivery, DisabledReason, NodeId, TenantId, Webhook, WebhookId,
    WebhookSecrets, WebhookStatus,
};

/// A webhook with the node that delivers to it, and the hash of the last entry of its stream.
#[derive(Debug, Clone)]
pub(in crate::storage) struct StoredWebhook {
    pub(in crate::storage) webhook: Webhook,
    pub(in crate::storage) held_by: Option<NodeId>,
    pub(in crate::storage) last_hash: Option<ChainHash>,
}

impl TryFrom<webhook::Model> for StoredWebhook {
    type Error = Error;

    fn try_from(row: webhook::Model) -> Result<Self, Error> {
        let webhook::Model {
            id,
            tenant_id,
            name,
            url,
            filter,
            status,
            disabled_reason,
            created_by,
            grants,
            secret,
            former_secret,
            former_until,
            place_tx,
            place_ord,
            place_seq,
            ahead,
            failures,
            failing_since,
            last_success_at,
            last_failure_at,
            last_failure,
            due_at,
            held_by,
            version,
            generation,
            next_seq,
            created_at,
            updated_at,
            deleted_at,
            last_hash,
        } = row;
        let reason = disabled_reason.map(|code| {
            let reason = DisabledReason::from_code(code);
            known(reason, "reason of a disabled webhook")
        });
        let grants = grants.parse();
        let webhook = Webhook {
            id: WebhookId(id),
            tenant_id: TenantId::stored(&tenant_id),
            name,
            url,
            filter: json(&filter, "filter of a webhook")?,
            status: known(WebhookStatus::from_code(status), "status of a webhook")?,
            disabled_reason: reason.transpose()?,
            created_by,
            grants: grants.map_err(|e| Error::corrupt("grants of a webhook", e))?,
            secrets: WebhookSecrets {
                current: secret,
                former: former_secret.zip(former_until),
            },
            delivery: Delivery {
                place: Cursor {
                    tx: place_tx,
                    ord: place_ord,
                    seq: place_seq,
                },
                ahead: json(&ahead, "place of a webhook")?,
                failures,
                failing_since,
                last_success_at,
                last_failure_at,
                last_failure,
                due_at,
            },
            version,
            generation,
            next_seq,
            created_at,
            updated_at,
            deleted_at,
        };
        Ok(Self {
            webhook,
            held_by: held_by.map(NodeId),
            last_hash: chain::stored(last_hash)?,
        })
    }
}

impl From<StoredWebhook> for webhook::Model {
    fn from(row: StoredWebhook) -> Self {
        let StoredWebhook {
            webhook,
            held_by,
            last_hash,
        } = row;
        let (delivery, secrets) = (webhook.delivery, webhook.secrets);
        let (former_secret, former_until) = secrets.former.unzip();
        Self {
            id: webhook.id.0,
            tenant_id: webhook.tenant_id.to_string(),
            name: webhook.name,
            url: webhook.url,
            // Texts and numbers can be written as JSON.
            filter: serde_json::to_string(&webhook.filter).unwrap_or_default(),
            status: webhook.status.code(),
            disabled_reason: webhook.disabled_reason.map(DisabledReason::code),
            created_by: webhook.created_by,
            grants: webhook.grants.to_string(),
            secret: secrets.current,
            former_secret,
            former_until,
            place_tx: delivery.place.tx,
            place_ord: delivery.place.ord,
            place_seq: delivery.place.seq,
            ahead: serde_json::to_string(&delivery.ahead).unwrap_or_default(),
            failures: delivery.failures,
            failing_since: delivery.failing_since,
            last_success_at: delivery.last_success_at,
            last_failure_at: delivery.last_failure_at,
            last_failure: delivery.last_failure,
            due_at: delivery.due_at,
            held_by: held_by.map(|node| node.0),
            version: webhook.version,
            generation: webhook.generation,
            next_seq: webhook.next_seq,
            created_at: webhook.created_at,
            updated_at: webhook.updated_at,
            deleted_at: webhook.deleted_at,
            last_hash: last_hash.map(|hash| hash.0.to_vec()),
        }
    }
}
