//! Registration at boot: what a server takes goes into its catalog, and the code into its handlers.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    catalog::{Catalog, RegistrationError},
    context::ExecutionContext,
    handler_error::HandlerError,
    handlers::{HandlerFunction, Handlers},
    intent_limits::{IntentLimit, LimitOverrides},
    metadata::{FingerprintFunction, HandlerMetadata, RetryPolicy},
};
use crate::model::{Fault, Labels, Queue, RawJson};

/// The handlers of a server, while they are registered.
#[derive(Default)]
pub struct IntentRegistry {
    catalog: Catalog,
    handlers: Handlers,
    /// The labels that nodes need for a type.
    labels: BTreeMap<String, Labels>,
}

impl IntentRegistry {
    /// An empty one, in which the executions of these types need nodes with labels.
    pub(crate) fn with_labels(labels: BTreeMap<String, Labels>) -> Self {
        Self {
            labels,
            ..Self::default()
        }
    }

    /// Refuses labels of types that were not registered.
    pub(crate) fn check_labels(&self) -> Result<(), RegistrationError> {
        let unknown = self.labels.keys().find(|name| !self.catalog.has(name));
        unknown.map_or(Ok(()), |name| {
            let intent_type = name.clone();
            Err(RegistrationError::UnknownType { intent_type })
        })
    }

    /// Registers a handler. Without a function it is declared: a remote worker will serve it, and
    /// intents for it are accepted and wait.
    ///
    /// # Errors
    /// When the pair is taken, a name is malformed or the schema is not one.
    pub fn register_intent(
        &mut self,
        intent_type: &str,
        handler_name: &str,
        function: Option<HandlerFunction>,
        metadata: HandlerMetadata,
    ) -> Result<(), RegistrationError> {
        check_name(intent_type)?;
        check_name(handler_name)?;
        let queue = match function {
            Some(_) => {
                let labels = self.labels.get(intent_type).cloned();
                Queue::of_labels(labels.unwrap_or_default())
            }
            None => Queue::Worker {
                handler: format!("{intent_type}/{handler_name}"),
            },
        };
        self.catalog
            .declare(intent_type, handler_name, queue, metadata)?;
        if let Some(function) = function {
            self.handlers.add(intent_type, handler_name, function);
        }
        Ok(())
    }

    /// Begins the registration of a typed handler: an async function of the context and the
    /// parameters. The schema is derived from the parameters' type.
    pub fn handler<'a, P, R, F, Fut>(
        &'a mut self,
        intent_type: &'a str,
        handler_name: &'a str,
        function: F,
    ) -> HandlerBuilder<'a>
    where
        P: DeserializeOwned + JsonSchema + Send + 'static,
        R: Serialize + Send + 'static,
        F: Fn(ExecutionContext, P) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<R, HandlerError>> + Send + 'static,
    {
        let function = Arc::new(function);
        let erased: HandlerFunction = Arc::new(move |context: ExecutionContext| {
            let function = Arc::clone(&function);
            Box::pin(async move {
                let parameters = context.parameters().read::<P>().map_err(|e| {
                    let cause = std::error::Error::source(&e).map(ToString::to_string);
                    HandlerError::fatal("INVALID_PARAMETERS", cause.unwrap_or_default())
                })?;
                let result = function(context, parameters).await?;
                RawJson::of(&result).map_err(|_| {
                    HandlerError::fatal("INVALID_RESULT", "the result cannot be written as JSON")
                })
            })
        });
        let metadata = HandlerMetadata {
            parameters_schema: Some(schemars::schema_for!(P).to_value()),
            ..HandlerMetadata::default()
        };
        HandlerBuilder {
            registry: self,
            intent_type,
            handler_name,
            function: Some(erased),
            metadata,
        }
    }

    /// Returns the catalog of what has been registered so far.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Changes limits as a configuration says.
    ///
    /// # Errors
    /// When it names an intent type that is not registered, or a limit that no handler of it has.
    pub(crate) fn override_limits(
        &mut self,
        overrides: &LimitOverrides,
    ) -> Result<(), RegistrationError> {
        self.catalog.override_limits(overrides)
    }

    pub(super) fn into_parts(self) -> (Catalog, Handlers) {
        (self.catalog, self.handlers)
    }
}

/// A handler about to be registered; `register` ends it.
#[must_use = "nothing is registered until `register` is called"]
pub struct HandlerBuilder<'a> {
    registry: &'a mut IntentRegistry,
    intent_type: &'a str,
    handler_name: &'a str,
    function: Option<HandlerFunction>,
    metadata: HandlerMetadata,
}

impl HandlerBuilder<'_> {
    /// Describes it, for people.
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

    /// Sets the number of attempts, and the delays between them.
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.metadata.retry = retry;
        self
    }

    /// Sets the longest time of one attempt.
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

    /// Sets the longest time that an attempt may go without calling `heartbeat`.
    pub fn heartbeat_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.metadata.heartbeat_timeout = Some(timeout);
        self
    }

    /// Sets the longest time of the execution, all attempts and waits together.
    pub fn execution_timeout(mut self, timeout: std::time::Duration) -> Self {
        self.metadata.execution_timeout = Some(timeout);
        self
    }

    /// A limit of what runs at once, or of what is started within a time; may be repeated.
    pub fn limit(mut self, limit: IntentLimit) -> Self {
        self.metadata.limits.push(limit);
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

    /// Finds sensitive parameters besides those that the schema marks. The server refuses to start without keys to
    /// encrypt them by, whether it has found any or not.
    pub fn sensitive(
        mut self,
        find: impl Fn(&Value, &dyn Fn(&str) -> bool) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.metadata.sensitive = Some(Arc::new(find));
        self
    }

    /// Finds the parameters that are passed on to children whose intent types have sensitive ones. No keys are needed
    /// where no type has.
    pub fn passes_on(
        mut self,
        find: impl Fn(&Value, &dyn Fn(&str) -> bool) -> Vec<String> + Send + Sync + 'static,
    ) -> Self {
        self.metadata.passes_on = Some(Arc::new(find));
        self
    }

    /// Sets the fingerprint, by which two requests are the same work.
    pub fn fingerprint(mut self, fingerprint: FingerprintFunction) -> Self {
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

fn check_name(name: &str) -> Result<(), RegistrationError> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    if name.is_empty() || name.len() > 100 || !name.chars().all(allowed) {
        return Err(RegistrationError::Name {
            name: name.to_owned(),
        });
    }
    Ok(())
}
