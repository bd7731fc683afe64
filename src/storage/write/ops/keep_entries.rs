//! Records what is kept of the entries under checkpoints, so that nothing has to stay of those that were removed.

use super::super::{
    super::{Error, retention::Kept},
    operation::{Needs, Operation},
    working::Working,
};

/// Records what is kept of the entries under a checkpoint, and of those under the ones before it that it replaces.
#[derive(Debug, Clone)]
pub(in crate::storage) struct KeepEntries(pub(in crate::storage) Kept);

impl Operation for KeepEntries {
    /// False if somebody else has done so since it was read.
    type Output = bool;

    fn needs(&self, needs: &mut Needs) {
        let tenant = &self.0.checkpoint.tenant_id;
        needs.trimmed.push(tenant.clone());
        let numbers = self.0.expected.iter();
        let numbers = numbers.map(|(number, _)| (tenant.clone(), *number));
        needs.checkpoints.extend(numbers);
    }

    fn decide(&self, working: &mut Working) -> Result<bool, Error> {
        let tenant = &self.0.checkpoint.tenant_id;
        let is_as_it_was = self.0.expected.iter().all(|(number, signature)| {
            working.kept_signatures.get(&(tenant.clone(), *number)) == Some(signature)
        });
        if is_as_it_was {
            working.changes.removals.kept.push(self.0.clone());
        }
        Ok(is_as_it_was)
    }
}
