//! The part of all webhooks that a node delivers to, so that nodes which start later get some as well. A node that has more
//! gives the rest back, each when its round has ended; whoever has fewer takes them.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{Engine, lock};
use crate::{model::WebhookId, storage};

/// The webhooks that a node delivers to at the same time. Most of them wait for something to deliver.
const MOST_HELD: usize = 2_000;
/// A node that has less than its share asks for it again after so many polls.
const POLLS: u32 = 10;

/// A webhook that this node delivers to, for whoever wants to tell its task something.
#[derive(Debug, Default)]
pub(super) struct HeldWebhook {
    /// Somebody has changed it, or it is to be given back.
    pub(super) told: Notify,
    /// It is to be given back.
    is_surplus: AtomicBool,
}

impl HeldWebhook {
    /// Returns whether it is to be given back when its round has ended.
    pub(super) fn is_surplus(&self) -> bool {
        self.is_surplus.load(Ordering::Relaxed)
    }
}

/// The share of a node, and when it asked for it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Share {
    webhooks: usize,
    asked_at: Instant,
}

/// The share of one of so many nodes. One that takes no work has none while others do.
fn share_of(webhooks: usize, nodes_at_work: usize, is_at_work: bool) -> usize {
    if !is_at_work && nodes_at_work > 0 {
        return 0;
    }
    webhooks.div_ceil(nodes_at_work.max(1)).min(MOST_HELD)
}

/// A node gives webhooks back once it has so many more than its share: one that comes or goes moves no other.
fn slack(share: usize) -> usize {
    share.div_ceil(8)
}

/// Marks what is beyond the share as to be given back.
fn give_back(held: &HashMap<WebhookId, Arc<HeldWebhook>>, share: usize) {
    let stays: Vec<_> = held.values().filter(|it| !it.is_surplus()).collect();
    if stays.len() <= share + slack(share) {
        return;
    }
    for one in stays.into_iter().skip(share) {
        one.is_surplus.store(true, Ordering::Relaxed);
        one.told.notify_one();
    }
}

impl Engine {
    /// The number of webhooks that this node may take in addition to those that it has. It gives back what it has too many.
    pub(super) async fn room_for_webhooks(&self) -> Result<usize, storage::Error> {
        let count = || lock(&self.webhooks.held).len();
        if self.settings.is_alone {
            return Ok(MOST_HELD.saturating_sub(count()));
        }
        let known = *lock(&self.webhooks.share);
        let known = known.filter(|it| {
            it.webhooks > count() && it.asked_at.elapsed() < self.settings.poll * POLLS
        });
        let share = match known {
            Some(share) => share.webhooks,
            None => self.ask_for_share().await?,
        };
        let held = lock(&self.webhooks.held);
        give_back(&held, share);
        Ok(share.saturating_sub(held.len()))
    }

    async fn ask_for_share(&self) -> Result<usize, storage::Error> {
        let asked_at = Instant::now();
        let load = self.storage.webhook_load(self.node_id()).await?;
        let webhooks = share_of(load.webhooks, load.nodes_at_work, load.is_at_work);
        *lock(&self.webhooks.share) = Some(Share { webhooks, asked_at });
        Ok(webhooks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn all_nodes_together_have_room_for_all_webhooks() {
        for (webhooks, nodes, share) in [
            (0, 1, 0),
            (1, 3, 1),
            (8, 2, 4),
            (9, 2, 5),
            (3_000, 2, 1_500),
            (9_000, 2, MOST_HELD),
        ] {
            assert_eq!(share_of(webhooks, nodes, true), share, "{webhooks} {nodes}");
        }
        // One that drains leaves them to the others, unless there are none.
        assert_eq!(share_of(8, 2, false), 0);
        assert_eq!(share_of(8, 0, false), 8);
    }

    #[test]
    fn a_node_gives_back_what_is_far_beyond_its_share_and_no_more() {
        let held = |count: u128| -> HashMap<_, _> {
            let one = |id| (WebhookId(Uuid::from_u128(id)), Arc::default());
            (0..count).map(one).collect()
        };
        let given = |held: &HashMap<WebhookId, Arc<HeldWebhook>>| {
            held.values().filter(|it| it.is_surplus()).count()
        };
        for (count, share, expected) in [(4, 4, 0), (5, 4, 0), (6, 4, 2), (80, 64, 16), (1, 0, 1)] {
            let held = held(count);
            // Asked again before they are gone, it gives back no others.
            for _ in 0..2 {
                give_back(&held, share);
                assert_eq!(given(&held), expected, "{count} {share}");
            }
        }
    }
}
