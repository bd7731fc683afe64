//! Changing all executions or artifacts that fit a filter.

use std::sync::Arc;

use async_graphql::{Context, ID, InputObject, Object, SimpleObject};

use super::result::{MutationFailure, MutationResult, parts, payload};
use crate::{
    api::ApiError,
    graphql::{
        loading::Caller,
        types::{
            artifact::Artifact,
            execution::Execution,
            filter::{ArtifactFilter, ArtifactOrder, ExecutionFilter, ExecutionOrder},
            ids,
            operation::BulkOperation,
            total::TotalCount,
            user_error::UserError,
        },
    },
    model::{self, OperationKind},
    runtime::{Begun, NewOperation, Previewed, Wanted},
};

/// Executions to cancel.
#[derive(InputObject)]
struct CancelExecutionsInput {
    /// Which executions; those of them that are `CREATED` or `RUNNING` are cancelled.
    filter: Option<ExecutionFilter>,
    /// True, without a filter, to cancel all that the caller may cancel.
    #[graphql(default)]
    all: bool,
    /// True to answer what would be cancelled, and cancel nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why; at most 900 characters.
    reason: Option<String>,
}

/// Executions to run again.
#[derive(InputObject)]
struct RerunExecutionsInput {
    /// Which executions; those that are `FAILED`, unless `status` names other ends.
    filter: Option<ExecutionFilter>,
    /// True, without a filter, to run all again that have failed and that the caller may control.
    #[graphql(default)]
    all: bool,
    /// True to answer what would be run again, and run nothing.
    #[graphql(default)]
    dry_run: bool,
}

/// Artifacts to archive.
#[derive(InputObject)]
struct ArchiveArtifactsInput {
    /// Which artifacts; those of them that are `READY` are archived.
    filter: Option<ArtifactFilter>,
    /// True, without a filter, to archive all that the caller may change.
    #[graphql(default)]
    all: bool,
    /// True to answer what would be archived, and archive nothing.
    #[graphql(default)]
    dry_run: bool,
    /// Why; kept in the artifacts' history. At most 900 characters.
    reason: Option<String>,
}

/// A bulk operation to stop.
#[derive(InputObject)]
struct CancelOperationInput {
    /// The operation.
    id: ID,
    /// Why; kept in the log.
    reason: Option<String>,
}

/// The executions that a bulk operation would change.
#[derive(SimpleObject)]
struct ExecutionsPreview {
    /// Their number.
    matched: TotalCount,
    /// The first ones, oldest first; at most 20.
    executions: Vec<Execution>,
}

/// The artifacts that a bulk operation would change.
#[derive(SimpleObject)]
struct ArtifactsPreview {
    /// Their number.
    matched: TotalCount,
    /// The first ones, oldest first; at most 20.
    artifacts: Vec<Artifact>,
}

impl ExecutionsPreview {
    fn of(begun: &Begun) -> Option<Self> {
        let Begun::Preview(preview) = begun else {
            return None;
        };
        let Previewed::Executions(first) = &preview.first else {
            return None;
        };
        let executions = first.iter().map(|it| Execution(Arc::new(it.clone())));
        Some(Self {
            matched: preview.count.into(),
            executions: executions.collect(),
        })
    }
}

impl ArtifactsPreview {
    fn of(begun: &Begun) -> Option<Self> {
        let Begun::Preview(preview) = begun else {
            return None;
        };
        let Previewed::Artifacts(first) = &preview.first else {
            return None;
        };
        let artifacts = first.iter().map(|it| Artifact(Arc::new(it.clone())));
        Some(Self {
            matched: preview.count.into(),
            artifacts: artifacts.collect(),
        })
    }
}

/// Payloads of mutations that begin a bulk operation.
macro_rules! payloads {
    ($($(#[$doc:meta])* $name:ident with $preview:ident;)*) => {$(
        $(#[$doc])*
        #[derive(SimpleObject)]
        struct $name {
            /// The operation, which has begun; null for a dry run, and when there are errors.
            operation: Option<BulkOperation>,
            /// What a dry run has found; null when it is none.
            preview: Option<$preview>,
            /// The caller's mistakes; empty when there are none.
            errors: Vec<UserError>,
        }

        impl From<MutationResult<Begun>> for $name {
            fn from(outcome: MutationResult<Begun>) -> Self {
                let (begun, errors) = parts(outcome);
                Self {
                    preview: begun.as_ref().and_then($preview::of),
                    operation: begun.and_then(operation_of),
                    errors,
                }
            }
        }
    )*};
}

payloads! {
    /// The result of `cancelExecutions`.
    CancelExecutionsPayload with ExecutionsPreview;
    /// The result of `rerunExecutions`.
    RerunExecutionsPayload with ExecutionsPreview;
    /// The result of `archiveArtifacts`.
    ArchiveArtifactsPayload with ArtifactsPreview;
}

fn operation_of(begun: Begun) -> Option<BulkOperation> {
    match begun {
        Begun::Operation(operation) => Some(BulkOperation(Arc::from(operation))),
        Begun::Preview(_) => None,
    }
}

/// The result of `cancelOperation`.
#[derive(SimpleObject)]
struct CancelOperationPayload {
    /// The operation; null when there are errors.
    operation: Option<BulkOperation>,
    /// The caller's mistakes; empty when there are none.
    errors: Vec<UserError>,
}

impl From<MutationResult<model::BulkOperation>> for CancelOperationPayload {
    fn from(outcome: MutationResult<model::BulkOperation>) -> Self {
        let (operation, errors) = parts(outcome);
        Self {
            operation: operation.map(|it| BulkOperation(Arc::new(it))),
            errors,
        }
    }
}

fn executions(filter: Option<ExecutionFilter>) -> Result<Wanted, ApiError> {
    let filter = filter.unwrap_or_default();
    Ok(Wanted::Executions(
        filter.read(ExecutionOrder::NewestFirst)?,
    ))
}

async fn begin(caller: &Caller, new: NewOperation) -> Result<Begun, MutationFailure> {
    let runtime = &caller.services.runtime;
    Ok(runtime.begin_operation(&caller.principal, new).await?)
}

#[derive(Default)]
pub(super) struct OperationMutation;

#[Object]
impl OperationMutation {
    /// Cancels all executions that fit a filter, with their children. It answers at once; the operation goes on by
    /// itself.
    async fn cancel_executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The executions to cancel.")] input: CancelExecutionsInput,
    ) -> Result<CancelExecutionsPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let new = NewOperation {
            kind: OperationKind::CancelExecutions,
            wanted: executions(input.filter)?,
            is_everything: input.all,
            reason: input.reason,
            dry_run: input.dry_run,
        };
        payload(caller, begin(caller, new).await)
    }

    /// Makes a new execution of each finished execution that fits a filter. It answers at once; the operation goes on
    /// by itself.
    async fn rerun_executions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The executions to run again.")] input: RerunExecutionsInput,
    ) -> Result<RerunExecutionsPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let new = NewOperation {
            kind: OperationKind::RerunExecutions,
            wanted: executions(input.filter)?,
            is_everything: input.all,
            reason: None,
            dry_run: input.dry_run,
        };
        payload(caller, begin(caller, new).await)
    }

    /// Archives all artifacts that fit a filter. It answers at once; the operation goes on by itself.
    async fn archive_artifacts(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The artifacts to archive.")] input: ArchiveArtifactsInput,
    ) -> Result<ArchiveArtifactsPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let mut filter = input.filter.unwrap_or_default();
        let eligible_for = filter.eligible_for.take();
        let filter = filter.read(ArtifactOrder::NewestFirst)?;
        let new = NewOperation {
            kind: OperationKind::ArchiveArtifacts,
            wanted: Wanted::Artifacts(filter, eligible_for),
            is_everything: input.all,
            reason: input.reason,
            dry_run: input.dry_run,
        };
        payload(caller, begin(caller, new).await)
    }

    /// Stops a bulk operation: what it has changed stays so, and of the batch under way, at most 100 things, the node that
    /// works on it still changes the rest, unless it dies or some of them have to wait: these are left alone. One that has
    /// ended stays as it is.
    async fn cancel_operation(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The operation to stop.")] input: CancelOperationInput,
    ) -> Result<CancelOperationPayload, ApiError> {
        let caller = Caller::of(ctx)?;
        let change = async {
            let id = ids::input(&input.id, &["input", "id"])?;
            let runtime = &caller.services.runtime;
            let stopped = runtime.cancel_operation(&caller.principal, id, input.reason);
            Ok(stopped.await?)
        };
        payload(caller, change.await)
    }
}
