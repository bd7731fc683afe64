//! The order in which the steps of a journey are started.
//!
//! A step is given out once, and only when all that it needs has ended.

use std::collections::BTreeSet;

use super::{Journey, Step};

/// The steps of a journey that have not been started yet.
pub(in super::super) struct Schedule {
    /// Places of steps in the journey, with the names of what they need.
    waiting: Vec<(usize, BTreeSet<String>)>,
}

impl Schedule {
    /// All steps of the journey.
    pub(in super::super) fn of(journey: &Journey) -> Self {
        let needs = journey.steps.iter().map(Step::needs);
        Self {
            waiting: needs.enumerate().collect(),
        }
    }

    /// The places of the steps that nothing holds back any more; each is given out once.
    pub(in super::super) fn take_free(&mut self) -> Vec<usize> {
        let (free, held): (Vec<_>, Vec<_>) = std::mem::take(&mut self.waiting)
            .into_iter()
            .partition(|(_, needs)| needs.is_empty());
        self.waiting = held;
        free.into_iter().map(|(step, _)| step).collect()
    }

    /// Notes that a step has ended well.
    pub(in super::super) fn ended(&mut self, name: &str) {
        for (_, needs) in &mut self.waiting {
            needs.remove(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};
    use serde_json::Map;

    use super::super::samples::graph;
    use super::*;

    proptest! {
        #[test]
        fn each_step_is_started_once_and_after_all_that_it_needs(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..40),
            picks in prop::collection::vec(any::<Index>(), 12),
        ) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            let journey = Journey::checked(graph(&edges, 12), &Map::new()).unwrap();
            let mut schedule = Schedule::of(&journey);
            let (mut running, mut ended) = (Vec::new(), BTreeSet::new());
            for pick in picks {
                for place in schedule.take_free() {
                    let step = &journey.steps[place];
                    prop_assert!(step.needs().is_subset(&ended), "{} is too early", step.name);
                    running.push(step.name.clone());
                }
                prop_assert!(!running.is_empty(), "nothing runs and something is left");
                // Whichever of those that run may be the next to end.
                let name = running.swap_remove(pick.index(running.len()));
                schedule.ended(&name);
                prop_assert!(ended.insert(name), "started twice");
            }
            prop_assert_eq!(ended.len(), 12);
            prop_assert!(schedule.take_free().is_empty());
        }
    }

    #[test]
    fn steps_that_do_not_wait_for_each_other_are_free_together() {
        let journey = Journey::checked(graph(&[(3, 0), (3, 1)], 4), &Map::new()).unwrap();
        let mut schedule = Schedule::of(&journey);
        assert_eq!(schedule.take_free(), [0, 1, 2]);
        assert_eq!(schedule.take_free(), [0; 0]);
    }
}
