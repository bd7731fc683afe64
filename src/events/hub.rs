//! Who waits for what on this node. The hub holds no events, only how far each watched stream is
//! known to have grown; a subscriber costs a few words whatever it has not read yet.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    model::{ExecutionId, SessionId, TenantId},
    storage::Notice,
};

type Watched<K> = Mutex<HashMap<K, watch::Sender<i64>>>;

/// The streams and feeds that somebody on this node watches.
#[derive(Debug, Default)]
pub(super) struct Hub {
    executions: Watched<ExecutionId>,
    sessions: Watched<SessionId>,
    tenants: Watched<TenantId>,
}

/// One watcher's place: for an execution the last known sequence, for a feed a counter of changes.
#[derive(Debug)]
pub(super) struct Watch {
    receiver: watch::Receiver<i64>,
}

impl Watch {
    /// What is known now.
    pub(super) fn known(&self) -> i64 {
        *self.receiver.borrow()
    }

    /// Waits until more is known than at the last call.
    pub(super) async fn changed(&mut self) {
        // The sender lives in the hub while there are receivers; without it nothing can change.
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Forgets that there was a change: whoever calls this is about to look.
    pub(super) fn mark_seen(&mut self) {
        self.receiver.mark_unchanged();
        let _ = self.receiver.borrow_and_update();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn watch_in<K: Eq + Hash>(watched: &Watched<K>, key: K) -> Watch {
    let mut watched = lock(watched);
    // Entries nobody watches any more are dropped when the map has grown.
    if watched.len().is_power_of_two() {
        watched.retain(|_, sender| sender.receiver_count() > 0);
    }
    let sender = watched.entry(key).or_insert_with(|| watch::Sender::new(0));
    Watch {
        receiver: sender.subscribe(),
    }
}

fn tell<K: Eq + Hash>(watched: &Watched<K>, key: &K, change: impl FnOnce(&mut i64) -> bool) {
    let mut watched = lock(watched);
    let Some(sender) = watched.get(key) else {
        return;
    };
    if sender.receiver_count() == 0 {
        watched.remove(key);
    } else {
        sender.send_if_modified(change);
    }
}

fn count_up(counter: &mut i64) -> bool {
    *counter = counter.wrapping_add(1);
    true
}

impl Hub {
    pub(super) fn watch_execution(&self, id: ExecutionId) -> Watch {
        watch_in(&self.executions, id)
    }

    pub(super) fn watch_session(&self, id: SessionId) -> Watch {
        watch_in(&self.sessions, id)
    }

    pub(super) fn watch_tenant(&self, id: TenantId) -> Watch {
        watch_in(&self.tenants, id)
    }

    /// Passes on what a commit means.
    pub(super) fn notice(&self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::Events {
                tenant_id,
                session_id,
                execution_id,
                seq,
                ..
            } = notice
            {
                self.grown(*execution_id, *seq);
                tell(&self.sessions, session_id, count_up);
                tell(&self.tenants, tenant_id, count_up);
            }
        }
    }

    /// An execution's stream is known to reach `seq`.
    pub(super) fn grown(&self, id: ExecutionId, seq: i64) {
        tell(&self.executions, &id, |known| {
            let is_news = seq > *known;
            *known = (*known).max(seq);
            is_news
        });
    }

    /// Something may have been missed: every feed looks again.
    pub(super) fn stir_feeds(&self) {
        for sender in lock(&self.sessions).values() {
            sender.send_if_modified(count_up);
        }
        for sender in lock(&self.tenants).values() {
            sender.send_if_modified(count_up);
        }
    }

    /// The executions that somebody watches.
    pub(super) fn watched_executions(&self) -> Vec<ExecutionId> {
        let mut watched = lock(&self.executions);
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.keys().copied().collect()
    }
}
