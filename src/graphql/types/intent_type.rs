//! Registered intent types and their handlers: what can be submitted, and with which parameters.

use async_graphql::Object;

use super::scalars::{BigInt, Json, int};
use crate::runtime::{HandlerInfo, IntentTypeInfo};

/// A registered intent type.
pub(crate) struct IntentType(pub(crate) IntentTypeInfo);

/// A type of work that can be submitted, with the handlers that do it.
#[Object]
impl IntentType {
    /// Its name, e.g. `ingest_file`.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The handlers that serve it.
    async fn handlers(&self) -> Vec<IntentHandler> {
        self.0.handlers.iter().cloned().map(IntentHandler).collect()
    }
}

/// A registered handler.
pub(crate) struct IntentHandler(HandlerInfo);

/// A function that does the work of an intent type.
#[Object]
impl IntentHandler {
    /// Its name, unique within the type.
    async fn handler_name(&self) -> &str {
        &self.0.handler_name
    }

    /// Its description, as its author wrote it.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// The solutions it serves; intents of these go to it unless they name another.
    async fn solution_ids(&self) -> &[String] {
        &self.0.solution_ids
    }

    /// JSON Schema of its parameters.
    async fn parameters_schema(&self) -> Json {
        Json(self.0.parameters_schema.clone())
    }

    /// The artifact types it accepts as input.
    async fn eligible_for(&self) -> &[String] {
        &self.0.eligible_for
    }

    /// True if it changes nothing.
    async fn read_only(&self) -> bool {
        self.0.read_only
    }

    /// True if a remote worker serves it, rather than the nodes themselves.
    async fn remote(&self) -> bool {
        self.0.remote
    }

    /// The most attempts of one execution.
    async fn max_attempts(&self) -> i32 {
        int(self.0.max_attempts)
    }

    /// The time limit of one attempt, in milliseconds.
    async fn attempt_timeout_ms(&self) -> Option<BigInt> {
        self.0.attempt_timeout_ms.map(BigInt)
    }

    /// The time limit of an execution with all its attempts, in milliseconds.
    async fn execution_timeout_ms(&self) -> Option<BigInt> {
        self.0.execution_timeout_ms.map(BigInt)
    }
}
