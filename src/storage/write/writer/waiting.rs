//! Operations that wait for a writer, and the choice of the next batch.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::{super::offers::Offers, Offered, Queued};
use crate::model::TenantId;

/// A tenant that has had one part of so many of a batch, while others write, rests.
const PARTS_OF_MANY: usize = 4;
/// It rests for so many times as long as a transaction takes.
const RESTS: u32 = 3;
/// It rests no longer than this, however slow the database is.
const LONGEST_REST: Duration = Duration::from_millis(100);

/// The time of the last transaction with several operations.
#[derive(Debug, Default)]
pub(super) struct Took(AtomicU64);

impl Took {
    pub(super) fn note(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.0.store(micros, Ordering::Relaxed);
    }

    /// The time from when a batch is taken until a tenant that has much of it has rested.
    fn with_rest(&self) -> Duration {
        let took = Duration::from_micros(self.0.load(Ordering::Relaxed));
        took.saturating_mul(RESTS + 1).min(LONGEST_REST)
    }
}

/// The operations that wait for a writer.
pub(super) struct Waiting {
    own: mpsc::Receiver<Queued>,
    offered: mpsc::Receiver<Offered>,
    /// The clients' operations, by tenant.
    offers: Offers<(Queued, OwnedSemaphorePermit)>,
    /// The most operations of one batch while several tenants write.
    shared_batch: usize,
    took: Arc<Took>,
    /// True if the last batch had one offer of each tenant and nothing else.
    was_round: bool,
}

impl Waiting {
    /// Nothing waits yet of what the two receivers bring.
    pub(super) fn new(
        own: mpsc::Receiver<Queued>,
        offered: mpsc::Receiver<Offered>,
        shared_batch: usize,
        took: Arc<Took>,
    ) -> Self {
        Self {
            own,
            offered,
            offers: Offers::default(),
            shared_batch,
            took,
            was_round: false,
        }
    }

    /// The next batch, when there is at least one operation; none when no more can come.
    pub(super) async fn next(&mut self, most: usize) -> Option<Vec<Queued>> {
        let mut batch = Vec::new();
        self.fill(&mut batch, most);
        while batch.is_empty() {
            let rested_at = self.offers.rested_at();
            let rested = async {
                match rested_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                Some(first) = self.own.recv() => batch.push(first),
                Some(first) = self.offered.recv() => self.sort(first),
                () = rested, if rested_at.is_some() => {}
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
        let now = Instant::now();
        let are_shared = self.offers.are_shared(now);
        let most = if are_shared {
            most.min(self.shared_batch)
        } else {
            most
        };
        // A lone offer may have waited for a full batch of another tenant. It is not made part of a full
        // one again: after each comes a batch with a single offer of each tenant.
        self.was_round = !self.was_round && self.offers.tenants(now) > 1;
        if self.was_round {
            let round = (batch.len() + self.offers.tenants(now)).min(most);
            self.offer(batch, round, now, None);
            return;
        }
        // Clients keep a share, however much the runtime writes.
        let own_share = most - most / 4;
        take(&mut self.own, batch, own_share);
        let mut of_tenants = are_shared.then(Vec::new);
        self.offer(batch, most, now, of_tenants.as_mut());
        if let Some(of_tenants) = of_tenants {
            self.rest(of_tenants, most, now);
        }
        take(&mut self.own, batch, most);
    }

    /// Takes what was offered until there are `most`, of each tenant in turn, and notes whose that is.
    fn offer(
        &mut self,
        batch: &mut Vec<Queued>,
        most: usize,
        now: Instant,
        mut of_tenants: Option<&mut Vec<TenantId>>,
    ) {
        while batch.len() < most
            && let Some((tenant, (request, _place))) = self.offers.pop(now)
        {
            batch.push(request);
            if let Some(of_tenants) = &mut of_tenants {
                of_tenants.push(tenant);
            }
        }
    }

    /// Who has had much of a batch of `most` rests.
    fn rest(&mut self, mut of_tenants: Vec<TenantId>, most: usize, now: Instant) {
        of_tenants.sort_unstable();
        let many = of_tenants.chunk_by(|one, next| one == next);
        for tenant in many.filter(|tenant| tenant.len() * PARTS_OF_MANY >= most) {
            let until = now + self.took.with_rest();
            self.offers.rest(tenant[0].clone(), until);
        }
    }

    fn sort(&mut self, offered: Offered) {
        let Offered {
            tenant,
            request,
            place,
        } = offered;
        let now = Instant::now();
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

    /// What a writer takes from, how clients and the runtime put something there, and how long transactions take.
    struct Queues {
        waiting: Waiting,
        own: mpsc::Sender<Queued>,
        offered: mpsc::Sender<Offered>,
        places: Arc<Semaphore>,
        took: Arc<Took>,
    }

    impl Queues {
        fn new() -> Self {
            let ((own, own_waiting), (offered, offers_waiting)) =
                (mpsc::channel(64), mpsc::channel(64));
            let took = Arc::new(Took::default());
            Self {
                waiting: Waiting::new(own_waiting, offers_waiting, 8, Arc::clone(&took)),
                own,
                offered,
                places: Arc::new(Semaphore::new(64)),
                took,
            }
        }

        fn own(&self, count: usize) {
            for _ in 0..count {
                assert!(self.own.try_send(queued()).is_ok());
            }
        }

        fn offer(&self, tenant: &str, count: usize) {
            for _ in 0..count {
                let place = Arc::clone(&self.places).try_acquire_owned().unwrap();
                let offer = Offered {
                    tenant: TenantId::stored(tenant),
                    request: queued(),
                    place,
                };
                assert!(self.offered.try_send(offer).is_ok());
            }
        }

        async fn next(&mut self) -> usize {
            self.waiting.next(64).await.unwrap().len()
        }
    }

    #[tokio::test]
    async fn who_asks_for_little_shares_every_other_batch_with_little() {
        let mut queues = Queues::new();
        queues.own(20);
        queues.offer("much", 20);
        // It is alone.
        assert_eq!(queues.next().await, 40);
        queues.own(20);
        queues.offer("much", 20);
        queues.offer("little", 1);
        assert_eq!(queues.next().await, 2);
        queues.offer("little", 1);
        assert_eq!(queues.next().await, 8);
        queues.offer("little", 1);
        assert_eq!(queues.next().await, 2);
    }

    #[tokio::test]
    async fn who_has_had_much_of_a_batch_rests_while_others_write() {
        let mut queues = Queues::new();
        queues.took.note(Duration::from_millis(20));
        queues.offer("much", 30);
        queues.offer("little", 1);
        // One of each, then much, then nothing of it until it has rested.
        assert_eq!(queues.next().await, 2);
        let began = Instant::now();
        assert_eq!(queues.next().await, 8);
        queues.offer("little", 1);
        assert_eq!(queues.next().await, 1);
        assert_eq!(queues.next().await, 8);
        assert!(began.elapsed() >= Duration::from_millis(80));
        // What the runtime writes waits for nobody's rest.
        queues.own(3);
        assert_eq!(queues.next().await, 3);
    }
}
