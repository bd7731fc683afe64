//! Thread pools of requests: one for costly requests, one for heavy tenants, one for all others. The first
//! two have a lower priority than the third, so the system lets that one run first, however long a request
//! keeps a thread.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use futures::{
    FutureExt as _,
    future::{AbortHandle, Abortable},
};
use tokio::runtime::Handle;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use super::{ApiError, ErrorCode};
use crate::model::{Meter, Priority};

/// The thread pools. Clones share them.
#[derive(Debug, Clone)]
pub struct RequestThreads {
    costly: Handle,
    heavy: Handle,
    normal: Handle,
}

impl RequestThreads {
    /// The pools of costly requests, of heavy tenants, and of all others.
    #[must_use]
    pub fn new(costly: Handle, heavy: Handle, normal: Handle) -> Self {
        Self {
            costly,
            heavy,
            normal,
        }
    }

    /// Runs `work` among the costly requests, in its tenant's turn. It ends when the caller is dropped.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the server stops.
    pub async fn run<T: Send + 'static>(
        &self,
        meter: &Meter,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, ApiError> {
        let _turn = meter.costly_turn().await;
        let task = AbortOnDropHandle::new(self.costly.spawn(work.in_current_span()));
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

    /// The pool of costly requests.
    pub fn costly(&self) -> &Handle {
        &self.costly
    }

    /// Runs `work` on the pool of heavy tenants while `priority` is low, else on that of all others.
    pub fn follow(&self, priority: Priority, work: impl Future<Output = ()> + Send + 'static) {
        self.start(priority, Box::pin(work));
    }

    /// The same, until the handle is dropped.
    pub fn follow_while_held(
        &self,
        priority: Priority,
        work: impl Future<Output = ()> + Send + 'static,
    ) -> EndOnDrop {
        let (handle, registration) = AbortHandle::new_pair();
        let work = Abortable::new(work, registration);
        self.follow(priority, work.map(|_| ()));
        EndOnDrop(handle)
    }

    fn start(&self, priority: Priority, work: Work) {
        let is_low = priority.is_low();
        let threads = if is_low { &self.heavy } else { &self.normal };
        threads.spawn(Following {
            work: Some(work),
            priority,
            is_low,
            threads: self.clone(),
        });
    }
}

type Work = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Ends a task when it is dropped.
#[derive(Debug)]
pub struct EndOnDrop(AbortHandle);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Work that moves to the other pool when its priority changes.
struct Following {
    /// None when it has moved.
    work: Option<Work>,
    priority: Priority,
    is_low: bool,
    threads: RequestThreads,
}

impl Future for Following {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.priority.is_low() != self.is_low {
            if let Some(work) = self.work.take() {
                self.threads.start(self.priority.clone(), work);
            }
            return Poll::Ready(());
        }
        let priority = self.priority.clone();
        let Some(work) = &mut self.work else {
            return Poll::Ready(());
        };
        priority.within(|| work.as_mut().poll(context))
    }
}

/// Pools for tests: that of heavy tenants has one thread, `low`, the other two share one, `normal`. They end
/// with the runtimes, of which the second is that of `normal`.
#[cfg(test)]
pub(crate) fn low_and_normal() -> ([tokio::runtime::Runtime; 2], RequestThreads) {
    let runtimes = ["low", "normal"].map(|name| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let builder = builder.worker_threads(1).thread_name(name).enable_all();
        builder.build().unwrap()
    });
    let [low, normal] = runtimes.each_ref().map(|it| it.handle().clone());
    let threads = RequestThreads::new(normal.clone(), low, normal);
    (runtimes, threads)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::mpsc;

    use super::*;
    use crate::model::Budget;

    fn here() -> String {
        std::thread::current().name().unwrap().to_owned()
    }

    struct Dropped(mpsc::UnboundedSender<String>);

    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.send("dropped".to_owned()).unwrap();
        }
    }

    #[test]
    fn work_moves_while_its_tenant_asks_very_much_beside_others_and_ends_with_its_handle() {
        let (_runtimes, threads) = low_and_normal();
        let budget = Arc::new(Budget::new(u64::MAX, u64::MAX));
        let [heavy, light] = ["heavy", "light"].map(|name| name.parse().unwrap());
        let (seen, mut told) = mpsc::unbounded_channel();
        let held = threads.follow_while_held(Priority::default(), async move {
            let _dropped = Dropped(seen.clone());
            let tell = |what: &str| seen.send(format!("{what} {}", here())).unwrap();
            budget.enter(&heavy).await.unwrap();
            budget.charge(&heavy, 1_000_000_000);
            budget.enter(&heavy).await.unwrap();
            tell("alone");
            budget.enter(&light).await.unwrap();
            tell("light");
            budget.enter(&heavy).await.unwrap();
            tell("heavy");
            budget.enter(&light).await.unwrap();
            tell("light");
            budget.enter(&heavy).await.unwrap();
            tell("heavy");
            std::future::pending::<()>().await;
        });
        let expected = [
            "alone normal",
            "light normal",
            "heavy low",
            "light normal",
            "heavy low",
        ];
        for expected in expected {
            assert_eq!(told.blocking_recv().unwrap(), expected);
        }
        drop(held);
        assert_eq!(told.blocking_recv().unwrap(), "dropped");
        assert_eq!(told.blocking_recv(), None);
    }
}
