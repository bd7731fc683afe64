//! Webhooks: made and changed by whoever may read all events of the tenant and control its executions, and delivered to
//! by the engine (`engine/webhooks`).

pub(super) mod addresses;
pub(super) mod backoff;
pub(super) mod courier;
pub(super) mod signature;

use std::sync::Arc;

use super::{Error, Runtime, engine::Engine};
use crate::{
    model::{
        Action, Cursor, Delivery, EventFilter, Fault, Grants, IntentId, Micros, Principal, Refusal,
        TenantScope, Webhook, WebhookId, WebhookSecrets, WebhookStatus, check_reason, is_name,
    },
    storage::{
        ChangeWebhook, Count, CreateWebhook, Feed, Page, PageRequest, Reading, WebhookChange,
    },
};
use addresses::read_url;
use signature::Secret;

/// The most webhooks of a tenant.
const MOST_WEBHOOKS: i64 = 20;
/// Characters of a name.
const MOST_NAME_CHARS: usize = 200;
/// Names of types in a filter, and characters of each.
const MOST_TYPES: usize = 100;
const MOST_TYPE_CHARS: usize = 200;
/// For so long the secret before the present one signs as well.
const FORMER_SIGNS_MICROS: Micros = 24 * 3_600_000_000;

/// A webhook to be made.
#[derive(Debug, Clone, Default)]
pub struct NewWebhook {
    /// A name for people.
    pub name: Option<String>,
    /// Where events are delivered.
    pub url: String,
    /// Which events.
    pub filter: EventFilter,
}

/// What is to be changed of a webhook; what is none stays.
#[derive(Debug, Clone, Default)]
pub struct WebhookUpdate {
    /// Another name.
    pub name: Option<String>,
    /// Another address.
    pub url: Option<String>,
    /// Another filter.
    pub filter: Option<EventFilter>,
}

/// A webhook with its new secret, which is told this once.
#[derive(Clone)]
pub struct WebhookWithSecret {
    /// The webhook.
    pub webhook: Webhook,
    /// The text of the secret.
    pub secret: String,
}

impl From<EventFilter> for Feed {
    fn from(filter: EventFilter) -> Self {
        Self::Tenant {
            types: filter.types.into_iter().collect(),
            intent_types: filter.intent_types.into_iter().collect(),
            session_id: filter.session_id,
        }
    }
}

/// Who may have events delivered: whoever may read all of them, and control what they are about.
fn check_manages(principal: &Principal) -> Result<(), Refusal> {
    if principal.is_handed_out() {
        let message = "a webhook outlives a token of minutes: it is made by a key or by a user";
        return Err(Refusal::invalid([], message));
    }
    principal.check_all(Action::ReadExecutions)?;
    principal.check_all(Action::ControlExecutions)
}

fn check_name(name: Option<&str>) -> Option<Fault> {
    let is_good = name.is_none_or(|name| is_name(name, MOST_NAME_CHARS));
    let message = "a name has 1 to 200 characters, none of them a control character";
    (!is_good).then(|| Fault::at(["name"], message))
}

fn check_filter(filter: &EventFilter) -> Option<Fault> {
    let is_good = |names: &[String]| {
        names.len() <= MOST_TYPES && names.iter().all(|name| is_name(name, MOST_TYPE_CHARS))
    };
    let message = "at most 100 names of 1 to 200 characters";
    if !is_good(&filter.types) {
        return Some(Fault::at(["filter", "types"], message));
    }
    (!is_good(&filter.intent_types)).then(|| Fault::at(["filter", "intentType"], message))
}

fn check_all(faults: impl IntoIterator<Item = Option<Fault>>) -> Result<(), Refusal> {
    let faults: Vec<Fault> = faults.into_iter().flatten().collect();
    if faults.is_empty() {
        return Ok(());
    }
    Err(Refusal::InvalidInput(faults))
}

impl Engine {
    /// Makes a secret; the secret sealed, and its text.
    fn new_secret(&self, scope: &TenantScope, id: WebhookId) -> Result<(String, String), Error> {
        let text = Secret::random().expose();
        let sealed = self.vault()?.seal(scope.tenant(), IntentId(id.0), &text)?;
        Ok((sealed, text))
    }
}

impl Runtime {
    /// Makes a webhook, and its secret. It begins with what happens from now on, and reads for whoever makes it, with the
    /// permissions that they have now.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong, or when the tenant has too many.
    pub async fn create_webhook(
        &self,
        principal: &Principal,
        new: NewWebhook,
    ) -> Result<WebhookWithSecret, Error> {
        let engine = &self.0;
        check_manages(principal)?;
        check_all([check_name(new.name.as_deref()), check_filter(&new.filter)])?;
        read_url(&new.url, engine.webhooks.allows_private())?;
        if engine.vault.is_none() {
            let message = "this server has no keys to keep the webhook's secret: its operator sets secrets.keys";
            return Err(Refusal::invalid([], message).into());
        }
        engine.refuse_while_draining()?;
        engine
            .refuse_beside_other_versions("webhooks are made")
            .await?;
        let (scope, id) = (principal.scope(), engine.ids.webhook());
        let place = engine.events.head(principal, None).await?;
        let (sealed, secret) = engine.new_secret(&scope, id)?;
        let webhook = Webhook {
            id,
            tenant_id: principal.tenant().clone(),
            name: new.name,
            url: new.url,
            filter: new.filter,
            status: WebhookStatus::Active,
            disabled_reason: None,
            created_by: principal.actor().to_string(),
            grants: Grants::clone(principal.grants()),
            secrets: WebhookSecrets {
                current: sealed,
                former: None,
            },
            delivery: Delivery {
                place: place.unwrap_or_default(),
                due_at: Some(engine.clock.now()),
                ..Delivery::default()
            },
            version: 1,
            generation: 0,
            next_seq: 1,
            created_at: 0,
            updated_at: 0,
            deleted_at: None,
        };
        let create = CreateWebhook {
            scope,
            actor: Arc::clone(principal.actor()),
            webhook,
            most: MOST_WEBHOOKS,
        };
        let webhook = engine.storage.create_webhook(create).await?;
        engine.webhooks.look();
        Ok(WebhookWithSecret { webhook, secret })
    }

    async fn change_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        change: WebhookChange,
    ) -> Result<Webhook, Error> {
        let change = ChangeWebhook {
            scope: principal.scope(),
            actor: Arc::clone(principal.actor()),
            id,
            change,
        };
        let changed = self.0.storage.change_webhook(change).await?;
        self.0.webhooks.changed(id);
        Ok(changed)
    }

    /// Changes the name, the address or the filter of a webhook. It goes on where it was.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong, or when it is absent.
    pub async fn update_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        update: WebhookUpdate,
    ) -> Result<Webhook, Error> {
        check_manages(principal)?;
        let filter = update.filter.as_ref().and_then(check_filter);
        check_all([check_name(update.name.as_deref()), filter])?;
        if let Some(url) = &update.url {
            read_url(url, self.0.webhooks.allows_private())?;
        }
        let change = WebhookChange::Update {
            name: update.name,
            url: update.url,
            filter: update.filter,
            due_at: self.0.clock.now(),
        };
        self.change_webhook(principal, id, change).await
    }

    /// Pauses a webhook: nothing is delivered until it is resumed. One that is not active stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn pause_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        reason: Option<String>,
    ) -> Result<Webhook, Error> {
        check_manages(principal)?;
        check_reason(reason.as_deref())?;
        let change = WebhookChange::Pause { reason };
        self.change_webhook(principal, id, change).await
    }

    /// Resumes a webhook that was paused or disabled: it goes on where it was, with what is still kept. One that is active
    /// stays as it is.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn resume_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
    ) -> Result<Webhook, Error> {
        check_manages(principal)?;
        let due_at = self.0.clock.now();
        let change = WebhookChange::Resume { due_at };
        self.change_webhook(principal, id, change).await
    }

    /// Deletes a webhook; the answer is what it was.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn delete_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        reason: Option<String>,
    ) -> Result<Webhook, Error> {
        check_manages(principal)?;
        check_reason(reason.as_deref())?;
        let change = WebhookChange::Delete { reason };
        self.change_webhook(principal, id, change).await
    }

    /// Gives a webhook another secret. The one before signs as well for a day; one that was before that does not any more.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent.
    pub async fn rotate_webhook_secret(
        &self,
        principal: &Principal,
        id: WebhookId,
    ) -> Result<WebhookWithSecret, Error> {
        check_manages(principal)?;
        let (sealed, secret) = self.0.new_secret(&principal.scope(), id)?;
        let now = self.0.clock.now();
        let change = WebhookChange::RotateSecret {
            sealed,
            former_until: now.saturating_add(FORMER_SIGNS_MICROS),
            due_at: now,
        };
        let webhook = self.change_webhook(principal, id, change).await?;
        Ok(WebhookWithSecret { webhook, secret })
    }

    /// Has a webhook go on behind a cursor of the tenant's feed: what is behind it is delivered, again or not.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent; [`crate::storage::Error::CursorTrimmed`] and
    /// [`crate::storage::Error::CursorExpired`] where nothing can go on from the cursor.
    pub async fn redeliver_webhook(
        &self,
        principal: &Principal,
        id: WebhookId,
        after: Cursor,
    ) -> Result<Webhook, Error> {
        check_manages(principal)?;
        let (storage, scope) = (&self.0.storage, principal.scope());
        let found = storage.find_webhook(&scope, id).await?;
        found.ok_or_else(|| Refusal::not_found("webhook", "id"))?;
        storage
            .check_position(&scope, Reading::Tenant, after)
            .await?;
        let due_at = self.0.clock.now();
        let change = WebhookChange::Redeliver { after, due_at };
        self.change_webhook(principal, id, change).await
    }

    /// A webhook of the tenant, for whoever may read all events.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn find_webhook(
        &self,
        scope: &TenantScope,
        id: WebhookId,
    ) -> Result<Option<Webhook>, Error> {
        scope.check_all(Action::ReadExecutions)?;
        Ok(self.0.storage.find_webhook(scope, id).await?)
    }

    /// A page of the tenant's webhooks, newest first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn list_webhooks(
        &self,
        scope: &TenantScope,
        page: &PageRequest<WebhookId>,
    ) -> Result<Page<WebhookId, Webhook>, Error> {
        scope.check_all(Action::ReadExecutions)?;
        Ok(self.0.storage.list_webhooks(scope, page).await?)
    }

    /// Returns the number of the tenant's webhooks.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn count_webhooks(&self, scope: &TenantScope) -> Result<Count, Error> {
        scope.check_all(Action::ReadExecutions)?;
        Ok(self.0.storage.count_webhooks(scope).await?)
    }
}
