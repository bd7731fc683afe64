//! Long computations, away from the threads that serve other handlers.

use crate::runtime::{ExecutionContext, HandlerError};

/// Runs `work` on a thread of its own and returns early when the execution is cancelled. Work that
/// has begun then ends unheard; it is bounded by the size of its input.
pub(super) async fn blocking<T: Send + 'static>(
    ctx: &ExecutionContext,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, HandlerError> {
    let mut task = tokio::task::spawn_blocking(work);
    let ended = tokio::select! {
        biased;
        () = ctx.cancellation().cancelled() => {
            task.abort();
            return Err(cancelled());
        }
        ended = &mut task => ended,
    };
    ended.map_err(|error| match error.try_into_panic() {
        // The runtime deals with panics; their text is not the tenant's.
        Ok(panic) => std::panic::resume_unwind(panic),
        Err(_) => HandlerError::retryable("INTERRUPTED", "the work was interrupted"),
    })
}

/// Returns the error of a handler that notices that it is cancelled.
pub(super) fn cancelled() -> HandlerError {
    HandlerError::fatal("CANCELLED", "the execution is cancelled")
}
