//! Keeps an outage of Redis from costing every caller a timeout: after a failure nobody asks for a
//! moment, then one call at a time tries again.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// How long Redis is left alone after a failure.
const REST: Duration = Duration::from_secs(1);

/// Clones share what they know.
#[derive(Debug, Clone, Default)]
pub(super) struct Breaker {
    resting_until: Arc<Mutex<Option<Instant>>>,
}

impl Breaker {
    /// Whether a call may be tried. While Redis is away, the one that may keeps the others off.
    pub(super) fn lets_through(&self) -> bool {
        self.with(|resting_until| match resting_until {
            Some(until) if Instant::now() < *until => false,
            Some(until) => {
                *until = Instant::now() + REST;
                true
            }
            None => true,
        })
    }

    /// Redis answered.
    pub(super) fn succeeded(&self) {
        self.with(|resting_until| *resting_until = None);
    }

    /// Redis did not answer. True for the first failure of an outage.
    pub(super) fn failed(&self) -> bool {
        let until = Instant::now() + REST;
        self.with(|resting_until| resting_until.replace(until).is_none())
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

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_one_call_a_second_tries_until_one_succeeds() {
        let breaker = Breaker::default();
        assert!(breaker.lets_through() && breaker.lets_through());
        assert!(breaker.failed(), "the first failure begins the outage");
        assert!(!breaker.failed());
        assert!(!breaker.lets_through());
        tokio::time::advance(REST).await;
        assert!(breaker.lets_through(), "one may try");
        assert!(!breaker.lets_through(), "the others wait for it");
        breaker.succeeded();
        assert!(breaker.lets_through() && breaker.lets_through());
    }
}
