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
                }
                Err(broadcast::error::RecvError::Closed) => return,
            }
        }
    }

    fn notice(&self, notice: &Notice) {
        match notice {
            Notice::Ready { queue } if *queue == Queue::Node.name() => {
                self.slots.something_waits();
            }
            Notice::Timer(at) => self.timers.note(*at),
            Notice::Cancel(id) => self.cancel_hints.add(*id),
            Notice::ChildEnded(parent) => self.child_ended(*parent),
            Notice::CancelBelow(id) => self.cancel_below(*id),
            // What must run alone is looked for now and then; this node serves no other queue.
            Notice::Ready { .. } | Notice::Events { .. } => {}
        }
    }
}
