//! A handler's description of itself at registration.

use std::{sync::Arc, time::Duration};

use futures::future::BoxFuture;
use serde_json::Value;

use super::{handler_error::HandlerError, intent_limits::IntentLimit};
use crate::model::{ExecutionId, Fault, SessionId, TenantScope};

/// The number of attempts, and the delays between them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    /// All attempts together; 1 means no retry.
    pub max_attempts: u32,
    /// The delay after the first failed attempt.
    pub initial_delay: Duration,
    /// The factor by which the delay grows with each further attempt.
    pub factor: f64,
    /// The longest delay.
    pub max_delay: Duration,
    /// By which part of itself a delay may be shorter or longer, 0 to 1.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    /// Three attempts, half a second apart, then a second.
    fn default() -> Self {
        Self {
            max_attempts: 3,
            initial_delay: Duration::from_millis(500),
            factor: 2.0,
            max_delay: Duration::from_mins(1),
            jitter: 0.2,
        }
    }
}

impl RetryPolicy {
    /// `max_attempts` attempts with the default delays.
    #[must_use]
    pub fn attempts(max_attempts: u32) -> Self {
        Self {
            max_attempts,
            ..Self::default()
        }
    }

    /// One attempt.
    #[must_use]
    pub fn never() -> Self {
        Self::attempts(1)
    }

    /// The delay after the failed attempt `attempt` (from 1). The jitter comes from the execution's
    /// id, so that executions that failed together do not come back together.
    #[must_use]
    pub fn delay(&self, execution: ExecutionId, attempt: u32) -> Duration {
        let exponent = i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX);
        let plain = self.initial_delay.as_secs_f64() * self.factor.powi(exponent);
        let capped = plain.min(self.max_delay.as_secs_f64());
        let mixed = execution.0.as_u128() ^ (u128::from(attempt) * 0x9e37_79b9_7f4a_7c15);
        let spread = f64::from((mixed % 2001) as u32) / 1000.0 - 1.0;
        let jittered = capped * (1.0 + self.jitter.clamp(0.0, 1.0) * spread);
        Duration::try_from_secs_f64(jittered.max(0.0)).unwrap_or(self.max_delay)
    }
}

/// The input of a fingerprint.
#[derive(Debug, Clone)]
pub struct FingerprintInput {
    /// The right to look up what the parameters name.
    pub scope: TenantScope,
    /// The intent's session.
    pub session_id: SessionId,
    /// The parameters, which fit the schema.
    pub parameters: Value,
}

/// Computes the parts that make two requests the same work; none when there is nothing to compare.
pub type FingerprintFunction = Arc<
    dyn Fn(FingerprintInput) -> BoxFuture<'static, Result<Option<Vec<Vec<u8>>>, HandlerError>>
        + Send
        + Sync,
>;

/// Looks for faults that a schema cannot express; each fault's path begins with `parameters`.
pub type CheckFunction = Arc<dyn Fn(&Value) -> Vec<Fault> + Send + Sync>;

/// Finds sensitive parameters that a schema cannot tell of, as JSON Pointers. Beside the parameters it gets what says
/// whether an intent type has sensitive parameters; of a type that no handler serves, whether any type has.
pub type SensitiveFunction =
    Arc<dyn Fn(&Value, &dyn Fn(&str) -> bool) -> Vec<String> + Send + Sync>;

/// A handler's description besides its function.
#[derive(Clone, Default)]
pub struct HandlerMetadata {
    /// Its description, for people.
    pub description: String,
    /// The solutions whose intents it serves.
    pub solution_ids: Vec<String>,
    /// JSON Schema of its parameters; none accepts any.
    pub parameters_schema: Option<Value>,
    /// The types of artifacts it takes as input.
    pub eligible_for: Vec<String>,
    /// The attempts, and the delays between them.
    pub retry: RetryPolicy,
    /// The longest time of one attempt.
    pub attempt_timeout: Option<Duration>,
    /// The longest silence of an attempt: it calls `heartbeat` in that time, or it is ended.
    pub heartbeat_timeout: Option<Duration>,
    /// The longest time of the execution, all attempts and waits together.
    pub execution_timeout: Option<Duration>,
    /// The limits of what runs at once, and of what is started within a time.
    pub limits: Vec<IntentLimit>,
    /// True if it changes nothing.
    pub read_only: bool,
    /// True if an attempt may be given up while it waits for children, to be run again from its
    /// beginning when one of them has ended.
    pub parks: bool,
    /// Returns the fingerprint, by which two requests are the same work.
    pub fingerprint: Option<FingerprintFunction>,
    /// Looks at parameters that fit the schema, at submit.
    pub check: Option<CheckFunction>,
    /// Finds sensitive parameters besides those that the schema marks.
    pub sensitive: Option<SensitiveFunction>,
    /// Finds the parameters that it passes on to children whose intent types have sensitive ones.
    pub passes_on: Option<SensitiveFunction>,
}

impl std::fmt::Debug for HandlerMetadata {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HandlerMetadata")
            .field("description", &self.description)
            .field("solution_ids", &self.solution_ids)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_delay_stays_within_cap_and_jitter(bits: u128, attempt in 1_u32..200) {
            let policy = RetryPolicy::default();
            let delay = policy.delay(ExecutionId(uuid::Uuid::from_u128(bits)), attempt);
            prop_assert!(delay >= policy.initial_delay.mul_f64(0.79));
            prop_assert!(delay <= policy.max_delay.mul_f64(1.21));
        }
    }

    #[test]
    fn delays_grow() {
        let policy = RetryPolicy {
            jitter: 0.0,
            ..RetryPolicy::default()
        };
        let delays: Vec<u128> = (1..=4)
            .map(|attempt| {
                policy
                    .delay(ExecutionId(uuid::Uuid::nil()), attempt)
                    .as_millis()
            })
            .collect();
        assert_eq!(delays, [500, 1000, 2000, 4000]);
    }
}
