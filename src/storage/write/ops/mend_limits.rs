//! Repairs places under limits that executions have not left, or that nobody was given; there should be none.

use std::collections::BTreeSet;

use super::super::{
    super::{Error, places::PlaceState},
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::ExecutionId;

/// Looks at the places of some executions: those that have ended leave theirs, and what waits where there is room gets
/// it.
#[derive(Debug, Clone)]
pub(in crate::storage) struct MendLimits {
    pub(in crate::storage) suspects: Vec<ExecutionId>,
}

impl Operation for MendLimits {
    /// The number of executions that have left places, or were given one.
    type Output = usize;

    fn needs(&self, needs: &mut Needs) {
        needs.executions.extend(&self.suspects);
        needs.ending.extend(&self.suspects);
    }

    fn decide(&self, working: &mut Working) -> Result<usize, Error> {
        let mut mended = 0;
        for &id in &self.suspects {
            let found = working.executions.see(&id);
            let has_ended = found.is_some_and(|row| row.status.is_terminal());
            if has_ended && working.limits.of(id).next().is_some() {
                working.leave_limits(id, true);
                mended += 1;
                continue;
            }
            let waiting = PlaceState::Waiting.code();
            let places = working.limits.of(id);
            let waits = places.filter(|row| row.state == waiting);
            let buckets: BTreeSet<String> = waits.map(|row| row.bucket.clone()).collect();
            for bucket in buckets {
                mended += working.fill(&bucket);
            }
        }
        Ok(mended)
    }
}
