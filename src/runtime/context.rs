//! What a handler gets: the intent, and every way to act on the runtime.
//!
//! All writes go through the attempt's fence: once the attempt has lost the execution, each of them
//! fails with an error that ends the handler.

use std::{
    collections::HashSet,
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use serde::{Serialize, de::DeserializeOwned};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    artifacts::ArtifactHandle, children::Child, engine::Inner, error::HandlerError, slot::Slot,
    slots::SlotPermit, state::StateHandle, submit::ChildIntent,
};
use crate::{
    content::Payloads,
    model::{
        EventBody, Execution, ExecutionId, Intent, Micros, NewArtifact, Payload, Principal,
        RawJson, SessionId, TenantId, TenantScope, TransitionRequest, is_name,
    },
    storage::{Emit, Fence, RecordStep, Storage},
};

/// One attempt of one execution. Clones are the same attempt.
#[derive(Clone)]
pub struct ExecutionContext(pub(super) Arc<Attempt>);

/// What the attempt shares with whoever watches over it.
pub(super) struct Attempt {
    pub(super) runtime: Arc<Inner>,
    pub(super) execution: Execution,
    pub(super) parameters: RawJson,
    pub(super) principal: Principal,
    pub(super) cancellation: CancellationToken,
    pub(super) artifact_source: Vec<u8>,
    pub(super) slot: Arc<Slot>,
    began: Instant,
    last_sign_of_life_ms: AtomicU64,
    waits: AtomicU64,
    /// Whether the attempt may end while it waits for children, to be run again.
    may_park: bool,
    /// Cancelled when it does.
    pub(super) parked: CancellationToken,
    /// The children that are waited for.
    pub(super) awaited: Mutex<HashSet<ExecutionId>>,
    names: Mutex<HashSet<String>>,
    /// The highest progress reported, by this attempt or one before; none until it is looked up.
    progress: tokio::sync::Mutex<Option<f64>>,
    pub(super) artifacts: Mutex<Vec<NewArtifact>>,
    pub(super) transitions: Mutex<Vec<TransitionRequest>>,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What these mutexes guard is whole at every moment, also when a holder panicked.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Attempt {
    pub(super) fn new(
        runtime: Arc<Inner>,
        execution: Execution,
        parameters: RawJson,
        cancellation: CancellationToken,
        artifact_source: Vec<u8>,
        permit: SlotPermit,
        may_park: bool,
    ) -> Self {
        let slot = Arc::new(Slot::new(
            Arc::clone(&runtime.slots),
            execution.intent.tenant_id.clone(),
            runtime.engine.clone(),
            permit,
        ));
        Self {
            principal: Principal::on_behalf_of(&execution),
            runtime,
            execution,
            parameters,
            cancellation,
            artifact_source,
            slot,
            began: Instant::now(),
            last_sign_of_life_ms: AtomicU64::new(0),
            waits: AtomicU64::new(0),
            may_park,
            parked: CancellationToken::new(),
            awaited: Mutex::default(),
            names: Mutex::default(),
            progress: tokio::sync::Mutex::default(),
            artifacts: Mutex::default(),
            transitions: Mutex::default(),
        }
    }

    pub(super) fn fence(&self) -> Fence {
        Fence {
            execution_id: self.execution.id,
            epoch: self.execution.epoch,
        }
    }

    pub(super) fn storage(&self) -> &Storage {
        &self.runtime.storage
    }

    pub(super) fn payloads(&self) -> &Payloads {
        &self.runtime.payloads
    }

    /// Milliseconds since the handler last showed that it is alive; none while it waits for a child.
    pub(super) fn silent_ms(&self) -> u64 {
        if self.waits.load(Ordering::Relaxed) > 0 {
            return 0;
        }
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        elapsed.saturating_sub(self.last_sign_of_life_ms.load(Ordering::Relaxed))
    }

    /// The handler waits for something of the runtime's until the answer is dropped.
    pub(super) fn waiting(&self) -> Waiting<'_> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Waiting(self)
    }

    /// Waits until a child has ended. The slot is others' meanwhile, and so is the memory where too
    /// many wait and the handler can be run again.
    pub(super) async fn until_ended(
        &self,
        child: ExecutionId,
    ) -> Result<Box<Execution>, HandlerError> {
        self.end_solitude().await?;
        lock(&self.awaited).insert(child);
        if self.may_park && self.runtime.slots.is_crowded() {
            self.parked.cancel();
            return std::future::pending().await;
        }
        let given_up = self.slot.give_up();
        let scope = self.principal.scope();
        let ended = self.runtime.events.wait_until_terminal(&scope, child).await;
        given_up.end().await?;
        lock(&self.awaited).remove(&child);
        Ok(ended?)
    }

    /// Where nothing else may run beside the attempt: from now on it may.
    pub(super) async fn end_solitude(&self) -> Result<(), HandlerError> {
        if let Some(solitude) = self.slot.take_solitude() {
            self.storage().end_solitude(self.fence()).await?;
            solitude.cancel();
        }
        Ok(())
    }

    fn sign_of_life(&self) {
        let elapsed = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last_sign_of_life_ms.store(elapsed, Ordering::Relaxed);
    }

    /// Takes `name` for a step or a child of this attempt; each name is used once.
    pub(super) fn take_name(&self, kind: &str, name: &str) -> Result<(), HandlerError> {
        if !is_name(name, 200) {
            let message = format!(
                "the name of a {kind} has 1 to 200 characters, none of them a control character"
            );
            return Err(HandlerError::fatal("INVALID_NAME", message));
        }
        if lock(&self.names).insert(format!("{kind}/{name}")) {
            return Ok(());
        }
        let message = format!("{kind} {name:?} was used before in this attempt");
        Err(HandlerError::fatal("NAME_USED_TWICE", message))
    }

    /// The highest progress that earlier attempts have reported.
    async fn earlier_progress(&self) -> Result<f64, HandlerError> {
        if self.execution.attempt <= 1 {
            return Ok(0.0);
        }
        let (scope, id) = (self.principal.scope(), self.execution.id);
        let last = self.storage().find_last_progress(&scope, id).await?;
        Ok(last.unwrap_or_default())
    }

    /// What an earlier attempt recorded for a step. One at a time: all together may be too large.
    async fn recorded(&self, name: &str) -> Result<Option<Payload>, HandlerError> {
        if self.execution.attempt <= 1 {
            return Ok(None);
        }
        let scope = self.principal.scope();
        let step = self
            .storage()
            .find_step(&scope, self.execution.id, name)
            .await?;
        Ok(step.map(|step| step.result))
    }
}

/// While it lives, silence is no sign that the handler hangs.
pub(super) struct Waiting<'a>(&'a Attempt);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.sign_of_life();
        self.0.waits.fetch_sub(1, Ordering::Relaxed);
    }
}

impl ExecutionContext {
    /// The execution's id.
    #[must_use]
    pub fn execution_id(&self) -> ExecutionId {
        self.0.execution.id
    }

    /// What was asked for.
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

    /// What the client noted with the intent.
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
        let result = work().instrument(span).await?;
        let took_micros = i64::try_from(began.elapsed().as_micros()).unwrap_or(i64::MAX);
        let json = RawJson::of(&result)?;
        attempt.runtime.limits.check_result(json.as_str().len())?;
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
        self.0.runtime.limits.check_result(json.as_str().len())?;
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
        intent: impl FnOnce() -> Result<ChildIntent, HandlerError>,
    ) -> Result<Child, HandlerError> {
        self.0.take_name("child", name)?;
        self.0.sign_of_life();
        let submitted = self.0.runtime.submit_child(&self.0, name, intent).await?;
        Ok(Child::new(Arc::clone(&self.0), submitted))
    }
}
