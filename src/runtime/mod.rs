//! The runtime: it accepts intents, runs their handlers durably and records what became of them.
//!
//! [`IntentRegistry`], [`Solution`] and [`ExecutionContext`] are what handlers are written against;
//! [`Runtime`] is what the API layers call.

mod artifacts;
mod attempt;
mod catalog;
mod children;
mod context;
mod engine;
mod error;
mod handler_error;
mod handlers;
mod limits;
mod metadata;
mod mutex;
mod registry;
mod request;
mod run;
mod slot;
mod slots;
mod solution;
mod state;
mod submit;
mod trees;

use std::sync::Arc;

use futures::{StreamExt, stream};

pub use artifacts::{ArtifactDraft, ArtifactHandle};
pub use catalog::{Catalog, HandlerInfo, IntentTypeInfo, RegistrationError};
pub use children::{Child, ChildOutcome, EndedChild};
pub use context::ExecutionContext;
pub use engine::Settings;
pub use error::Error;
pub use handler_error::HandlerError;
pub use handlers::HandlerFunction;
pub use limits::Limits;
pub use metadata::{
    CheckFunction, FingerprintFunction, FingerprintInput, HandlerMetadata, RetryPolicy,
};
pub use registry::{HandlerBuilder, IntentRegistry};
pub use request::{ChildIntent, SubmitIntent, Submitted};
pub use solution::{Solution, Works};
pub use state::StateHandle;

use engine::Engine;
pub(crate) use engine::Parts;

use crate::{
    model::{
        Action, Execution, ExecutionId, NodeId, Payload, Principal, RawJson, Refusal, TenantScope,
        check_reason,
    },
    storage::{Backlog, NodeInfo},
};

/// The runtime of this node. Clones are the same runtime.
#[derive(Clone)]
pub struct Runtime(Arc<Engine>);

impl Runtime {
    /// Announces the node and begins to run executions.
    ///
    /// # Errors
    /// When the database is away.
    pub(crate) async fn start(parts: Parts) -> Result<Self, Error> {
        let inner = Arc::new(Engine::new(parts));
        inner.start().await?;
        Ok(Self(inner))
    }

    /// Accepts an intent: when this returns, it is durable.
    ///
    /// # Errors
    /// [`Error::Refused`] with what is wrong; nothing is stored then.
    pub async fn submit(
        &self,
        principal: &Principal,
        intent: SubmitIntent,
    ) -> Result<Submitted, Error> {
        self.0.submit(principal, intent).await
    }

    /// Accepts intents, each on its own; the answers are in their order.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`] when the principal may not submit one of them; none is accepted then.
    pub async fn submit_many(
        &self,
        principal: &Principal,
        intents: Vec<SubmitIntent>,
    ) -> Result<Vec<Result<Submitted, Error>>, Refusal> {
        for intent in &intents {
            principal.check_submit(&intent.intent_type)?;
        }
        let submits = intents
            .into_iter()
            .map(|intent| self.0.submit(principal, intent));
        let submits: Vec<_> = submits.collect();
        Ok(stream::iter(submits).buffered(256).collect().await)
    }

    /// Returns the limits of what is accepted.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.0.limits
    }

    /// Cancels an execution and everything below it.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or has ended.
    pub async fn cancel(
        &self,
        principal: &Principal,
        id: ExecutionId,
        reason: Option<String>,
    ) -> Result<Execution, Error> {
        let reach = principal.check(Action::ControlExecutions)?;
        check_reason(reason.as_deref())?;
        let actor = principal.actor().to_string();
        let storage = &self.0.storage;
        let scope = principal.scope();
        if !storage.reaches_execution(&scope, &reach, id).await? {
            return Err(Refusal::not_found("execution", "executionId").into());
        }
        Ok(storage.cancel(scope, id, reason, actor).await?)
    }

    /// Runs a finished execution's intent again, as a new execution.
    ///
    /// # Errors
    /// [`Error::Refused`] when it is absent or has not ended.
    pub async fn rerun(
        &self,
        principal: &Principal,
        id: ExecutionId,
        idempotency_key: Option<String>,
    ) -> Result<Submitted, Error> {
        let reach = principal.check(Action::ControlExecutions)?;
        self.0.rerun(principal, &reach, id, idempotency_key).await
    }

    /// Returns the catalog of intents.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }

    /// A value that may be in the content store. Whoever asks has been shown the record that it belongs to.
    ///
    /// # Errors
    /// When the content store is away or the content damaged.
    pub async fn payload(&self, scope: &TenantScope, payload: &Payload) -> Result<RawJson, Error> {
        Ok(self.0.payloads.load(scope, payload).await?)
    }

    /// The value that goes with an entry of the log: parameters, a result or a state as they were written.
    ///
    /// # Errors
    /// [`Refusal::Forbidden`]; when the content store is away or the content damaged.
    pub async fn logged_value(
        &self,
        scope: &TenantScope,
        payload: &Payload,
    ) -> Result<RawJson, Error> {
        scope.check_all(Action::OperateRuntime)?;
        self.payload(scope, payload).await
    }

    /// The incarnation of this node.
    #[must_use]
    pub fn node_id(&self) -> NodeId {
        self.0.node_id()
    }

    /// The nodes that are alive.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn nodes(&self, principal: &Principal) -> Result<Vec<NodeInfo>, Error> {
        principal.check_all(Action::OperateRuntime)?;
        Ok(self.0.storage.list_nodes().await?)
    }

    /// Returns the amounts of work by where it stands.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn backlog(&self, principal: &Principal) -> Result<Backlog, Error> {
        principal.check_all(Action::OperateRuntime)?;
        Ok(self.0.storage.backlog().await?)
    }

    /// Stops accepting, lets handlers finish for a while, gives the rest back.
    pub async fn stop(&self) {
        self.0.stop().await;
    }

    /// Stops at once and records nothing, as a killed process would.
    pub fn crash(&self) {
        self.0.crash();
    }
}
