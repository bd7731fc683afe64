//! Threads for what takes long to answer. Each has a lower priority than those that answer everybody, so
//! the system lets these run first, however long one request keeps a thread.

use futures::FutureExt as _;
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{ApiError, ErrorCode};
use crate::model::Meter;

/// The threads. Clones share them.
#[derive(Debug, Clone)]
pub struct DearThreads(Handle);

impl DearThreads {
    /// Work is done on the threads of `handle`.
    #[must_use]
    pub fn new(handle: Handle) -> Self {
        Self(handle)
    }

    /// Does `work` in its tenant's turn. It ends when the caller is dropped.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the server stops.
    pub async fn run<T: Send + 'static>(
        &self,
        meter: &Meter,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = meter.dear().await;
        let task = AbortOnDropHandle::new(self.0.spawn(work.in_current_span()));
        task.map(|done| match done {
            Ok(done) => Ok(done),
            Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
            Err(_) => Err(ApiError::new(
                ErrorCode::Unavailable,
                "the service is shutting down; try again",
            )),
        })
        .await
    }

    /// Polls `work` there until it ends or this future is dropped.
    pub fn handle(&self) -> &Handle {
        &self.0
    }
}
