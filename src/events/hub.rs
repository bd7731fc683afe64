//! Who waits for what on this node. The hub holds no events, only how far each watched stream is
//! known to have grown; a subscriber costs a few words whatever it has not read yet.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

use crate::{
    model::{ExecutionId, SessionKey, TenantId},
    storage::Notice,
};

type Watched<K> = Mutex<HashMap<K, watch::Sender<State>>>;

/// The state of a stream as its watchers are told it.
#[derive(Debug, Clone, Copy, Default)]
struct State {
    /// The last sequence that the database is known to hold; of an execution only.
    seq: i64,
    /// The number of times that there was reason to look.
    calls: u64,
}

/// The streams and feeds that somebody on this node watches.
#[derive(Debug, Default)]
pub(super) struct Hub {
    executions: Watched<ExecutionId>,
    sessions: Watched<SessionKey>,
    tenants: Watched<TenantId>,
    /// The tenants whose feeds are delivered elsewhere.
    deliveries: Watched<TenantId>,
}

/// One watcher's place.
#[derive(Debug)]
pub(crate) struct Watch {
    receiver: watch::Receiver<State>,
    /// The calls that had come when the watcher last looked.
    answered: u64,
}

impl Watch {
    /// Returns whether the stream may have events after `seq`.
    pub(super) fn may_be_beyond(&self, seq: i64) -> bool {
        let state = self.receiver.borrow();
        state.seq > seq || state.calls != self.answered
    }

    /// Waits until more is known than at the last call.
    pub(crate) async fn changed(&mut self) {
        // The sender lives in the hub while there are receivers; without it nothing can change.
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Forgets that there was a change: whoever calls this is about to look.
    pub(crate) fn mark_seen(&mut self) {
        self.receiver.mark_unchanged();
        self.answered = self.receiver.borrow_and_update().calls;
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
    let sender = watched.entry(key).or_default();
    let receiver = sender.subscribe();
    let answered = receiver.borrow().calls;
    Watch { receiver, answered }
}

fn tell<K: Eq + Hash>(watched: &Watched<K>, key: &K, change: impl FnOnce(&mut State) -> bool) {
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

fn call(state: &mut State) -> bool {
    state.calls = state.calls.wrapping_add(1);
    true
}

impl Hub {
    pub(super) fn watch_execution(&self, id: ExecutionId) -> Watch {
        watch_in(&self.executions, id)
    }

    pub(super) fn watch_session(&self, key: SessionKey) -> Watch {
        watch_in(&self.sessions, key)
    }

    pub(super) fn watch_tenant(&self, id: TenantId) -> Watch {
        watch_in(&self.tenants, id)
    }

    pub(super) fn watch_deliveries(&self, id: TenantId) -> Watch {
        watch_in(&self.deliveries, id)
    }

    /// Passes on what a commit of this node means.
    pub(super) fn committed(&self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::Events {
                execution_id, seq, ..
            } = notice
            {
                self.grown(*execution_id, *seq);
            }
            self.call_feeds(notice);
        }
    }

    /// Passes on what another node is said to have committed: those concerned look. The sequence is
    /// not believed, for one that is too high would hide what comes before it.
    pub(super) fn heard(&self, notices: &[Notice]) {
        for notice in notices {
            if let Notice::Events { execution_id, .. } = notice {
                tell(&self.executions, execution_id, call);
            }
            self.call_feeds(notice);
        }
    }

    fn call_feeds(&self, notice: &Notice) {
        if let Notice::Events {
            tenant_id,
            session_id,
            ..
        } = notice
        {
            let key = SessionKey {
                id: *session_id,
                tenant_id: tenant_id.clone(),
            };
            tell(&self.sessions, &key, call);
            tell(&self.tenants, tenant_id, call);
            tell(&self.deliveries, tenant_id, call);
        }
    }

    /// An execution's stream is known to reach `seq`.
    pub(super) fn grown(&self, id: ExecutionId, seq: i64) {
        tell(&self.executions, &id, |state| {
            let is_news = seq > state.seq;
            state.seq = state.seq.max(seq);
            is_news
        });
    }

    /// Something may have been missed: every feed looks again.
    pub(super) fn stir_feeds(&self) {
        for sender in lock(&self.sessions).values() {
            sender.send_if_modified(call);
        }
        for sender in lock(&self.tenants).values() {
            sender.send_if_modified(call);
        }
    }

    /// Something may have been missed: whoever delivers looks again.
    pub(super) fn stir_deliveries(&self) {
        for sender in lock(&self.deliveries).values() {
            sender.send_if_modified(call);
        }
    }

    /// The executions that somebody watches.
    pub(super) fn watched_executions(&self) -> Vec<ExecutionId> {
        let mut watched = lock(&self.executions);
        watched.retain(|_, sender| sender.receiver_count() > 0);
        watched.keys().copied().collect()
    }
}
