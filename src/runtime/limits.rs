//! Published limits, enforced before anything is stored.

use super::handler_error::HandlerError;
use crate::model::Refusal;

/// The largest values accepted, in bytes of JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Parameters of an intent.
    pub parameters_bytes: u64,
    /// Metadata of an intent or a session.
    pub metadata_bytes: u64,
    /// A result, a step's result, the payload of an event.
    pub result_bytes: u64,
    /// A state.
    pub state_bytes: u64,
    /// An artifact's semantic descriptor.
    pub descriptor_bytes: u64,
    /// Not bytes: intents in one batch.
    pub batch_submit: usize,
    /// Not bytes: how many ancestors an execution may have.
    pub tree_depth: i64,
    /// Not bytes: how many executions below one may live at the same time.
    pub tree_executions: u64,
    /// Not bytes: how many schedules a tenant may have.
    pub schedules: i64,
}

/// Parameters of a schedule: they stay in its row, which is read whenever it is due.
const SCHEDULED_PARAMETERS_BYTES: u64 = 64 * 1024;

fn check(what: &'static str, actual: usize, limit_bytes: u64) -> Result<(), Refusal> {
    let actual_bytes = actual as u64;
    if actual_bytes <= limit_bytes {
        return Ok(());
    }
    Err(Refusal::TooLarge {
        what,
        actual_bytes,
        limit_bytes,
    })
}

impl Limits {
    pub(crate) fn check_parameters(&self, actual: usize) -> Result<(), Refusal> {
        check("parameters", actual, self.parameters_bytes)
    }

    pub(crate) fn check_scheduled_parameters(&self, actual: usize) -> Result<(), Refusal> {
        let limit = self.parameters_bytes.min(SCHEDULED_PARAMETERS_BYTES);
        check("parameters of a schedule", actual, limit)
    }

    pub(crate) fn check_metadata(&self, actual: usize) -> Result<(), Refusal> {
        check("metadata", actual, self.metadata_bytes)
    }

    pub(crate) fn check_result(&self, actual: usize) -> Result<(), HandlerError> {
        check("result", actual, self.result_bytes)
            .map_err(|refusal| HandlerError::fatal("RESULT_TOO_LARGE", refusal.to_string()))
    }

    pub(crate) fn check_descriptor(&self, actual: usize) -> Result<(), HandlerError> {
        check("semantic descriptor", actual, self.descriptor_bytes)
            .map_err(|refusal| HandlerError::fatal("DESCRIPTOR_TOO_LARGE", refusal.to_string()))
    }
}
