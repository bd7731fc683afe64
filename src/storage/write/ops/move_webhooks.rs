//! How deliveries go on: a node takes webhooks that are due, and writes down what was acknowledged. A webhook is a node's
//! for as long as the node has its lease, or until it gives the webhook back; what another node has taken meanwhile is
//! not written by the one before.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::{
    Delivery, DisabledReason, EventBody, Micros, NodeId, TenantScope, Webhook, WebhookId,
    WebhookStatus,
};

/// Takes webhooks for a node: those that are due and that no other living node has.
#[derive(Debug, Clone)]
pub(in crate::storage) struct HoldWebhooks {
    /// The webhooks that were seen as due.
    pub(in crate::storage) seen: Vec<WebhookId>,
    /// The node.
    pub(in crate::storage) node: NodeId,
    /// The time at which they are due.
    pub(in crate::storage) now: Micros,
}

impl Operation for HoldWebhooks {
    /// Those that were taken.
    type Output = Vec<Webhook>;

    fn needs(&self, needs: &mut Needs) {
        needs.webhooks.extend(&self.seen);
    }

    fn decide(&self, working: &mut Working) -> Result<Vec<Webhook>, Error> {
        let mut held = Vec::with_capacity(self.seen.len());
        for id in &self.seen {
            let row = working.webhooks.see(id);
            // Whose answer was lost has it already.
            let is_own = row.is_some_and(|row| row.held_by == Some(self.node));
            let is_due = row.map(|row| &row.webhook).is_some_and(|it| {
                let due_at = it.delivery.due_at;
                it.status == WebhookStatus::Active && due_at.is_some_and(|at| at <= self.now)
            });
            let is_free = working.webhooks_held.insert(*id) || is_own;
            if !is_due || !is_free {
                continue;
            }
            if let Some(row) = working.webhooks.change(id) {
                row.held_by = Some(self.node);
                held.push(row.webhook.clone());
            }
        }
        Ok(held)
    }
}

/// How far the deliveries of a webhook have come.
#[derive(Debug, Clone)]
pub struct AdvanceWebhook {
    /// The tenant.
    pub scope: TenantScope,
    /// The webhook as the node last knew it.
    pub known: Webhook,
    /// The node that delivers to it.
    pub node: NodeId,
    /// How far it is now.
    pub delivery: Delivery,
    /// True if the node goes on with it.
    pub goes_on: bool,
    /// Why it is given up, if it is.
    pub disabled: Option<DisabledReason>,
}

impl AdvanceWebhook {
    fn apply(&self, webhook: &mut Webhook, now: Micros) {
        let new = &self.delivery;
        if webhook.generation != self.known.generation {
            // What was delivered was chosen by another filter, or from another place.
            return;
        }
        let delivery = &mut webhook.delivery;
        if webhook.version != self.known.version {
            // Somebody has changed how it is delivered, but not what is.
            delivery.place = new.place;
            delivery.ahead.clone_from(&new.ahead);
            delivery.last_success_at = new.last_success_at;
            return;
        }
        delivery.clone_from(new);
        if let Some(reason) = self.disabled {
            webhook.status = WebhookStatus::Disabled;
            webhook.disabled_reason = Some(reason);
            webhook.delivery.due_at = None;
            webhook.version += 1;
            webhook.generation += 1;
            webhook.updated_at = now;
        }
    }
}

impl Operation for AdvanceWebhook {
    /// The webhook as it is then; none when it is not this node's any more.
    type Output = Option<Webhook>;

    fn needs(&self, needs: &mut Needs) {
        needs.webhooks.push(self.known.id);
    }

    fn decide(&self, working: &mut Working) -> Result<Option<Webhook>, Error> {
        let (id, now) = (self.known.id, working.now);
        if working.webhook(&self.scope, id).is_err() {
            return Ok(None);
        }
        let Some(row) = working.webhooks.see(&id) else {
            return Ok(None);
        };
        if row.held_by != Some(self.node) {
            return Ok(None);
        }
        let was_active = row.webhook.status == WebhookStatus::Active;
        let Some(row) = working.webhooks.change(&id) else {
            return Ok(None);
        };
        self.apply(&mut row.webhook, now);
        let is_active = row.webhook.status == WebhookStatus::Active;
        if !self.goes_on || !is_active {
            row.held_by = None;
            working.webhooks_held.remove(&id);
        }
        if let (true, false, Some(reason)) = (was_active, is_active, self.disabled) {
            let failure = self.delivery.last_failure.clone();
            let body = EventBody::WebhookDisabled { reason, failure };
            working.append_to_webhook(id, None, body);
        }
        Ok(working.webhooks.see(&id).map(|row| row.webhook.clone()))
    }
}

#[cfg(test)]
mod tests;
