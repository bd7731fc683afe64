//! The checks of a journey before it runs.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::{
    Journey, JourneyError, MAX_GROWTH, MAX_NAME_BYTES, MAX_STEPS, Step,
    binding::{BindError, Reference, bound_bytes, references},
};

impl Journey {
    /// Checks names, references, parameters and cycles; `given` are the journey's parameters.
    ///
    /// # Errors
    /// The first fault that is found.
    pub(in super::super) fn checked(
        steps: Vec<Step>,
        given: &Map<String, Value>,
    ) -> Result<Self, JourneyError> {
        if steps.is_empty() {
            return Err(JourneyError::Empty);
        }
        if steps.len() > MAX_STEPS {
            return Err(JourneyError::TooLong);
        }
        let names = names(&steps)?;
        for step in &steps {
            check_parameters(step, given)?;
            check_needs(step, &names)?;
        }
        find_cycle(&steps).map_or(Ok(()), |cycle| Err(JourneyError::Cycle(cycle)))?;
        Ok(Self { steps })
    }

    /// Refuses steps whose parameters are too large once the journey's are bound: each of them
    /// above `limit_bytes`, or all together above [`MAX_GROWTH`] times that.
    ///
    /// # Errors
    /// [`JourneyError::StepTooLarge`], [`JourneyError::TooLarge`].
    pub(in super::super) fn check_size(
        &self,
        given: &Map<String, Value>,
        limit_bytes: usize,
    ) -> Result<(), JourneyError> {
        let mut budget = Budget::new(limit_bytes);
        for step in &self.steps {
            match bound_bytes(&step.parameters, given, budget.room()) {
                Ok(bytes) => budget.take(bytes),
                Err(BindError::TooLarge) => return Err(budget.exceeded(step)),
                // Found by `checked`.
                Err(BindError::Unbound(_)) => {}
            }
        }
        Ok(())
    }

    /// Refuses parameters that no step of the journey takes.
    ///
    /// # Errors
    /// [`JourneyError::UnknownParameter`].
    pub(in super::super) fn check_unused(
        &self,
        given: &Map<String, Value>,
    ) -> Result<(), JourneyError> {
        let taken: BTreeSet<&str> = self.steps.iter().flat_map(parameters_of).collect();
        match given.keys().find(|name| !taken.contains(name.as_str())) {
            Some(parameter) => Err(JourneyError::UnknownParameter {
                parameter: parameter.clone(),
                known: ": no step takes it".to_owned(),
            }),
            None => Ok(()),
        }
    }
}

fn parameters_of(step: &Step) -> Vec<&str> {
    let found = references(&step.parameters).unwrap_or_default();
    let names = found.into_iter().filter_map(|reference| match reference {
        Reference::Parameter(name) => Some(name),
        Reference::Output { .. } => None,
    });
    names.collect()
}

/// The bytes that the bound parameters of a journey's steps may still have.
pub(in super::super) struct Budget {
    limit_bytes: usize,
    left: usize,
}

impl Budget {
    /// For a journey each of whose steps has at most `limit_bytes` of parameters.
    pub(in super::super) fn new(limit_bytes: usize) -> Self {
        Self {
            limit_bytes,
            left: limit_bytes.saturating_mul(MAX_GROWTH),
        }
    }

    /// The most bytes that the next step may have.
    pub(in super::super) fn room(&self) -> usize {
        self.left.min(self.limit_bytes)
    }

    /// Takes what a step has.
    pub(in super::super) fn take(&mut self, bytes: usize) {
        self.left = self.left.saturating_sub(bytes);
    }

    /// The error of a step for which there was no room.
    pub(in super::super) fn exceeded(&self, step: &Step) -> JourneyError {
        if self.left < self.limit_bytes {
            let limit_bytes = self.limit_bytes.saturating_mul(MAX_GROWTH);
            return JourneyError::TooLarge { limit_bytes };
        }
        JourneyError::StepTooLarge {
            step: step.name.clone(),
            limit_bytes: self.limit_bytes,
        }
    }
}

fn names(steps: &[Step]) -> Result<BTreeSet<&str>, JourneyError> {
    let mut names = BTreeSet::new();
    for Step { name, .. } in steps {
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.chars().any(char::is_control) {
            return Err(JourneyError::Name);
        }
        if !names.insert(name.as_str()) {
            return Err(JourneyError::Duplicate(name.clone()));
        }
    }
    Ok(names)
}

fn check_parameters(step: &Step, given: &Map<String, Value>) -> Result<(), JourneyError> {
    let found = references(&step.parameters).map_err(|reason| JourneyError::Reference {
        step: step.name.clone(),
        reason,
    })?;
    let missing = found.into_iter().find_map(|reference| match reference {
        Reference::Parameter(name) if !given.contains_key(name) => Some(name.to_owned()),
        _ => None,
    });
    missing.map_or(Ok(()), |parameter| {
        Err(JourneyError::MissingParameter {
            step: step.name.clone(),
            parameter,
        })
    })
}

fn check_needs(step: &Step, names: &BTreeSet<&str>) -> Result<(), JourneyError> {
    let missing = step
        .needs()
        .into_iter()
        .find(|name| !names.contains(name.as_str()));
    missing.map_or(Ok(()), |missing| {
        Err(JourneyError::MissingStep {
            step: step.name.clone(),
            missing,
        })
    })
}

/// Takes away what waits for nothing, again and again; what is left waits for itself.
fn find_cycle(steps: &[Step]) -> Option<Vec<String>> {
    let mut waiting: BTreeMap<String, BTreeSet<String>> = steps
        .iter()
        .map(|step| (step.name.clone(), step.needs()))
        .collect();
    loop {
        let free: Vec<String> = waiting
            .iter()
            .filter(|(_, needs)| needs.iter().all(|name| !waiting.contains_key(name)))
            .map(|(name, _)| name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        for name in free {
            waiting.remove(&name);
        }
    }
    let mut path = vec![waiting.keys().next()?.clone()];
    loop {
        let needs = waiting.get(path.last()?)?;
        let next = needs
            .iter()
            .find(|name| waiting.contains_key(*name))?
            .clone();
        let seen_at = path.iter().position(|name| *name == next);
        path.push(next);
        if let Some(start) = seen_at {
            path.drain(..start);
            return Some(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;
    use serde_json::json;

    use super::super::samples::{graph, plain};
    use super::*;

    proptest! {
        #[test]
        fn a_graph_whose_edges_go_one_way_is_accepted(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..40),
        ) {
            let edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            prop_assert!(Journey::checked(graph(&edges, 12), &Map::new()).is_ok());
        }

        #[test]
        fn a_cycle_is_always_found_and_each_of_its_links_is_real(
            edges in prop::collection::vec((0..12_usize, 0..12_usize), 0..20),
            cycle in prop::collection::vec(0..12_usize, 1..6),
        ) {
            let mut edges: Vec<_> = edges.into_iter().filter(|(a, b)| a > b).collect();
            let next = cycle.iter().cycle().skip(1);
            edges.extend(cycle.iter().copied().zip(next.copied()));
            let Err(JourneyError::Cycle(path)) = Journey::checked(graph(&edges, 12), &Map::new())
            else {
                return Err(TestCaseError::fail("no cycle was found"));
            };
            let links: HashSet<_> =
                edges.iter().map(|(a, b)| (format!("s{a}"), format!("s{b}"))).collect();
            prop_assert!(path.len() > 1);
            prop_assert_eq!(path.first(), path.last());
            for pair in path.windows(2) {
                prop_assert!(links.contains(&(pair[0].clone(), pair[1].clone())));
            }
        }
    }

    fn refused(steps: Vec<Step>) -> JourneyError {
        Journey::checked(steps, &Map::new()).unwrap_err()
    }

    fn taking(parameters: &Value) -> Step {
        Step {
            parameters: parameters.as_object().cloned().unwrap(),
            ..plain("taker", &[])
        }
    }

    #[test]
    fn sizes_and_names_have_limits() {
        assert_eq!(refused(vec![]), JourneyError::Empty);
        let many = (0..=MAX_STEPS).map(|n| plain(&n.to_string(), &[]));
        assert_eq!(refused(many.collect()), JourneyError::TooLong);
        for name in ["", "a\0b", &"x".repeat(MAX_NAME_BYTES + 1)] {
            assert_eq!(refused(vec![plain(name, &[])]), JourneyError::Name);
        }
        let twice = vec![plain("a", &[]), plain("a", &[])];
        assert_eq!(refused(twice), JourneyError::Duplicate("a".into()));
    }

    #[test]
    fn what_a_step_refers_to_must_be_there() {
        let missing = JourneyError::MissingStep {
            step: "taker".into(),
            missing: "b".into(),
        };
        assert_eq!(refused(vec![plain("taker", &["b".into()])]), missing);
        let bound = taking(&json!({"message": {"$from": "b"}}));
        assert_eq!(refused(vec![bound]), missing);
        let needy = refused(vec![taking(&json!({"message": [{"$param": "m"}]}))]);
        assert_eq!(needy.parameter(), Some("m"));
        let malformed = refused(vec![taking(&json!({"message": {"$from": 1}}))]);
        assert!(matches!(malformed, JourneyError::Reference { .. }));
    }

    #[test]
    fn a_step_that_takes_its_own_output_is_a_cycle() {
        let cycle = refused(vec![taking(&json!({"message": {"$from": "taker"}}))]);
        assert_eq!(
            cycle.to_string(),
            "the steps taker -> taker wait for each other"
        );
        assert_eq!(cycle.code(), "JOURNEY_CYCLE");
    }
}
