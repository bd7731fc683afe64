//! Group commit: writers take what is waiting and carry it out in one transaction.
//!
//! Nothing waits for a batch to fill: while one transaction is on its way the next one gathers.
//! With one caller there is no added delay, with many one commit serves hundreds.
//!
//! What the runtime writes goes before what clients ask for: an execution that has begun is ended
//! before more are accepted. Tenants take turns, and while several write, batches are small, and every
//! other one has a single offer of each tenant, so that nobody waits for much of another.

mod waiting;
mod worker;

use std::sync::Arc;

use sea_orm::DbBackend;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot};
use tracing::Instrument;

use super::{
    super::{Error, db::WriteConnection, write_health::WriteHealth},
    notice::Notice,
    operation::{Operation, Pending, Request},
};
use crate::{
    model::{Refusal, TenantId},
    telemetry::metrics::Metrics,
};
use waiting::{Took, Waiting};
use worker::Worker;

/// The most operations of one transaction while several tenants write: a lone operation waits for the
/// transaction that is on its way.
const SHARED_BATCH: usize = 16;
/// The time that a caller is told to wait when the queue is full.
const RETRY_AFTER_MS: u64 = 200;

type Queued = Box<dyn Pending>;

/// A client's operation, with its place among those that may wait.
struct Offered {
    tenant: TenantId,
    request: Queued,
    place: OwnedSemaphorePermit,
}

/// The settings of a node's writers.
#[derive(Debug, Clone, Copy)]
pub struct WriteOptions {
    /// The number of transactions that may be on their way at once; SQLite has one.
    pub writers: usize,
    /// The most operations of one transaction.
    pub batch_max_items: usize,
    /// The number of operations that may wait before clients are refused.
    pub queue_capacity: usize,
}

/// The way in for changes. Clones share the queue.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Writer {
    own: mpsc::Sender<Queued>,
    offered: mpsc::Sender<Offered>,
    /// The number of further offers that may wait.
    room: Arc<Semaphore>,
    queue_capacity: usize,
    notices: broadcast::Sender<Arc<Vec<Notice>>>,
}

impl Writer {
    /// Starts the writers; they end when the last handle is dropped.
    pub(in crate::storage) fn start(
        db: &WriteConnection,
        settings: WriteOptions,
        metrics: &Metrics,
        health: &WriteHealth,
    ) -> Self {
        let is_sqlite = db.backend() != DbBackend::Postgres;
        let (own, own_waiting) = mpsc::channel(settings.queue_capacity);
        let (offered, offers_waiting) = mpsc::channel(settings.queue_capacity);
        let took = Arc::new(Took::default());
        let waiting = Waiting::new(own_waiting, offers_waiting, SHARED_BATCH, Arc::clone(&took));
        let waiting = Arc::new(Mutex::new(waiting));
        let (notices, _) = broadcast::channel(1024);
        for _ in 0..if is_sqlite { 1 } else { settings.writers } {
            let worker = Worker {
                db: db.another(),
                waiting: Arc::clone(&waiting),
                took: Arc::clone(&took),
                notices: notices.clone(),
                metrics: metrics.clone(),
                health: health.clone(),
                batch_max_items: settings.batch_max_items,
            };
            tokio::spawn(worker.run());
        }
        Self {
            own,
            offered,
            room: Arc::new(Semaphore::new(settings.queue_capacity)),
            queue_capacity: settings.queue_capacity,
            notices,
        }
    }

    /// Returns the notices of commits.
    pub(in crate::storage) fn notices(&self) -> broadcast::Receiver<Arc<Vec<Notice>>> {
        self.notices.subscribe()
    }

    /// Tells those who wait of a change that no operation made.
    pub(in crate::storage) fn tell(&self, notice: Notice) {
        // Nobody may be waiting.
        let _ = self.notices.send(Arc::new(vec![notice]));
    }

    /// Returns the number of operations that wait.
    pub(in crate::storage) fn depth(&self) -> usize {
        let offered = self.queue_capacity - self.room.available_permits();
        self.own.max_capacity() - self.own.capacity() + offered
    }

    /// Carries out an operation for a client of a tenant; refuses when too many wait.
    pub(in crate::storage) async fn offer<O: Operation>(
        &self,
        tenant: TenantId,
        operation: O,
    ) -> Result<O::Output, Error> {
        let (caller, answer) = oneshot::channel();
        let request = Box::new(Request {
            operation,
            decision: None,
            caller,
        });
        let full = || {
            Error::from(Refusal::QuotaExceeded {
                quota: None,
                retry_after_ms: RETRY_AFTER_MS,
            })
        };
        let place = Arc::clone(&self.room).try_acquire_owned();
        let offered = Offered {
            tenant,
            request,
            place: place.map_err(|_| full())?,
        };
        self.offered
            .try_send(offered)
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => full(),
                mpsc::error::TrySendError::Closed(_) => Error::Closed,
            })?;
        let committed = answer.instrument(tracing::info_span!("commit"));
        committed.await.unwrap_or(Err(Error::Closed))
    }

    /// Carries out an operation of the runtime's own, however long the queue is.
    pub(in crate::storage) async fn run<O: Operation>(
        &self,
        operation: O,
    ) -> Result<O::Output, Error> {
        let (caller, answer) = oneshot::channel();
        let request = Box::new(Request {
            operation,
            decision: None,
            caller,
        });
        self.own.send(request).await.map_err(|_| Error::Closed)?;
        let committed = answer.instrument(tracing::info_span!("commit"));
        committed.await.unwrap_or(Err(Error::Closed))
    }
}

/// Carries out a batch that a test has made, beside the storage's own writer.
#[cfg(test)]
pub(super) async fn carry_out(storage: &crate::storage::Storage, batch: Vec<Queued>) {
    let (_own, own) = mpsc::channel(1);
    let (_offered, offered) = mpsc::channel(1);
    let worker = Worker {
        db: storage.db.writer.another(),
        waiting: Arc::new(Mutex::new(Waiting::new(
            own,
            offered,
            batch.len(),
            Arc::default(),
        ))),
        took: Arc::default(),
        notices: broadcast::channel(1).0,
        metrics: Metrics::new(),
        health: WriteHealth::default(),
        batch_max_items: batch.len(),
    };
    worker.carry_out(batch).await;
    worker.db.rest().await;
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sea_orm::{ConnectionTrait, Statement};
    use tokio::time::sleep;

    use super::{worker::LINGER, *};
    use crate::storage::{
        read_tests::on_each_database,
        write::{Recover, operation::Needs, working::Working},
    };

    /// A change with a defect.
    struct Defective;

    impl Operation for Defective {
        type Output = ();

        fn needs(&self, _: &mut Needs) {}

        fn decide(&self, _: &mut Working) -> Result<(), Error> {
            panic!("a defect");
        }
    }

    #[tokio::test]
    async fn an_operation_that_panics_fails_alone_and_the_writer_goes_on() {
        on_each_database(async |world| {
            let writer = &world.storage.writer;
            for _ in 0..3 {
                let nothing = Recover { limit: 1 };
                // Offered together, they share a batch.
                let (failed, beside) = tokio::join!(writer.run(Defective), writer.run(nothing));
                assert!(matches!(failed, Err(Error::Panicked(text)) if text == "a defect"));
                assert!(beside.is_ok());
            }
        })
        .await;
    }

    #[tokio::test]
    async fn a_writer_with_nothing_to_do_leaves_no_transaction_open() {
        // One that stays open is not seen here: the database would end its connection.
        const ENDED: &str = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
             AND state = 'idle' AND query = 'ROLLBACK'";
        on_each_database(async |world| {
            let WriteConnection::Postgres(pool, _) = &world.storage.db.writer else {
                return;
            };
            let nothing = Recover { limit: 1 };
            world.storage.writer.run(nothing).await.unwrap();
            let ended = Statement::from_string(DbBackend::Postgres, ENDED);
            let it_is_ended = async {
                while pool.query_all_raw(ended.clone()).await.unwrap().is_empty() {
                    sleep(LINGER).await;
                }
            };
            let limit = Duration::from_secs(10);
            let result = tokio::time::timeout(limit, it_is_ended).await;
            result.expect("a transaction stays open");
        })
        .await;
    }
}
