//! How much a tenant or a caller may use in a second.
//!
//! With what nodes share a node draws tokens by the block, so that most uses cost no question: it asks for the next
//! block when half of the last one is left. Without it each node has a bucket of its own, with its share. What is drawn
//! is taken out of that one as well, as far as it goes, so that a node begins its share with what it has not used.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Common,
    drawn::{Allowance, Ask, Drawn},
};
use crate::model::{Bucket, Rate};

/// What a node had drawn before may be used up by others while it asks for the rest, and what is owed is asked for first.
const MOST_ASKED: u32 = 3;
/// The longest time between two looks at whether a debt is paid.
const LOOKS_EVERY: Duration = Duration::from_millis(50);

/// The uses of one tenant or caller on this node.
#[derive(Debug)]
pub(super) struct Uses {
    key: String,
    of: Allowance,
    state: Mutex<State>,
    /// Held by the one task that asks Redis; the others wait for its answer.
    asking: tokio::sync::Mutex<()>,
    is_asking_ahead: AtomicBool,
}

#[derive(Debug)]
struct State {
    drawn: Drawn,
    /// This node's own bucket, for the time when nothing is shared.
    own: Bucket,
}

impl State {
    fn take_drawn(
        &mut self,
        share: Rate,
        count: u64,
        now: Instant,
    ) -> Option<Result<(), Duration>> {
        let known = self.drawn.take(count, now);
        if let Some(Ok(())) = known {
            self.own.drain(share, count, 0, now);
        }
        known
    }
}

/// Tokens that were drawn for a use, and are put back where it does not come to it.
#[derive(Debug)]
struct Grant {
    uses: Arc<Uses>,
    common: Arc<Common>,
    count: u64,
}

impl Grant {
    fn used(mut self) {
        self.count = 0;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        if self.count > 0 {
            self.uses.give_back(&self.common, self.count);
        }
    }
}

impl Uses {
    pub(super) fn new(key: String, of: Allowance) -> Self {
        let now = Instant::now();
        Self {
            key,
            of,
            state: Mutex::new(State {
                drawn: Drawn::new(of, now),
                own: Bucket::full(now),
            }),
            asking: tokio::sync::Mutex::new(()),
            is_asking_ahead: AtomicBool::new(false),
        }
    }

    /// Uses `count` tokens.
    ///
    /// # Errors
    /// The time until they are there; none is used then.
    pub(super) async fn take(
        self: &Arc<Self>,
        common: &Arc<Common>,
        count: u64,
    ) -> Result<(), Duration> {
        if common.are_shared() {
            if let Some(known) = self.take_drawn(common, count) {
                self.ask_ahead(common);
                return known;
            }
            // A task, since a caller that goes away must not lose what is drawn for it.
            let drawing = Arc::clone(self).draw(Arc::clone(common), count);
            if let Ok(Some(drawn)) = common.runtime.spawn(drawing).await {
                return drawn.map(Grant::used);
            }
        }
        self.ask_ahead(common);
        let (mut state, now) = (self.state(), Instant::now());
        state.own.take(self.share(common), count, now)
    }

    /// The time to wait for `count`, if it is known that there are too few.
    pub(super) fn refusal(&self, common: &Common, count: u64) -> Option<Duration> {
        let (state, now) = (self.state(), Instant::now());
        if common.are_shared() {
            return state.drawn.refusal(count, now);
        }
        let wait = state.own.wait(self.share(common), count, now);
        (!wait.is_zero()).then_some(wait)
    }

    /// Uses `count` tokens, whether they are there or not.
    pub(super) fn charge(self: &Arc<Self>, common: &Arc<Common>, count: u64) {
        let share = self.share(common);
        {
            let (mut state, now) = (self.state(), Instant::now());
            if common.are_shared() {
                state.drawn.charge(count);
                state.own.drain(share, count, 0, now);
            } else {
                let owed = Allowance::most_owed(share);
                state.own.drain(share, count, owed, now);
            }
        }
        self.ask_ahead(common);
    }

    /// Puts back tokens that were taken and not used.
    pub(super) fn give_back(self: &Arc<Self>, common: &Arc<Common>, count: u64) {
        let surplus = {
            let (mut state, now) = (self.state(), Instant::now());
            state.own.give_back(self.share(common), count, now);
            if !common.are_shared() {
                return;
            }
            state.drawn.give_back(count)
        };
        if let Some(surplus) = surplus {
            let (this, common) = (Arc::clone(self), Arc::clone(common));
            let runtime = common.runtime.clone();
            runtime.spawn(async move { this.return_to_all(&common, surplus).await });
        }
    }

    /// The time after which to look again whether nothing is owed; none when nothing is.
    pub(super) fn debt(self: &Arc<Self>, common: &Arc<Common>) -> Option<Duration> {
        self.ask_ahead(common);
        let (state, now) = (self.state(), Instant::now());
        if common.are_shared() {
            let is_owing = state.drawn.is_owing();
            return is_owing.then(|| state.drawn.wait(0, now).min(LOOKS_EVERY));
        }
        let wait = state.own.wait(self.share(common), 0, now);
        (!wait.is_zero()).then_some(wait)
    }

    /// What is left for all nodes, or of this one's share, and the time until all of it is.
    pub(super) fn left(&self, common: &Common) -> (u64, Duration) {
        let (state, now) = (self.state(), Instant::now());
        if common.are_shared() {
            return state.drawn.left(now);
        }
        let share = self.share(common);
        (
            state.own.remaining(share, now),
            state.own.time_to_full(share, now),
        )
    }

    /// Uses what was drawn, or tells how long there is nothing; none when the bucket has to be asked.
    fn take_drawn(&self, common: &Common, count: u64) -> Option<Result<(), Duration>> {
        let (mut state, now) = (self.state(), Instant::now());
        state.take_drawn(self.share(common), count, now)
    }

    /// Draws `count` and the next block; none when nothing is shared.
    async fn draw(
        self: Arc<Self>,
        common: Arc<Common>,
        count: u64,
    ) -> Option<Result<Grant, Duration>> {
        let drawn = self.draw_in_turn(&common, count).await?;
        Some(drawn.map(|()| Grant {
            uses: self,
            common,
            count,
        }))
    }

    async fn draw_in_turn(&self, common: &Common, count: u64) -> Option<Result<(), Duration>> {
        let _one = self.asking.lock().await;
        let share = self.share(common);
        // Whoever asked before may have left some.
        let mut known = self.take_drawn(common, count);
        for _ in 0..MOST_ASKED {
            if known.is_some() {
                break;
            }
            let ask = self.state().drawn.ask_for(count);
            let taking = |state: &mut State, now| state.take_drawn(share, count, now);
            known = self.ask(common, ask, taking).await?;
        }
        let refused = || Err(self.state().drawn.wait(count, Instant::now()));
        Some(known.unwrap_or_else(refused))
    }

    /// Draws the next block before the last one is used up. While nothing is shared, looks whether it is again.
    fn ask_ahead(self: &Arc<Self>, common: &Arc<Common>) {
        if common.shared.is_none() {
            return;
        }
        let is_away = !common.are_shared();
        let asks = move |drawn: &Drawn| {
            let probe = is_away.then_some(Ask { need: 0, more: 0 });
            drawn.ask_ahead(Instant::now()).or(probe)
        };
        let has_to_ask = asks(&self.state().drawn).is_some();
        if has_to_ask && !self.is_asking_ahead.swap(true, Ordering::Relaxed) {
            let (this, common) = (Arc::clone(self), Arc::clone(common));
            let runtime = common.runtime.clone();
            runtime.spawn(async move {
                let _one = this.asking.lock().await;
                let ask = asks(&this.state().drawn);
                if let Some(ask) = ask {
                    this.ask(&common, ask, |_, _| ()).await;
                }
                this.is_asking_ahead.store(false, Ordering::Relaxed);
            });
        }
    }

    /// Asks the bucket of all nodes, once it is this one's turn. Whoever asks is the first to use what is drawn. None
    /// when nothing is shared.
    async fn ask<T>(
        &self,
        common: &Common,
        ask: Ask,
        then: impl FnOnce(&mut State, Instant) -> T,
    ) -> Option<T> {
        let shared = common.shared.as_ref()?;
        let rate = self.of.rate();
        let taken = shared.take(&self.key, rate, ask.need, ask.more).await;
        common.heard(taken.as_ref().err());
        let (mut state, now) = (self.state(), Instant::now());
        state.drawn.receive(ask, taken.ok()?, now);
        Some(then(&mut state, now))
    }

    /// What cannot be returned is lost, and nobody has it twice.
    async fn return_to_all(&self, common: &Common, count: u64) {
        let Some(shared) = &common.shared else {
            return;
        };
        let returned = shared.give_back(&self.key, self.of.rate(), count).await;
        common.heard(returned.as_ref().err());
        if returned.is_ok() {
            self.state().drawn.returned(count, Instant::now());
        }
    }

    /// What comes in a second, for all nodes together.
    pub(super) fn per_second(&self) -> u64 {
        self.of.per_second
    }

    fn share(&self, common: &Common) -> Rate {
        self.of.share(common.nodes())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use futures::future::{BoxFuture, FutureExt as _};
    use tokio::runtime::Handle;

    use super::*;
    use crate::quotas::{NotShared, SharedQuotas, Taken};

    /// A bucket that does not fill.
    #[derive(Debug, Default)]
    struct Bottle {
        there: AtomicU64,
        asked: AtomicU64,
        is_away: AtomicBool,
    }

    impl Bottle {
        fn of(there: u64) -> Arc<Self> {
            let there = AtomicU64::new(there);
            Arc::new(Self {
                there,
                ..Self::default()
            })
        }

        fn there(&self) -> u64 {
            self.there.load(Ordering::Relaxed)
        }

        fn answer<T: Send + 'static>(
            &self,
            answer: impl FnOnce() -> T,
        ) -> BoxFuture<'static, Result<T, NotShared>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            let answer = if self.is_away.load(Ordering::Relaxed) {
                Err(NotShared("it is away".into()))
            } else {
                Ok(answer())
            };
            // As over a network, others go on meanwhile.
            tokio::task::yield_now().map(|()| answer).boxed()
        }
    }

    impl SharedQuotas for Bottle {
        fn take<'a>(
            &'a self,
            _: &'a str,
            _: Rate,
            need: u64,
            more: u64,
        ) -> BoxFuture<'a, Result<Taken, NotShared>> {
            self.answer(|| {
                let there = self.there();
                let tokens = if there < need {
                    0
                } else {
                    there.min(need + more)
                };
                self.there.fetch_sub(tokens, Ordering::Relaxed);
                Taken {
                    tokens,
                    left: there - tokens,
                    wait: Duration::from_secs(u64::from(tokens < need)),
                }
            })
        }

        fn give_back<'a>(
            &'a self,
            _: &'a str,
            _: Rate,
            tokens: u64,
        ) -> BoxFuture<'a, Result<(), NotShared>> {
            self.answer(|| {
                self.there.fetch_add(tokens, Ordering::Relaxed);
            })
        }

        fn hold<'a>(
            &'a self,
            _: &'a str,
            _: u64,
            _: u64,
            _: Duration,
        ) -> BoxFuture<'a, Result<u64, NotShared>> {
            self.answer(|| 0)
        }
    }

    /// One of two nodes, with what a tenant spends on it.
    fn node(shared: &Arc<Bottle>, of: Allowance) -> (Arc<Uses>, Arc<Common>) {
        let common = Common {
            shared: Some(Arc::clone(shared) as Arc<dyn SharedQuotas>),
            is_away: AtomicBool::new(false),
            nodes: AtomicU64::new(2),
            runtime: Handle::current(),
        };
        (Arc::new(Uses::new("a".to_owned(), of)), Arc::new(common))
    }

    async fn until(holds: impl Fn() -> bool) {
        while !holds() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn a_block_is_asked_for_and_not_each_use() {
        let shared = Bottle::of(1_000_000);
        // A block is 10,000 points.
        let (uses, common) = node(&shared, Allowance::of_cost(200_000, 1_000));
        for _ in 0..1_000 {
            uses.take(&common, 40).await.unwrap();
        }
        let asked = shared.asked.load(Ordering::Relaxed);
        assert!(asked <= 6, "40,000 points are four blocks: {asked}");
        assert!(shared.there() >= 1_000_000 - 40_000 - 15_000);
    }

    #[tokio::test]
    async fn nodes_together_take_no_more_than_there_is() {
        let shared = Bottle::of(50_000);
        let of = Allowance::of_cost(20_000, 1_000);
        let nodes = [node(&shared, of), node(&shared, of)];
        let use_up = async |(uses, common): &(Arc<Uses>, Arc<Common>)| {
            let mut spent = 0;
            while uses.take(common, 40).await.is_ok() {
                spent += 40;
                tokio::task::yield_now().await;
            }
            spent
        };
        let spent: Vec<u64> =
            futures::future::join_all([use_up(&nodes[0]), use_up(&nodes[1])]).await;
        let spent: u64 = spent.iter().sum();
        assert!(spent <= 50_000 && spent > 50_000 - 2 * 1_500, "{spent}");
    }

    #[tokio::test]
    async fn whoever_asks_has_what_it_asked_for_however_many_wait() {
        let shared = Bottle::of(100);
        // A block is one.
        let (uses, common) = node(&shared, Allowance::of_submits(20));
        let taking = (0..200).map(|_| uses.take(&common, 1));
        let taken = futures::future::join_all(taking).await;
        assert_eq!(taken.iter().filter(|taken| taken.is_ok()).count(), 100);
    }

    #[tokio::test]
    async fn a_node_without_an_answer_gives_what_it_has_not_used_of_its_share() {
        let shared = Bottle::of(100_000);
        let (uses, common) = node(&shared, Allowance::of_cost(1_000, 1_000));
        uses.take(&common, 800).await.unwrap();
        shared.is_away.store(true, Ordering::Relaxed);
        // What is drawn is not enough, so it asks.
        let wait = uses.take(&common, 1_000).await.unwrap_err();
        assert!(!common.are_shared());
        assert!(wait > Duration::from_secs(1), "of 500 a second: {wait:?}");
        uses.take(&common, 150).await.unwrap();
        assert!(uses.left(&common).0 < 1_000);
        shared.is_away.store(false, Ordering::Relaxed);
        let _ = uses.take(&common, 1_000).await;
        until(|| common.are_shared()).await;
        uses.take(&common, 1_000).await.unwrap();
        assert!(shared.there() < 100_000 - 1_800);
    }

    #[tokio::test]
    async fn what_is_drawn_for_a_caller_that_goes_away_is_there_for_the_next_one() {
        let shared = Bottle::of(1_000);
        let (uses, common) = node(&shared, Allowance::of_cost(1_000, 1_000));
        let mut taking = Box::pin(uses.take(&common, 1_000));
        assert!(futures::poll!(taking.as_mut()).is_pending());
        drop(taking);
        // It is drawn, and what is more than two blocks goes back to all.
        until(|| shared.asked.load(Ordering::Relaxed) == 2).await;
        assert_eq!(shared.there(), 800);
        while uses.take(&common, 1_000).await.is_err() {
            tokio::task::yield_now().await;
        }
        assert_eq!(shared.there(), 0);
    }

    #[tokio::test]
    async fn a_debt_is_drawn_in_the_background_and_what_is_given_back_goes_to_all() {
        let shared = Bottle::of(5_000);
        let (uses, common) = node(&shared, Allowance::of_cost(1_000, 1_000));
        uses.charge(&common, 3_000);
        assert!(uses.debt(&common).is_some());
        until(|| uses.debt(&common).is_none()).await;
        assert_eq!(shared.there(), 5_000 - 3_000 - 200);
        uses.give_back(&common, 3_000);
        until(|| shared.there() == 5_000 - 200).await;
    }
}
