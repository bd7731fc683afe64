//! Forgets sessions of browsers that were ended, and would have ended by themselves by now.

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};

/// Forgets these sessions.
#[derive(Debug, Clone)]
pub(in crate::storage) struct ForgetLogouts(pub(in crate::storage) Vec<String>);

impl Operation for ForgetLogouts {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        working.changes.logouts_out.extend(self.0.iter().cloned());
        Ok(())
    }
}
