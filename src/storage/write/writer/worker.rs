//! One writer: it takes what waits and carries it out in one transaction.

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
    sync::{Mutex, broadcast},
    time::{Instant, Sleep, sleep},
};

use super::{
    super::{
        super::{
            Error,
            db::{Transaction, WriteConnection, within},
            error::{is_contention, is_made_meanwhile},
            write_health::WriteHealth,
        },
        apply::apply,
        load::load,
        notice::Notice,
        operation::{Needs, Pending},
    },
    Queued,
    waiting::{Took, Waiting},
};
use crate::telemetry::metrics::Metrics;

/// The time for which a transaction that lost against another one is run again: on SQLite each try
/// may wait for seconds by itself.
const CONTENTION_LIMIT: Duration = Duration::from_secs(2);
/// The same for an operation alone, on PostgreSQL: contention there is not an outage.
const CONTENTION_LIMIT_ALONE: Duration = Duration::from_secs(20);
/// The longest pause before the next try.
const LONGEST_PAUSE: Duration = Duration::from_millis(128);
/// The time for which a writer with nothing to do stays in the transaction that began with its last
/// commit.
pub(super) const LINGER: Duration = Duration::from_millis(10);

pub(super) struct Worker {
    pub(super) db: WriteConnection,
    pub(super) waiting: Arc<Mutex<Waiting>>,
    pub(super) took: Arc<Took>,
    pub(super) notices: broadcast::Sender<Arc<Vec<Notice>>>,
    pub(super) metrics: Metrics,
    pub(super) health: WriteHealth,
    pub(super) batch_max_items: usize,
}

impl Worker {
    pub(super) async fn run(self) {
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
    pub(super) async fn carry_out(&self, mut batch: Vec<Queued>) {
        let began = Instant::now();
        let items = batch.len();
        let done = self.transact(&mut batch).await;
        if items > 1 {
            self.took.note(began.elapsed());
        }
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

    /// Returns whether a transaction lost against others, again and again. On SQLite only another
    /// process can be the other one, and what it does is an outage.
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
            let result = within(self.db.limit(), Box::pin(self.try_transact(batch))).await;
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

/// The effects of a transaction, once it is committed.
struct Decided {
    rows: usize,
    set_aside: u64,
    pub(super) notices: Vec<Notice>,
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
