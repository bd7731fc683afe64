//! Notices of commits, of this node and of others, as the engine takes them.

use std::sync::Arc;

use tokio::sync::broadcast;

use super::Engine;
use crate::{model::Queue, storage::Notice};

impl Engine {
    pub(super) async fn notice_loop(
        self: Arc<Self>,
        mut notices: broadcast::Receiver<Arc<Vec<Notice>>>,
    ) {
        loop {
            let received = tokio::select! {
                received = notices.recv() => received,
                () = self.stopped.cancelled() => return,
            };
            match received {
                Ok(notices) => notices.iter().for_each(|notice| self.notice(notice)),
                Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.slots.look();
                    self.timers.look();
                    self.drain.look();
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    /// Returns whether this node takes from the queue of that name.
    fn takes_from(&self, queue: &str) -> bool {
        let queue = Queue::from_name(queue);
        queue.is_some_and(|queue| queue.is_served_by(&self.settings.labels))
    }

    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Ready { queue } if self.takes_from(queue) => self.slots.something_waits(),
            Notice::Timer(at) => self.timers.note(*at),
            Notice::Cancel(id) => self.cancel_hints.add(*id),
            Notice::ChildEnded(parent) => self.child_ended(*parent),
            Notice::CancelBelow(id) => self.cancel_below(*id),
            Notice::Overtaken { bucket } => self.overtaken(bucket),
            Notice::NodeAsked(node) if *node == self.node_id() => self.drain.look(),
            // What must run alone is looked for now and then; the others are for other nodes or for workers.
            Notice::Ready { .. } | Notice::Events { .. } | Notice::NodeAsked(_) => {}
        }
    }
}
