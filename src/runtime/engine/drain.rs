//! A node that drains takes nothing new and ends what it has, because its operator asked for it. What it then still runs
//! it hands over: at once where that only waits for children, which it would not start, and at the time that the operator
//! set.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::sync::{Notify, OwnedRwLockReadGuard, RwLock, watch};

use super::{Engine, lock};
use crate::{
    model::{Labels, Queue},
    storage::{DrainRequest, Error},
};

/// What a node hands over of what it runs.
#[derive(Debug, Clone)]
pub(in crate::runtime) enum HandOver {
    /// Nothing.
    Nothing,
    /// What one of the nodes with these labels may run.
    ToNodes(Arc<[Labels]>),
    /// All of it.
    Everything,
}

impl HandOver {
    fn concerns(&self, queue: &Queue) -> bool {
        match self {
            Self::Nothing => false,
            Self::ToNodes(nodes) => nodes.iter().any(|labels| queue.is_served_by(labels)),
            Self::Everything => true,
        }
    }
}

/// Whether this node takes work, and what it hands over.
pub(super) struct Drain {
    /// True while the node drains. Whoever takes work holds it until the work is known to run here; so once it is set,
    /// nothing new comes.
    is_on: Arc<RwLock<bool>>,
    /// What was last written to the node's row.
    told: Mutex<bool>,
    request: Mutex<Option<DrainRequest>>,
    hand_over: watch::Sender<HandOver>,
    /// Something was asked of this node.
    asked: Notify,
    /// Held by whoever does what was asked: what is older must not come after what is newer.
    heeding: tokio::sync::Mutex<()>,
}

impl Default for Drain {
    fn default() -> Self {
        Self {
            is_on: Arc::default(),
            told: Mutex::default(),
            request: Mutex::default(),
            hand_over: watch::Sender::new(HandOver::Nothing),
            asked: Notify::new(),
            heeding: tokio::sync::Mutex::default(),
        }
    }
}

/// Keeps the node from being drained while it takes work.
pub(super) type Taking = OwnedRwLockReadGuard<bool>;

impl Drain {
    /// The leave to take work, to be held until it is known what was taken; none while the node drains.
    pub(super) fn take(&self) -> Option<Taking> {
        let is_on = Arc::clone(&self.is_on).try_read_owned().ok()?;
        (!*is_on).then_some(is_on)
    }

    /// The node's row as it is to say of draining: whether it drains, and what was asked of it.
    pub(super) fn state(&self) -> (bool, Option<DrainRequest>) {
        (*lock(&self.told), *lock(&self.request))
    }

    /// A look at the node's row is due.
    pub(super) fn look(&self) {
        self.asked.notify_one();
    }

    /// Hands over what runs here, from now on.
    pub(super) fn hand_over(&self, what: HandOver) {
        self.hand_over.send_replace(what);
    }
}

impl Engine {
    /// Returns when an execution of this queue that runs here is to be handed over.
    pub(in crate::runtime) async fn is_handed_over(&self, queue: &Queue) {
        let mut what = self.drain.hand_over.subscribe();
        let concerned = what.wait_for(|what| what.concerns(queue)).await.is_ok();
        if !concerned {
            std::future::pending::<()>().await;
        }
    }

    /// Does what the operator asked of this node.
    pub(super) async fn drain_loop(self: Arc<Self>) {
        loop {
            let pause = match self.heed_operator().await {
                Ok(pause) => pause,
                Err(error) => {
                    tracing::warn!(%error, "what was asked of this node is not known");
                    self.settings.heartbeat
                }
            };
            tokio::select! {
                () = self.drain.asked.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = self.draining.cancelled() => return,
            }
        }
    }

    /// Looks at the node's row and does what it asks; how long until the next look.
    pub(in crate::runtime) async fn heed_operator(&self) -> Result<Duration, Error> {
        let _heeding = self.drain.heeding.lock().await;
        let node = self.node_id();
        let request = self.storage.find_drain_request(node).await?;
        *lock(&self.drain.request) = request;
        let drains = request.is_some();
        if *self.drain.is_on.read().await != drains {
            if !drains {
                self.drain.hand_over(HandOver::Nothing);
            }
            // Waits until what is being taken is known to run here.
            *self.drain.is_on.write().await = drains;
            tracing::info!(drains, "an operator asked this node to drain, or to go on");
            self.slots.look();
        }
        if *lock(&self.drain.told) != drains {
            self.storage.set_draining(node, drains).await?;
            *lock(&self.drain.told) = drains;
        }
        let Some(request) = request else {
            return Ok(self.settings.heartbeat);
        };
        let left = request
            .hand_over_in
            .map(|micros| Duration::from_micros(micros.max(0).unsigned_abs()));
        // What only waits for children waits for what this node does not start.
        if left.is_some_and(|left| left.is_zero()) || self.slots.in_use() == 0 {
            self.drain.hand_over(HandOver::Everything);
        }
        let pause = left.filter(|left| !left.is_zero());
        Ok(pause.map_or(self.settings.poll, |left| left.min(self.settings.poll)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_node_drains_only_once_nobody_takes_work_any_more() {
        let drain = Drain::default();
        let taking = drain.take().unwrap();
        let is_on = Arc::clone(&drain.is_on);
        let begun = tokio::spawn(async move { *is_on.write().await = true });
        // From when it is asked, nobody else begins to take.
        while drain.take().is_some() {
            tokio::task::yield_now().await;
        }
        assert!(!begun.is_finished());
        drop(taking);
        begun.await.unwrap();
        assert!(drain.take().is_none());
    }

    #[test]
    fn what_another_node_may_run_is_handed_over() {
        let labels = |text: &str| text.parse::<Labels>().unwrap();
        let nodes = HandOver::ToNodes([labels("zone=a")].into());
        let bound = |text: &str| Queue::of_labels(labels(text));
        for (queue, concerned) in [
            (Queue::Node, true),
            (bound("zone=a"), true),
            (bound("gpu=true"), false),
        ] {
            assert_eq!(nodes.concerns(&queue), concerned, "{queue:?}");
            assert!(HandOver::Everything.concerns(&queue));
            assert!(!HandOver::Nothing.concerns(&queue));
        }
        assert!(!HandOver::ToNodes([].into()).concerns(&Queue::Node));
    }
}
