//! A bucket of tokens: it fills at a rate, up to a size, and each use takes some out.

use std::time::{Duration, Instant};

/// The size of a bucket, and the tokens that come in a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// The most that it holds.
    pub burst: u64,
    /// The tokens that come in a second.
    pub per_second: u64,
}

/// What is in a bucket. It begins full.
#[derive(Debug, Clone, Copy)]
pub struct Bucket {
    /// The tokens that are missing; more than the size where some are owed.
    missing: f64,
    /// When that was so.
    at: Instant,
}

impl Bucket {
    /// A full one.
    #[must_use]
    pub fn full(now: Instant) -> Self {
        Self {
            missing: 0.0,
            at: now,
        }
    }

    /// Takes `count` tokens out, whether they are there or not.
    pub fn charge(&mut self, rate: Rate, count: u64, now: Instant) {
        self.missing = self.missing_at(rate, now) + as_f64(count);
        self.at = now;
    }

    /// Takes `count` tokens out, or as many as are there and `owed` besides.
    pub fn drain(&mut self, rate: Rate, count: u64, owed: u64, now: Instant) {
        let missing = self.missing_at(rate, now);
        let most = as_f64(rate.burst) + as_f64(owed);
        self.missing = (missing + as_f64(count)).min(most).max(missing);
        self.at = now;
    }

    /// Puts back `count` tokens that were taken.
    pub fn give_back(&mut self, rate: Rate, count: u64, now: Instant) {
        self.missing = (self.missing_at(rate, now) - as_f64(count)).max(0.0);
        self.at = now;
    }

    /// Takes `count` tokens out, or all of them if the bucket is full and never holds as many.
    ///
    /// # Errors
    /// The time until they are there; none is taken then.
    pub fn take(&mut self, rate: Rate, count: u64, now: Instant) -> Result<(), Duration> {
        let wait = self.wait(rate, count, now);
        if wait.is_zero() {
            self.charge(rate, count, now);
            return Ok(());
        }
        Err(wait)
    }

    /// The time until `count` tokens are there.
    #[must_use]
    pub fn wait(&self, rate: Rate, count: u64, now: Instant) -> Duration {
        let room = as_f64(rate.burst.saturating_sub(count));
        let lacking = self.missing_at(rate, now) - room;
        if lacking <= 0.0 {
            return Duration::ZERO;
        }
        seconds(lacking, rate)
    }

    /// The tokens that are there.
    #[must_use]
    pub fn remaining(&self, rate: Rate, now: Instant) -> u64 {
        let left = as_f64(rate.burst) - self.missing_at(rate, now);
        as_u64(left)
    }

    /// The time until it is full.
    #[must_use]
    pub fn time_to_full(&self, rate: Rate, now: Instant) -> Duration {
        seconds(self.missing_at(rate, now), rate)
    }

    fn missing_at(&self, rate: Rate, now: Instant) -> f64 {
        let came = now.saturating_duration_since(self.at).as_secs_f64();
        (self.missing - came * as_f64(rate.per_second)).max(0.0)
    }
}

fn seconds(tokens: f64, rate: Rate) -> Duration {
    let seconds = tokens / as_f64(rate.per_second.max(1));
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a token in some 10^15 does not matter"
)]
fn as_f64(count: u64) -> f64 {
    count as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the conversion saturates"
)]
fn as_u64(count: f64) -> u64 {
    count as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        burst: 20,
        per_second: 2,
    };

    #[test]
    fn a_bucket_gives_what_it_holds_and_then_what_comes() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut bucket = Bucket::full(start);
        for _ in 0..20 {
            bucket.take(RATE, 1, start).unwrap();
        }
        assert_eq!(bucket.take(RATE, 1, start), Err(Duration::from_millis(500)));
        assert_eq!(bucket.take(RATE, 4, start), Err(Duration::from_secs(2)));
        assert_eq!(bucket.remaining(RATE, at(3)), 6);
        bucket.take(RATE, 6, at(3)).unwrap();
        assert!(bucket.take(RATE, 1, at(3)).is_err());
        assert_eq!(bucket.time_to_full(RATE, at(3)), Duration::from_secs(10));
        // It holds no more than its size, however long nobody takes any.
        assert_eq!(bucket.remaining(RATE, at(1_000)), 20);
    }

    #[test]
    fn more_than_it_holds_is_given_once_it_is_full_and_owed_afterwards() {
        let start = Instant::now();
        let mut bucket = Bucket::full(start);
        bucket.take(RATE, 30, start).unwrap();
        assert_eq!(bucket.remaining(RATE, start), 0);
        assert_eq!(bucket.wait(RATE, 1, start), Duration::from_millis(5_500));
    }

    #[test]
    fn what_is_drained_is_bounded_and_what_is_given_back_is_there() {
        let now = Instant::now();
        let mut bucket = Bucket::full(now);
        bucket.drain(RATE, 50, 0, now);
        assert_eq!(bucket.take(RATE, 1, now), Err(Duration::from_millis(500)));
        bucket.drain(RATE, 50, 10, now);
        assert_eq!(bucket.wait(RATE, 0, now), Duration::from_secs(5));
        // What is owed already stays so.
        bucket.drain(RATE, 1, 0, now);
        assert_eq!(bucket.wait(RATE, 0, now), Duration::from_secs(5));
        bucket.give_back(RATE, 13, now);
        assert_eq!(bucket.remaining(RATE, now), 3);
        bucket.give_back(RATE, 1_000, now);
        assert_eq!(bucket.remaining(RATE, now), 20);
    }
}
