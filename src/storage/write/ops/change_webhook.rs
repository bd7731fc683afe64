//! What somebody does to a webhook: changes, pauses, resumes, deletes it, gives it another secret, or has it go on from
//! another place. Each gives the row another version, by which whoever delivers to it sees that something is new. A change
//! of what is delivered, and from where, gives it another generation besides: a round that began before is begun again.

use std::sync::Arc;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    Cursor, Delivery, EventBody, EventFilter, Micros, Refusal, TenantScope, Webhook,
    WebhookChangeKind, WebhookId, WebhookSecrets, WebhookStatus,
};

/// A change of a webhook.
#[derive(Debug, Clone)]
pub enum WebhookChange {
    /// What is given takes the place of what was there.
    Update {
        /// Another name.
        name: Option<String>,
        /// Another address.
        url: Option<String>,
        /// Another filter.
        filter: Option<EventFilter>,
        /// When a node looks at it, if it is active: what failed may succeed now.
        due_at: Micros,
    },
    /// Nothing is delivered until it is resumed.
    Pause {
        /// The reason.
        reason: Option<String>,
    },
    /// It goes on where it was.
    Resume {
        /// When a node looks at it.
        due_at: Micros,
    },
    /// It has another secret; the one before signs as well for a while.
    RotateSecret {
        /// The new one, sealed.
        sealed: String,
        /// The end of that while.
        former_until: Micros,
        /// When a node looks at it, if it is active: the secret before it may have been lost.
        due_at: Micros,
    },
    /// It goes on from another place.
    Redeliver {
        /// The place.
        after: Cursor,
        /// When a node looks at it, if it is active.
        due_at: Micros,
    },
    /// It is deleted.
    Delete {
        /// The reason.
        reason: Option<String>,
    },
}

/// Changes a webhook. Paused, it can be paused again and stays as it is, and so it is with one that is active.
#[derive(Debug, Clone)]
pub struct ChangeWebhook {
    /// The tenant.
    pub scope: TenantScope,
    /// Who does it.
    pub actor: Arc<str>,
    /// The webhook.
    pub id: WebhookId,
    /// The change.
    pub change: WebhookChange,
}

impl Working {
    /// A webhook of the tenant, if it is there.
    pub(in crate::storage::write) fn webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
    ) -> Result<&Webhook, Error> {
        let row = self.webhooks.see(&id).map(|row| &row.webhook);
        let row = row.filter(|it| it.tenant_id == *scope.tenant() && it.deleted_at.is_none());
        Ok(row.ok_or_else(|| Refusal::not_found("webhook", "id"))?)
    }
}

impl ChangeWebhook {
    /// Does it to the webhook; false where there is nothing to do.
    fn apply(&self, webhook: &mut Webhook, now: Micros) -> bool {
        match &self.change {
            WebhookChange::Update {
                name,
                url,
                filter,
                due_at,
            } => {
                if name.is_some() {
                    webhook.name.clone_from(name);
                }
                if let Some(url) = url {
                    webhook.url.clone_from(url);
                }
                if let Some(filter) = filter {
                    webhook.filter.clone_from(filter);
                    // It says what was accepted of another choice of events.
                    webhook.delivery.ahead.clear();
                }
                if url.is_some() || filter.is_some() {
                    webhook.delivery.failures = 0;
                    webhook.delivery.failing_since = None;
                }
                if webhook.status == WebhookStatus::Active {
                    webhook.delivery.due_at = Some(*due_at);
                }
            }
            WebhookChange::Pause { .. } => {
                if webhook.status != WebhookStatus::Active {
                    return false;
                }
                webhook.status = WebhookStatus::Paused;
                webhook.delivery.due_at = None;
            }
            WebhookChange::Resume { due_at } => {
                if webhook.status == WebhookStatus::Active {
                    return false;
                }
                webhook.status = WebhookStatus::Active;
                webhook.disabled_reason = None;
                webhook.delivery.failures = 0;
                webhook.delivery.failing_since = None;
                webhook.delivery.due_at = Some(*due_at);
            }
            WebhookChange::RotateSecret {
                sealed,
                former_until,
                due_at,
            } => {
                let former = (webhook.secrets.current.clone(), *former_until);
                webhook.secrets = WebhookSecrets {
                    current: sealed.clone(),
                    former: Some(former),
                };
                if webhook.status == WebhookStatus::Active {
                    webhook.delivery.due_at = Some(*due_at);
                }
            }
            WebhookChange::Redeliver { after, due_at } => {
                let is_active = webhook.status == WebhookStatus::Active;
                webhook.delivery.place = *after;
                webhook.delivery.ahead.clear();
                webhook.delivery.failures = 0;
                webhook.delivery.failing_since = None;
                webhook.delivery.due_at = is_active.then_some(*due_at);
            }
            WebhookChange::Delete { .. } => {
                webhook.deleted_at = Some(now);
                webhook.delivery = Delivery::default();
                webhook.secrets = WebhookSecrets {
                    current: String::new(),
                    former: None,
                };
            }
        }
        true
    }

    /// Returns whether what a round under way has delivered is not to be written down.
    fn begins_anew(&self) -> bool {
        match &self.change {
            WebhookChange::Update { filter, .. } => filter.is_some(),
            WebhookChange::RotateSecret { .. } => false,
            WebhookChange::Pause { .. }
            | WebhookChange::Resume { .. }
            | WebhookChange::Redeliver { .. }
            | WebhookChange::Delete { .. } => true,
        }
    }

    fn entry(&self, webhook: &Webhook) -> EventBody {
        let (change, reason) = match &self.change {
            WebhookChange::Update { .. } => (WebhookChangeKind::Updated, None),
            WebhookChange::Pause { reason } => (WebhookChangeKind::Paused, reason.clone()),
            WebhookChange::Resume { .. } => (WebhookChangeKind::Resumed, None),
            WebhookChange::RotateSecret { .. } => (WebhookChangeKind::SecretRotated, None),
            WebhookChange::Redeliver { after, .. } => {
                let after = format!("after the cursor {after}");
                (WebhookChangeKind::Redelivered, Some(after))
            }
            WebhookChange::Delete { reason } => {
                return EventBody::WebhookDeleted {
                    reason: reason.clone(),
                };
            }
        };
        EventBody::WebhookChanged {
            change,
            name: webhook.name.clone(),
            url: webhook.url.clone(),
            filter: webhook.filter.clone(),
            reason,
        }
    }
}

impl Operation for ChangeWebhook {
    type Output = Webhook;

    fn needs(&self, needs: &mut Needs) {
        needs.webhooks.push(self.id);
    }

    fn decide(&self, working: &mut Working) -> Result<Webhook, Error> {
        let (id, now) = (self.id, working.now);
        let known = working.webhook(&self.scope, id)?.clone();
        let mut changed = known.clone();
        if !self.apply(&mut changed, now) {
            return Ok(known);
        }
        changed.version += 1;
        if self.begins_anew() {
            changed.generation += 1;
        }
        changed.updated_at = now;
        let body = self.entry(&changed);
        if let Some(row) = working.webhooks.change(&id) {
            row.webhook = changed.clone();
        }
        working.append_to_webhook(id, Some(&self.actor), body);
        let is_gone = matches!(self.change, WebhookChange::Delete { .. });
        Ok(if is_gone {
            known
        } else {
            working.webhook(&self.scope, id)?.clone()
        })
    }
}
