//! Webhooks: addresses outside to which events of the tenant are delivered.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::scalars::{BigInt, DateTime};
use crate::{
    graphql::{error::Nullable, loading::Caller},
    model::{self, Cursor, WebhookId},
};

/// Whether events are delivered to a webhook.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::WebhookStatus")]
pub(crate) enum WebhookStatus {
    /// They are.
    Active,
    /// Somebody has paused it.
    Paused,
    /// The server has given it up; `disabledReason` says why.
    Disabled,
}

/// Why the server has given a webhook up.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::DisabledReason")]
pub(crate) enum WebhookDisabledReason {
    /// Nothing was accepted for too long.
    Failing,
    /// The receiver has answered 410.
    Gone,
}

/// Which events are delivered; all conditions hold together, and an empty list means any.
#[derive(SimpleObject, Debug)]
pub(crate) struct WebhookFilter {
    /// Events of these types, e.g. `execution.completed`.
    types: Vec<String>,
    /// Of executions of intents of these types.
    intent_type: Vec<String>,
    /// Of this session.
    session_id: Option<ID>,
}

/// A webhook as it stands.
#[derive(Clone)]
pub(crate) struct Webhook(pub(crate) Arc<model::Webhook>);

/// An address outside to which events of the tenant are delivered.
#[Object]
impl Webhook {
    /// Opaque id of the form `whk_…`.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name, if it has one.
    async fn name(&self) -> Option<&str> {
        self.0.name.as_deref()
    }

    /// Where events are delivered.
    async fn url(&self) -> &str {
        &self.0.url
    }

    /// Which events are delivered.
    async fn filter(&self) -> WebhookFilter {
        let filter = &self.0.filter;
        WebhookFilter {
            types: filter.types.clone(),
            intent_type: filter.intent_types.clone(),
            session_id: filter.session_id.map(ID::from),
        }
    }

    /// Whether they are delivered.
    async fn status(&self) -> WebhookStatus {
        self.0.status.into()
    }

    /// Why the server has given it up; null unless it is `DISABLED`.
    async fn disabled_reason(&self) -> Option<WebhookDisabledReason> {
        self.0.disabled_reason.map(Into::into)
    }

    /// The name of whoever made it; it reads for them, with the permissions that they had then.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// The place in the tenant's feed up to which every event was accepted; null while it is before the first one. It is
    /// written down now and then where nothing fits the filter.
    async fn cursor(&self) -> Option<String> {
        let place = self.0.delivery.place;
        (place != Cursor::default()).then(|| place.to_string())
    }

    /// The number of times in a row that a delivery was not accepted.
    async fn consecutive_failures(&self) -> BigInt {
        BigInt(self.0.delivery.failures)
    }

    /// When a delivery was last accepted.
    async fn last_success_at(&self) -> Option<DateTime> {
        self.0.delivery.last_success_at.map(DateTime)
    }

    /// When a delivery was last not accepted.
    async fn last_failure_at(&self) -> Option<DateTime> {
        self.0.delivery.last_failure_at.map(DateTime)
    }

    /// Why not: the status of the answer with the beginning of its text, or what went wrong.
    async fn last_failure(&self) -> Option<&str> {
        self.0.delivery.last_failure.as_deref()
    }

    /// When what was not accepted is tried again; null where nothing waits for that.
    async fn next_attempt_at(&self) -> Option<DateTime> {
        let delivery = &self.0.delivery;
        let due_at = delivery.due_at.filter(|_| delivery.failures > 0);
        due_at.map(DateTime)
    }

    /// Until when the secret before the present one signs as well; null where there is none.
    async fn former_secret_until(&self) -> Option<DateTime> {
        let former = self.0.secrets.former.as_ref();
        former.map(|(_, until)| DateTime(*until))
    }

    /// When it was made.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it was last changed by somebody, or given up.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }
}

impl Webhook {
    /// The webhook with that id; none where it is absent.
    pub(crate) async fn find(ctx: &Context<'_>, id: WebhookId) -> Nullable<Self> {
        let found = async {
            let caller = Caller::of(ctx)?;
            let runtime = &caller.services.runtime;
            let found = runtime.find_webhook(&caller.scope, id).await?;
            Ok(found.map(|it| Self(Arc::new(it))))
        };
        found.await.transpose()
    }
}
