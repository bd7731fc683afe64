//! The content solution.

pub mod parsing;

use crate::runtime::{IntentRegistry, RegistrationError, Solution, Works};

/// Takes files in, parses and profiles them.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentSolution;

impl Solution for ContentSolution {
    fn register(&self, _: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        Ok(())
    }
}
