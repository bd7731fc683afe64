//! Bulk operations: one change of many executions or artifacts.

use std::sync::Arc;

use async_graphql::{Context, Enum, ID, Object, SimpleObject};

use super::{
    counted::Listed,
    scalars::{BigInt, DateTime, Json},
    total::TotalCount,
    user_error::UserErrorCode,
};
use crate::{
    api::RefusalCode,
    graphql::{error::Nullable, loading::Caller},
    model::{self, OperationId},
    services::Count,
};

/// The change that a bulk operation makes.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::OperationKind")]
pub(crate) enum OperationKind {
    /// Executions are cancelled, with their children.
    CancelExecutions,
    /// Intents of executions that have ended are run again.
    RerunExecutions,
    /// Artifacts are archived.
    ArchiveArtifacts,
}

/// How far a bulk operation is.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
#[graphql(remote = "model::OperationStatus")]
pub(crate) enum OperationStatus {
    /// It goes on.
    Running,
    /// It has been through all that fits its filter.
    Completed,
    /// Somebody has stopped it.
    Cancelled,
    /// It could not go on; `error` says why.
    Failed,
}

/// Why one thing was not changed.
#[derive(SimpleObject, Debug)]
pub(crate) struct OperationRefusal {
    /// The execution or the artifact.
    item_id: ID,
    /// The kind of the refusal.
    code: UserErrorCode,
    /// A description of the refusal for people.
    message: String,
}

/// A bulk operation as it stands.
#[derive(Clone)]
pub(crate) struct BulkOperation(pub(crate) Arc<model::BulkOperation>);

/// A change of all executions or artifacts that fit a filter, which goes on by itself.
#[Object(name = "Operation")]
impl BulkOperation {
    /// Opaque id of the form `opr_…`.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The change that it makes.
    async fn kind(&self) -> OperationKind {
        self.0.kind.into()
    }

    /// How far it is.
    async fn status(&self) -> OperationStatus {
        self.0.status.into()
    }

    /// The filter as it is kept, with the states that the change can be made in; times in microseconds since 1970.
    async fn filter(&self) -> Json {
        Json(self.0.filter.clone())
    }

    /// Why, as far as whoever asked has said.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// The name of whoever asked; it acts for them.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// The number of things that fitted when it was asked for.
    async fn expected_count(&self) -> TotalCount {
        let count = u32::try_from(self.0.expected).unwrap_or(u32::MAX);
        let exact = self.0.expected_exact;
        Count { count, exact }.into()
    }

    /// The number of things that it has come to.
    async fn matched_count(&self) -> BigInt {
        BigInt(self.0.counts.matched)
    }

    /// The number of those that it has changed.
    async fn done_count(&self) -> BigInt {
        BigInt(self.0.counts.done)
    }

    /// The number of those for which there was nothing to do any more.
    async fn skipped_count(&self) -> BigInt {
        BigInt(self.0.counts.skipped)
    }

    /// The number of those whose change was refused.
    async fn refused_count(&self) -> BigInt {
        BigInt(self.0.counts.refused)
    }

    /// The first refusals, at most 20.
    async fn refusals(&self) -> Listed<OperationRefusal> {
        let refusals = self.0.refusals.iter().map(|refusal| OperationRefusal {
            item_id: refusal.id.clone().into(),
            code: RefusalCode::named(&refusal.code)
                .unwrap_or(RefusalCode::InvalidInput)
                .into(),
            message: refusal.message.clone(),
        });
        refusals.collect()
    }

    /// Why it could not go on; null unless it has failed.
    async fn error(&self) -> Option<&str> {
        self.0.error.as_deref()
    }

    /// When it began: it changes what was there by then.
    async fn created_at(&self) -> DateTime {
        DateTime(self.0.created_at)
    }

    /// When it last went on.
    async fn updated_at(&self) -> DateTime {
        DateTime(self.0.updated_at)
    }

    /// When it ended; null while it goes on.
    async fn finished_at(&self) -> Option<DateTime> {
        self.0.finished_at.map(DateTime)
    }
}

impl BulkOperation {
    /// The bulk operation with that id; none where it is absent or not the caller's to read.
    pub(crate) async fn find(ctx: &Context<'_>, id: OperationId) -> Nullable<Self> {
        let found = async {
            let caller = Caller::of(ctx)?;
            let runtime = &caller.services.runtime;
            let found = runtime.find_operation(&caller.scope, id).await?;
            Ok(found.map(|it| Self(Arc::new(it))))
        };
        found.await.transpose()
    }
}
