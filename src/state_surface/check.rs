//! Checks of what is written: sizes, and forms that can be read back.

use crate::model::{Fault, RawJson, Refusal, is_name};

const MAX_NAME_CHARS: usize = 255;
const MAX_SOLUTION_CHARS: usize = 100;

/// Published limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateLimits {
    /// The largest state of a session or an execution.
    pub state_bytes: u64,
    /// The largest metadata of a session.
    pub metadata_bytes: u64,
    /// The life of a session unless its creator says otherwise.
    pub session_ttl_seconds: i64,
    /// The longest life of a session.
    pub session_ttl_max_seconds: i64,
}

/// A state: any JSON value that can be merged into later.
///
/// # Errors
/// When it is too large or cannot be read as a value.
pub(super) fn state(limits: &StateLimits, state: &RawJson) -> Result<(), Refusal> {
    size("state", state, limits.state_bytes)?;
    value("state", state).map(|_| ())
}

/// Metadata: an object.
///
/// # Errors
/// When it is too large or not an object.
pub(super) fn metadata(limits: &StateLimits, metadata: &RawJson) -> Result<(), Refusal> {
    size("metadata", metadata, limits.metadata_bytes)?;
    if value("metadata", metadata)?.is_object() {
        Ok(())
    } else {
        Err(Refusal::invalid(["metadata"], "metadata is an object"))
    }
}

fn size(what: &'static str, json: &RawJson, limit_bytes: u64) -> Result<(), Refusal> {
    let actual_bytes = json.as_str().len() as u64;
    if actual_bytes <= limit_bytes {
        return Ok(());
    }
    Err(Refusal::TooLarge {
        what,
        actual_bytes,
        limit_bytes,
    })
}

/// JSON text may nest deeper, or hold larger numbers, than a value in memory can. A merge would not
/// be able to read it again, so it is refused when it comes in.
fn value(what: &'static str, json: &RawJson) -> Result<serde_json::Value, Refusal> {
    json.read().map_err(|error| {
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        let cause = cause.unwrap_or_else(|| error.to_string());
        Refusal::invalid([what], format!("{what} cannot be read: {cause}"))
    })
}

/// A user's id.
pub(super) fn user_id(user_id: &str) -> Result<(), Fault> {
    if is_name(user_id, MAX_NAME_CHARS) {
        return Ok(());
    }
    let message = "a user id has 1 to 255 characters, none of them a control character";
    Err(Fault::at(["userId"], message))
}

pub(super) fn solution_id(solution_id: &str) -> Result<(), Fault> {
    if is_name(solution_id, MAX_SOLUTION_CHARS) {
        return Ok(());
    }
    let message = "a solution id has 1 to 100 characters, none of them a control character";
    Err(Fault::at(["solutionId"], message))
}

/// The life of a session in microseconds.
pub(super) fn ttl_micros(limits: &StateLimits, ttl_seconds: Option<i64>) -> Result<i64, Fault> {
    let (ttl, max) = (
        ttl_seconds.unwrap_or(limits.session_ttl_seconds),
        limits.session_ttl_max_seconds,
    );
    if (1..=max).contains(&ttl) {
        return Ok(ttl.saturating_mul(1_000_000));
    }
    let message = format!("a session lives 1 to {max} seconds");
    Err(Fault::at(["ttlSeconds"], message))
}
