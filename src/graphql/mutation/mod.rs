//! The root of all changes, one file for each noun. What a caller did wrong is a user error in the
//! payload; only what is nobody's mistake of input fails the field.

mod api_key;
mod artifact;
mod execution;
mod fleet;
mod intent;
mod operation;
mod result;
mod schedule;
mod session;
mod upload;
mod webhook;

use async_graphql::MergedObject;

/// Changes.
#[derive(MergedObject, Default)]
pub struct Mutation(
    session::SessionMutation,
    intent::IntentMutation,
    execution::ExecutionMutation,
    upload::UploadMutation,
    artifact::ArtifactMutation,
    api_key::ApiKeyMutation,
    schedule::ScheduleMutation,
    operation::OperationMutation,
    webhook::WebhookMutation,
    fleet::FleetMutation,
);
