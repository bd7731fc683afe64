//! Hints between nodes: what a commit on one node means to those who wait on the others.
//!
//! Hints are not data. One that is lost costs latency, one that is forged costs a look at the
//! database; nobody acts on a hint without looking. Redis gives no word of what it dropped, so the
//! bus says so wherever something may have been missed (see [`HintBus::missed`]).

mod listen;
mod pending;
mod publish;
mod wire;

use std::{
    fmt,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use tokio::sync::{Notify, broadcast, watch};
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use super::Redis;
use crate::{model::NodeId, storage::Notice};
use pending::Pending;

/// The number of batches by which a slow receiver may fall behind.
const RECEIVER_BATCHES: usize = 1024;

/// A node's end of the channel on which nodes tell each other what was committed. Clones share it,
/// each with its own view of what was missed; it is left when the last one is dropped.
pub struct HintBus {
    inner: Arc<Inner>,
    /// The gaps that [`Self::missed`] of this handle has told.
    told: AtomicU64,
}

struct Inner {
    outbox: Arc<Outbox>,
    remote: broadcast::Sender<Arc<Vec<Notice>>>,
    gaps: watch::Receiver<u64>,
    _tasks: [AbortOnDropHandle<()>; 2],
}

/// Hints that wait to be published. It holds one entry an execution however long Redis is away.
#[derive(Default)]
struct Outbox {
    pending: Mutex<Pending>,
    filled: Notify,
}

impl Outbox {
    fn with<T>(&self, act: impl FnOnce(&mut Pending) -> T) -> T {
        // Hints are merged one by one: what is there is whole, also when a holder panicked.
        act(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl HintBus {
    /// Joins the nodes that share the database with this random id. Clusters that share a Redis but
    /// not a database do not hear each other.
    #[must_use]
    pub fn join(redis: &Redis, installation: Uuid, node: NodeId) -> Self {
        let channel = format!("takeoff:hints:{}", installation.simple());
        let outbox = Arc::new(Outbox::default());
        let (remote, _) = broadcast::channel(RECEIVER_BATCHES);
        let (gap, gaps) = watch::channel(0);
        let publish = publish::run(redis.clone(), channel.clone(), node, Arc::clone(&outbox));
        let listener = listen::Listener {
            client: redis.client.clone(),
            channel,
            node,
            remote: remote.clone(),
            gap,
        };
        let tasks = [tokio::spawn(publish), tokio::spawn(listener.run())];
        let inner = Arc::new(Inner {
            outbox,
            remote,
            gaps,
            _tasks: tasks.map(AbortOnDropHandle::new),
        });
        let told = AtomicU64::new(0);
        Self { inner, told }
    }

    /// Tells the other nodes. Never waits: what is said in quick succession is merged, and dropped
    /// while Redis is away.
    pub fn publish(&self, notices: &[Notice]) {
        if notices.is_empty() {
            return;
        }
        self.inner.outbox.with(|pending| pending.add(notices));
        self.inner.outbox.filled.notify_one();
    }

    /// Returns the notices of other nodes from now on. Falling behind (`Lagged`) is a gap as well.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Vec<Notice>>> {
        self.inner.remote.subscribe()
    }

    /// Returns when something may have been missed since this handle last said so: whenever
    /// listening begins, at first and after every loss of the connection, and when another node
    /// says that it dropped hints. Whoever waits for something should then look at once.
    ///
    /// A call that is given up, as in `select!`, loses nothing.
    pub async fn missed(&self) {
        let mut gaps = self.inner.gaps.clone();
        let told = self.told.load(Ordering::Relaxed);
        let count = gaps.wait_for(|count| *count != told).await;
        let count = count.map(|count| *count);
        match count {
            Ok(count) => self.told.store(count, Ordering::Relaxed),
            // The listener ends with the bus only, and this handle keeps the bus.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
impl HintBus {
    /// Returns whether nothing was dropped since the outbox last said so.
    pub(in crate::redis) fn has_said_all(&self) -> bool {
        self.inner.outbox.with(|pending| !pending.has_dropped())
    }
}

impl Clone for HintBus {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            told: AtomicU64::new(self.told.load(Ordering::Relaxed)),
        }
    }
}

impl fmt::Debug for HintBus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HintBus")
            .field("gaps", &*self.inner.gaps.borrow())
            .finish_non_exhaustive()
    }
}
