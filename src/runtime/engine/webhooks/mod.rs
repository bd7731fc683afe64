//! Delivering events to webhooks. A node takes webhooks that are due, and has each for as long as it has its lease; a task
//! follows the tenant's feed for each of them, as a subscriber does, and delivers what is new. When the node dies, another
//! one takes them and goes on behind what was acknowledged.

mod lanes;
mod places;
mod round;
mod sending;
mod share;

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{super::webhooks::courier::Courier, Engine, lock};
use crate::{
    events::Growth,
    model::{Micros, NodeId, Webhook, WebhookId},
    storage,
};
use places::SendingPlaces;
use round::{Course, RoundOutcome};
use share::{HeldWebhook, Share};

/// The webhooks that a node takes at a time, so that nodes which start together share them.
const TAKEN_AT_ONCE: usize = 50;
/// A look at the webhook, and for what no hint has told of.
const LOOKS_AGAIN: Duration = Duration::from_secs(10);
/// After a hint what it is about may be hidden until older transactions have ended: it is looked for again after so long.
const SETTLES: [Duration; 4] = [
    Duration::from_millis(25),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];
/// Where the feed moves and nothing of it fits, it is looked at again after this time at the earliest.
const LOOKS_APART: Duration = Duration::from_millis(250);
/// For so long a node goes by what it knows of a webhook, unless it hears of a change.
const KNOWN_FOR: Duration = Duration::from_secs(1);
/// What could not be done for a reason of the server's own is tried again after this time.
const TRIED_AGAIN: Duration = Duration::from_secs(5);
/// The longest time that a node which stops waits for the answers of receivers.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The settings of deliveries.
#[derive(Debug, Clone)]
pub struct DeliverySettings {
    /// The pause after the first delivery that was not accepted.
    pub first_retry_micros: Micros,
    /// A webhook is given up after so long without any success.
    pub disable_after_micros: Micros,
}

/// What the deliveries of a node share.
pub(in crate::runtime) struct Deliveries {
    pub(in crate::runtime) courier: Courier,
    /// Something may be due.
    look: Notify,
    /// The webhooks that this node delivers to.
    held: Mutex<HashMap<WebhookId, Arc<HeldWebhook>>>,
    /// The number of them that it may have.
    share: Mutex<Option<Share>>,
    /// Those that may be this node's in the database, though it does not deliver to them: the answer was lost, or their
    /// task has ended by a fault.
    uncertain: Mutex<HashSet<WebhookId>>,
    places: SendingPlaces,
    /// Cancelled when the node loses its lease, and then made anew.
    lost: Mutex<CancellationToken>,
    tasks: TaskTracker,
}

impl Deliveries {
    pub(super) fn new(courier: Courier) -> Self {
        Self {
            courier,
            look: Notify::new(),
            held: Mutex::default(),
            share: Mutex::default(),
            uncertain: Mutex::default(),
            places: SendingPlaces::new(),
            lost: Mutex::default(),
            tasks: TaskTracker::new(),
        }
    }

    /// Returns whether addresses that are not public are delivered to.
    pub(in crate::runtime) fn allows_private(&self) -> bool {
        self.courier.allows_private()
    }

    /// Looks at once for what is due.
    pub(in crate::runtime) fn look(&self) {
        self.look.notify_one();
    }

    /// Somebody has changed a webhook.
    pub(in crate::runtime) fn changed(&self, id: WebhookId) {
        if let Some(held) = lock(&self.held).get(&id) {
            held.told.notify_one();
        }
        self.look();
    }

    /// The node has lost its lease: others may take what it delivers to.
    pub(super) fn lose_all(&self) {
        std::mem::take(&mut *lock(&self.lost)).cancel();
    }

    /// Waits for what is on its way, for a while.
    pub(super) async fn end(&self) {
        self.tasks.close();
        if tokio::time::timeout(ENDS_WITHIN, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!("deliveries were broken off; they are repeated");
        }
    }
}

/// A webhook as one task has it.
struct Holding {
    webhook: Webhook,
    node: NodeId,
    held: Arc<HeldWebhook>,
    /// When the webhook was read as it is here; none when it may be another one.
    read_at: Option<Instant>,
    growth: Growth,
    lost: CancellationToken,
    course: Course,
}

impl Engine {
    pub(super) async fn webhook_loop(self: Arc<Self>) {
        while !self.draining.is_cancelled() {
            if let Err(error) = self.take_webhooks().await {
                tracing::warn!(%error, "webhooks could not be taken");
            }
            tokio::select! {
                () = self.webhooks.look.notified() => {}
                () = tokio::time::sleep(self.settings.poll) => {}
                () = self.draining.cancelled() => {}
            }
        }
    }

    /// Takes webhooks that are due and that no other node has.
    async fn take_webhooks(self: &Arc<Self>) -> Result<(), storage::Error> {
        // Before the lease is looked at: what is lost from here on is lost by this.
        let lost = lock(&self.webhooks.lost).clone();
        let (node, now) = (self.node_id(), self.clock.now());
        if !self.has_lease() {
            return Ok(());
        }
        let most = self.room_for_webhooks().await?.min(TAKEN_AT_ONCE);
        let mut due = match most {
            0 => Vec::new(),
            most => self.storage.due_webhooks(now, most).await?,
        };
        due.extend(lock(&self.webhooks.uncertain).iter());
        // A task of before may not have ended yet.
        due.retain(|id| !lock(&self.webhooks.held).contains_key(id));
        if due.is_empty() {
            return Ok(());
        }
        lock(&self.webhooks.uncertain).extend(&due);
        let held = self.hold_webhooks(due.clone(), node, now).await?;
        lock(&self.webhooks.uncertain).retain(|id| !due.contains(id));
        for webhook in held {
            let (id, held) = (webhook.id, Arc::new(HeldWebhook::default()));
            lock(&self.webhooks.held).insert(id, Arc::clone(&held));
            let holding = Holding {
                growth: self.events.growth(&webhook.tenant_id),
                course: Course::of(&webhook, now),
                webhook,
                node,
                held,
                read_at: None,
                lost: lost.clone(),
            };
            let engine = Arc::clone(self);
            self.webhooks.tasks.spawn(async move {
                let _held = Held(Arc::clone(&engine), id);
                engine.deliver(holding).await;
            });
        }
        Ok(())
    }

    /// Takes what is due. One that cannot be read does not keep the others.
    async fn hold_webhooks(
        &self,
        due: Vec<WebhookId>,
        node: NodeId,
        now: Micros,
    ) -> Result<Vec<Webhook>, storage::Error> {
        match self.storage.hold_webhooks(due.clone(), node, now).await {
            Err(storage::Error::Corrupt { .. }) => {}
            held => return held,
        }
        let mut held = Vec::new();
        for id in due {
            match self.storage.hold_webhooks(vec![id], node, now).await {
                Ok(mut one) => held.append(&mut one),
                Err(error) => {
                    tracing::error!(%error, webhook_id = %id, "a webhook cannot be taken");
                }
            }
        }
        Ok(held)
    }

    /// Delivers to a webhook until it is not this node's any more.
    async fn deliver(&self, mut holding: Holding) {
        let mut settles = SETTLES.iter();
        // True if the feed has moved since something was last delivered.
        let mut has_moved = false;
        loop {
            holding.growth.mark_seen();
            let looked_at = Instant::now();
            let (pause, waits_for_events) = match self.next_round(&mut holding).await {
                Ok(RoundOutcome::Ended) => return,
                Ok(RoundOutcome::Delivered) => {
                    (settles, has_moved) = (SETTLES.iter(), false);
                    continue;
                }
                Ok(RoundOutcome::PassedOver) => continue,
                Ok(RoundOutcome::Nothing) => (settles.next().copied().unwrap_or(LOOKS_AGAIN), true),
                Ok(RoundOutcome::Later(pause)) => (pause.min(LOOKS_AGAIN), false),
                Err(error) => {
                    let id = holding.webhook.id;
                    tracing::warn!(%error, webhook_id = %id, "nothing could be delivered for now");
                    if self.draining.is_cancelled() {
                        return;
                    }
                    (TRIED_AGAIN, false)
                }
            };
            let apart = if has_moved {
                LOOKS_APART
            } else {
                Duration::ZERO
            };
            let grown = async {
                holding.growth.changed().await;
                tokio::time::sleep_until((looked_at + apart).into()).await;
            };
            tokio::select! {
                biased;
                () = holding.lost.cancelled() => return,
                () = holding.held.told.notified() => holding.read_at = None,
                () = self.draining.cancelled() => {}
                () = grown, if waits_for_events => (settles, has_moved) = (SETTLES.iter(), true),
                () = tokio::time::sleep(pause) => {}
            }
        }
    }
}

/// A webhook that this node delivers to, until it is dropped.
struct Held(Arc<Engine>, WebhookId);

impl Drop for Held {
    fn drop(&mut self) {
        if std::thread::panicking() {
            lock(&self.0.webhooks.uncertain).insert(self.1);
        }
        lock(&self.0.webhooks.held).remove(&self.1);
        // It may be due again.
        self.0.webhooks.look();
    }
}
