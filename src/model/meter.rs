//! What one request has read and answered so far, and how much it may.
//!
//! Both are counted while the answer is made, not when it is finished: a request that would need more
//! memory than its limit ends before it has it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::{Notify, Semaphore, SemaphorePermit};

use super::Refusal;

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
    is_spent: AtomicBool,
    spent: Notify,
    statements: Semaphore,
}

/// A request has so many statements on their way at once: what their connections hold ready is not
/// counted yet, and other requests want connections, too.
const STATEMENTS_AT_ONCE: usize = 2;

/// What a request has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Rows that were read from the database.
    pub rows: u64,
    /// Bytes of text in these rows.
    pub read_bytes: u64,
    /// Fields of the answer.
    pub fields: u64,
    /// Bytes of the answer, with what is counted for each field.
    pub answer_bytes: u64,
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
            is_spent: AtomicBool::new(false),
            spent: Notify::new(),
            statements: Semaphore::new(STATEMENTS_AT_ONCE),
        }
    }

    /// Waits for the request's turn to run a statement. The turn lasts as long as what is returned.
    pub async fn statement(&self) -> Option<SemaphorePermit<'_>> {
        // It is never closed.
        self.statements.acquire().await.ok()
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

    /// Whether the limit was exceeded.
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

    /// What was used so far.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Usage {
            rows: get(&self.rows),
            read_bytes: get(&self.read_bytes),
            fields: get(&self.fields),
            answer_bytes: get(&self.answer_bytes),
        }
    }

    /// Begins anew, as each batch of a subscription does; what was used until now.
    pub fn renew(&self) -> Usage {
        let take = |counter: &AtomicU64| counter.swap(0, Ordering::Relaxed);
        self.is_spent.store(false, Ordering::Relaxed);
        Usage {
            rows: take(&self.rows),
            read_bytes: take(&self.read_bytes),
            fields: take(&self.fields),
            answer_bytes: take(&self.answer_bytes),
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
}
