//! How much an address may try without a good proof: bad ones, and anonymous sessions.
//!
//! A proof that is remembered as good is not looked at here: whoever guesses from an address that others share keeps
//! none of them out while theirs are remembered. One that is new to the node waits its turn among the guesses.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use moka::{policy::EvictionPolicy, sync::Cache};

use crate::model::{Bucket, Rate, network};

/// The most addresses that are remembered; then the one that tried least lately is forgotten.
const MAX_ADDRESSES: u64 = 50_000;

/// The attempts of each address.
#[derive(Debug)]
pub(super) struct Attempts {
    rate: Rate,
    /// Buckets that are not full.
    recent: Cache<IpAddr, Arc<Mutex<Bucket>>>,
}

impl Attempts {
    /// Allows each address attempts at this rate.
    pub(super) fn at(rate: Rate) -> Self {
        let full_again = rate.burst.div_ceil(rate.per_second.max(1)).max(1);
        let recent = Cache::builder()
            .max_capacity(MAX_ADDRESSES)
            .eviction_policy(EvictionPolicy::lru())
            .time_to_idle(Duration::from_secs(full_again))
            .build();
        Self { rate, recent }
    }

    /// Allows another proof that may be bad.
    ///
    /// # Errors
    /// The time to wait, when too many were bad.
    pub(super) fn check(&self, from: IpAddr) -> Result<(), Duration> {
        let Some(bucket) = self.recent.get(&network(from)) else {
            return Ok(());
        };
        let wait = lock(&bucket).wait(self.rate, 1, Instant::now());
        if wait.is_zero() { Ok(()) } else { Err(wait) }
    }

    /// Counts one that was bad. Several that were looked at together leave nothing owed.
    pub(super) fn failed(&self, from: IpAddr) {
        let now = Instant::now();
        let _ = lock(&self.bucket(from, now)).take(self.rate, 1, now);
    }

    /// Counts an attempt of so many tokens, if it may be made.
    ///
    /// # Errors
    /// The time to wait.
    pub(super) fn take(&self, from: IpAddr, tokens: u64) -> Result<(), Duration> {
        let now = Instant::now();
        lock(&self.bucket(from, now)).take(self.rate, tokens, now)
    }

    fn bucket(&self, from: IpAddr, now: Instant) -> Arc<Mutex<Bucket>> {
        let full = || Arc::new(Mutex::new(Bucket::full(now)));
        self.recent.get_with(network(from), full)
    }
}

fn lock(bucket: &Mutex<Bucket>) -> MutexGuard<'_, Bucket> {
    bucket.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_send_so_many_bad_proofs_and_others_their_own() {
        let attempts = Attempts::at(Rate {
            burst: 3,
            per_second: 1,
        });
        let [one, same, other] = ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"]
            .map(|address| address.parse().unwrap());
        for _ in 0..3 {
            attempts.check(one).unwrap();
            attempts.failed(one);
        }
        let wait = attempts.check(same).unwrap_err();
        assert!(wait <= Duration::from_secs(1));
        attempts.check(other).unwrap();
        // However many were looked at together, the next one is allowed after the same time.
        for _ in 0..1_000 {
            attempts.failed(one);
        }
        assert!(attempts.check(same).unwrap_err() <= Duration::from_secs(1));
    }

    #[test]
    fn the_table_of_addresses_is_bounded() {
        let attempts = Attempts::at(Rate {
            burst: 3,
            per_second: 1,
        });
        for bits in 0..u32::try_from(MAX_ADDRESSES).unwrap() + 10_000 {
            attempts.failed(IpAddr::from(bits.to_be_bytes()));
        }
        attempts.recent.run_pending_tasks();
        assert!(attempts.recent.entry_count() <= MAX_ADDRESSES);
    }
}
