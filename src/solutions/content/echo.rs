//! `echo`: returns its message; for trying the system.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{NAME, blocking::cancelled};
use crate::runtime::{ExecutionContext, HandlerError, IntentRegistry, RegistrationError};

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Parameters {
    /// The message to return.
    #[serde(default)]
    message: String,
    /// Milliseconds to wait before returning, to see a running execution or cancel one.
    #[serde(default)]
    #[schemars(range(min = 0, max = 60_000))]
    delay_ms: u64,
}

#[derive(Debug, Serialize)]
struct Echoed {
    message: String,
}

pub(super) fn register(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("echo", NAME, echo)
        .description("Returns its message.")
        .solution(NAME)
        .read_only()
        .register()
}

async fn echo(ctx: ExecutionContext, parameters: Parameters) -> Result<Echoed, HandlerError> {
    if parameters.delay_ms > 0 {
        let delay = tokio::time::sleep(Duration::from_millis(parameters.delay_ms));
        tokio::select! {
            () = delay => {}
            () = ctx.cancellation().cancelled() => return Err(cancelled()),
        }
    }
    Ok(Echoed {
        message: parameters.message,
    })
}
