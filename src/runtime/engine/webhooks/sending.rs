//! One delivery: the event as JSON, signed by the secrets of the webhook.

use super::Engine;
use crate::{
    model::{Event, EventShown, IntentId, TenantScope, Webhook, price},
    runtime::{
        Error,
        webhooks::{
            addresses::read_url,
            courier::{Attempted, Parcel},
            signature::{Secret, signatures},
        },
    },
    telemetry::metrics,
    vault,
};

/// What is the same for all deliveries of a round.
pub(super) struct Sender {
    scope: TenantScope,
    url: url::Url,
    secrets: Vec<Secret>,
}

/// Returns whether a secret is lost as far as this node knows: its keys do not open it, and asking again does not help.
pub(super) fn is_lost(error: &Error) -> bool {
    match error {
        Error::Vault(error) => !matches!(error, vault::Error::Storage(_)),
        _ => false,
    }
}

impl Engine {
    /// Has the tenant pay, whether it has the points or not: while it owes some, no other round of its webhooks begins.
    pub(super) fn charge(&self, scope: &TenantScope, points: u64) {
        self.budget.charge(scope.tenant(), points);
    }

    /// Sends one event.
    pub(super) async fn attempt(
        &self,
        webhook: &Webhook,
        sender: &Sender,
        event: &Event,
    ) -> Result<Attempted, Error> {
        let Some(body) = self.body_of(&sender.scope, event).await? else {
            // It is not shown to anybody.
            return Ok(Attempted::Accepted);
        };
        self.charge(&sender.scope, price::WEBHOOK + price::content(body.len()));
        let id = format!("{}-{}", webhook.id, event.id());
        let seconds = self.clock.now().div_euclid(1_000_000);
        let parcel = Parcel {
            url: sender.url.clone(),
            signatures: signatures(&sender.secrets, &id, seconds, &body),
            id,
            seconds,
            body,
        };
        let deliveries = &self.webhooks;
        let sending = deliveries.courier.send(parcel);
        let attempted = deliveries.places.sent(&webhook.tenant_id, sending).await;
        self.metrics.delivered(match &attempted {
            Attempted::Accepted => metrics::Delivered::Accepted,
            Attempted::Gone => metrics::Delivered::Gone,
            Attempted::Failed { .. } => metrics::Delivered::Failed,
        });
        Ok(attempted)
    }

    /// The event as JSON. What belongs to it and is lost is left out.
    async fn body_of(&self, scope: &TenantScope, event: &Event) -> Result<Option<String>, Error> {
        let Some(mut shown) = EventShown::of(event) else {
            return Ok(None);
        };
        if let Some(payload) = EventShown::payload_of(event) {
            match self.payloads.load(scope, payload).await {
                Ok(json) => shown = shown.with_payload(json),
                Err(error) if error.is_outage() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%error, event_id = %event.id(), "the payload of an event cannot be read");
                }
            }
        }
        // Texts and numbers can be written as JSON.
        Ok(Some(serde_json::to_string(&shown).unwrap_or_default()))
    }

    /// Opens what deliveries of the webhook are signed by. Nothing is delivered that the present secret does not sign.
    pub(super) async fn sender(
        &self,
        scope: &TenantScope,
        webhook: &Webhook,
    ) -> Result<Sender, Error> {
        let mut secrets = vec![
            self.opened(scope, webhook, &webhook.secrets.current)
                .await?,
        ];
        let now = self.clock.now();
        let former = webhook.secrets.former.as_ref();
        if let Some((former, _)) = former.filter(|(_, until)| *until > now) {
            match self.opened(scope, webhook, former).await {
                Ok(secret) => secrets.push(secret),
                // It was exchanged for that reason.
                Err(error) if is_lost(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Sender {
            scope: scope.clone(),
            // Where private addresses are not allowed any more, the courier says so.
            url: read_url(&webhook.url, true)?,
            secrets,
        })
    }

    async fn opened(
        &self,
        scope: &TenantScope,
        webhook: &Webhook,
        sealed: &str,
    ) -> Result<Secret, Error> {
        let (vault, id) = (self.vault()?, IntentId(webhook.id.0));
        let text = vault.reveal(scope.tenant(), id, sealed).await?;
        Ok(Secret::read(&text).ok_or(vault::Error::Broken)?)
    }
}
