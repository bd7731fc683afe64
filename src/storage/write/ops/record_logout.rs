//! Records that the session of a browser was ended.

use entity::browser_logout;

use super::super::{
    super::Error,
    operation::{Needs, Operation},
    working::Working,
};
use crate::model::Micros;

/// Records that a session of a browser was ended, unless that is known.
#[derive(Debug, Clone)]
pub(in crate::storage) struct RecordLogout {
    pub(in crate::storage) id: String,
    /// When the session would have ended by itself.
    pub(in crate::storage) expires_at: Micros,
}

impl Operation for RecordLogout {
    type Output = ();

    fn needs(&self, _: &mut Needs) {}

    fn decide(&self, working: &mut Working) -> Result<(), Error> {
        let row = browser_logout::Model {
            id: self.id.clone(),
            expires_at: self.expires_at,
        };
        // One row of each in a statement.
        working.changes.logouts_in.insert(self.id.clone(), row);
        Ok(())
    }
}
