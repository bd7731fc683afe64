//! Telling the registry of a handler, one property after the other.

use std::sync::Arc;

use serde_json::Value;

use super::{
    handlers::HandlerFunction,
    metadata::HandlerMetadata,
    registry::{IntentRegistry, RegistrationError},
};
use crate::model::Fault;

/// A handler about to be registered; `register` ends it.
#[must_use = "nothing is registered until `register` is called"]
pub struct HandlerBuilder<'a> {
    pub(super) registry: &'a mut IntentRegistry,
    pub(super) intent_type: &'a str,
    pub(super) handler_name: &'a str,
    pub(super) function: Option<HandlerFunction>,
    pub(super) metadata: HandlerMetadata,
}

impl HandlerBuilder<'_> {
    /// What it does, for people.
    pub fn description(mut self, description: &str) -> Self {
        description.clone_into(&mut self.metadata.description);
        self
    }

    /// A solution whose intents it serves; may be repeated.
    pub fn solution(mut self, solution_id: &str) -> Self {
        self.metadata.solution_ids.push(solution_id.to_owned());
        self
    }

    /// A type of artifact it takes as input; may be repeated.
    pub fn eligible_for(mut self, artifact_type: &str) -> Self {
        self.metadata.eligible_for.push(artifact_type.to_owned());
        self
    }

    /// How failed attempts are repeated.
    pub fn retry(mut self, retry: super::metadata::RetryPolicy) -> Self {
        self.metadata.retry = retry;
        self
    }

    /// How long one attempt may take.
    pub fn attempt_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.metadata.attempt_timeout = Some(timeout);
        self
    }

    /// Where very many executions wait for children, an attempt may be given up while it waits, and is
    /// run again from its beginning when a child has ended. For handlers that do nothing but submit
    /// children and wait for them, and for those all of whose effects are steps.
    pub fn parks(mut self) -> Self {
        self.metadata.parks = true;
        self
    }

    /// How long an attempt may go without calling `heartbeat`.
    pub fn heartbeat_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.metadata.heartbeat_timeout = Some(timeout);
        self
    }

    /// How long the execution may take, all attempts and waits together.
    pub fn execution_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.metadata.execution_timeout = Some(timeout);
        self
    }

    /// Says that it changes nothing.
    pub fn read_only(mut self) -> Self {
        self.metadata.read_only = true;
        self
    }

    /// Looks at parameters that fit the schema, at submit.
    pub fn check(mut self, check: impl Fn(&Value) -> Vec<Fault> + Send + Sync + 'static) -> Self {
        self.metadata.check = Some(Arc::new(check));
        self
    }

    /// What makes two requests the same work.
    pub fn fingerprint(mut self, fingerprint: super::metadata::FingerprintFunction) -> Self {
        self.metadata.fingerprint = Some(fingerprint);
        self
    }

    /// Registers it.
    ///
    /// # Errors
    /// As [`IntentRegistry::register_intent`].
    pub fn register(self) -> Result<(), RegistrationError> {
        let Self {
            registry,
            intent_type,
            handler_name,
            function,
            metadata,
        } = self;
        registry.register_intent(intent_type, handler_name, function, metadata)
    }
}
