//! Makes a key that seals sensitive parameters.

use super::super::{
    super::{DataKey, Error},
    operation::{Needs, Operation},
    working::Working,
};

/// Makes a data key, unless there is one with its number.
#[derive(Debug, Clone)]
pub(in crate::storage) struct MakeDataKey(pub(in crate::storage) DataKey);

impl Operation for MakeDataKey {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let row = self.0.row(working.now);
        working.changes.data_keys_in.push(row);
        Ok(())
    }
}
