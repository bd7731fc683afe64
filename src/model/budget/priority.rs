//! Which threads the tasks of a connection run on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

tokio::task_local! {
    static CURRENT: Priority;
}

/// The priority of a connection's tasks: a low one lets those of others run first. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Priority(Arc<AtomicBool>);

impl Priority {
    /// That of the task that asks; one of its own where there is none.
    #[must_use]
    pub fn current() -> Self {
        CURRENT.try_with(Self::clone).unwrap_or_default()
    }

    /// Returns whether it is low.
    #[must_use]
    pub fn is_low(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Polls something as part of such a task.
    pub fn within<T>(&self, poll: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self.clone(), poll)
    }

    /// Sets the priority of the task that asks; whether it was another one.
    pub(super) fn set_current(is_low: bool) -> bool {
        let change = |priority: &Self| priority.0.swap(is_low, Ordering::Relaxed) != is_low;
        CURRENT.try_with(change).unwrap_or(false)
    }
}
