//! The runtime: it accepts intents, runs their handlers durably and records what became of them.
//!
//! [`IntentRegistry`], [`Solution`] and [`ExecutionContext`] are what handlers are written against;
//! [`Runtime`] is what the API layers call.

mod artifacts;
mod attempt;
mod catalog;
mod children;
mod context;
mod decisions;
mod engine;
mod error;
mod handler_error;
mod handlers;
mod intent_limits;
mod limits;
mod metadata;
mod mutex;
mod operations;
mod outlook;
mod registry;
mod request;
mod retention;
mod run;
mod schedules;
mod sensitive;
mod slot;
mod slots;
mod solution;
mod state;
mod submit;
mod trees;
mod unreferenced;
mod webhooks;

use std::sync::Arc;

use futures::{StreamExt, stream};

pub use artifacts::{ArtifactDraft, ArtifactHandle};
pub use catalog::{Catalog, HandlerInfo, IntentTypeInfo, RegistrationError};
pub use children::{Child, ChildOutcome, EndedChild};
pub use context::ExecutionContext;
pub use engine::{DeliverySettings, Removed, Settings, Unreferenced};
pub use error::Error;
pub use handler_error::HandlerError;
pub use handlers::HandlerFunction;
pub use intent_limits::{IntentLimit, LimitOverride, LimitOverrides, LimitScope};
pub use limits::Limits;
pub use metadata::{
    CheckFunction, FingerprintFunction, FingerprintInput, HandlerMetadata, RetryPolicy,
    SensitiveFunction,
};
pub use operations::{Begun, NewOperation, OperationPreview, Previewed, Wanted};
pub use outlook::{Outlook, outlook};
pub use registry::{HandlerBuilder, IntentRegistry};
pub use request::{ChildIntent, SubmitIntent, Submitted};
pub use retention::{KeptTimes, Retention};
pub use schedules::{NewSchedule, ScheduleFilter};
pub use solution::{Solution, Works};
pub use state::StateHandle;
pub use webhooks::{NewWebhook, WebhookUpdate, WebhookWithSecret};

use engine::Engine;
pub(crate) use engine::Parts;
use submit::RerunKey;
pub(crate) use webhooks::courier::Courier;

use crate::{
    model::{
        Action, Execution, ExecutionId, NodeId, Payload, PayloadHead, Principal, RawJson, Refusal,
        TenantScope, check_reason,
    },
    storage::{Backlog, NodeInfo},
};

/// The seconds after which an operator may let a node hand over what it runs.
const HAND_OVER_SECONDS: std::ops::RangeInclusive<i64> = 0..=86_400;

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

    /// Removes what was kept for long enough by now, without waiting for the loop that does it on one of the nodes.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn remove_old(&self) -> Result<Removed, Error> {
        Ok(self.0.remove_all_old().await?)
    }

    /// Takes away content to which nothing refers, without waiting for the loop that does it on one of the nodes.
    ///
    /// # Errors
    /// When the database or the content store is away.
    pub async fn remove_unreferenced(&self) -> Result<Unreferenced, Error> {
        self.0.remove_unreferenced().await
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
        self.0.cancel(principal, &reach, id, reason).await
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
        let key = idempotency_key.map(RerunKey::Caller);
        self.0.rerun(principal, &reach, id, key).await
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

    /// The first bytes of such a value, at most so many.
    ///
    /// # Errors
    /// When the content store is away or the content damaged.
    pub async fn payload_head(
        &self,
        scope: &TenantScope,
        payload: &Payload,
        most_bytes: usize,
    ) -> Result<PayloadHead, Error> {
        Ok(self.0.payloads.head(scope, payload, most_bytes).await?)
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

    /// Asks a node to take nothing new, and after so many seconds to hand over what still runs there; never if none are
    /// given.
    ///
    /// # Errors
    /// [`Error::Refused`] when no such node is alive, or the time is out of range.
    pub async fn drain(
        &self,
        principal: &Principal,
        node: NodeId,
        hand_over_after_seconds: Option<i64>,
    ) -> Result<NodeInfo, Error> {
        principal.check_all(Action::OperateRuntime)?;
        if hand_over_after_seconds.is_some_and(|seconds| !HAND_OVER_SECONDS.contains(&seconds)) {
            let (least, most) = HAND_OVER_SECONDS.into_inner();
            let message = format!("what runs is handed over after {least} to {most} seconds");
            return Err(Refusal::invalid(["handOverAfterSeconds"], message).into());
        }
        let micros = hand_over_after_seconds.map(|seconds| seconds * 1_000_000);
        let asked = self.0.storage.request_drain(node, micros).await?;
        tracing::info!(node_id = %node, by = %principal.actor(), hand_over_after_seconds, asked, "a node is to drain");
        self.asked_node(node, asked).await
    }

    /// Lets a node take work again.
    ///
    /// # Errors
    /// [`Error::Refused`] when no such node is alive.
    pub async fn undrain(&self, principal: &Principal, node: NodeId) -> Result<NodeInfo, Error> {
        principal.check_all(Action::OperateRuntime)?;
        let asked = self.0.storage.cancel_drain(node).await?;
        tracing::info!(node_id = %node, by = %principal.actor(), asked, "a node is to take work again");
        self.asked_node(node, asked).await
    }

    /// The node that was asked, if it is alive. This one has done what it was asked when it answers; another one gets to
    /// know of it.
    async fn asked_node(&self, id: NodeId, is_alive: bool) -> Result<NodeInfo, Error> {
        let mut nodes = Vec::new();
        if is_alive {
            if id == self.0.node_id() {
                self.0.heed_operator().await?;
            }
            nodes = self.0.storage.list_nodes().await?;
        }
        let node = nodes.into_iter().find(|node| node.id == id);
        node.ok_or_else(|| Refusal::not_found("node", "id").into())
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
