//! Group commit: writers take what is waiting and carry it out in one transaction.
//!
//! Nothing waits for a batch to fill: while one transaction is on its way the next one gathers.
//! With one caller there is no added delay, with many one commit serves hundreds.
//!
//! What the runtime writes goes before what clients ask for: an execution that has begun is ended
//! before more are accepted. Tenants take turns, and while several write, batches are small, so that
//! nobody waits for a large one of another.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::Arc,
    time::Duration,
};

use futures::FutureExt;
use sea_orm::{DbBackend, DbErr, Statement};
use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, Semaphore, broadcast, mpsc, oneshot},
    time::{Instant, Sleep, sleep},
};
use tracing::Instrument;

use super::{
    super::{
        Error,
        connection::{Transaction, WriteConnection},
        error::{is_contention, is_made_meanwhile},
        timed::within,
        write_health::WriteHealth,
    },
    apply::apply,
    load::load,
    offers::Offers,
    operation::{Needs, Operation, Pending, Request},
    working::Notice,
};
use crate::{
    model::{Refusal, TenantId},
    telemetry::metrics::Metrics,
};

/// For so long a transaction that lost against another one is run again: on SQLite each try may wait for
/// seconds by itself.
const CONTENTION_LIMIT: Duration = Duration::from_secs(2);
/// The same for an operation alone, on PostgreSQL: what others do to it is no outage.
const CONTENTION_LIMIT_ALONE: Duration = Duration::from_secs(20);
/// The longest pause before the next try.
const LONGEST_PAUSE: Duration = Duration::from_millis(128);
/// The most operations of one transaction while several tenants write.
const SHARED_BATCH: usize = 16;
/// What a caller is told to wait when the queue is full.
const RETRY_AFTER_MS: u64 = 200;
/// How long a writer with nothing to do stays in the transaction that began with its last commit.
const LINGER: Duration = Duration::from_millis(10);

type Queued = Box<dyn Pending>;

/// What a client asks for, with its place among those that may wait.
struct Offered {
    tenant: TenantId,
    request: Queued,
    place: OwnedSemaphorePermit,
}

/// How the writers work.
#[derive(Debug, Clone, Copy)]
pub(in crate::storage) struct Settings {
    /// How many transactions may be on their way at once; one on SQLite.
    pub(in crate::storage) writers: usize,
    /// The most operations of one transaction.
    pub(in crate::storage) batch_max_items: usize,
    /// How many operations may wait.
    pub(in crate::storage) queue_capacity: usize,
}

/// The way in for changes. Clones share the queue.
#[derive(Debug, Clone)]
pub(in crate::storage) struct Writer {
    own: mpsc::Sender<Queued>,
    offered: mpsc::Sender<Offered>,
    /// How many more offers may wait.
    room: Arc<Semaphore>,
    queue_capacity: usize,
    notices: broadcast::Sender<Arc<Vec<Notice>>>,
}

impl Writer {
    /// Starts the writers; they end when the last handle is dropped.
    pub(in crate::storage) fn start(
        db: &WriteConnection,
        settings: Settings,
        metrics: &Metrics,
        health: &WriteHealth,
    ) -> Self {
        let (own, own_waiting) = mpsc::channel(settings.queue_capacity);
        let (offered, offers_waiting) = mpsc::channel(settings.queue_capacity);
        let waiting = Arc::new(Mutex::new(Waiting {
            own: own_waiting,
            offered: offers_waiting,
            offers: Offers::default(),
        }));
        let (notices, _) = broadcast::channel(1024);
        let is_sqlite = db.backend() != DbBackend::Postgres;
        for _ in 0..if is_sqlite { 1 } else { settings.writers } {
            let worker = Worker {
                db: db.another(),
                waiting: Arc::clone(&waiting),
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

    /// What commits mean to those who wait.
    pub(in crate::storage) fn notices(&self) -> broadcast::Receiver<Arc<Vec<Notice>>> {
        self.notices.subscribe()
    }

    /// How many operations wait.
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
                mpsc::error::TrySendError::Closed(_) => Error::ShuttingDown,
            })?;
        let committed = answer.instrument(tracing::info_span!("commit"));
        committed.await.unwrap_or(Err(Error::ShuttingDown))
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
        self.own
            .send(request)
            .await
            .map_err(|_| Error::ShuttingDown)?;
        let committed = answer.instrument(tracing::info_span!("commit"));
        committed.await.unwrap_or(Err(Error::ShuttingDown))
    }
}

/// What waits for a writer.
struct Waiting {
    own: mpsc::Receiver<Queued>,
    offered: mpsc::Receiver<Offered>,
    /// What was offered, by tenant.
    offers: Offers<(Queued, OwnedSemaphorePermit)>,
}

impl Waiting {
    /// The next batch, when there is at least one operation; none when no more can come.
    async fn next(&mut self, most: usize) -> Option<Vec<Queued>> {
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
            most.min(SHARED_BATCH)
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

struct Worker {
    db: WriteConnection,
    waiting: Arc<Mutex<Waiting>>,
    notices: broadcast::Sender<Arc<Vec<Notice>>>,
    metrics: Metrics,
    health: WriteHealth,
    batch_max_items: usize,
}

impl Worker {
    async fn run(self) {
        let mut linger = pin!(sleep(LINGER));
        while let Some(batch) = self.gather(linger.as_mut()).await {
            self.carry_out(batch).await;
        }
    }

    /// The next batch. `linger` is moved on when it has passed and not for every batch, for a new
    /// deadline wakes the thread that waits for the timers.
    async fn gather(&self, mut linger: Pin<&mut Sleep>) -> Option<Vec<Queued>> {
        let since = Instant::now();
        let next = async { self.waiting.lock().await.next(self.batch_max_items).await };
        let mut next = pin!(next);
        loop {
            tokio::select! {
                biased;
                batch = &mut next => return batch,
                () = &mut linger => {}
            }
            if since.elapsed() >= LINGER {
                self.db.rest().await;
                return next.await;
            }
            linger.as_mut().reset(since + LINGER);
        }
    }

    /// One transaction for all; should the database refuse it, one for each, so that a bad one
    /// fails alone.
    async fn carry_out(&self, mut batch: Vec<Queued>) {
        let began = Instant::now();
        let items = batch.len();
        let done = self.transact(&mut batch).await;
        let lost = self.has_lost(&done);
        if !lost && !matches!(done, Err(Error::Database(_))) {
            // That one may be an operation's own fault; the beats tell if it is not.
            self.health.note(&done);
        }
        match done {
            Ok(()) => {
                self.metrics.committed(items, began.elapsed());
                batch.into_iter().for_each(Pending::answer);
            }
            Err(error) if items == 1 || !lost && matches!(error, Error::Unavailable(_)) => {
                fail_all(batch, error);
            }
            Err(error) => {
                tracing::warn!(%error, items, "a batch was refused; its operations run one by one");
                for request in batch {
                    let mut alone = vec![request];
                    match self.transact(&mut alone).await {
                        Ok(()) => alone.into_iter().for_each(Pending::answer),
                        Err(error) => fail_all(alone, error),
                    }
                }
            }
        }
    }

    /// Whether a transaction lost against others, again and again. On SQLite only another process can be
    /// the other one, and what it does is an outage.
    fn has_lost(&self, done: &Result<(), Error>) -> bool {
        let is_postgres = self.db.backend() == DbBackend::Postgres;
        is_postgres && matches!(done, Err(Error::Unavailable(error)) if is_contention(error))
    }

    async fn transact(&self, batch: &mut [Queued]) -> Result<(), Error> {
        let (mut pause, began) = (Duration::from_millis(2), Instant::now());
        let is_alone = batch.len() == 1 && self.db.backend() == DbBackend::Postgres;
        let limit = if is_alone {
            CONTENTION_LIMIT_ALONE
        } else {
            CONTENTION_LIMIT
        };
        loop {
            let result = within(self.db.limit(), self.try_transact(batch)).await;
            match &result {
                Ok(false) => {}
                Ok(true) => return Ok(()),
                Err(Error::Unavailable(error)) if is_contention(error) => {}
                Err(Error::Database(error)) if is_made_meanwhile(error) => {}
                Err(_) => return result.map(|_| ()),
            }
            if began.elapsed() > limit {
                let overtaken =
                    DbErr::Custom("overtaken by other transactions again and again".into());
                return result.and(Err(Error::Unavailable(overtaken)));
            }
            sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// False when an execution has an event of a number that is higher than any this transaction may
    /// take, for in the feeds the events of an execution are in the order of the numbers.
    async fn try_transact(&self, batch: &mut [Queued]) -> Result<bool, Error> {
        let transaction = self.db.begin().await?;
        // A defect in one operation must not end the writer, which others need.
        let work = AssertUnwindSafe(Self::work(&transaction, batch)).catch_unwind();
        let result = work
            .await
            .unwrap_or_else(|panic| Err(panicked(panic.as_ref())));
        let (last, decided) = match result {
            Ok(Some(done)) => done,
            given_up => {
                // What is reported is why.
                let _ = transaction.roll_back().await;
                return given_up.map(|_| false);
            }
        };
        transaction.commit(last).await?;
        self.metrics.rows_written(decided.rows);
        if decided.set_aside > 0 {
            self.metrics.set_aside(decided.set_aside);
        }
        if !decided.notices.is_empty() {
            // Without a listener there is nobody to tell.
            let _ = self.notices.send(Arc::new(decided.notices));
        }
        Ok(true)
    }

    /// All but the last statement, which goes with the commit; none when overtaken.
    async fn work(
        db: &Transaction,
        batch: &mut [Queued],
    ) -> Result<Option<(Option<Statement>, Decided)>, Error> {
        let mut needs = Needs::default();
        for request in batch.iter() {
            request.needs(&mut needs);
        }
        let mut working = load(db, needs).await?;
        if working.is_overtaken() {
            return Ok(None);
        }
        for request in batch.iter_mut() {
            request.decide(&mut working);
        }
        for request in batch.iter_mut() {
            request.settle(&working);
        }
        let (last, rows) = apply(db, &mut working).await?;
        let decided = Decided {
            rows,
            set_aside: working.set_aside.len() as u64,
            notices: working.changes.notices,
        };
        Ok(Some((last, decided)))
    }
}

/// The error of an operation that panicked; the panic's own message is in the log only.
fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    Error::Panicked(text.unwrap_or_else(|| "without a message".to_owned()))
}

/// What a transaction comes to, once it is committed.
struct Decided {
    rows: usize,
    set_aside: u64,
    notices: Vec<Notice>,
}

/// The first caller gets the cause, the others its kind.
fn fail_all(batch: Vec<Queued>, error: Error) {
    let mut error = Some(error);
    for request in batch {
        let cause = error.take().unwrap_or_else(|| {
            Error::Unavailable(DbErr::Custom("the transaction of the batch failed".into()))
        });
        request.fail(cause);
    }
}

/// Carries out a batch that a test has made, beside the storage's own writer.
#[cfg(test)]
pub(super) async fn carry_out(storage: &crate::storage::Storage, batch: Vec<Queued>) {
    let (_own, own) = mpsc::channel(1);
    let (_offered, offered) = mpsc::channel(1);
    let worker = Worker {
        db: storage.db.writer.another(),
        waiting: Arc::new(Mutex::new(Waiting {
            own,
            offered,
            offers: Offers::default(),
        })),
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
    use sea_orm::ConnectionTrait;

    use super::*;
    use crate::storage::{
        read_tests::on_each_database,
        write::{Recover, working::Working},
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
