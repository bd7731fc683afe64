//! The port that a request came by, and what is open there.

use super::{ApiError, Asker};
use crate::{
    auth::Mode,
    model::{Action, Principal},
};

/// One of the addresses that the server listens on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// That of everybody.
    Main,
    /// That of whoever looks after the installation, to whom it is open without a scope.
    Operations,
}

impl Port {
    /// Returns whether the pages are served that let people try the API: a browser that opens one sends no proof.
    #[must_use]
    pub fn has_pages(self, mode: Mode) -> bool {
        self == Self::Operations || mode == Mode::Development
    }

    /// Lets a caller see what concerns the whole installation.
    ///
    /// # Errors
    /// `FORBIDDEN` when the caller lacks the scope `runtime:operate`, and the port does not make up for it.
    pub fn check_operator(self, principal: &Principal) -> Result<(), ApiError> {
        match self {
            Self::Operations => Ok(()),
            Self::Main => Ok(principal.check_all(Action::OperateRuntime)?),
        }
    }

    /// The same for a caller that may be unknown.
    ///
    /// # Errors
    /// As [`Self::check_operator`], or why there is no caller.
    pub fn check_asker(self, asker: &Asker) -> Result<(), ApiError> {
        match self {
            Self::Operations => Ok(()),
            Self::Main => self.check_operator(&asker.principal()?),
        }
    }
}
