//! Registered intent types and their handlers: what can be submitted, and with which parameters.

use async_graphql::{Enum, Object};

use super::scalars::{BigInt, Json, int};
use crate::{
    model,
    runtime::{self, HandlerInfo, IntentTypeInfo},
};

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

    /// The limits of what runs at once, and of what is started within a time.
    async fn limits(&self) -> Vec<ConcurrencyLimit> {
        let limits = self.0.limits.iter();
        limits.cloned().map(ConcurrencyLimit).collect()
    }
}

/// A limit of a handler's executions.
pub(crate) struct ConcurrencyLimit(runtime::IntentLimit);

/// A limit of how many executions run at once, or are started within a time.
#[Object]
impl ConcurrencyLimit {
    /// Its name, which `waitingForLimit` tells.
    async fn name(&self) -> String {
        self.0.name()
    }

    /// The executions that share it.
    async fn scope(&self) -> LimitScope {
        match self.0.scope() {
            runtime::LimitScope::Key(_) => LimitScope::Key,
            runtime::LimitScope::Tenant => LimitScope::Tenant,
            runtime::LimitScope::All => LimitScope::All,
        }
    }

    /// JSON Pointer to the key in the parameters; null unless the scope is `KEY`.
    async fn concurrency_key(&self) -> Option<&str> {
        match self.0.scope() {
            runtime::LimitScope::Key(pointer) => Some(pointer),
            runtime::LimitScope::Tenant | runtime::LimitScope::All => None,
        }
    }

    /// How many run at once, or are started within `perMs`.
    async fn most(&self) -> i32 {
        int(self.0.most())
    }

    /// The time in which so many are started, in milliseconds; null where it limits what runs at once.
    async fn per_ms(&self) -> Option<BigInt> {
        let per = self.0.per()?;
        i64::try_from(per.as_millis()).ok().map(BigInt)
    }

    /// What happens to what it has no room for.
    async fn policy(&self) -> LimitPolicy {
        match self.0.exceeded() {
            model::LimitPolicy::Queue => LimitPolicy::Queue,
            model::LimitPolicy::Reject => LimitPolicy::Reject,
            model::LimitPolicy::CancelPrevious => LimitPolicy::CancelPrevious,
        }
    }
}

/// The executions that share a limit.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitScope {
    /// Those of a tenant with the same key.
    Key,
    /// Those of a tenant.
    Tenant,
    /// Those of all tenants.
    All,
}

/// What happens to an execution for which a limit has no room.
#[derive(Enum, Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LimitPolicy {
    /// It waits for its turn.
    Queue,
    /// Its intent is refused.
    Reject,
    /// What runs or waits before it is cancelled.
    CancelPrevious,
}
