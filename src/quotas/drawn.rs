//! What a node has drawn of a bucket that all nodes share, and what it knows of the rest. Nothing here asks anybody.

use std::time::{Duration, Instant};

use super::shared::Taken;
use crate::model::{Bucket, Rate, price};

/// A block is what comes in a second divided by so many.
const BLOCKS_A_SECOND: u64 = 20;
/// A block of points is enough for so many requests, however few come in a second.
const REQUESTS_IN_A_BLOCK: u64 = 5;
/// A node has at most so many blocks that it does not use; what is given back beyond goes to all nodes.
const MOST_BLOCKS: u64 = 2;
/// More than what comes in so many seconds is never owed.
const MOST_SECONDS_OWED: u64 = 10;
/// A node that found a bucket of points empty leaves it alone for so long: a block comes in that time.
const PAUSE: Duration = Duration::from_millis(1_000 / BLOCKS_A_SECOND);

/// How much a tenant or a caller may use, and how a node draws it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Allowance {
    /// What comes in a second, for all nodes together.
    pub(super) per_second: u64,
    /// The most that one use takes. As much can be saved up, even where less comes in a second.
    largest: u64,
    /// The least that one use takes.
    least: u64,
    /// A node draws so many at once.
    block: u64,
    /// A node that found nothing asks again after this time at the earliest.
    pause: Duration,
}

impl Allowance {
    /// Intents, each of which takes one token.
    pub(super) fn of_submits(per_second: u64) -> Self {
        Self {
            per_second,
            largest: 1,
            least: 1,
            block: (per_second / BLOCKS_A_SECOND).max(1),
            pause: Duration::from_millis(1),
        }
    }

    /// Points of cost, of which one request takes up to `largest`.
    pub(super) fn of_cost(per_second: u64, largest: u64) -> Self {
        let least = price::REQUEST;
        Self {
            per_second,
            largest,
            least,
            block: (per_second / BLOCKS_A_SECOND).max(least * REQUESTS_IN_A_BLOCK),
            pause: PAUSE,
        }
    }

    /// The bucket of all nodes.
    pub(super) fn rate(&self) -> Rate {
        self.share(1)
    }

    /// The bucket of each of so many nodes that share nothing.
    pub(super) fn share(&self, nodes: u64) -> Rate {
        let per_second = self.per_second.div_ceil(nodes);
        Rate {
            burst: per_second.max(self.largest),
            per_second,
        }
    }

    /// The most that may be owed to a bucket.
    pub(super) fn most_owed(rate: Rate) -> u64 {
        rate.per_second.saturating_mul(MOST_SECONDS_OWED)
    }
}

/// What is asked of the bucket of all nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ask {
    /// Nothing is taken if there are fewer.
    pub(super) need: u64,
    /// As many of these are taken as are there.
    pub(super) more: u64,
}

/// What one node has drawn.
#[derive(Debug)]
pub(super) struct Drawn {
    of: Allowance,
    /// What was drawn and is not used yet; below zero where more was used.
    tokens: i64,
    /// What all nodes had left when this one asked last, and what has come since.
    left: Bucket,
    /// Until then the bucket of all nodes is known to have too little.
    empty_until: Option<Instant>,
}

impl Drawn {
    pub(super) fn new(of: Allowance, now: Instant) -> Self {
        Self {
            of,
            tokens: 0,
            left: Bucket::full(now),
            empty_until: None,
        }
    }

    /// Uses `count` if as many are drawn.
    ///
    /// # Errors
    /// The time to wait, if it is known that there are too few; none when the bucket has to be asked.
    pub(super) fn take(&mut self, count: u64, now: Instant) -> Option<Result<(), Duration>> {
        if let Some(wait) = self.refusal(count, now) {
            return Some(Err(wait));
        }
        self.can_take(count).then(|| {
            self.tokens -= whole(count);
            Ok(())
        })
    }

    /// Returns whether as many are drawn.
    pub(super) fn can_take(&self, count: u64) -> bool {
        self.lacking(count) == 0
    }

    /// The time to wait for `count`, if it is known that there are too few. What was too much for a large use may be
    /// enough for a small one, and for a block besides.
    pub(super) fn refusal(&self, count: u64, now: Instant) -> Option<Duration> {
        let until = self.empty_until.filter(|until| *until > now)?;
        let enough = self.lacking(count).saturating_add(self.of.block);
        let may_be_there =
            self.can_take(count) || self.left.remaining(self.of.rate(), now) >= enough;
        (!may_be_there).then(|| self.wait(count, now).max(until - now))
    }

    /// The time until `count` are there, as far as it is known here.
    pub(super) fn wait(&self, count: u64, now: Instant) -> Duration {
        let wait = self.left.wait(self.of.rate(), self.lacking(count), now);
        wait.max(Duration::from_millis(1))
    }

    /// What has to be asked for so that `count` can be used. What is owed is paid by what there is, however little.
    pub(super) fn ask_for(&self, count: u64) -> Ask {
        let lacking = self.lacking(count);
        if self.tokens < 0 {
            return Ask {
                need: 0,
                more: lacking.saturating_add(self.of.block),
            };
        }
        Ask {
            need: lacking,
            more: self.of.block,
        }
    }

    /// What to ask for before it is needed: the next block when half of the last one is left, and what is owed.
    pub(super) fn ask_ahead(&self, now: Instant) -> Option<Ask> {
        let is_empty = self.empty_until.is_some_and(|until| until > now);
        let is_low = self.tokens < 0 || self.tokens < whole(self.of.block / 2);
        (is_low && !is_empty).then(|| Ask {
            need: 0,
            more: self.lacking(0).saturating_add(self.of.block),
        })
    }

    /// Notes the answer to what was asked.
    pub(super) fn receive(&mut self, ask: Ask, taken: Taken, now: Instant) {
        let rate = self.of.rate();
        self.left = Bucket::full(now);
        self.left
            .charge(rate, rate.burst.saturating_sub(taken.left), now);
        self.tokens = self.tokens.saturating_add(whole(taken.tokens));
        let is_empty = taken.tokens < ask.need.saturating_add(ask.more);
        self.empty_until = is_empty.then(|| {
            let some_are_there = taken.wait.min(self.left.wait(rate, self.of.least, now));
            now + some_are_there.max(self.of.pause)
        });
    }

    /// Uses `count`, whether as many are drawn or not.
    pub(super) fn charge(&mut self, count: u64) {
        let least = -whole(Allowance::most_owed(self.of.rate()));
        self.tokens = self.tokens.saturating_sub(whole(count)).max(least);
    }

    /// Puts back what was not used. Returns what is to go back to all nodes.
    pub(super) fn give_back(&mut self, count: u64) -> Option<u64> {
        self.tokens = self.tokens.saturating_add(whole(count));
        if self.tokens <= whole(self.of.block.saturating_mul(MOST_BLOCKS)) {
            return None;
        }
        let block = whole(self.of.block);
        let surplus = self.tokens - block;
        self.tokens = block;
        Some(surplus.unsigned_abs())
    }

    /// All nodes have so many more.
    pub(super) fn returned(&mut self, count: u64, now: Instant) {
        self.left.give_back(self.of.rate(), count, now);
        self.empty_until = None;
    }

    /// Returns whether more was used than was drawn.
    pub(super) fn is_owing(&self) -> bool {
        self.tokens < 0
    }

    /// What is left for all nodes, as far as it is known here, and the time until the bucket is full.
    pub(super) fn left(&self, now: Instant) -> (u64, Duration) {
        let rate = self.of.rate();
        let left = whole(self.left.remaining(rate, now)).saturating_add(self.tokens);
        let left = left.max(0).unsigned_abs().min(rate.burst);
        (left, self.left.time_to_full(rate, now))
    }

    /// What is not drawn of `count`, and what is owed.
    fn lacking(&self, count: u64) -> u64 {
        let lacking = whole(count).saturating_sub(self.tokens);
        lacking.max(0).unsigned_abs()
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A block is 1,000 points.
    fn of() -> Allowance {
        Allowance::of_cost(20_000, 50_000)
    }

    fn taken(tokens: u64, left: u64) -> Taken {
        Taken {
            tokens,
            left,
            wait: Duration::ZERO,
        }
    }

    /// One that has drawn a block, of a bucket that has `left` left.
    fn drawn(left: u64, now: Instant) -> Drawn {
        let mut drawn = Drawn::new(of(), now);
        let ask = drawn.ask_for(0);
        drawn.receive(ask, taken(1_000, left), now);
        drawn
    }

    #[test]
    fn a_bucket_holds_a_second_or_the_largest_use_and_each_share_holds_the_largest_use_too() {
        let rate = |burst, per_second| Rate { burst, per_second };
        assert_eq!(of().rate(), rate(50_000, 20_000));
        assert_eq!(of().share(3), rate(50_000, 6_667));
        assert_eq!(Allowance::of_submits(40).rate(), rate(40, 40));
        assert_eq!(Allowance::of_submits(40).share(3), rate(14, 14));
        assert_eq!(Allowance::of_submits(1).share(3), rate(1, 1));
    }

    #[test]
    fn what_is_drawn_is_used_without_a_question_and_the_next_block_is_asked_for_in_time() {
        let now = Instant::now();
        let mut drawn = drawn(49_000, now);
        for used in 1..=10 {
            assert_eq!(drawn.take(100, now), Some(Ok(())));
            let ahead = drawn.ask_ahead(now);
            assert_eq!(ahead.is_some(), used > 5, "{used}");
            assert!(ahead.is_none_or(|ask| (ask.need, ask.more) == (0, 1_000)));
        }
        assert_eq!(drawn.take(100, now), None);
        let ask = drawn.ask_for(5_000);
        assert_eq!((ask.need, ask.more), (5_000, 1_000));
        drawn.receive(ask, taken(6_000, 43_000), now);
        assert_eq!(drawn.take(5_000, now), Some(Ok(())));
        assert_eq!(drawn.left(now).0, 44_000);
    }

    #[test]
    fn an_empty_bucket_is_left_alone_for_a_while_and_what_is_drawn_is_used_meanwhile() {
        let now = Instant::now();
        let mut drawn = drawn(500, now);
        let ask = drawn.ask_for(2_000);
        let refused = Taken {
            tokens: 0,
            left: 500,
            wait: Duration::from_millis(25),
        };
        drawn.receive(ask, refused, now);
        assert_eq!(drawn.take(600, now), Some(Ok(())));
        // 9,600 are lacking, of which 500 are there.
        let wait = drawn.take(10_000, now).unwrap().unwrap_err();
        assert_eq!(wait, Duration::from_millis(455));
        let wait = drawn.take(600, now).unwrap().unwrap_err();
        assert_eq!(wait, PAUSE);
        assert_eq!(drawn.ask_ahead(now), None);
        let later = now + PAUSE;
        assert_eq!(drawn.take(600, later), None);
        assert!(drawn.ask_ahead(later).is_some());
        // A thousand points come in the time.
        assert_eq!(drawn.left(later).0, 500 + 1_000 + 400);
    }

    #[test]
    fn what_is_too_much_for_a_large_use_refuses_no_small_one() {
        let now = Instant::now();
        let mut drawn = drawn(10_000, now);
        let ask = drawn.ask_for(40_000);
        let refused = Taken {
            tokens: 0,
            left: 10_000,
            wait: Duration::from_secs(2),
        };
        drawn.receive(ask, refused, now);
        assert!(drawn.take(40_000, now).unwrap().is_err());
        assert_eq!(drawn.take(9_000, now), None, "it is asked for");
        assert!(drawn.take(11_000, now).unwrap().is_err());
    }

    #[test]
    fn what_is_owed_is_bounded_and_paid_by_what_there_is() {
        let now = Instant::now();
        let mut drawn = drawn(500, now);
        drawn.charge(3_000);
        assert!(drawn.is_owing());
        let ahead = drawn.ask_ahead(now).unwrap();
        assert_eq!((ahead.need, ahead.more), (0, 3_000));
        assert_eq!(
            drawn.ask_for(100),
            Ask {
                need: 0,
                more: 3_100
            }
        );
        drawn.receive(ahead, taken(500, 0), now);
        assert!(drawn.is_owing());
        assert_eq!(drawn.left(now).0, 0);
        let wait = drawn.refusal(500, now).unwrap();
        assert_eq!(wait, Duration::from_millis(100), "2,000 of 20,000 a second");
        drawn.charge(u64::MAX);
        assert_eq!(drawn.lacking(0), 200_000, "ten seconds");
    }

    #[test]
    fn what_was_reserved_and_not_used_goes_back_to_all_nodes() {
        let now = Instant::now();
        let mut drawn = drawn(49_000, now);
        let ask = drawn.ask_for(40_000);
        drawn.receive(ask, taken(40_000, 9_000), now);
        assert_eq!(drawn.take(40_000, now), Some(Ok(())));
        assert_eq!(drawn.give_back(500), None);
        assert_eq!(drawn.give_back(39_000), Some(39_500));
        drawn.returned(39_500, now);
        assert_eq!(drawn.left(now).0, 49_500);
        assert_eq!(drawn.take(1_000, now), Some(Ok(())));
        assert_eq!(drawn.take(1, now), None);
    }
}
