//! What waits for a writer, and what of it makes the next batch.

use tokio::{
    sync::{OwnedSemaphorePermit, mpsc},
    time::Instant,
};

use super::{super::offers::Offers, Offered, Queued};

/// What waits for a writer.
pub(super) struct Waiting {
    pub(super) own: mpsc::Receiver<Queued>,
    pub(super) offered: mpsc::Receiver<Offered>,
    /// What was offered, by tenant.
    pub(super) offers: Offers<(Queued, OwnedSemaphorePermit)>,
    /// The most operations of one batch while several tenants write.
    pub(super) shared_batch: usize,
}

impl Waiting {
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
        // Clients keep a share, however much the runtime writes.
        let own_share = most - most / 4;
        take(&mut self.own, batch, own_share);
        while batch.len() < most
            && let Some((request, _place)) = self.offers.pop()
        {
            batch.push(request);
        }
        take(&mut self.own, batch, most);
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
