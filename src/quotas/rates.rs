//! How many a tenant or a caller may do in a second.
//!
//! With what nodes share a node takes tokens by the block, so that most uses cost no question: it asks for the next
//! block when half of the last one is left. Without it each node has a bucket of its own, with its share.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{Common, shared::Taken};
use crate::model::{Bucket, Rate};

/// A block is what comes in a second divided by so many.
const BLOCKS_A_SECOND: u64 = 20;

/// The uses of one tenant or caller on this node.
#[derive(Debug)]
pub(super) struct Uses {
    key: String,
    rate: Rate,
    state: Mutex<State>,
    /// One asks for all.
    asking: tokio::sync::Mutex<()>,
    is_asking_ahead: AtomicBool,
}

#[derive(Debug)]
struct State {
    /// Tokens that were taken for this node and not used yet.
    tokens: u64,
    /// Tokens that all nodes had left, as far as this one knows, and when.
    left: Bucket,
    /// Before it nobody needs to ask for more.
    empty_until: Option<Instant>,
    /// This node's own bucket while nothing is shared.
    own: Bucket,
}

impl Uses {
    pub(super) fn new(key: String, per_second: u64) -> Self {
        let now = Instant::now();
        Self {
            key,
            rate: Rate {
                burst: per_second,
                per_second,
            },
            state: Mutex::new(State {
                tokens: 0,
                left: Bucket::full(now),
                empty_until: None,
                own: Bucket::full(now),
            }),
            asking: tokio::sync::Mutex::new(()),
            is_asking_ahead: AtomicBool::new(false),
        }
    }

    /// Uses a token.
    ///
    /// # Errors
    /// The time until one is there.
    pub(super) async fn take(self: &Arc<Self>, common: &Arc<Common>) -> Result<(), Duration> {
        let Some(shared) = &common.shared else {
            return self.take_own(common);
        };
        if let Some(known) = self.take_known() {
            self.ask_ahead(common);
            return known;
        }
        let _one = self.asking.lock().await;
        // Whoever asked before may have left some.
        if let Some(known) = self.take_known() {
            return known;
        }
        let taken = shared.take(&self.key, self.rate, 1, self.block()).await;
        common.heard(taken.as_ref().err());
        let Ok(taken) = taken else {
            return self.take_own(common);
        };
        let mut state = self.state();
        self.receive(&mut state, taken);
        if let Some(left) = state.tokens.checked_sub(1) {
            (state.tokens, state.empty_until) = (left, None);
            return Ok(());
        }
        let wait = taken.wait.max(Duration::from_millis(1));
        state.empty_until = Some(Instant::now() + wait);
        Err(wait)
    }

    /// What is known without a question: there are tokens, or there are none for a while.
    fn take_known(&self) -> Option<Result<(), Duration>> {
        let mut state = self.state();
        if let Some(left) = state.tokens.checked_sub(1) {
            state.tokens = left;
            return Some(Ok(()));
        }
        let now = Instant::now();
        let until = state.empty_until.filter(|until| *until > now)?;
        Some(Err(until - now))
    }

    /// Takes the next block before the last one is used up.
    fn ask_ahead(self: &Arc<Self>, common: &Arc<Common>) {
        let is_low = {
            let state = self.state();
            state.empty_until.is_none() && state.tokens < self.block() / 2
        };
        if is_low && !self.is_asking_ahead.swap(true, Ordering::Relaxed) {
            let (this, common) = (Arc::clone(self), Arc::clone(common));
            tokio::spawn(async move {
                this.take_block(&common).await;
                this.is_asking_ahead.store(false, Ordering::Relaxed);
            });
        }
    }

    /// Takes a block if there is one; whether there are any tokens at all is not told by it.
    async fn take_block(&self, common: &Common) {
        let _one = self.asking.lock().await;
        let Some(shared) = &common.shared else {
            return;
        };
        let taken = shared.take(&self.key, self.rate, 0, self.block()).await;
        common.heard(taken.as_ref().err());
        if let Ok(taken) = taken {
            self.receive(&mut self.state(), taken);
        }
    }

    fn receive(&self, state: &mut State, taken: Taken) {
        let now = Instant::now();
        state.left = Bucket::full(now);
        let missing = self.rate.burst.saturating_sub(taken.left);
        state.left.charge(self.rate, missing, now);
        state.tokens += taken.tokens;
    }

    /// Uses the share of this node.
    fn take_own(&self, common: &Common) -> Result<(), Duration> {
        let rate = common.share_of(self.rate);
        self.state().own.take(rate, 1, Instant::now())
    }

    /// The tokens that are left for all nodes, or this one's share of them, and the time until all are.
    pub(super) fn left(&self, common: &Common) -> (u64, Duration) {
        let now = Instant::now();
        let state = self.state();
        if common.are_shared() {
            let left = state.left.remaining(self.rate, now) + state.tokens;
            let full = state.left.time_to_full(self.rate, now);
            return (left.min(self.rate.burst), full);
        }
        let rate = common.share_of(self.rate);
        (
            state.own.remaining(rate, now),
            state.own.time_to_full(rate, now),
        )
    }

    pub(super) fn per_second(&self) -> u64 {
        self.rate.per_second
    }

    fn block(&self) -> u64 {
        (self.rate.per_second / BLOCKS_A_SECOND).max(1)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
