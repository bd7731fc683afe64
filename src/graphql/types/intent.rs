//! Intents: what a client asked for.

use std::sync::Arc;

use async_graphql::{Context, ID, Object};

use super::{
    payload::PayloadPreview,
    scalars::{DateTime, Json},
    session::Session,
};
use crate::{
    api::ApiError,
    graphql::{error::Nullable, loading::Caller},
    model,
};

/// The intent of an execution.
pub(crate) struct Intent(pub(crate) Arc<model::Execution>);

/// A client's request for work. Immutable; several executions share one when it was run again.
#[Object]
impl Intent {
    /// Opaque id of the form `int_…`.
    pub(crate) async fn id(&self) -> ID {
        self.0.intent.id.into()
    }

    /// The type of work, e.g. `ingest_file`.
    async fn intent_type(&self) -> &str {
        &self.0.intent.intent_type
    }

    /// The tenant it belongs to.
    async fn tenant_id(&self) -> &str {
        self.0.intent.tenant_id.as_str()
    }

    /// The session it was submitted in.
    async fn session(&self, ctx: &Context<'_>) -> Result<Session, ApiError> {
        let id = self.0.intent.session_id;
        let session = Caller::of(ctx)?.loaders().sessions.load(id).await?;
        session
            .map(Session)
            .ok_or_else(|| ApiError::dangling("session of an intent"))
    }

    /// The solution it is meant for.
    async fn solution_id(&self) -> &str {
        &self.0.intent.solution_id
    }

    /// The handler's parameters; `***` stands for those that its schema marks as sensitive (`writeOnly`).
    async fn parameters(&self, ctx: &Context<'_>) -> Result<Json, ApiError> {
        Json::load(ctx, &self.0.intent.parameters).await
    }

    /// The size and the beginning of the parameters.
    async fn parameters_preview(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Bytes at most, 1 to 65,536.", default = 2048)] bytes: i32,
    ) -> Nullable<PayloadPreview> {
        let url = PayloadPreview::address(self.0.id, "parameters", None);
        Some(PayloadPreview::load(ctx, &self.0.intent.parameters, bytes, url).await)
    }

    /// Notes of the client, which the runtime does not read.
    async fn metadata(&self) -> Json {
        Json(self.0.intent.metadata.clone())
    }

    /// The key that makes a repetition of the request harmless, when one was given.
    async fn idempotency_key(&self) -> Option<&str> {
        self.0.intent.idempotency_key.as_deref()
    }

    /// When it was accepted.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.intent.created_at)
    }
}
