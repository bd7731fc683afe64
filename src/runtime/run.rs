//! Running one attempt: the handler is watched over, and its outcome recorded exactly once.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::FutureExt;
use tokio::{task::JoinHandle, time::Instant};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::{
    attempt::Attempt,
    catalog::Declaration,
    context::ExecutionContext,
    engine::Engine,
    handler_error::{HandlerError, Kind},
    handlers::HandlerFunction,
    metadata::RetryPolicy,
    mutex::lock,
    sensitive,
    slots::SlotPermit,
};
use crate::{
    model::{
        ErrorLink, Execution, ExecutionError, ExecutionStatus, Micros, Principal, RawJson, Refusal,
    },
    storage::{Complete, Error, Fence, Outcome},
};

/// The time for which a cancelled handler may go on before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_secs(5);
/// The time for which an execution waits for a node that has its handler.
const NO_HANDLER_DELAY_MICROS: i64 = 5_000_000;
/// The delays of attempts that the runtime interrupted, whatever the handler's own are: an outage may
/// last, and is not to be met by all executions at once when it ends.
const OUTAGE_DELAYS: RetryPolicy = RetryPolicy {
    max_attempts: u32::MAX,
    initial_delay: Duration::from_millis(250),
    factor: 2.0,
    max_delay: Duration::from_secs(30),
    jitter: 0.25,
};
/// The last errors that an execution remembers.
const REMEMBERED_ERRORS: usize = 10;

/// The signals that end an attempt from outside.
struct Signals {
    cancellation: CancellationToken,
    /// This process holds the execution no longer.
    lost: CancellationToken,
    /// When the time of the execution is over.
    end: Option<Instant>,
}

/// A handler as an attempt runs it.
struct Handler {
    declaration: Arc<Declaration>,
    function: HandlerFunction,
}

/// Why the attempt ended.
enum Ended {
    Returned(Result<RawJson, HandlerError>),
    Cancelled,
    TimedOut {
        of_execution: bool,
    },
    /// The node lost its lease: whatever the handler did, this process must not write any more.
    Lost,
    /// It waits for children outside of the node.
    Parked,
    /// The node shuts down or drains.
    HandedBack,
}

impl Engine {
    /// Runs an execution that this node holds since `at`, by the database's clock, in a task of its
    /// own.
    pub(super) fn launch(
        self: &Arc<Self>,
        execution: Execution,
        at: Micros,
        permit: SlotPermit,
    ) -> JoinHandle<()> {
        // The database set the deadline: only the span between two of its times counts here.
        let end = execution.deadline_at.map(|deadline| {
            let left = deadline.saturating_sub(at).max(0).unsigned_abs();
            Instant::now() + Duration::from_micros(left)
        });
        let cancellation = CancellationToken::new();
        let counted = self.metrics.running();
        let lost = self.running.add(&execution, cancellation.clone(), counted);
        if execution.cancel_requested_at.is_some() {
            cancellation.cancel();
        }
        let intent = &execution.intent;
        let span = tracing::info_span!(
            "execution",
            tenant_id = %intent.tenant_id,
            execution_id = %execution.id,
            intent_type = %intent.intent_type,
            attempt = execution.attempt,
        );
        let runtime = Arc::clone(self);
        let task = async move {
            let fence = Fence {
                execution_id: execution.id,
                epoch: execution.epoch,
            };
            let signals = Signals {
                cancellation,
                lost,
                end,
            };
            runtime.run(execution, permit, signals).await;
            runtime.running.remove(fence);
        };
        self.tasks.spawn_on(task.instrument(span), &self.executor)
    }

    async fn run(self: &Arc<Self>, execution: Execution, permit: SlotPermit, signals: Signals) {
        let lost = &signals.lost;
        let cancellation = signals.cancellation.clone();
        if cancellation.is_cancelled() {
            return self
                .finish(&execution, Outcome::Cancelled, None, lost)
                .await;
        }
        let prepared = self.prepare(&execution, cancellation, permit).await;
        let (handler, attempt) = match prepared {
            Ok(prepared) => prepared,
            Err(outcome) => return self.finish(&execution, outcome, None, lost).await,
        };
        tracing::debug!("the attempt begins");
        let ended = self.watch(&handler, &attempt, &signals).await;
        let handler = &handler.declaration;
        let outcome = match ended {
            Ended::Lost => return,
            Ended::HandedBack => Outcome::HandBack,
            Ended::Parked => Outcome::Park,
            Ended::Cancelled => Outcome::Cancelled,
            Ended::TimedOut { of_execution: true } => {
                let message = "the execution did not end in the time that its handler allows";
                Self::failed(
                    handler,
                    &execution,
                    &HandlerError::fatal("EXECUTION_TIMEOUT", message),
                )
            }
            Ended::TimedOut {
                of_execution: false,
            } => {
                let message = "the attempt did not end in the time that its handler allows";
                Self::failed(
                    handler,
                    &execution,
                    &HandlerError::retryable("ATTEMPT_TIMEOUT", message),
                )
            }
            // Most often the execution has moved on, and this is then refused and counted.
            Ended::Returned(Err(error)) if error.kind == Kind::Abandoned => Outcome::HandBack,
            Ended::Returned(Err(error)) => {
                let error = error.without(&attempt.secrets);
                Self::failed(handler, &execution, &error)
            }
            Ended::Returned(Ok(result)) => self.completed(handler, &attempt, &result).await,
        };
        let is_parked = matches!(outcome, Outcome::Park);
        self.finish(&execution, outcome, Some(&attempt), lost).await;
        if is_parked {
            self.after_parking(&attempt, attempt.fence()).await;
        }
    }

    /// Prepares what the handler needs; or returns the outcome of an attempt that cannot begin.
    async fn prepare(
        self: &Arc<Self>,
        execution: &Execution,
        cancellation: CancellationToken,
        permit: SlotPermit,
    ) -> Result<(Handler, Arc<Attempt>), Outcome> {
        let intent = &execution.intent;
        let (intent_type, name) = (&intent.intent_type, &execution.handler_name);
        let declared = self.catalog.find(intent_type, name);
        let function = self.functions.find(intent_type, name);
        let (Some(handler), Some(function)) = (declared, function) else {
            let message = "the node that took the execution does not have its handler";
            let error = error_of(execution, &HandlerError::retryable("NO_HANDLER", message));
            return Err(Outcome::Retry {
                error,
                delay_micros: NO_HANDLER_DELAY_MICROS,
                // A node of a later or earlier version has it: the handler's policy is not spent.
                lost: true,
            });
        };
        let scope = Principal::on_behalf_of(execution).scope();
        let prepared = async {
            let opened = self.open_parameters(&scope, handler, execution).await?;
            let value = opened.parameters.to_value();
            let print = self
                .fingerprint(handler, &scope, intent.session_id, &value)
                .await;
            let print = print.map_err(|error| error.without(&opened.secrets))?;
            Ok::<_, HandlerError>((opened, print))
        };
        let (opened, print) = prepared
            .await
            .map_err(|error| Self::failed(handler, execution, &error))?;
        // What a fingerprint makes the same work has the same artifacts.
        let source = print.map_or_else(|| execution.id.0.as_bytes().to_vec(), String::into_bytes);
        let runtime = Arc::clone(self);
        let execution = execution.clone();
        let attempt = Attempt::new(
            runtime,
            execution,
            opened,
            cancellation,
            source,
            permit,
            handler.metadata.parks,
        );
        let handler = Handler {
            declaration: Arc::clone(handler),
            function: Arc::clone(function),
        };
        Ok((handler, Arc::new(attempt)))
    }

    /// Runs the handler until it returns or something ends it.
    async fn watch(&self, handler: &Handler, attempt: &Arc<Attempt>, signals: &Signals) -> Ended {
        let context = ExecutionContext(Arc::clone(attempt));
        let work = AssertUnwindSafe((handler.function)(context)).catch_unwind();
        let work = work.instrument(tracing::Span::current());
        // Handlers have threads of their own: one that never yields cannot stop the engine.
        let mut task = self.handlers.spawn(work);
        let metadata = &handler.declaration.metadata;
        let attempt_end = metadata.attempt_timeout.map(|limit| Instant::now() + limit);
        let ended = tokio::select! {
            biased;
            () = signals.lost.cancelled() => Ended::Lost,
            returned = &mut task => return Ended::Returned(unwrapped(returned, &attempt.secrets)),
            () = attempt.cancellation.cancelled() => {
                // The handler may tidy up; its result no longer counts.
                let _ = tokio::time::timeout(CANCEL_GRACE, &mut task).await;
                Ended::Cancelled
            }
            () = self.is_handed_over(&attempt.execution.queue) => Ended::HandedBack,
            () = attempt.parked.cancelled() => Ended::Parked,
            () = until(signals.end) => Ended::TimedOut { of_execution: true },
            () = until(attempt_end) => Ended::TimedOut { of_execution: false },
            () = silence(attempt, metadata.heartbeat_timeout) => {
                Ended::TimedOut { of_execution: false }
            }
        };
        task.abort();
        ended
    }

    /// The outcome of an error: another attempt, or the end.
    fn failed(handler: &Declaration, execution: &Execution, error: &HandlerError) -> Outcome {
        let policy = &handler.metadata.retry;
        let used = (execution.attempt - execution.lost_attempts).max(1);
        let used = u32::try_from(used).unwrap_or(u32::MAX);
        let described = error_of(execution, error);
        let lost = error.kind == Kind::Interrupted;
        if lost || (error.is_retryable() && used < policy.max_attempts) {
            let delay = if lost {
                let outages = execution.interruptions.saturating_add(1);
                OUTAGE_DELAYS.delay(execution.id, u32::try_from(outages).unwrap_or(u32::MAX))
            } else {
                policy.delay(execution.id, used)
            };
            let delay_micros = i64::try_from(delay.as_micros()).unwrap_or(i64::MAX);
            return Outcome::Retry {
                error: described,
                delay_micros,
                lost,
            };
        }
        Outcome::Failed(described)
    }

    async fn completed(
        &self,
        handler: &Declaration,
        attempt: &Attempt,
        result: &RawJson,
    ) -> Outcome {
        let stored = async {
            attempt.check_named_artifacts().await?;
            attempt.decide_artifacts().await?;
            self.limits.check_result(result.as_str().len())?;
            Ok::<_, HandlerError>(
                self.payloads
                    .store(&attempt.principal.scope(), result)
                    .await?,
            )
        };
        match stored.await {
            Ok(result) => Outcome::Completed(result),
            Err(error) => Self::failed(handler, &attempt.execution, &error),
        }
    }

    /// Records the outcome, however long the database is away, unless the execution is lost.
    async fn finish(
        &self,
        execution: &Execution,
        outcome: Outcome,
        attempt: Option<&Attempt>,
        lost: &CancellationToken,
    ) {
        let mut complete = Complete {
            fence: Fence {
                execution_id: execution.id,
                epoch: execution.epoch,
            },
            outcome,
            artifacts: attempt
                .map(|a| std::mem::take(&mut *lock(&a.artifacts)))
                .unwrap_or_default(),
            transitions: attempt
                .map(|a| std::mem::take(&mut *lock(&a.transitions)))
                .unwrap_or_default(),
        };
        let mut pause = Duration::from_millis(50);
        let mut is_last_resort = false;
        let mut may_be_recorded = false;
        loop {
            match self.storage.complete(complete.clone()).await {
                Ok(status) => return self.count(execution, status),
                Err(Error::Fenced) => return self.fenced(execution, may_be_recorded).await,
                Err(Error::Refused(refusal)) => {
                    tracing::info!(%refusal, "the execution's artifacts were refused");
                    let error = refused(&refusal);
                    complete.fail(error_of(execution, &error));
                    continue;
                }
                Err(error) if error.is_retryable() || is_last_resort => {
                    may_be_recorded = true;
                    tracing::warn!(%error, "the outcome is not known to be recorded yet");
                }
                Err(error) => {
                    // It would not be recorded at the hundredth try either.
                    tracing::error!(?error, "the outcome cannot be recorded");
                    is_last_resort = true;
                    let error = HandlerError::fatal("INTERNAL", "the outcome cannot be recorded");
                    complete.fail(error_of(execution, &error));
                    continue;
                }
            }
            tokio::select! {
                () = lost.cancelled() => return,
                () = tokio::time::sleep(pause) => pause = (pause * 2).min(Duration::from_secs(2)),
            }
        }
    }

    /// Tells an outcome that an earlier try recorded, whose answer was lost, from one that came too
    /// late. The end of an attempt raises the epoch by one, and only the attempt itself ends an
    /// execution that is leased.
    async fn fenced(&self, execution: &Execution, may_be_recorded: bool) {
        if may_be_recorded {
            let scope = Principal::on_behalf_of(execution).scope();
            let found = self.storage.find_executions(&scope, &[execution.id]).await;
            let found = found.ok().and_then(|mut found| found.pop());
            if let Some(now) = found.filter(|now| now.epoch == execution.epoch + 1)
                && now.status.is_terminal()
            {
                return self.count(execution, now.status);
            }
        }
        self.metrics.zombie_dropped(1);
        tracing::warn!("the attempt was no longer the execution's; its work is dropped");
    }

    fn count(&self, execution: &Execution, status: ExecutionStatus) {
        if !status.is_terminal() {
            tracing::info!("the attempt has ended; another one follows");
            return;
        }
        let took = (self.clock.now() - execution.created_at)
            .max(0)
            .unsigned_abs();
        let took = Duration::from_micros(took);
        self.metrics
            .executed(&execution.intent.intent_type, status, took);
        tracing::info!(status = status.name(), "the execution has ended");
    }
}

fn refused(refusal: &Refusal) -> HandlerError {
    let code = match refusal {
        Refusal::NotFound {
            what: "parent artifact",
            ..
        } => "MISSING_PARENT",
        Refusal::NotFound { .. } => "NOT_FOUND",
        Refusal::InvalidTransition { .. } => "INVALID_TRANSITION",
        _ => "ARTIFACT_REFUSED",
    };
    HandlerError::fatal(code, refusal.to_string())
}

fn unwrapped(
    returned: Result<std::thread::Result<Result<RawJson, HandlerError>>, tokio::task::JoinError>,
    secrets: &[String],
) -> Result<RawJson, HandlerError> {
    let panic = match returned {
        Ok(Ok(result)) => return result,
        Ok(Err(panic)) => panic,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => panic,
            Err(_) => return Err(HandlerError::abandoned()),
        },
    };
    // The text of a panic may hold anything: it goes to the log, not to the tenant.
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    let text = text
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_default();
    let text = sensitive::without(text, secrets);
    tracing::error!(panic = text, "the handler panicked");
    Err(HandlerError::retryable(
        "HANDLER_PANICKED",
        "the handler panicked",
    ))
}

/// The error as it is recorded, with those of earlier attempts.
fn error_of(execution: &Execution, error: &HandlerError) -> ExecutionError {
    let mut earlier = Vec::new();
    if let Some(last) = &execution.error {
        earlier.clone_from(&last.earlier);
        earlier.push(ErrorLink {
            attempt: last.attempt,
            code: last.code.clone(),
            message: last.message.clone(),
        });
    }
    let surplus = earlier.len().saturating_sub(REMEMBERED_ERRORS);
    earlier.drain(..surplus);
    ExecutionError {
        code: error.code.chars().take(100).collect(),
        message: error.message.chars().take(2000).collect(),
        retryable: error.is_retryable(),
        attempt: execution.attempt,
        earlier,
    }
}

async fn until(end: Option<Instant>) {
    match end {
        Some(end) => tokio::time::sleep_until(end).await,
        None => std::future::pending().await,
    }
}

/// Returns when the handler has been silent for too long.
async fn silence(attempt: &Attempt, limit: Option<Duration>) {
    let Some(limit) = limit else {
        return std::future::pending().await;
    };
    loop {
        let silent = Duration::from_millis(attempt.silent_ms());
        match limit.checked_sub(silent) {
            None | Some(Duration::ZERO) => return,
            Some(left) => tokio::time::sleep(left).await,
        }
    }
}
