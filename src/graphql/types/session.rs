//! Sessions of clients, with their state.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object};

use super::{
    connection::ExecutionConnection,
    page::PageArgs,
    scalars::{BigInt, DateTime, Json},
    total::Total,
};
use crate::{
    api::ApiError, executions::ExecutionFilter, graphql::loading::Caller, model, services::Members,
};

/// The status of a session.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::SessionStatus")]
pub(crate) enum SessionStatus {
    /// Accepts intents and state.
    Active,
    /// Began anonymous and now belongs to a user; accepts intents and state.
    Upgraded,
    /// Closed by its owner; accepts nothing.
    Closed,
    /// Ran out of time; accepts nothing.
    Expired,
}

/// A session as it stands.
pub(crate) struct Session(pub(crate) Arc<model::Session>);

/// A client's session, with the state that lasts from one intent to the next.
#[Object]
impl Session {
    /// Opaque id of the form `ses_…`.
    pub(crate) async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The tenant it belongs to.
    async fn tenant_id(&self) -> &str {
        self.0.tenant_id.as_str()
    }

    /// The user, once there is one.
    async fn user_id(&self) -> Option<&str> {
        self.0.user_id.as_deref()
    }

    /// The solution that its intents go to unless they say otherwise.
    async fn solution_id(&self) -> Option<&str> {
        self.0.solution_id.as_deref()
    }

    /// True until the session has a user.
    async fn is_anonymous(&self) -> bool {
        self.0.is_anonymous
    }

    /// Its status.
    async fn status(&self) -> SessionStatus {
        self.0.status.into()
    }

    /// Notes of the client at creation and upgrade.
    async fn metadata(&self) -> Json {
        Json(self.0.metadata.clone())
    }

    /// The session's state.
    async fn state(&self) -> Json {
        Json(self.0.state.clone())
    }

    /// Grows by one with every change of the state; pass it as `ifVersion` to change only what you
    /// have seen.
    async fn state_version(&self) -> BigInt {
        BigInt(self.0.state_version)
    }

    /// The session's executions, newest first.
    async fn executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Items of the page, 1 to 200; 50 when left out.")] first: Option<i32>,
        #[graphql(desc = "Only items after this cursor.")] after: Option<String>,
        #[graphql(desc = "Items of the page, counted from the end.")] last: Option<i32>,
        #[graphql(desc = "Only items before this cursor.")] before: Option<String>,
    ) -> Result<ExecutionConnection, ApiError> {
        let args = PageArgs::new(first, after, last, before);
        let caller = Caller::of(ctx)?;
        let filter = ExecutionFilter {
            session_id: Some(self.0.id),
            ..ExecutionFilter::default()
        };
        let executions = &caller.services.executions;
        let page = executions
            .list(&caller.scope, &filter, &args.request()?)
            .await?;
        let total = Total::Members(Members::ExecutionsOfSession, self.0.id.0);
        Ok(ExecutionConnection::of(page, total))
    }

    /// When it was created.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it or its state last changed.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it stops accepting anything unless it is closed before.
    async fn expires_at(&self) -> DateTime {
        DateTime(self.0.expires_at)
    }
}

/// The way in which a state write treats the state that is there.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::StateWriteMode")]
pub(crate) enum StateWriteMode {
    /// The new state takes the place of the old one.
    Replace,
    /// JSON Merge Patch, RFC 7396: `null` removes a key.
    Merge,
}
