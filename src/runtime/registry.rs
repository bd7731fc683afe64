//! Registration at boot: what a server takes goes into its catalog, and the code into its handlers.

use std::{future::Future, sync::Arc};

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

use super::{
    catalog::Catalog,
    context::ExecutionContext,
    error::HandlerError,
    handler_builder::HandlerBuilder,
    handlers::{HandlerFunction, Handlers},
    metadata::HandlerMetadata,
};
use crate::model::{Queue, RawJson};

/// Why a registration is refused, at boot.
#[derive(Debug, thiserror::Error)]
pub enum RegistrationError {
    /// The pair is taken.
    #[error("handler {handler_name:?} of intent type {intent_type:?} is registered twice")]
    Duplicate {
        /// The type.
        intent_type: String,
        /// The handler.
        handler_name: String,
    },
    /// A name is empty or has characters other than `A-Z a-z 0-9 _ . -`.
    #[error("{name:?} cannot be the name of an intent type or a handler")]
    Name {
        /// The name.
        name: String,
    },
    /// The schema of the parameters is not a JSON Schema.
    #[error("the parameters' schema of {intent_type:?} is not valid: {reason}")]
    Schema {
        /// The type.
        intent_type: String,
        /// What is wrong.
        reason: String,
    },
}

/// The handlers of a server, while they are registered.
#[derive(Default)]
pub struct IntentRegistry {
    catalog: Catalog,
    handlers: Handlers,
}

impl IntentRegistry {
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
            Some(_) => Queue::Node,
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

    /// What has been registered so far.
    #[must_use]
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    pub(super) fn into_parts(self) -> (Catalog, Handlers) {
        (self.catalog, self.handlers)
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
