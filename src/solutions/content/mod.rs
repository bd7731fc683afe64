//! The content solution: files in, records and profiles out, journeys over them.
//!
//! It is written against the public handler API only and is the model for other solutions: one file
//! an intent, typed parameters, artifacts with parents, fingerprints where the same work must be
//! the same execution.

mod blocking;
mod compose_journey;
mod create_deterministic_embeddings;
mod echo;
mod get_parsed_file;
mod ingest_file;
mod journey;
mod lifecycle;
mod parse_content;
pub mod parsing;
mod source;
mod statistics;
mod target;

use crate::runtime::{IntentRegistry, RegistrationError, Solution, Works};

/// The solution's id, and the name of its handlers.
const NAME: &str = "content";

/// Takes files in, parses and profiles them, and runs journeys.
#[derive(Debug, Clone, Copy, Default)]
pub struct ContentSolution;

impl Solution for ContentSolution {
    fn register(
        &self,
        registry: &mut IntentRegistry,
        works: &Works,
    ) -> Result<(), RegistrationError> {
        echo::register(registry)?;
        ingest_file::register(registry, works)?;
        lifecycle::register(registry)?;
        parse_content::register(registry)?;
        create_deterministic_embeddings::register(registry, works)?;
        get_parsed_file::register(registry, works)?;
        compose_journey::register(registry, works)
    }
}
