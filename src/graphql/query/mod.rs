//! The root of all reads, one file for each noun. What is absent or another tenant's is `null`;
//! only a faulty request is an error.

mod api_key;
mod artifact;
mod execution;
mod intent;
mod node;
mod operation;
mod schedule;
mod search;
mod session;
mod system;
mod webhook;

use async_graphql::MergedObject;

/// Reads.
#[derive(MergedObject, Default)]
pub struct Query(
    node::NodeQuery,
    intent::IntentQuery,
    session::SessionQuery,
    execution::ExecutionQuery,
    artifact::ArtifactQuery,
    system::SystemQuery,
    api_key::ApiKeyQuery,
    schedule::ScheduleQuery,
    operation::OperationQuery,
    search::SearchQuery,
    webhook::WebhookQuery,
);
