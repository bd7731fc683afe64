//! The context of a handler: the intent, and every way to act on the runtime.
//!
//! All writes go through the attempt's fence: once the attempt has lost the execution, each of them
//! fails with an error that ends the handler.

use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    artifacts::ArtifactHandle, attempt::Attempt, children::Child, handler_error::HandlerError,
    request::ChildIntent, state::StateHandle,
};
use crate::{
    model::{
        EventBody, ExecutionId, Intent, Micros, Payload, RawJson, SessionId, TenantId, TenantScope,
    },
    storage::{Emit, RecordStep},
};

/// A step that has been running for so long is told of before it has completed.
const SLOW_STEP: Duration = Duration::from_secs(1);

/// One attempt of one execution. Clones are the same attempt.
#[derive(Clone)]
pub struct ExecutionContext(pub(super) Arc<Attempt>);

impl ExecutionContext {
    /// The execution's id.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        self.0.execution.id
    }

    /// Returns the intent.
    #[must_use]
    pub fn intent(&self) -> &Intent {
        &self.0.execution.intent
    }

    /// The parameters as JSON.
    #[must_use]
    pub fn parameters(&self) -> &RawJson {
        &self.0.parameters
    }

    /// The tenant.
    #[must_use]
    pub fn tenant_id(&self) -> &TenantId {
        &self.0.execution.intent.tenant_id
    }

    /// The right to read the tenant's data.
    #[must_use]
    pub fn scope(&self) -> TenantScope {
        self.0.principal.scope()
    }

    /// The session.
    #[must_use]
    pub fn session_id(&self) -> SessionId {
        self.0.execution.intent.session_id
    }

    /// The solution.
    #[must_use]
    pub fn solution_id(&self) -> &str {
        &self.0.execution.intent.solution_id
    }

    /// Returns the client's notes on the intent.
    #[must_use]
    pub fn metadata(&self) -> &RawJson {
        &self.0.execution.intent.metadata
    }

    /// When the execution was accepted.
    #[must_use]
    pub fn created_at(&self) -> Micros {
        self.0.execution.created_at
    }

    /// The attempt, from 1.
    #[must_use]
    pub fn attempt(&self) -> i64 {
        self.0.execution.attempt
    }

    /// The same at every attempt: what a callee needs to recognise a repeated call of `purpose`.
    #[must_use]
    pub fn idempotency_key(&self, purpose: &str) -> String {
        format!("{}/{purpose}", self.0.execution.id)
    }

    /// Triggered when the execution is cancelled. The handler is given a few seconds to return.
    #[must_use]
    pub fn cancellation(&self) -> &CancellationToken {
        &self.0.cancellation
    }

    /// The state of the session and of this execution.
    #[must_use]
    pub fn state_surface(&self) -> StateHandle<'_> {
        StateHandle(&self.0)
    }

    /// The artifact registry.
    #[must_use]
    pub fn artifacts(&self) -> ArtifactHandle<'_> {
        ArtifactHandle(&self.0)
    }

    /// Runs `work` once: its result is recorded under `name`, and an attempt that follows gets the
    /// recorded result instead of running it again. Names are unique within an execution.
    ///
    /// # Errors
    /// The error of `work`, which is not recorded; or that the attempt is over.
    pub async fn step<T, F, Fut>(&self, name: &str, work: F) -> Result<T, HandlerError>
    where
        T: Serialize + DeserializeOwned,
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, HandlerError>>,
    {
        let attempt = &self.0;
        attempt.take_name("step", name)?;
        attempt.sign_of_life();
        if let Some(recorded) = attempt.recorded(name).await? {
            let result = attempt.payloads().load(&self.scope(), &recorded).await?;
            return Ok(result.read::<T>()?);
        }
        let began = Instant::now();
        let span = tracing::info_span!("step", step = name);
        let result = self
            .told_when_slow(name, began, work().instrument(span))
            .await?;
        let took_micros = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let json = RawJson::of(&result)?;
        attempt.handles.limits.check_result(json.as_str().len())?;
        let stored = attempt.payloads().store(&self.scope(), &json).await?;
        let (fence, name) = (attempt.fence(), name.to_owned());
        let step = RecordStep {
            fence,
            name,
            result: stored,
            took_micros,
        };
        attempt.storage().record_step(step).await?;
        attempt.sign_of_life();
        Ok(result)
    }

    /// Runs the work of a step, and tells that it is running if it goes on for a second: what is quick costs no
    /// event.
    async fn told_when_slow<T>(
        &self,
        name: &str,
        began: Instant,
        work: impl Future<Output = T>,
    ) -> T {
        let mut work = pin!(work);
        if let Ok(result) = tokio::time::timeout(SLOW_STEP, &mut work).await {
            return result;
        }
        let body = EventBody::StepStarted {
            name: name.to_owned(),
            attempt: self.0.execution.attempt,
            ran_micros: i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX),
        };
        // Not a sign of life of the handler.
        let telling = self.0.storage().emit(Emit {
            fence: self.0.fence(),
            body,
            payload: None,
        });
        let (told, result) = tokio::join!(telling, work);
        if let Err(error) = told {
            // Its own result is what counts.
            tracing::debug!(%error, "a step that runs could not be told of");
        }
        result
    }

    /// Appends `domain.<name>` with `payload` to the log; subscribers see it in order.
    ///
    /// # Errors
    /// When the name is malformed, the payload too large, or the attempt is over.
    pub async fn emit<T: Serialize + ?Sized>(
        &self,
        name: &str,
        payload: &T,
    ) -> Result<(), HandlerError> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
        if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
            let message = "the name of an event has 1 to 100 characters of A-Z a-z 0-9 _ . -";
            return Err(HandlerError::fatal("INVALID_NAME", message));
        }
        let json = RawJson::of(payload)?;
        self.0.handles.limits.check_result(json.as_str().len())?;
        let payload = Some(self.0.payloads().store(&self.scope(), &json).await?);
        self.append(
            EventBody::Domain {
                name: name.to_owned(),
            },
            payload,
        )
        .await
    }

    /// Says how far the work is, from 0 to 1, and what it is at. Progress does not go backwards: less
    /// than was reported before, by whatever attempt, is not reported again.
    ///
    /// # Errors
    /// When the attempt is over.
    pub async fn progress(&self, fraction: f64, message: &str) -> Result<(), HandlerError> {
        let fraction = if fraction.is_finite() {
            fraction.clamp(0.0, 1.0)
        } else {
            0.0
        };
        let message = Some(message.chars().take(500).collect()).filter(|m: &String| !m.is_empty());
        // Held until the event is written: of two reports at once the lower one must not come later.
        let mut reported = self.0.progress.lock().await;
        let highest = match *reported {
            Some(highest) => highest,
            None => *reported.insert(self.0.earlier_progress().await?),
        };
        if fraction < highest {
            self.heartbeat();
            return Ok(());
        }
        self.append(EventBody::ProgressReported { fraction, message }, None)
            .await?;
        *reported = Some(fraction);
        Ok(())
    }

    async fn append(&self, body: EventBody, payload: Option<Payload>) -> Result<(), HandlerError> {
        self.heartbeat();
        let fence = self.0.fence();
        Ok(self
            .0
            .storage()
            .emit(Emit {
                fence,
                body,
                payload,
            })
            .await?)
    }

    /// Shows that the handler is alive, for handlers with a heartbeat timeout.
    pub fn heartbeat(&self) {
        self.0.sign_of_life();
    }

    /// Submits a child intent. `name` is unique among the execution's children: an attempt that
    /// follows finds the same child again.
    ///
    /// # Errors
    /// When the child is refused, or the attempt is over.
    pub async fn child(&self, name: &str, intent: ChildIntent) -> Result<Child, HandlerError> {
        self.child_with(name, || Ok(intent)).await
    }

    /// The same, with an intent that is made when it is its turn to be submitted. While a tenant's
    /// executions submit many children at once they take turns, and what is made later is not in
    /// memory meanwhile.
    ///
    /// # Errors
    /// The error of `intent`; when the child is refused, or the attempt is over.
    pub async fn child_with(
        &self,
        name: &str,
        intent: impl FnOnce() -> Result<ChildIntent, HandlerError> + Send,
    ) -> Result<Child, HandlerError> {
        self.0.take_name("child", name)?;
        self.0.sign_of_life();
        let engine = Arc::clone(&self.0.submitter);
        let child = engine.submit_child(&self.0, name, Box::new(intent)).await?;
        Ok(Child::new(Arc::clone(&self.0), child))
    }
}
