//! Forgets keys of requests whose time has passed.

use super::super::{
    super::{Error, sql::Rows},
    operation::{Needs, Operation},
    working::Working,
};

/// Forgets those of these keys whose time has passed.
#[derive(Debug, Clone)]
pub(in crate::storage) struct ForgetKeys(Rows);

impl ForgetKeys {
    /// Tenant, scope and key of each.
    pub(in crate::storage) fn of(keys: Rows) -> Self {
        Self(keys)
    }
}

impl Operation for ForgetKeys {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.changes.keys_forgotten.push(self.0.clone());
        Ok(())
    }
}
