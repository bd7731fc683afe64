//! One attempt: its execution, its slot, and the artifacts that it made and has not recorded yet.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{
    handler_error::HandlerError,
    limits::Limits,
    mutex::lock,
    request::{ChildIntent, Submitted},
    slot::Slot,
    slots::{SlotPermit, Slots},
    submit::Opened,
};
use crate::{
    content::{ContentStore, Payloads},
    events::Events,
    model::{
        Execution, ExecutionId, NewArtifact, Payload, Principal, RawJson, TransitionRequest,
        is_name,
    },
    policy::Policies,
    state_surface::StateSurface,
    storage::{Fence, Storage},
};

/// The parts of the engine that an attempt works with.
pub(super) struct Handles {
    pub(super) storage: Storage,
    pub(super) content: ContentStore,
    pub(super) payloads: Payloads,
    pub(super) events: Events,
    pub(super) state: StateSurface,
    pub(super) limits: Limits,
    pub(super) policies: Policies,
    pub(super) slots: Arc<Slots>,
    /// Where the engine's own tasks run.
    pub(super) engine: tokio::runtime::Handle,
}

/// Where an attempt submits its children.
pub(super) trait Submitter: Send + Sync {
    /// Returns the parts that its attempts work with.
    fn handles(&self) -> Arc<Handles>;

    /// Submits a child, or finds it; the intent is made when it is its turn.
    fn submit_child<'a>(
        self: Arc<Self>,
        parent: &'a Attempt,
        name: &'a str,
        intent: Box<dyn FnOnce() -> Result<ChildIntent, HandlerError> + Send + 'a>,
    ) -> BoxFuture<'a, Result<Submitted, HandlerError>>;
}

/// The state that an attempt shares with those who watch over it.
pub(super) struct Attempt {
    pub(super) handles: Arc<Handles>,
    /// The engine, as far as the attempt needs it.
    pub(super) submitter: Arc<dyn Submitter>,
    pub(super) execution: Execution,
    pub(super) parameters: RawJson,
    /// The texts that no error may show.
    pub(super) secrets: Vec<String>,
    pub(super) principal: Principal,
    pub(super) cancellation: CancellationToken,
    pub(super) artifact_source: Vec<u8>,
    pub(super) slot: Arc<Slot>,
    began: Instant,
    last_sign_of_life_ms: AtomicU64,
    waits: AtomicU64,
    /// True if the attempt may end while it waits for children, to be run again.
    may_park: bool,
    /// Cancelled when it does.
    pub(super) parked: CancellationToken,
    /// The children that are waited for.
    pub(super) awaited: Mutex<HashSet<ExecutionId>>,
    names: Mutex<HashSet<String>>,
    /// The highest progress reported, by this attempt or one before; none until it is looked up.
    pub(super) progress: tokio::sync::Mutex<Option<f64>>,
    pub(super) artifacts: Mutex<Vec<NewArtifact>>,
    pub(super) transitions: Mutex<Vec<TransitionRequest>>,
}

impl Attempt {
    pub(super) fn new(
        submitter: Arc<dyn Submitter>,
        execution: Execution,
        opened: Opened,
        cancellation: CancellationToken,
        artifact_source: Vec<u8>,
        permit: SlotPermit,
        may_park: bool,
    ) -> Self {
        let handles = submitter.handles();
        let slot = Arc::new(Slot::new(
            Arc::clone(&handles.slots),
            execution.intent.tenant_id.clone(),
            handles.engine.clone(),
            permit,
        ));
        Self {
            principal: Principal::on_behalf_of(&execution),
            handles,
            submitter,
            execution,
            parameters: opened.parameters,
            secrets: opened.secrets,
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
        &self.handles.storage
    }

    pub(super) fn payloads(&self) -> &Payloads {
        &self.handles.payloads
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
        if self.may_park && self.handles.slots.is_crowded() {
            self.parked.cancel();
            return std::future::pending().await;
        }
        let given_up = self.slot.give_up();
        let scope = self.principal.scope();
        let ended = self.handles.events.wait_until_terminal(&scope, child).await;
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

    pub(super) fn sign_of_life(&self) {
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
    pub(super) async fn earlier_progress(&self) -> Result<f64, HandlerError> {
        if self.execution.attempt <= 1 {
            return Ok(0.0);
        }
        let (scope, id) = (self.principal.scope(), self.execution.id);
        let last = self.storage().find_last_progress(&scope, id).await?;
        Ok(last.unwrap_or_default())
    }

    /// Returns the result that an earlier attempt recorded for a step. One at a time: all together
    /// may be too large.
    pub(super) async fn recorded(&self, name: &str) -> Result<Option<Payload>, HandlerError> {
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
