//! Clients' operations that no writer has taken yet: a queue for each tenant, taken from in turns,
//! so that a tenant waits for its own writes and not for those of another. One that has had much of a batch while
//! others write rests before its next turn: what others ask meanwhile finds no transaction on its way.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use crate::model::TenantId;

/// A tenant counts as writing for so long after it asked.
const WRITES_FOR: Duration = Duration::from_secs(1);

/// The queues.
#[derive(Debug)]
pub(super) struct Offers<T> {
    queues: HashMap<TenantId, VecDeque<T>>,
    /// The last queue that became empty, for the next tenant that has none.
    spare: VecDeque<T>,
    /// The tenants that have something waiting, in the order of their turns.
    turns: VecDeque<TenantId>,
    /// Tenants whose next turn is not before that time.
    resting: HashMap<TenantId, Instant>,
    last: Option<(TenantId, Instant)>,
    /// When two tenants were last seen to write.
    shared_at: Option<Instant>,
}

impl<T> Default for Offers<T> {
    fn default() -> Self {
        Self {
            queues: HashMap::new(),
            spare: VecDeque::new(),
            turns: VecDeque::new(),
            resting: HashMap::new(),
            last: None,
            shared_at: None,
        }
    }
}

impl<T> Offers<T> {
    /// Puts what a tenant asks for behind what it has asked for before.
    pub(super) fn push(&mut self, tenant: TenantId, offer: T, now: Instant) {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < WRITES_FOR;
        match &mut self.last {
            Some((last, at)) if *last == tenant => *at = now,
            Some((last, at)) => {
                if is_recent(*at) {
                    self.shared_at = Some(now);
                }
                (*last, *at) = (tenant.clone(), now);
            }
            last @ None => *last = Some((tenant.clone(), now)),
        }
        let queue = self.queues.entry(tenant.clone());
        let queue = queue.or_insert_with(|| std::mem::take(&mut self.spare));
        if queue.is_empty() {
            self.turns.push_back(tenant);
        }
        queue.push_back(offer);
    }

    /// Takes the next one, of the tenant whose turn it is.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(TenantId, T)> {
        self.resting.retain(|_, until| *until > now);
        let resting = &self.resting;
        let next = if resting.is_empty() {
            0
        } else {
            let rests = |tenant| resting.contains_key(tenant);
            self.turns.iter().position(|tenant| !rests(tenant))?
        };
        let tenant = self.turns.remove(next)?;
        let queue = self.queues.get_mut(&tenant)?;
        let offer = queue.pop_front()?;
        if queue.is_empty() {
            self.spare = self.queues.remove(&tenant).unwrap_or_default();
        } else {
            self.turns.push_back(tenant.clone());
        }
        Some((tenant, offer))
    }

    /// The tenant's next turn is not before `until`.
    pub(super) fn rest(&mut self, tenant: TenantId, until: Instant) {
        self.resting.insert(tenant, until);
    }

    /// When the first of those that rest has its turn again; none where nothing waits for that.
    pub(super) fn rested_at(&self) -> Option<Instant> {
        let waiting = self.resting.iter();
        let waiting = waiting.filter(|(tenant, _)| self.queues.contains_key(*tenant));
        waiting.map(|(_, until)| *until).min()
    }

    /// Returns the number of tenants whose offers may be taken.
    pub(super) fn tenants(&self, now: Instant) -> usize {
        let rests = |(tenant, until): &(&TenantId, &Instant)| {
            **until > now && self.queues.contains_key(*tenant)
        };
        self.turns.len() - self.resting.iter().filter(rests).count()
    }

    /// Returns whether several tenants write.
    pub(super) fn are_shared(&self, now: Instant) -> bool {
        let is_recent = |at: Instant| now.saturating_duration_since(at) < WRITES_FOR;
        self.turns.len() > 1 || self.shared_at.is_some_and(is_recent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenants() -> [TenantId; 2] {
        ["one", "two"].map(TenantId::stored)
    }

    #[test]
    fn tenants_take_turns_and_each_keeps_its_order() {
        let (mut offers, [one, two], now) = (Offers::default(), tenants(), Instant::now());
        for n in 0..4 {
            offers.push(one.clone(), ("one", n), now);
        }
        assert!(!offers.are_shared(now));
        for n in 0..2 {
            offers.push(two.clone(), ("two", n), now);
        }
        assert!(offers.are_shared(now));
        let taken: Vec<_> = std::iter::from_fn(|| offers.pop(now))
            .map(|(_, offer)| offer)
            .collect();
        let expected = [
            ("one", 0),
            ("two", 0),
            ("one", 1),
            ("two", 1),
            ("one", 2),
            ("one", 3),
        ];
        assert_eq!(taken, expected);
        assert!(offers.queues.is_empty());
        assert!(offers.are_shared(now), "the other one may come back");
        assert!(!offers.are_shared(now + WRITES_FOR));
    }

    #[test]
    fn a_tenant_that_rests_is_passed_over_until_it_has_rested() {
        let (mut offers, [one, two], now) = (Offers::default(), tenants(), Instant::now());
        let until = now + Duration::from_millis(5);
        offers.push(one.clone(), 1, now);
        offers.push(two.clone(), 2, now);
        offers.rest(one.clone(), until);
        assert_eq!(offers.tenants(now), 1);
        assert_eq!(offers.pop(now), Some((two, 2)));
        assert_eq!(offers.pop(now), None);
        assert_eq!(offers.rested_at(), Some(until));
        assert_eq!(offers.pop(until), Some((one, 1)));
        assert_eq!(offers.rested_at(), None);
    }
}
