//! Operations that wait for a writer, and the choice of the next batch.

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};

use super::{super::offers::Offers, Offered, Queued};

/// The operations that wait for a writer.
pub(super) struct Waiting {
    own: mpsc::Receiver<Queued>,
    offered: mpsc::Receiver<Offered>,
    /// The clients' operations, by tenant.
    offers: Offers<(Queued, OwnedSemaphorePermit)>,
    /// The most operations of one batch while several tenants write.
    shared_batch: usize,
    /// True if the last batch had one offer of each tenant and nothing else.
    was_round: bool,
}

impl Waiting {
    /// Nothing waits yet of what the two receivers bring.
    pub(super) fn new(
        own: mpsc::Receiver<Queued>,
        offered: mpsc::Receiver<Offered>,
        shared_batch: usize,
    ) -> Self {
        Self {
            own,
            offered,
            offers: Offers::default(),
            shared_batch,
            was_round: false,
        }
    }

    /// The next batch, when there is at least one operation; none when no more can come.
    pub(super) async fn next(&mut self, most: usize) -> Option<Vec<Queued>> {
        let mut batch = Vec::new();
        self.fill(&mut batch, most);
        if batch.is_empty() {
            tokio::select! {
                biased;
                Some(first) = self.own.recv() => batch.push(first),
                Some(first) = self.offered.recv() => self.sort(first),
                else => return None,
            }
            // What came together with it goes together with it.
            self.fill(&mut batch, most);
        }
        Some(batch)
    }

    /// Adds what waits.
    fn fill(&mut self, batch: &mut Vec<Queued>, most: usize) {
        while let Ok(offered) = self.offered.try_recv() {
            self.sort(offered);
        }
        let most = if self.offers.are_shared(Instant::now().into_std()) {
            most.min(self.shared_batch)
        } else {
            most
        };
        // A lone offer may have waited for a full batch of another tenant. It is not made part of a full
        // one again: after each comes a batch with a single offer of each tenant.
        self.was_round = !self.was_round && self.offers.tenants() > 1;
        if self.was_round {
            let round = (batch.len() + self.offers.tenants()).min(most);
            self.offer(batch, round);
            return;
        }
        // Clients keep a share, however much the runtime writes.
        let own_share = most - most / 4;
        take(&mut self.own, batch, own_share);
        self.offer(batch, most);
        take(&mut self.own, batch, most);
    }

    /// Takes what was offered until there are `most`, of each tenant in turn.
    fn offer(&mut self, batch: &mut Vec<Queued>, most: usize) {
        while batch.len() < most
            && let Some((request, _place)) = self.offers.pop()
        {
            batch.push(request);
        }
    }

    fn sort(&mut self, offered: Offered) {
        let Offered {
            tenant,
            request,
            place,
        } = offered;
        let now = Instant::now().into_std();
        self.offers.push(tenant, (request, place), now);
    }
}

/// Takes what waits until there are `most`.
fn take(queue: &mut mpsc::Receiver<Queued>, batch: &mut Vec<Queued>, most: usize) {
    while batch.len() < most
        && let Ok(request) = queue.try_recv()
    {
        batch.push(request);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::{Semaphore, oneshot};

    use super::*;
    use crate::{
        model::TenantId,
        storage::write::{Recover, operation::Request},
    };

    fn queued() -> Queued {
        Box::new(Request {
            operation: Recover { limit: 1 },
            decision: None,
            caller: oneshot::channel().0,
        })
    }

    #[tokio::test]
    async fn who_asks_for_little_shares_every_other_batch_with_little() {
        let ((own, own_waiting), (offered, offers_waiting)) =
            (mpsc::channel(64), mpsc::channel(64));
        let mut waiting = Waiting::new(own_waiting, offers_waiting, 8);
        let places = Arc::new(Semaphore::new(64));
        let offer = |tenant: &str| {
            let place = Arc::clone(&places).try_acquire_owned().unwrap();
            let offer = Offered {
                tenant: TenantId::stored(tenant),
                request: queued(),
                place,
            };
            assert!(offered.try_send(offer).is_ok());
        };
        for _ in 0..20 {
            assert!(own.try_send(queued()).is_ok());
            offer("much");
        }
        let mut next = async || waiting.next(64).await.unwrap().len();
        // It is alone.
        assert_eq!(next().await, 40);
        for _ in 0..20 {
            assert!(own.try_send(queued()).is_ok());
            offer("much");
        }
        offer("little");
        assert_eq!(next().await, 2);
        offer("little");
        assert_eq!(next().await, 8);
        offer("little");
        assert_eq!(next().await, 2);
    }
}
