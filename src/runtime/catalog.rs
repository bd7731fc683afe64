//! The intents that a server takes: their types, who serves them and how they are routed. Whether a
//! handler runs in this process is not known here (see `handlers`).

use std::{collections::BTreeMap, sync::Arc};

use jsonschema::Validator;
use serde_json::Value;

use super::{
    intent_limits::{self, IntentLimit, LimitOverride, LimitOverrides, may_be_added},
    metadata::HandlerMetadata,
    sensitive,
};
use crate::model::{Fault, Queue, RawJson, Refusal};

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
    /// A limit cannot be kept.
    #[error("a limit of {intent_type:?} is not valid: {reason}")]
    Limit {
        /// The type.
        intent_type: String,
        /// The fault.
        reason: String,
    },
    /// Labels are given to a type that no handler serves.
    #[error("runtime.intent_labels names {intent_type:?}, which no handler of this program serves")]
    UnknownType {
        /// The type.
        intent_type: String,
    },
    /// The schema of the parameters is not a JSON Schema.
    #[error("the parameters' schema of {intent_type:?} is not valid: {reason}")]
    Schema {
        /// The type.
        intent_type: String,
        /// The fault.
        reason: String,
    },
}

/// A handler as it was declared.
pub(crate) struct Declaration {
    pub(crate) intent_type: String,
    pub(crate) handler_name: String,
    /// Where its executions wait.
    pub(crate) queue: Queue,
    pub(crate) metadata: HandlerMetadata,
    /// Its limits, as the configuration has changed them.
    pub(crate) limits: Vec<IntentLimit>,
    validator: Option<Validator>,
    /// True if the schema marks sensitive parameters.
    is_marked: bool,
}

/// An intent type as clients see it.
#[derive(Debug, Clone)]
pub struct IntentTypeInfo {
    /// Its name.
    pub name: String,
    /// Its handlers.
    pub handlers: Vec<HandlerInfo>,
}

/// A handler as clients see it.
#[derive(Debug, Clone)]
pub struct HandlerInfo {
    /// Its name.
    pub handler_name: String,
    /// Its description.
    pub description: String,
    /// The solutions it serves.
    pub solution_ids: Vec<String>,
    /// JSON Schema of its parameters; `true` accepts any.
    pub parameters_schema: RawJson,
    /// The types of artifacts it takes as input.
    pub eligible_for: Vec<String>,
    /// True if it changes nothing.
    pub read_only: bool,
    /// True if a remote worker serves it.
    pub remote: bool,
    /// All attempts together.
    pub max_attempts: u32,
    /// The longest time of one attempt.
    pub attempt_timeout_ms: Option<i64>,
    /// The longest time of the execution.
    pub execution_timeout_ms: Option<i64>,
    /// Its limits, as the configuration has changed them.
    pub limits: Vec<IntentLimit>,
}

/// The declared handlers, by intent type and name.
#[derive(Default)]
pub struct Catalog {
    types: BTreeMap<String, BTreeMap<String, Arc<Declaration>>>,
}

impl Catalog {
    /// Declares a handler.
    pub(super) fn declare(
        &mut self,
        intent_type: &str,
        handler_name: &str,
        queue: Queue,
        metadata: HandlerMetadata,
    ) -> Result<(), RegistrationError> {
        let validator = metadata
            .parameters_schema
            .as_ref()
            .map(jsonschema::validator_for);
        let validator = validator
            .transpose()
            .map_err(|e| RegistrationError::Schema {
                intent_type: intent_type.to_owned(),
                reason: e.to_string(),
            })?;
        let schema = metadata.parameters_schema.as_ref();
        let is_marked = schema.is_some_and(sensitive::is_marked);
        if let Some(obstacle) = schema.filter(|_| is_marked).and_then(sensitive::obstacle) {
            return Err(RegistrationError::Schema {
                intent_type: intent_type.to_owned(),
                reason: format!("it marks sensitive parameters, and {obstacle}"),
            });
        }
        intent_limits::check(intent_type, &metadata.limits)?;
        let handlers = self.types.entry(intent_type.to_owned()).or_default();
        if handlers.contains_key(handler_name) {
            let (intent_type, handler_name) = (intent_type.to_owned(), handler_name.to_owned());
            return Err(RegistrationError::Duplicate {
                intent_type,
                handler_name,
            });
        }
        let declaration = Declaration {
            intent_type: intent_type.to_owned(),
            handler_name: handler_name.to_owned(),
            queue,
            limits: metadata.limits.clone(),
            metadata,
            validator,
            is_marked,
        };
        handlers.insert(handler_name.to_owned(), Arc::new(declaration));
        Ok(())
    }

    /// Changes limits as a configuration says.
    pub(super) fn override_limits(
        &mut self,
        overrides: &LimitOverrides,
    ) -> Result<(), RegistrationError> {
        for (intent_type, changes) in overrides {
            let refused = |reason: String| RegistrationError::Limit {
                intent_type: intent_type.clone(),
                reason,
            };
            let unknown = || refused("no handler of this intent type is registered".to_owned());
            let handlers = self.types.get_mut(intent_type).ok_or_else(unknown)?;
            let mut unused: BTreeMap<&String, &LimitOverride> = changes.iter().collect();
            for handler in handlers.values_mut().filter_map(Arc::get_mut) {
                let declared = &handler.limits;
                let of_it = |name: &String, change: &LimitOverride| {
                    let mut found = declared.iter().filter(|limit| limit.name() == *name);
                    let is_kind = found.any(|limit| change.is_kind_of(limit));
                    is_kind || may_be_added(name, *change)
                };
                let of_it = changes.iter().filter(|(name, change)| of_it(name, change));
                let of_it: BTreeMap<_, _> = of_it.map(|(name, it)| (name.clone(), *it)).collect();
                unused.retain(|name, _| !of_it.contains_key(*name));
                handler.limits = intent_limits::overridden(handler.limits.clone(), &of_it);
            }
            if let Some((name, _)) = unused.first_key_value() {
                return Err(refused(format!(
                    "no handler has a limit {name}, or one of another kind"
                )));
            }
        }
        Ok(())
    }

    /// The one handler that an intent goes to.
    pub(crate) fn route(
        &self,
        intent_type: &str,
        handler_name: Option<&str>,
        solution_id: Option<&str>,
    ) -> Result<&Arc<Declaration>, Refusal> {
        let unknown = || Refusal::UnknownIntentType {
            intent_type: intent_type.to_owned(),
        };
        let handlers = self.types.get(intent_type).ok_or_else(unknown)?;
        if let Some(name) = handler_name {
            return handlers.get(name).ok_or_else(|| {
                Refusal::invalid(
                    ["handlerName"],
                    format!("{intent_type} has no handler {name:?}"),
                )
            });
        }
        let serves = |handler: &&Arc<Declaration>| {
            handler
                .metadata
                .solution_ids
                .iter()
                .any(|id| Some(id.as_str()) == solution_id)
        };
        let mut candidates: Vec<&Arc<Declaration>> = handlers.values().filter(serves).collect();
        if candidates.is_empty() {
            candidates = handlers.values().collect();
        }
        match candidates.as_slice() {
            [one] => Ok(one),
            several => Err(Refusal::AmbiguousHandler {
                intent_type: intent_type.to_owned(),
                handlers: several
                    .iter()
                    .map(|handler| handler.handler_name.clone())
                    .collect(),
            }),
        }
    }

    /// Returns whether any handler serves the type.
    pub(crate) fn has(&self, intent_type: &str) -> bool {
        self.types.contains_key(intent_type)
    }

    /// Returns whether the intent's solution decides which handler it goes to.
    pub(crate) fn is_ambiguous(&self, intent_type: &str) -> bool {
        self.types
            .get(intent_type)
            .is_some_and(|handlers| handlers.len() > 1)
    }

    pub(crate) fn find(&self, intent_type: &str, handler_name: &str) -> Option<&Arc<Declaration>> {
        self.types.get(intent_type)?.get(handler_name)
    }

    /// A handler that has sensitive parameters: its intent type and its name.
    #[must_use]
    pub fn find_sensitive(&self) -> Option<(&str, &str)> {
        let mut handlers = self.types.values().flat_map(BTreeMap::values);
        let found = handlers.find(|handler| handler.is_sensitive())?;
        Some((&found.intent_type, &found.handler_name))
    }

    /// The places of sensitive parameters, as JSON Pointers.
    pub(crate) fn sensitive_places(
        &self,
        handler: &Declaration,
        parameters: &Value,
    ) -> Vec<String> {
        let mut places = Vec::new();
        if let (true, Some(schema)) = (handler.is_marked, &handler.metadata.parameters_schema) {
            places = sensitive::places(schema, parameters);
        }
        let is_sensitive = |intent_type: &str| match self.types.get(intent_type) {
            Some(handlers) => handlers.values().any(|handler| handler.is_sensitive()),
            None => self.find_sensitive().is_some(),
        };
        let metadata = &handler.metadata;
        for find in [&metadata.sensitive, &metadata.passes_on]
            .into_iter()
            .flatten()
        {
            places.extend(find(parameters, &is_sensitive));
        }
        places
    }

    /// The registered types, by name.
    #[must_use]
    pub fn intent_types(&self) -> Vec<IntentTypeInfo> {
        let types = self.types.iter();
        types
            .map(|(name, handlers)| IntentTypeInfo {
                name: name.clone(),
                handlers: handlers.values().map(|handler| handler.info()).collect(),
            })
            .collect()
    }

    /// The types of artifacts that each intent type takes as input.
    #[must_use]
    pub fn eligible_types(&self) -> std::collections::HashMap<String, Vec<String>> {
        let types = self.types.iter();
        types
            .map(|(name, handlers)| {
                let accepted = handlers
                    .values()
                    .flat_map(|h| h.metadata.eligible_for.clone());
                let accepted: std::collections::BTreeSet<String> = accepted.collect();
                (name.clone(), accepted.into_iter().collect())
            })
            .collect()
    }
}

impl Declaration {
    /// Returns whether it has sensitive parameters, whatever it passes on.
    fn is_sensitive(&self) -> bool {
        self.is_marked || self.metadata.sensitive.is_some()
    }

    /// Returns whether parameters of it may be sensitive, its own or those that it passes on.
    pub(crate) fn may_be_sensitive(&self) -> bool {
        self.is_sensitive() || self.metadata.passes_on.is_some()
    }

    /// The faults of `parameters`, each with its path.
    pub(crate) fn check(&self, parameters: &Value) -> Result<(), Refusal> {
        let mut faults = self.schema_faults(parameters);
        if let (true, Some(check)) = (faults.is_empty(), &self.metadata.check) {
            faults = check(parameters);
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refusal::InvalidInput(faults))
        }
    }

    fn schema_faults(&self, parameters: &Value) -> Vec<Fault> {
        const MOST_FAULTS: usize = 20;
        let Some(validator) = &self.validator else {
            return Vec::new();
        };
        let errors = validator.iter_errors(parameters).take(MOST_FAULTS);
        errors
            .map(|error| {
                let pointer = error.instance_path().as_str().to_owned();
                let inner = pointer
                    .split('/')
                    .skip(1)
                    .map(|part| part.replace("~1", "/").replace("~0", "~"));
                Fault {
                    path: std::iter::once("parameters".to_owned())
                        .chain(inner)
                        .collect(),
                    message: error.masked().to_string(),
                }
            })
            .collect()
    }

    fn info(&self) -> HandlerInfo {
        let millis = |timeout: std::time::Duration| i64::try_from(timeout.as_millis()).ok();
        let metadata = &self.metadata;
        HandlerInfo {
            handler_name: self.handler_name.clone(),
            description: metadata.description.clone(),
            solution_ids: metadata.solution_ids.clone(),
            parameters_schema: metadata
                .parameters_schema
                .as_ref()
                .map_or_else(|| RawJson::from(&Value::Bool(true)), RawJson::from),
            eligible_for: metadata.eligible_for.clone(),
            read_only: metadata.read_only,
            remote: matches!(self.queue, Queue::Worker { .. }),
            max_attempts: metadata.retry.max_attempts,
            attempt_timeout_ms: metadata.attempt_timeout.and_then(millis),
            execution_timeout_ms: metadata.execution_timeout.and_then(millis),
            limits: self.limits.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::registry::IntentRegistry;

    fn declare(registry: &mut IntentRegistry, name: &str, solutions: &[&str]) {
        let metadata = HandlerMetadata {
            solution_ids: solutions.iter().map(|&s| s.to_owned()).collect(),
            ..HandlerMetadata::default()
        };
        registry
            .register_intent("pay", name, None, metadata)
            .unwrap();
    }

    #[test]
    fn a_pair_is_registered_once() {
        let mut registry = IntentRegistry::default();
        declare(&mut registry, "a", &[]);
        let again = registry.register_intent("pay", "a", None, HandlerMetadata::default());
        assert!(matches!(again, Err(RegistrationError::Duplicate { .. })));
    }

    #[test]
    fn routing_never_guesses() {
        let mut registry = IntentRegistry::default();
        declare(&mut registry, "a", &["shop", "both"]);
        let only = |r: &IntentRegistry| {
            r.catalog()
                .route("pay", None, Some("x"))
                .map(|h| h.handler_name.clone())
        };
        assert_eq!(only(&registry).unwrap(), "a");
        declare(&mut registry, "b", &["bank", "both"]);
        let name = |handler: Option<&str>, solution: Option<&str>| {
            registry
                .catalog()
                .route("pay", handler, solution)
                .map(|h| h.handler_name.clone())
        };
        assert_eq!(name(Some("b"), Some("shop")).unwrap(), "b");
        assert_eq!(name(None, Some("shop")).unwrap(), "a");
        for solution in [None, Some("default"), Some("both")] {
            assert!(matches!(
                name(None, solution),
                Err(Refusal::AmbiguousHandler { .. })
            ));
        }
        assert!(matches!(
            name(Some("c"), None),
            Err(Refusal::InvalidInput(_))
        ));
        let unknown = registry.catalog().route("fly", None, None);
        assert!(matches!(unknown, Err(Refusal::UnknownIntentType { .. })));
    }

    #[test]
    fn each_fault_of_the_parameters_has_its_path() {
        let mut registry = IntentRegistry::default();
        let schema = serde_json::json!({
            "type": "object", "required": ["to"],
            "properties": {"lines": {"type": "array", "items": {"type": "integer"}}}
        });
        let metadata = HandlerMetadata {
            parameters_schema: Some(schema),
            ..Default::default()
        };
        registry
            .register_intent("send", "mail", None, metadata)
            .unwrap();
        let handler = registry.catalog().route("send", None, None).unwrap();
        let refused = handler.check(&serde_json::json!({"lines": [1, "x"]}));
        let Err(Refusal::InvalidInput(faults)) = refused else {
            panic!("accepted")
        };
        let paths: Vec<String> = faults.iter().map(|fault| fault.path.join("/")).collect();
        assert!(paths.contains(&"parameters".to_owned()), "{paths:?}");
        assert!(
            paths.contains(&"parameters/lines/1".to_owned()),
            "{paths:?}"
        );
    }
}
