//! Entries of the log as an operator reads them: of executions, sessions, artifacts, keys, schedules, bulk operations and
//! webhooks alike.

use async_graphql::{Context, Enum, ID, Object};

use super::scalars::{BigInt, DateTime, Json};
use crate::{
    api::ApiError,
    graphql::{error::Nullable, loading::Caller},
    model::{self, ArtifactId, ExecutionId, KeyId, OperationId, RawJson, ScheduleId, WebhookId},
};

/// The kind of record that a stream of the log belongs to.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::StreamKind")]
pub(crate) enum WalStreamKind {
    /// One execution.
    Execution,
    /// One session.
    Session,
    /// One artifact, for changes that no running execution makes.
    Artifact,
    /// One key of the API.
    Key,
    /// One schedule.
    Schedule,
    /// One bulk operation.
    Operation,
    /// One webhook.
    Webhook,
}

/// An entry of the log.
pub(crate) struct WalEntry(pub(crate) model::Event);

/// One entry of the append-only log.
#[Object]
impl WalEntry {
    /// Opaque id of the form `evt_…`; the same at every reading.
    async fn id(&self) -> ID {
        self.0.id().into()
    }

    /// The kind of record that the entry's stream belongs to.
    async fn stream_kind(&self) -> WalStreamKind {
        self.0.stream_kind.into()
    }

    /// The execution, session, artifact, key, schedule, bulk operation or webhook.
    async fn stream_id(&self) -> ID {
        match self.0.stream_kind {
            model::StreamKind::Execution => ExecutionId(self.0.stream_id).into(),
            model::StreamKind::Session => self.0.session_id.into(),
            model::StreamKind::Artifact => ArtifactId(self.0.stream_id).into(),
            model::StreamKind::Key => KeyId(self.0.stream_id).into(),
            model::StreamKind::Schedule => ScheduleId(self.0.stream_id).into(),
            model::StreamKind::Operation => OperationId(self.0.stream_id).into(),
            model::StreamKind::Webhook => WebhookId(self.0.stream_id).into(),
        }
    }

    /// The entry's place in its stream: 1, 2, 3, without gaps.
    async fn sequence(&self) -> BigInt {
        BigInt(self.0.cursor.seq)
    }

    /// The stable machine name, e.g. `session.created`.
    #[graphql(name = "type")]
    async fn event_type(&self) -> String {
        self.0.body.type_name()
    }

    /// The entry's data, as it is stored.
    #[expect(clippy::unused_async, reason = "resolvers are asynchronous")]
    async fn data(&self) -> Result<Json, ApiError> {
        let (_, data) = self
            .0
            .body
            .encode()
            .map_err(|fault| ApiError::internal(&fault))?;
        Ok(Json(RawJson::trusted(data)))
    }

    /// The large value that goes with it: parameters, a result, a state. It is for operators.
    async fn payload(&self, ctx: &Context<'_>) -> Nullable<Json> {
        let payload = self.0.payload.as_ref()?;
        let load = async {
            let caller = Caller::of(ctx)?;
            let runtime = &caller.services.runtime;
            Ok(Json(runtime.logged_value(&caller.scope, payload).await?))
        };
        Some(load.await)
    }

    /// Who caused it: the name of the caller, and for what a handler does that of whoever submitted its
    /// execution. Null where the runtime did it by itself, or an earlier version of the server wrote the
    /// entry.
    async fn actor(&self) -> Option<&str> {
        self.0.actor.as_deref()
    }

    /// When it happened.
    async fn occurred_at(&self) -> DateTime {
        DateTime(self.0.occurred_at)
    }

    /// Pass it as `after` to go on behind this entry.
    async fn cursor(&self) -> String {
        self.0.cursor.to_string()
    }
}
