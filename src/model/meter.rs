//! The meter of one request: what it has read and answered so far, and its limits.
//!
//! Both are counted while the answer is made, not when it is finished: a request that would need more
//! memory than its limit ends before it has it. What was paid for the request before it ran is compared
//! with what it used when it has ended.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::{
    Refusal, TenantId,
    budget::{Budget, Turn, Work, price},
};

/// Bytes that a field of an answer is counted as besides its text: what the server holds for it until
/// the answer is sent.
const FIELD_BYTES: u64 = 64;

/// Counts what one request reads and answers. Shared by everything that works for the request.
#[derive(Debug)]
pub struct Meter {
    limit_bytes: u64,
    rows: AtomicU64,
    read_bytes: AtomicU64,
    fields: AtomicU64,
    answer_bytes: AtomicU64,
    statements_run: AtomicU64,
    slow_micros: AtomicU64,
    is_spent: AtomicBool,
    spent: Notify,
    statements: Semaphore,
    payer: Option<Payer>,
}

/// Who pays for a request, and what was paid.
#[derive(Debug)]
struct Payer {
    budget: Arc<Budget>,
    tenant: TenantId,
    paid: AtomicU64,
    /// The points that are not given back, however little the request used.
    least: AtomicU64,
    /// True if reads are paid at once, as by a subscription, which never ends.
    pays_at_once: bool,
    /// The place among the tenant's requests.
    turn: Mutex<Turn>,
}

/// A request has so many statements on their way at once: what their connections hold ready is not
/// counted yet, and other requests want connections, too.
const STATEMENTS_AT_ONCE: usize = 2;

/// The resources that a request has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Rows that were read from the database.
    pub rows: u64,
    /// Bytes of text in these rows.
    pub read_bytes: u64,
    /// Fields of the answer.
    pub fields: u64,
    /// Bytes of text in the answer.
    pub text_bytes: u64,
    /// Statements that were run.
    pub statements: u64,
    /// Microseconds that statements took beyond a millisecond each.
    pub slow_micros: u64,
}

/// A statement of a request while it runs.
#[derive(Debug)]
pub struct Running<'a> {
    meter: &'a Meter,
    began: Instant,
    _own: Option<SemaphorePermit<'a>>,
    _shared: Turn,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let Some(payer) = &self.meter.payer else {
            return;
        };
        let slow = payer
            .budget
            .end_statement(&payer.tenant, self.began.elapsed());
        self.meter.statements_run.fetch_add(1, Ordering::Relaxed);
        self.meter.slow_micros.fetch_add(slow, Ordering::Relaxed);
        if payer.pays_at_once {
            self.meter.renew();
        }
    }
}

impl Meter {
    /// Counts up to `limit_bytes` of what is read, and as many of what is answered.
    #[must_use]
    pub fn new(limit_bytes: u64) -> Self {
        Self {
            limit_bytes,
            rows: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            fields: AtomicU64::new(0),
            answer_bytes: AtomicU64::new(0),
            statements_run: AtomicU64::new(0),
            slow_micros: AtomicU64::new(0),
            is_spent: AtomicBool::new(false),
            spent: Notify::new(),
            statements: Semaphore::new(STATEMENTS_AT_ONCE),
            payer: None,
        }
    }

    /// The same, paid by a tenant.
    pub(super) fn paid_from(mut self, budget: Arc<Budget>, tenant: TenantId) -> Self {
        self.payer = Some(Payer {
            budget,
            tenant,
            paid: AtomicU64::new(0),
            least: AtomicU64::new(0),
            pays_at_once: false,
            turn: Mutex::default(),
        });
        self
    }

    /// A meter for what the request reads without end: it has no limit, and is paid as it is used.
    #[must_use]
    pub fn for_feed(&self) -> Self {
        let this = Self::new(u64::MAX);
        let Some(payer) = &self.payer else {
            return this;
        };
        let mut this = this.paid_from(Arc::clone(&payer.budget), payer.tenant.clone());
        if let Some(payer) = &mut this.payer {
            payer.pays_at_once = true;
        }
        this
    }

    /// Pays what the request may cost before it runs. What it does not use is given back when it has
    /// ended, down to `least`; what it uses beyond it is charged then.
    ///
    /// # Errors
    /// When the tenant has spent what it may: how long it has to wait.
    pub async fn pay(&self, cost: u64, least: u64) -> Result<(), Duration> {
        let Some(payer) = &self.payer else {
            return Ok(());
        };
        payer.budget.take(&payer.tenant, cost).await?;
        payer.paid.fetch_add(cost, Ordering::Relaxed);
        payer.least.fetch_add(least, Ordering::Relaxed);
        Ok(())
    }

    /// Pays `cost`, none of which is given back, without waiting for other nodes: what this node does not know to be
    /// there, the tenant owes.
    ///
    /// # Errors
    /// When the tenant is known to have spent what it may: how long it has to wait.
    pub fn pay_at_once(&self, cost: u64) -> Result<(), Duration> {
        let Some(payer) = &self.payer else {
            return Ok(());
        };
        payer.budget.take_at_once(&payer.tenant, cost)?;
        payer.paid.fetch_add(cost, Ordering::Relaxed);
        payer.least.fetch_add(cost, Ordering::Relaxed);
        Ok(())
    }

    /// Pays `cost` at once, whatever that leaves.
    pub fn charge(&self, cost: u64) {
        if let Some(payer) = &self.payer {
            payer.budget.charge(&payer.tenant, cost);
        }
    }

    /// Waits for the turn of the tenant's request, and keeps it until [`Self::renew`] or the end.
    pub async fn begin(&self) {
        if let Some(payer) = &self.payer {
            let turn = payer.budget.turn(&payer.tenant, Work::Request).await;
            *payer.turn.lock().unwrap_or_else(PoisonError::into_inner) = turn;
        }
    }

    /// Waits for the turn of the tenant's costly request; it lasts as long as what is returned.
    pub async fn costly_turn(&self) -> Turn {
        let payer = self.payer.as_ref()?;
        payer.budget.turn(&payer.tenant, Work::Costly).await
    }

    /// Returns whether the tenant that pays uses much of the node while others ask, too.
    #[must_use]
    pub fn is_of_heavy_tenant(&self) -> bool {
        let payer = self.payer.as_ref();
        payer.is_some_and(|payer| payer.budget.is_heavy(&payer.tenant))
    }

    /// Waits until the tenant owes nothing.
    pub async fn out_of_debt(&self) {
        if let Some(payer) = &self.payer {
            payer.budget.out_of_debt(&payer.tenant).await;
        }
    }

    /// Waits for the request's turn to run a statement. The turn lasts as long as what is returned.
    pub async fn statement(&self) -> Running<'_> {
        // It is never closed.
        let own = self.statements.acquire().await.ok();
        let shared = match &self.payer {
            Some(payer) => {
                if payer.pays_at_once {
                    payer.budget.out_of_debt(&payer.tenant).await;
                }
                let turn = payer.budget.turn(&payer.tenant, Work::Statement).await;
                if turn.is_some() {
                    payer.budget.rest(&payer.tenant).await;
                }
                turn
            }
            None => None,
        };
        if let Some(payer) = &self.payer {
            payer.budget.begin_statement(&payer.tenant);
        }
        Running {
            meter: self,
            began: Instant::now(),
            _own: own,
            _shared: shared,
        }
    }

    /// Counts a row that was read, or a value that is about to be.
    ///
    /// # Errors
    /// [`Refusal::AnswerTooLarge`] when it is more than the request may read.
    pub fn read(&self, bytes: u64) -> Result<(), Refusal> {
        self.rows.fetch_add(1, Ordering::Relaxed);
        self.add(&self.read_bytes, bytes)
    }

    /// Counts fields that are about to be answered.
    ///
    /// # Errors
    /// [`Refusal::AnswerTooLarge`] when the answer gets larger than it may be.
    pub fn answer_fields(&self, count: u64) -> Result<(), Refusal> {
        self.fields.fetch_add(count, Ordering::Relaxed);
        self.add(&self.answer_bytes, count.saturating_mul(FIELD_BYTES))
    }

    /// Counts text of the answer.
    ///
    /// # Errors
    /// [`Refusal::AnswerTooLarge`] when the answer gets larger than it may be.
    pub fn answer_text(&self, bytes: usize) -> Result<(), Refusal> {
        self.add(&self.answer_bytes, bytes as u64)
    }

    fn add(&self, counter: &AtomicU64, bytes: u64) -> Result<(), Refusal> {
        let before = counter.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) <= self.limit_bytes && !self.is_spent() {
            return Ok(());
        }
        self.is_spent.store(true, Ordering::Relaxed);
        self.spent.notify_one();
        Err(self.refusal())
    }

    /// Why a request ends that has used up its limit.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal::AnswerTooLarge {
            limit_bytes: self.limit_bytes,
        }
    }

    /// Returns whether the limit was exceeded.
    #[must_use]
    pub fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::Relaxed)
    }

    /// Returns once the limit is exceeded.
    pub async fn spent(&self) {
        while !self.is_spent() {
            self.spent.notified().await;
        }
    }

    /// Returns the resources that were used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        self.usage_by(|counter| counter.load(Ordering::Relaxed))
    }

    /// Begins anew, as each batch of a subscription does: what was used until now is paid, and the turn
    /// given back.
    pub fn renew(&self) -> Usage {
        let usage = self.usage_by(|counter| counter.swap(0, Ordering::Relaxed));
        self.is_spent.store(false, Ordering::Relaxed);
        if let Some(payer) = &self.payer {
            payer.settle(&usage);
            drop(std::mem::take(
                &mut *payer.turn.lock().unwrap_or_else(PoisonError::into_inner),
            ));
        }
        usage
    }

    fn usage_by(&self, get: impl Fn(&AtomicU64) -> u64) -> Usage {
        let fields = get(&self.fields);
        Usage {
            rows: get(&self.rows),
            read_bytes: get(&self.read_bytes),
            fields,
            text_bytes: get(&self.answer_bytes).saturating_sub(fields.saturating_mul(FIELD_BYTES)),
            statements: get(&self.statements_run),
            slow_micros: get(&self.slow_micros),
        }
    }
}

impl Payer {
    /// Compares what was paid with what was used.
    fn settle(&self, usage: &Usage) {
        let (paid, least) = (
            self.paid.swap(0, Ordering::Relaxed),
            self.least.swap(0, Ordering::Relaxed),
        );
        let used = price::used(usage).max(least);
        if used > paid {
            self.budget.charge(&self.tenant, used - paid);
        } else if used < paid {
            self.budget.give_back(&self.tenant, paid - used);
        }
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        if self.payer.is_some() {
            self.renew();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn reading_and_answering_have_each_the_limit_and_the_first_excess_ends_both() {
        let meter = Meter::new(1_000);
        meter.read(1_000).unwrap();
        meter.answer_text(900).unwrap();
        assert!(!meter.is_spent());
        meter.answer_fields(2).unwrap_err();
        assert!(meter.is_spent());
        meter.spent().await;
        meter.answer_text(0).unwrap_err();
        let usage = meter.renew();
        assert_eq!((usage.rows, usage.fields), (1, 2));
        meter.answer_text(1_000).unwrap();
    }

    #[tokio::test]
    async fn what_was_paid_and_not_used_comes_back_and_what_was_used_and_not_paid_is_owed() {
        let tenant: TenantId = "one".parse().unwrap();
        let budget = Arc::new(Budget::new(1_000, 1_000));
        let meter = budget.meter(&tenant, 1 << 20);
        meter.pay(900, 100).await.unwrap();
        meter.pay(900, 100).await.unwrap_err();
        drop(meter);
        assert_eq!(budget.charged(), 100);
        let meter = budget.meter(&tenant, 1 << 20);
        meter.pay(900, 900).await.unwrap();
        assert_eq!(budget.charged(), 1_000);
        for _ in 0..1_000 {
            meter.read(0).unwrap();
        }
        drop(meter);
        assert!(budget.charged() > 2_000);
        assert!(budget.take(&tenant, 1).await.unwrap_err() > Duration::from_millis(500));
    }

    #[tokio::test]
    async fn a_feed_pays_what_it_reads_at_once_and_waits_while_its_tenant_owes() {
        let tenant: TenantId = "one".parse().unwrap();
        let budget = Arc::new(Budget::new(1_000, 1_000));
        let feed = budget.meter(&tenant, 0).for_feed();
        let running = feed.statement().await;
        for _ in 0..1_000 {
            feed.read(1 << 40).unwrap();
        }
        drop(running);
        assert!(budget.take(&tenant, 1).await.is_err());
        let mut next = Box::pin(feed.statement());
        assert!(futures::poll!(next.as_mut()).is_pending());
    }

    #[tokio::test]
    async fn a_heavy_tenant_rests_after_a_statement_while_another_one_asks() {
        let [one, two]: [TenantId; 2] = ["one", "two"].map(|name| name.parse().unwrap());
        let budget = Budget::new(u64::from(u32::MAX), u64::from(u32::MAX)).with_rests();
        let budget = Arc::new(budget);
        let meter = budget.meter(&one, 1 << 20);
        let statement = async || {
            let running = meter.statement().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(running);
        };
        let next = async || {
            statement().await;
            futures::poll!(Box::pin(meter.statement()).as_mut()).is_pending()
        };
        budget.charge(&one, 1 << 31);
        assert!(!next().await, "it is alone");
        budget.enter(&two).await.unwrap();
        budget.enter(&one).await.unwrap();
        assert!(next().await);
        let other = budget.meter(&two, 1 << 20);
        drop(other.statement().await);
        assert!(futures::poll!(Box::pin(other.statement()).as_mut()).is_ready());
    }
}
