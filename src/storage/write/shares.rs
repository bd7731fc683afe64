//! Who gets the free slots of a node: each waiting tenant in turn, by weight, up to a cap.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    sync::Arc,
};

use crate::model::TenantId;

/// The slots of a node that tenants hold, and those that they may hold.
#[derive(Debug, Clone)]
pub struct Shares {
    /// Slots that each tenant holds; none for those that are not named.
    pub held: HashMap<TenantId, usize>,
    /// The most that one tenant may hold.
    pub cap: usize,
    /// The number of slots that a tenant gets for each one of another; 1 for those that are not
    /// named.
    pub weights: Arc<HashMap<TenantId, u32>>,
}

impl Shares {
    fn weight(&self, tenant: &TenantId) -> u64 {
        u64::from(self.weights.get(tenant).copied().unwrap_or(1).max(1))
    }
}

struct Waiting {
    tenant: TenantId,
    held: usize,
    weight: u64,
    is_drained: bool,
    was_served: bool,
}

/// The tenants that one claim looks at, in the order of their turns.
pub(super) struct Turn<'a> {
    shares: &'a Shares,
    tenants: Vec<Waiting>,
    is_cut: bool,
}

impl<'a> Turn<'a> {
    /// `tenants` may have been cut off at `most`.
    pub(super) fn new(tenants: Vec<TenantId>, most: usize, shares: &'a Shares) -> Self {
        let is_cut = tenants.len() == most;
        let waiting = |tenant: TenantId| Waiting {
            held: shares.held.get(&tenant).copied().unwrap_or(0),
            weight: shares.weight(&tenant),
            tenant,
            is_drained: false,
            was_served: false,
        };
        Self {
            shares,
            tenants: tenants.into_iter().map(waiting).collect(),
            is_cut,
        }
    }

    /// Splits `slots` among those that may have more: each one goes to the tenant that then holds
    /// the least for its weight, and among equals to the one whose turn comes first.
    pub(super) fn split(&self, slots: usize) -> Vec<(TenantId, usize)> {
        let load = |held: usize, weight: u64| (held as u64 + 1) * 1_000_000 / weight;
        let mut next = BinaryHeap::new();
        for (position, one) in self.tenants.iter().enumerate() {
            if !one.is_drained && one.held < self.shares.cap {
                next.push(Reverse((load(one.held, one.weight), position)));
            }
        }
        let mut given = vec![0_usize; self.tenants.len()];
        for _ in 0..slots {
            let Some(Reverse((_, position))) = next.pop() else {
                break;
            };
            let one = &self.tenants[position];
            given[position] += 1;
            let held = one.held + given[position];
            if held < self.shares.cap {
                next.push(Reverse((load(held, one.weight), position)));
            }
        }
        let with_slots = self
            .tenants
            .iter()
            .zip(given)
            .filter(|(_, given)| *given > 0);
        with_slots
            .map(|(one, given)| (one.tenant.clone(), given))
            .collect()
    }

    /// A tenant got `count`; `is_drained` when nothing of it is left.
    pub(super) fn took(&mut self, tenant: &TenantId, count: usize, is_drained: bool) {
        if let Some(one) = self.tenants.iter_mut().find(|one| one.tenant == *tenant) {
            one.held += count;
            one.is_drained |= is_drained;
            one.was_served = true;
        }
    }

    /// Lets tenants take part again that had nothing left of the kind before.
    pub(super) fn begin_again(&mut self) {
        for one in &mut self.tenants {
            one.is_drained = false;
        }
    }

    /// Returns whether tenants may wait that this turn did not look at.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Returns whether something may be left.
    pub(super) fn more_wait(&self) -> bool {
        self.is_cut || self.tenants.iter().any(|one| !one.is_drained)
    }

    /// The tenant after which the next turn begins.
    pub(super) fn last(&self) -> Option<TenantId> {
        let served = self.tenants.iter().rev().find(|one| one.was_served);
        served.or(self.tenants.last()).map(|one| one.tenant.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(name: &str) -> TenantId {
        name.parse().unwrap()
    }

    fn shares(held: &[(&str, usize)], cap: usize, weights: &[(&str, u32)]) -> Shares {
        let held = held.iter().map(|(name, held)| (tenant(name), *held));
        let weights = weights.iter().map(|(name, weight)| (tenant(name), *weight));
        Shares {
            held: held.collect(),
            cap,
            weights: Arc::new(weights.collect()),
        }
    }

    fn split(shares: &Shares, names: &[&str], slots: usize) -> Vec<(String, usize)> {
        let tenants = names.iter().map(|name| tenant(name)).collect();
        let wants = Turn::new(tenants, 100, shares).split(slots);
        let plain = wants.into_iter().map(|(tenant, n)| (tenant.to_string(), n));
        plain.collect()
    }

    fn expected(wants: &[(&str, usize)]) -> Vec<(String, usize)> {
        let wants = wants.iter().map(|(name, n)| ((*name).to_owned(), *n));
        wants.collect()
    }

    #[test]
    fn free_slots_even_out_what_tenants_hold() {
        let shares = shares(&[("a", 6)], 8, &[]);
        assert_eq!(split(&shares, &["a", "b"], 2), expected(&[("b", 2)]));
        assert_eq!(
            split(&shares, &["a", "b"], 8),
            expected(&[("a", 1), ("b", 7)])
        );
    }

    #[test]
    fn no_tenant_gets_more_than_the_cap_even_alone() {
        let shares = shares(&[("a", 6)], 8, &[]);
        assert_eq!(split(&shares, &["a"], 10), expected(&[("a", 2)]));
        assert_eq!(split(&shares, &["b"], 10), expected(&[("b", 8)]));
    }

    #[test]
    fn slots_go_by_weight() {
        let shares = shares(&[], 100, &[("a", 3)]);
        assert_eq!(
            split(&shares, &["a", "b"], 8),
            expected(&[("a", 6), ("b", 2)])
        );
    }

    #[test]
    fn one_slot_goes_to_the_first_in_turn() {
        let shares = shares(&[], 1, &[]);
        assert_eq!(split(&shares, &["b", "a"], 1), expected(&[("b", 1)]));
    }

    #[test]
    fn the_next_turn_begins_after_the_last_one_that_was_served() {
        let shares = shares(&[], 5, &[]);
        let names = ["a", "b", "c"].map(tenant).to_vec();
        let mut turn = Turn::new(names, 3, &shares);
        turn.took(&tenant("a"), 1, false);
        assert_eq!(turn.last(), Some(tenant("a")));
        assert!(turn.more_wait());
    }
}
