//! Keeps an outage of Redis from costing every caller a timeout: after a failure nobody asks for a
//! moment, then one call at a time tries again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// The time for which Redis is left alone after a failure.
const REST: Duration = Duration::from_secs(1);

/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    resting_until: Arc<Mutex<Option<Instant>>>,
}

impl Breaker {
    /// Returns whether a call may be tried now. While Redis is away, the one that may keeps the
    /// others off.
    pub(super) fn lets_through(&self, now: Instant) -> bool {
        self.with(|resting_until| match resting_until {
            Some(until) if now < *until => false,
            Some(until) => {
                *until = now + REST;
                true
            }
            None => true,
        })
    }

    /// Redis answered. True for the first answer after an outage.
    pub(super) fn succeeded(&self) -> bool {
        self.with(|resting_until| resting_until.take().is_some())
    }

    /// Redis did not answer. True for the first failure of an outage.
    pub(super) fn failed(&self, now: Instant) -> bool {
        self.with(|resting_until| resting_until.replace(now + REST).is_none())
    }

    fn with<T>(&self, act: impl FnOnce(&mut Option<Instant>) -> T) -> T {
        // The value is whole at every moment, also when a holder panicked.
        let mut guard = self
            .resting_until
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        act(&mut guard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_failure_one_call_a_second_tries_until_one_succeeds() {
        let (breaker, now) = (Breaker::default(), Instant::now());
        assert!(breaker.lets_through(now) && breaker.lets_through(now));
        assert!(breaker.failed(now), "the first failure begins the outage");
        assert!(!breaker.failed(now));
        assert!(!breaker.lets_through(now));
        let later = now + REST;
        assert!(breaker.lets_through(later), "one may try");
        assert!(!breaker.lets_through(later), "the others wait for it");
        assert!(breaker.succeeded(), "the outage is over");
        assert!(!breaker.succeeded());
        assert!(breaker.lets_through(later) && breaker.lets_through(later));
    }
}
