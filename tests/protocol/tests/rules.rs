//! With all rules no state breaks a property; without any one of them a state does.

use std::collections::HashSet;

use protocol::{
    ALL_END, CANCEL_REACHES, NO_FORGOTTEN_WAKE, NO_ZOMBIE, NONE_FORGOTTEN, ONE_HANDLER,
    ONE_OUTCOME, Rules, state::State, steps::Step,
};
use stateright::{Checker, HasDiscoveries, Model};

/// The steps that lead to a state which breaks a property.
fn broken(rules: Rules, property: &'static str) -> Vec<Step> {
    let wanted = HasDiscoveries::AllOf([property].into_iter().collect());
    let checker = rules
        .checker()
        .threads(2)
        .finish_when(wanted)
        .spawn_bfs()
        .join();
    checker.assert_any_discovery(property).into_actions()
}

/// Looks at every state; at so many at least.
fn keeps_every_property(rules: Rules, least: usize) {
    let checker = rules.checker().threads(2).spawn_bfs().join();
    assert!(checker.is_done());
    checker.assert_properties();
    let states = checker.unique_state_count();
    assert!(states > least, "{states} states");
}

#[test]
fn every_state_of_a_parent_and_its_child_keeps_every_property() {
    let rules = Rules {
        errors: 1,
        ..Rules::with_faults(1)
    };
    keeps_every_property(rules, 500_000);
}

#[test]
fn every_state_with_a_third_execution_keeps_every_property() {
    let rules = Rules {
        has_lone: true,
        ..Rules::with_faults(1)
    };
    keeps_every_property(rules, 1_000_000);
}

/// The check that every execution ends follows paths to their end, so there must be one.
#[test]
fn no_execution_goes_in_circles() {
    let rules = Rules::with_faults(1);
    let mut done: HashSet<State> = HashSet::new();
    let mut on_path: HashSet<State> = HashSet::new();
    let mut path: Vec<(State, Vec<State>)> = Vec::new();
    for first in rules.init_states() {
        on_path.insert(first.clone());
        path.push((first.clone(), rules.next_states(&first)));
    }
    while let Some((state, left)) = path.last_mut() {
        let Some(next) = left.pop() else {
            on_path.remove(state);
            done.extend(path.pop().map(|(state, _)| state));
            continue;
        };
        assert!(!on_path.contains(&next), "a circle through {next:?}");
        if !done.contains(&next) {
            on_path.insert(next.clone());
            let after = rules.next_states(&next);
            path.push((next, after));
        }
    }
    assert!(done.len() > 1000);
}

#[test]
fn without_the_fence_a_zombie_writes_and_a_second_outcome_lands() {
    let rules = Rules {
        fence: false,
        ..Rules::with_faults(1)
    };
    let steps = broken(rules, NO_ZOMBIE);
    assert!(steps.len() > 3, "{steps:?}");
    broken(rules, ONE_OUTCOME);
}

#[test]
fn when_a_lease_is_taken_before_its_end_two_nodes_run_one_execution() {
    let rules = Rules {
        lease_end: false,
        ..Rules::with_faults(0)
    };
    broken(rules, ONE_HANDLER);
}

#[test]
fn when_dead_nodes_are_not_recovered_executions_are_forgotten() {
    let rules = Rules {
        recovery: false,
        ..Rules::with_faults(1)
    };
    broken(rules, NONE_FORGOTTEN);
    broken(rules, ALL_END);
}

#[test]
fn when_marks_are_not_heeded_a_child_escapes_its_cancellation() {
    let rules = Rules {
        marks: false,
        ..Rules::with_faults(0)
    };
    broken(rules, CANCEL_REACHES);
}

#[test]
fn when_children_are_not_looked_at_after_parking_a_wake_is_forgotten() {
    let rules = Rules {
        look_after_parking: false,
        ..Rules::with_faults(0)
    };
    broken(rules, NO_FORGOTTEN_WAKE);
}

#[test]
fn when_a_parked_execution_has_no_timer_a_killed_node_leaves_it_for_ever() {
    let rules = Rules {
        parking_timer: false,
        ..Rules::with_faults(1)
    };
    broken(rules, NONE_FORGOTTEN);
}
