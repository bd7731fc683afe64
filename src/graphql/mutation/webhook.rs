//! Making, changing and deleting webhooks.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::{ApiError, RefusalCode},
    graphql::{
        loading::Caller,
        types::{
            filter::EventFilter,
            ids,
            user_error::{UserError, plain},
            webhook::Webhook,
        },
    },
    model::{self, Cursor, WebhookId},
    runtime::{NewWebhook, WebhookUpdate, WebhookWithSecret},
};

/// A webhook to make.
#[derive(InputObject)]
struct CreateWebhookInput {
    /// A name for people, 1 to 200 characters.
    name: Option<String>,
    /// Where events are delivered, by `https`; at most 2,000 bytes.
    url: String,
    /// Which events; all when left out.
    filter: Option<EventFilter>,
}

/// What is to be changed of a webhook; what is left out stays as it is.
#[derive(InputObject)]
struct UpdateWebhookInput {
    /// The webhook.
    id: ID,
    /// Another name.
    name: Option<String>,
    /// Another address.
    url: Option<String>,
    /// Another filter, in place of the whole one.
    filter: Option<EventFilter>,
}

/// A webhook to pause.
#[derive(InputObject)]
struct PauseWebhookInput {
    /// The webhook.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// A webhook to resume.
#[derive(InputObject)]
struct ResumeWebhookInput {
    /// The webhook.
    id: ID,
}

/// A webhook to delete.
#[derive(InputObject)]
struct DeleteWebhookInput {
    /// The webhook.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// A webhook that is to have another secret.
#[derive(InputObject)]
struct RotateWebhookSecretInput {
    /// The webhook.
    id: ID,
}

/// A webhook that is to go on from another place.
#[derive(InputObject)]
struct RedeliverWebhookInput {
    /// The webhook.
    id: ID,
    /// The cursor of an event, of `tenantEvents` or of a delivery: what comes after it is delivered.
    after: String,
}

/// Payloads with a webhook.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The webhook; null when there are errors.
            webhook: Option<Webhook>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<model::Webhook>> for $name {
            fn from(outcome: MutationResult<model::Webhook>) -> Self {
                let (webhook, errors) = parts(outcome);
                Self {
                    webhook: webhook.map(|it| Webhook(Arc::new(it))),
                    errors,
                }
            }
        }
    )*};
}

payloads! {
    /// The result of `updateWebhook`.
    UpdateWebhookPayload;
    /// The result of `pauseWebhook`.
    PauseWebhookPayload;
    /// The result of `resumeWebhook`.
    ResumeWebhookPayload;
    /// The result of `deleteWebhook`: the webhook as it was.
    DeleteWebhookPayload;
    /// The result of `redeliverWebhook`.
    RedeliverWebhookPayload;
}

/// Payloads with a webhook and its new secret.
macro_rules! payloads_with_secret {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The webhook; null when there are errors.
            webhook: Option<Webhook>,
            /// The new secret, of the form `whsec_…`, by which the receiver checks signatures. It is not shown again.
            secret: Option<String>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<WebhookWithSecret>> for $name {
            fn from(outcome: MutationResult<WebhookWithSecret>) -> Self {
                let (made, errors) = parts(outcome);
                let (webhook, secret) = made.map(|it| (it.webhook, it.secret)).unzip();
                Self {
                    webhook: webhook.map(|it| Webhook(Arc::new(it))),
                    secret,
                    errors,
                }
            }
        }
    )*};
}

payloads_with_secret! {
    /// The result of `createWebhook`.
    CreateWebhookPayload;
    /// The result of `rotateWebhookSecret`.
    RotateWebhookSecretPayload;
}

fn webhook_id(id: &ID) -> Result<WebhookId, MutationFailure> {
    Ok(ids::input(id, &["input", "id"])?)
}

fn filter(filter: Option<EventFilter>) -> Result<Option<model::EventFilter>, MutationFailure> {
    let filter = filter.map(|it| it.read_input(&["input", "filter", "sessionId"]));
    Ok(filter.transpose()?)
}

#[derive(Default)]
pub(super) struct WebhookMutation;

#[Object]
impl WebhookMutation {
    /// Makes a webhook, for whoever may read all events of the tenant and control its executions. It begins with what
    /// happens from now on.
    async fn create_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to make.")] input: CreateWebhookInput,
    ) -> Result<CreateWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let new = NewWebhook {
                name: input.name,
                url: input.url,
                filter: filter(input.filter)?.unwrap_or_default(),
            };
            let runtime = &caller.services.runtime;
            Ok(runtime.create_webhook(&caller.principal, new).await?)
        };
        payload(caller, change.await)
    }

    /// Changes the name, the address or the filter of a webhook. It goes on where it was.
    async fn update_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook, and what is to be changed.")] input: UpdateWebhookInput,
    ) -> Result<UpdateWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            let update = WebhookUpdate {
                name: input.name,
                url: input.url,
                filter: filter(input.filter)?,
            };
            let updated = runtime.update_webhook(&caller.principal, id, update);
            Ok(updated.await?)
        };
        payload(caller, change.await)
    }

    /// Pauses a webhook: what happens meanwhile is delivered when it is resumed, as far as it is still kept. One that is
    /// not active stays as it is.
    async fn pause_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to pause.")] input: PauseWebhookInput,
    ) -> Result<PauseWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            let paused = runtime.pause_webhook(&caller.principal, id, input.reason);
            Ok(paused.await?)
        };
        payload(caller, change.await)
    }

    /// Resumes a webhook that was paused, or that the server has given up: it goes on where it was. One that is active
    /// stays as it is.
    async fn resume_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to resume.")] input: ResumeWebhookInput,
    ) -> Result<ResumeWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            Ok(runtime.resume_webhook(&caller.principal, id).await?)
        };
        payload(caller, change.await)
    }

    /// Deletes a webhook: nothing more is delivered.
    async fn delete_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook to delete.")] input: DeleteWebhookInput,
    ) -> Result<DeleteWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            let deleted = runtime.delete_webhook(&caller.principal, id, input.reason);
            Ok(deleted.await?)
        };
        payload(caller, change.await)
    }

    /// Gives a webhook another secret. For 24 hours deliveries are signed by the one before as well.
    async fn rotate_webhook_secret(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook.")] input: RotateWebhookSecretInput,
    ) -> Result<RotateWebhookSecretPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            let rotated = runtime.rotate_webhook_secret(&caller.principal, id);
            Ok(rotated.await?)
        };
        payload(caller, change.await)
    }

    /// Has a webhook go on behind a cursor of the tenant's events, to deliver again what was delivered, or to leave
    /// something out. A cursor from which nothing can go on is `CURSOR_EXPIRED`.
    async fn redeliver_webhook(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The webhook and the cursor.")] input: RedeliverWebhookInput,
    ) -> Result<RedeliverWebhookPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let (runtime, id) = (&caller.services.runtime, webhook_id(&input.id)?);
            let after: Cursor = input.after.parse().map_err(|fault: model::CursorError| {
                let path = ["input", "after"].map(str::to_owned).to_vec();
                plain(RefusalCode::InvalidInput, fault.to_string(), Some(path))
            })?;
            let moved = runtime.redeliver_webhook(&caller.principal, id, after);
            Ok(moved.await?)
        };
        payload(caller, change.await)
    }
}
