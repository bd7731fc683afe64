//! Records signed checkpoints of the log.

use entity::checkpoint;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::Checkpoint;

/// Records checkpoints; one whose number is there already is dropped.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RecordCheckpoints {
    pub(in crate::storage) checkpoints: Vec<Checkpoint>,
}

impl Operation for RecordCheckpoints {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let rows = self
            .checkpoints
            .iter()
            .cloned()
            .map(checkpoint::Model::from);
        working.changes.checkpoints.extend(rows);
        Ok(())
    }
}
