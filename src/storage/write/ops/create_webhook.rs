//! Makes a webhook, within the number that a tenant may have.

use std::sync::Arc;

use super::super::{
    super::{Error, convert::StoredWebhook},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{EventBody, Fault, Refusal, TenantScope, Webhook};

/// Makes a webhook.
#[derive(Debug, Clone)]
pub struct CreateWebhook {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The webhook. Its numbers and times are set here, but for when a node is to look at it.
    pub webhook: Webhook,
    /// The most that the tenant may have.
    pub most: i64,
}

impl Operation for CreateWebhook {
    type Output = Webhook;

    fn needs(&self, needs: &mut Needs) {
        needs.webhook_counts.push(self.scope.tenant().clone());
    }

    fn decide(&self, working: &mut Working) -> Result<Webhook, Error> {
        let tenant = self.scope.tenant();
        let count = working.webhook_counts.entry(tenant.clone()).or_default();
        if *count >= self.most {
            let message = format!("a tenant has at most {} webhooks; delete one", self.most);
            return Err(Refusal::InvalidInput(vec![Fault::at([], message)]).into());
        }
        *count += 1;
        let webhook = Webhook {
            version: 1,
            next_seq: 1,
            created_at: working.now,
            updated_at: working.now,
            ..self.webhook.clone()
        };
        let body = EventBody::WebhookCreated {
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            filter: webhook.filter.clone(),
            grants: webhook.grants.clone(),
        };
        let id = webhook.id;
        let row = StoredWebhook {
            webhook,
            held_by: None,
            last_hash: None,
        };
        working.webhooks.make(id, row);
        working.append_to_webhook(id, Some(&self.actor), body);
        Ok(working.webhook(&self.scope, id)?.clone())
    }
}
