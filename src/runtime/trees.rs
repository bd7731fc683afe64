//! Bounds of a tree of executions: how deep it is, and how many of it live at once.
//!
//! The live ones are counted in the database, and only now and then: a node lets half of the room
//! that it last saw be used before it counts again. The bound is therefore not exact where several
//! nodes add to one tree, and costs most trees nothing.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use super::mutex::lock;
use crate::model::ExecutionId;

/// The number of trees whose count is remembered.
const REMEMBERED: usize = 4096;

/// The counts of the trees to which this node adds.
#[derive(Default)]
pub(super) struct Trees(Mutex<HashMap<ExecutionId, Tally>>);

#[derive(Default)]
struct Tally {
    counted: u64,
    added: u64,
    /// Children that are being submitted: the database may not have them yet.
    pending: u64,
    /// Held by who counts: thousands of children at once must not fill the readers with counts of
    /// the same tree.
    counting: Arc<tokio::sync::Mutex<()>>,
}

impl Tally {
    /// Uses some of the room that the last count left, if there is any.
    fn use_room(&mut self, limit: u64) -> bool {
        let free = limit.saturating_sub(self.counted).div_ceil(2);
        let has_room = self.added < free;
        self.added += u64::from(has_room);
        has_room
    }
}

/// A child's place in its tree, held while it is submitted.
pub(super) struct Place<'a> {
    trees: &'a Trees,
    root: ExecutionId,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some(tally) = lock(&self.trees.0).get_mut(&self.root) {
            tally.pending = tally.pending.saturating_sub(1);
        }
    }
}

impl Trees {
    /// A place in a tree, and whether there is room for it without counting.
    pub(super) fn take(&self, root: ExecutionId, limit: u64) -> (Place<'_>, bool) {
        let mut tallies = lock(&self.0);
        if tallies.len() >= REMEMBERED {
            tallies.retain(|_, tally| tally.counted + tally.pending > 0);
        }
        if tallies.len() >= REMEMBERED {
            tallies.clear();
        }
        let tally = tallies.entry(root).or_default();
        tally.pending += 1;
        let has_room = tally.use_room(limit);
        drop(tallies);
        (Place { trees: self, root }, has_room)
    }

    /// Who is to count a tree.
    pub(super) fn counting(&self, root: ExecutionId) -> Arc<tokio::sync::Mutex<()>> {
        Arc::clone(&lock(&self.0).entry(root).or_default().counting)
    }

    /// Returns whether somebody else's count has left room meanwhile.
    pub(super) fn has_room_now(&self, root: ExecutionId, limit: u64) -> bool {
        lock(&self.0).entry(root).or_default().use_room(limit)
    }

    /// Notes that `live` executions were found, and returns whether there is room for one more.
    pub(super) fn note(&self, root: ExecutionId, live: u64, limit: u64) -> bool {
        let mut tallies = lock(&self.0);
        let tally = tallies.entry(root).or_default();
        let counted = live + tally.pending.saturating_sub(1);
        if counted >= limit {
            return false;
        }
        tally.counted = counted;
        tally.added = 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_is_counted_again_when_half_of_its_room_is_used() {
        let trees = Trees::default();
        let root = ExecutionId(uuid::Uuid::from_u128(1));
        let taken = |limit| (0..100).take_while(|_| trees.take(root, limit).1).count();
        assert_eq!(taken(20), 10);
        assert!(trees.note(root, 12, 20));
        assert_eq!(taken(20), 3);
        assert!(!trees.note(root, 20, 20));
    }

    #[test]
    fn what_is_being_submitted_counts() {
        let trees = Trees::default();
        let root = ExecutionId(uuid::Uuid::from_u128(1));
        let places: Vec<_> = (0..8).map(|_| trees.take(root, 10)).collect();
        assert!(!trees.note(root, 3, 10));
        drop(places);
        assert!(trees.note(root, 3, 10));
    }

    #[test]
    fn who_waited_for_the_count_of_another_one_uses_the_room_that_it_found() {
        let trees = Trees::default();
        let root = ExecutionId(uuid::Uuid::from_u128(1));
        assert!(Arc::ptr_eq(&trees.counting(root), &trees.counting(root)));
        assert!(trees.note(root, 18, 20));
        assert!(!trees.has_room_now(root, 20));
        assert!(trees.note(root, 4, 20));
        assert!(trees.has_room_now(root, 20));
    }
}
