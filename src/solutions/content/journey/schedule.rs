//! The order in which the steps of a journey are started.
//!
//! A step is given out once, and only when all that it needs has ended.

use std::collections::BTreeSet;

use super::{Journey, Step};

/// What of a journey has not been started yet.
pub(in super::super) struct Schedule<'a> {
    waiting: Vec<(&'a Step, BTreeSet<String>)>,
}

impl<'a> Schedule<'a> {
    /// All steps of the journey.
    pub(in super::super) fn of(journey: &'a Journey) -> Self {
        let waiting = journey.steps.iter().map(|step| (step, step.needs()));
        Self {
            waiting: waiting.collect(),
        }
    }

    /// The steps that nothing holds back any more; each is given out once.
    pub(in super::super) fn take_free(&mut self) -> Vec<&'a Step> {
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
                for step in schedule.take_free() {
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
        let mut names = || -> Vec<String> {
            let free = schedule.take_free();
            free.into_iter().map(|step| step.name.clone()).collect()
        };
        assert_eq!(names(), ["s0", "s1", "s2"]);
        assert_eq!(names(), [""; 0]);
    }
}
