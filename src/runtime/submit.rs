//! From a request to a durable execution: checks, routing, keys.

use std::{sync::Arc, time::Instant};

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use super::{
    context::Attempt,
    engine::Inner,
    error::{HandlerError, Kind},
    metadata::FingerprintInput,
    registry::Registration,
};
use crate::{
    model::{
        Execution, ExecutionId, Fault, IntentId, Micros, Principal, RawJson, Refusal, SessionId,
        TenantScope, is_name,
    },
    storage::{Error, Fence, Key, KeyScope, NewExecution, Queue, Submit},
    telemetry::metrics,
};

/// An intent to be submitted.
#[derive(Debug, Clone)]
pub struct SubmitIntent {
    /// What is to be done.
    pub intent_type: String,
    /// The session; it exists in the tenant and is active.
    pub session_id: SessionId,
    /// The solution; the session's, or `default`, if none.
    pub solution_id: Option<String>,
    /// The handler, where several serve the type.
    pub handler_name: Option<String>,
    /// The handler's parameters, an object.
    pub parameters: RawJson,
    /// Notes of the client, an object.
    pub metadata: RawJson,
    /// Makes a repetition of the request find the same execution; at most 255 characters.
    pub idempotency_key: Option<String>,
    /// Not before.
    pub run_at: Option<Micros>,
    /// 0 (first) to 9; 5 if none.
    pub priority: Option<i64>,
}

impl SubmitIntent {
    /// An intent with nothing but what it must have.
    #[must_use]
    pub fn new(intent_type: &str, session_id: SessionId, parameters: RawJson) -> Self {
        Self {
            intent_type: intent_type.to_owned(),
            session_id,
            solution_id: None,
            handler_name: None,
            parameters,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            run_at: None,
            priority: None,
        }
    }
}

/// A child intent of a running execution, in the session of its parent.
#[derive(Debug, Clone)]
pub struct ChildIntent {
    intent_type: String,
    parameters: Result<RawJson, ()>,
    solution_id: Option<String>,
    handler_name: Option<String>,
}

impl ChildIntent {
    /// A child of type `intent_type` with these parameters.
    pub fn new<T: Serialize + ?Sized>(intent_type: &str, parameters: &T) -> Self {
        Self {
            intent_type: intent_type.to_owned(),
            parameters: RawJson::of(parameters).map_err(|_| ()),
            solution_id: None,
            handler_name: None,
        }
    }

    /// Names the handler, where several serve the type.
    #[must_use]
    pub fn handler(mut self, handler_name: &str) -> Self {
        self.handler_name = Some(handler_name.to_owned());
        self
    }

    /// Names the solution; the parent's if none is named.
    #[must_use]
    pub fn solution(mut self, solution_id: &str) -> Self {
        self.solution_id = Some(solution_id.to_owned());
        self
    }
}

/// An accepted intent.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// The execution, new or found by its key.
    pub execution: Execution,
    /// Whether it was found.
    pub replayed: bool,
}

/// Parts, each preceded by its length: no two different lists of parts hash alike.
pub(super) fn framed_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    data_encoding::HEXLOWER.encode(&hasher.finalize())
}

/// The fingerprint of a request, if its handler declares one.
pub(super) async fn fingerprint(
    handler: &Registration,
    scope: &TenantScope,
    session_id: SessionId,
    parameters: &Value,
) -> Result<Option<String>, HandlerError> {
    let Some(function) = &handler.metadata.fingerprint else {
        return Ok(None);
    };
    let (scope, parameters) = (scope.clone(), parameters.clone());
    let parts = function(FingerprintInput {
        scope,
        session_id,
        parameters,
    })
    .await?;
    Ok(parts.map(|parts| {
        let names = [
            handler.intent_type.as_bytes(),
            handler.handler_name.as_bytes(),
        ];
        framed_hash(names.into_iter().chain(parts.iter().map(Vec::as_slice)))
    }))
}

/// A request whose faults have been looked for.
struct Checked {
    handler: Arc<Registration>,
    parameters: Value,
    solution_id: String,
}

impl Inner {
    #[tracing::instrument(level = "info", name = "submit", skip_all,
        fields(tenant_id = %principal.tenant(), intent_type = %intent.intent_type))]
    pub(super) async fn submit(
        self: &Arc<Self>,
        principal: &Principal,
        intent: SubmitIntent,
    ) -> Result<Submitted, Error> {
        let began = Instant::now();
        let intent_type = intent.intent_type.clone();
        match self.accept(principal, intent).await {
            Ok((new, key)) => self.store(principal.scope(), new, key, Some(began)).await,
            Err(error) => {
                let refused = Err(error);
                self.count_submit(&intent_type, &refused, began);
                refused
            }
        }
    }

    fn count_submit(&self, intent_type: &str, result: &Result<Submitted, Error>, began: Instant) {
        let outcome = match result {
            Ok(submitted) if submitted.replayed => metrics::Submit::Replayed,
            Ok(_) => metrics::Submit::Accepted,
            Err(Error::Refused(_)) => metrics::Submit::Refused,
            Err(_) => metrics::Submit::Failed,
        };
        // A type that nobody registered must not make a new series.
        let known = self.registry.has(intent_type);
        let label = if known {
            intent_type
        } else {
            metrics::UNKNOWN_TYPE
        };
        self.metrics.submitted(label, outcome, began.elapsed());
    }

    async fn accept(
        self: &Arc<Self>,
        principal: &Principal,
        intent: SubmitIntent,
    ) -> Result<(NewExecution, Option<Key>), Error> {
        self.refuse_while_draining()?;
        let scope = principal.scope();
        let checked = self.check(&scope, &intent).await?;
        let key = self.key(&scope, &intent, &checked).await?;
        let id = self.ids.execution();
        let new = NewExecution {
            id,
            intent_id: IntentId(id.0),
            intent_type: intent.intent_type,
            handler_name: checked.handler.handler_name.clone(),
            session_id: intent.session_id,
            solution_id: checked.solution_id,
            parameters: self.payloads.store(&scope, &intent.parameters).await?,
            metadata: intent.metadata,
            idempotency_key: intent.idempotency_key,
            intent_created_at: None,
            priority: intent.priority.unwrap_or(5),
            run_at: intent.run_at,
            timeout_micros: timeout_micros(&checked.handler),
            parent: None,
            rerun_of: None,
            queue: queue_of(&checked.handler),
        };
        Ok((new, key))
    }

    /// Makes the execution durable, and starts it at once when this node has a free slot. A caller
    /// that goes away meanwhile changes nothing: what is committed is also started, and counted as a
    /// submit when `submitted_at` says when a client asked for it.
    async fn store(
        self: &Arc<Self>,
        scope: TenantScope,
        execution: NewExecution,
        key: Option<Key>,
        submitted_at: Option<Instant>,
    ) -> Result<Submitted, Error> {
        let is_child = execution.parent.is_some();
        let permit = self.free_slot_for(scope.tenant(), &execution);
        let node = self.node_id();
        let start_on = permit.as_ref().map(|_| node);
        let submit = Submit {
            scope,
            execution,
            key,
            start_on,
        };
        let runtime = Arc::clone(self);
        let storing = async move {
            let intent_type = submit.execution.intent_type.clone();
            let stored = if is_child {
                runtime.storage.submit_child(submit).await
            } else {
                runtime.storage.submit(submit).await
            };
            let result = stored.map(|submission| {
                let (execution, replayed) = (submission.execution, submission.replayed);
                if let (Some(at), Some(permit)) = (submission.started_at, permit)
                    && runtime.is_still(node)
                {
                    runtime.launch(execution.clone(), at, permit);
                }
                Submitted {
                    execution,
                    replayed,
                }
            });
            if let Some(began) = submitted_at {
                runtime.count_submit(&intent_type, &result, began);
            }
            result
        };
        // What is started with the commit must be run, also when whoever asked has gone meanwhile.
        let stored = self.engine.spawn(storing.in_current_span());
        stored.await.unwrap_or(Err(Error::ShuttingDown))
    }

    async fn check(&self, scope: &TenantScope, intent: &SubmitIntent) -> Result<Checked, Error> {
        self.check_form(intent)?;
        let solution_id = self.solution_of(scope, intent).await?;
        let handler = self.registry.route(
            &intent.intent_type,
            intent.handler_name.as_deref(),
            Some(&solution_id),
        )?;
        let parameters = intent.parameters.to_value();
        handler.check(&parameters)?;
        Ok(Checked {
            handler: Arc::clone(handler),
            parameters,
            solution_id,
        })
    }

    fn check_form(&self, intent: &SubmitIntent) -> Result<(), Refusal> {
        self.limits
            .check_parameters(intent.parameters.as_str().len())?;
        self.limits.check_metadata(intent.metadata.as_str().len())?;
        let mut faults = Vec::new();
        if !intent.metadata.as_str().trim_start().starts_with('{') {
            faults.push(Fault::at(["metadata"], "metadata is an object"));
        }
        faults.extend(fault_of_key(intent.idempotency_key.as_deref()));
        if intent
            .priority
            .is_some_and(|priority| !(0..=9).contains(&priority))
        {
            faults.push(Fault::at(
                ["priority"],
                "a priority is a number from 0 (first) to 9",
            ));
        }
        let solution = intent.solution_id.as_deref();
        if solution.is_some_and(|solution| !is_name(solution, 100)) {
            let message = "a solution id has 1 to 100 characters, none of them a control character";
            faults.push(Fault::at(["solutionId"], message));
        }
        if faults.is_empty() {
            Ok(())
        } else {
            Err(Refusal::InvalidInput(faults))
        }
    }

    /// The intent's solution, else the session's, else `default`. The session is only looked at
    /// where the answer could decide between handlers.
    async fn solution_of(
        &self,
        scope: &TenantScope,
        intent: &SubmitIntent,
    ) -> Result<String, Error> {
        if let Some(solution) = &intent.solution_id {
            return Ok(solution.clone());
        }
        let mut of_session = None;
        if intent.handler_name.is_none() && self.registry.is_ambiguous(&intent.intent_type) {
            let found = self
                .storage
                .find_sessions(scope, &[intent.session_id])
                .await?;
            of_session = found
                .into_iter()
                .next()
                .and_then(|session| session.solution_id);
        }
        Ok(of_session.unwrap_or_else(|| "default".to_owned()))
    }

    async fn key(
        &self,
        scope: &TenantScope,
        intent: &SubmitIntent,
        checked: &Checked,
    ) -> Result<Option<Key>, Error> {
        let ttl_micros = Some(self.settings.idempotency_ttl_micros);
        if let Some(key) = &intent.idempotency_key {
            let request_hash = request_hash(intent);
            let key = key.clone();
            return Ok(Some(Key {
                scope: KeyScope::Caller,
                key,
                request_hash,
                ttl_micros,
            }));
        }
        let session_id = intent.session_id;
        let found = fingerprint(&checked.handler, scope, session_id, &checked.parameters).await;
        let fingerprint = found.map_err(|error| match error.kind {
            Kind::Fatal => Refusal::invalid(["parameters"], error.message).into(),
            Kind::Retryable | Kind::Interrupted | Kind::Abandoned => {
                Error::corrupt("fingerprint", std::io::Error::other(error.message))
            }
        });
        let to_key = |key: String| Key {
            scope: KeyScope::Fingerprint,
            request_hash: key.clone(),
            key,
            ttl_micros,
        };
        Ok(fingerprint?.map(to_key))
    }

    /// A new execution of the intent of a finished one.
    pub(super) async fn rerun(
        self: &Arc<Self>,
        principal: &Principal,
        id: ExecutionId,
        idempotency_key: Option<String>,
    ) -> Result<Submitted, Error> {
        self.refuse_while_draining()?;
        if let Some(fault) = fault_of_key(idempotency_key.as_deref()) {
            return Err(Refusal::InvalidInput(vec![fault]).into());
        }
        let scope = principal.scope();
        let found = self
            .storage
            .find_executions(&scope, &[id])
            .await?
            .into_iter()
            .next();
        let old = found.ok_or_else(|| Refusal::not_found("execution", "executionId"))?;
        if !old.status.is_terminal() {
            let message = "an execution is run again when it has ended";
            return Err(Refusal::invalid(["executionId"], message).into());
        }
        let intent = old.intent;
        let handler = self
            .registry
            .route(&intent.intent_type, Some(&old.handler_name), None)?;
        let key = idempotency_key.clone().map(|key| Key {
            scope: KeyScope::Caller,
            key,
            request_hash: framed_hash([b"rerun".as_slice(), id.0.as_bytes()]),
            ttl_micros: Some(self.settings.idempotency_ttl_micros),
        });
        let new = NewExecution {
            id: self.ids.execution(),
            intent_id: intent.id,
            intent_type: intent.intent_type,
            handler_name: old.handler_name,
            session_id: intent.session_id,
            solution_id: intent.solution_id,
            parameters: intent.parameters,
            metadata: intent.metadata,
            idempotency_key,
            intent_created_at: Some(intent.created_at),
            priority: old.priority,
            run_at: None,
            timeout_micros: timeout_micros(handler),
            parent: None,
            rerun_of: Some(id),
            queue: queue_of(handler),
        };
        self.store(scope, new, key, None).await
    }

    /// A child of a running attempt; the same one at every attempt. It is made when it is its turn, for
    /// thousands may wait.
    pub(super) async fn submit_child(
        self: &Arc<Self>,
        parent: &Attempt,
        name: &str,
        child: impl FnOnce() -> Result<ChildIntent, HandlerError>,
    ) -> Result<Submitted, HandlerError> {
        let scope = parent.principal.scope();
        let waiting = parent.waiting();
        let _turn = self.child_turn(scope.tenant()).await;
        drop(waiting);
        // In a box, or all that wait for a turn would have the room for it.
        let submitting = async {
            let _place = self.check_tree(&scope, &parent.execution, name).await?;
            self.submit_child_now(&scope, parent, name, child()?).await
        };
        Box::pin(submitting).await
    }

    async fn submit_child_now(
        self: &Arc<Self>,
        scope: &TenantScope,
        parent: &Attempt,
        name: &str,
        child: ChildIntent,
    ) -> Result<Submitted, HandlerError> {
        let invalid = |()| HandlerError::fatal("INVALID_PARAMETERS", "not expressible as JSON");
        let parameters = child.parameters.map_err(invalid)?;
        let of_parent = &parent.execution.intent;
        let intent = SubmitIntent {
            solution_id: Some(
                child
                    .solution_id
                    .unwrap_or_else(|| of_parent.solution_id.clone()),
            ),
            handler_name: child.handler_name,
            ..SubmitIntent::new(&child.intent_type, of_parent.session_id, parameters)
        };
        // The parameters as a tree of values are not kept while the writers are waited for.
        let Checked {
            handler,
            solution_id,
            parameters: _,
        } = self.check(scope, &intent).await.map_err(refused_child)?;
        let fence: Fence = parent.fence();
        let id = self.ids.execution();
        let new = NewExecution {
            id,
            intent_id: IntentId(id.0),
            intent_type: child.intent_type,
            handler_name: handler.handler_name.clone(),
            session_id: of_parent.session_id,
            solution_id,
            parameters: self.payloads.store(scope, &intent.parameters).await?,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            intent_created_at: None,
            priority: parent.execution.priority,
            run_at: None,
            timeout_micros: timeout_micros(&handler),
            parent: Some((fence, name.to_owned())),
            rerun_of: None,
            queue: queue_of(&handler),
        };
        let key = Key {
            scope: KeyScope::Child,
            key: format!("{}/{name}", parent.execution.id),
            request_hash: request_hash(&intent),
            ttl_micros: None,
        };
        // It is stored: nobody needs it while the writers are waited for.
        drop(intent);
        self.store(scope.clone(), new, Some(key), None)
            .await
            .map_err(refused_child)
    }
}

fn refused_child(error: Error) -> HandlerError {
    match error {
        Error::Refused(Refusal::InvalidInput(faults)) => {
            let faults: Vec<String> = faults
                .iter()
                .map(|fault| format!("{}: {}", fault.path.join("."), fault.message))
                .collect();
            HandlerError::fatal("CHILD_REFUSED", faults.join("; "))
        }
        Error::Refused(refusal) => HandlerError::fatal("CHILD_REFUSED", refusal.to_string()),
        other => other.into(),
    }
}

fn queue_of(handler: &Registration) -> Queue {
    if handler.function.is_some() {
        return Queue::Node;
    }
    Queue::Worker {
        handler: format!("{}/{}", handler.intent_type, handler.handler_name),
    }
}

fn timeout_micros(handler: &Registration) -> Option<i64> {
    handler
        .metadata
        .execution_timeout
        .and_then(|limit| i64::try_from(limit.as_micros()).ok())
}

/// The request that a key stands for. JSON is compared by value, not by its spelling.
fn request_hash(intent: &SubmitIntent) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let number = |value: Option<i64>| value.map(|n| n.to_string()).unwrap_or_default();
    let parts = [
        intent.intent_type.clone(),
        intent.session_id.to_string(),
        text(&intent.solution_id),
        text(&intent.handler_name),
        intent.parameters.canonical(),
        intent.metadata.canonical(),
        number(intent.run_at),
        number(intent.priority),
    ];
    framed_hash(parts.iter().map(String::as_bytes))
}

fn fault_of_key(key: Option<&str>) -> Option<Fault> {
    let message = "an idempotency key has 1 to 255 characters, none of them a control character";
    let is_faulty = key.is_some_and(|key| !is_name(key, 255));
    is_faulty.then(|| Fault::at(["idempotencyKey"], message))
}

#[cfg(test)]
mod tests {
    use super::framed_hash;
    use proptest::prelude::*;

    fn hash(parts: &[Vec<u8>]) -> String {
        framed_hash(parts.iter().map(Vec::as_slice))
    }

    proptest! {
        #[test]
        fn only_the_same_parts_have_the_same_fingerprint(
            a in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
            b in prop::collection::vec(prop::collection::vec(0..3_u8, 0..3), 0..4),
        ) {
            prop_assert_eq!(hash(&a) == hash(&b), a == b);
            // Joined alike, framed otherwise.
            let joined = vec![a.concat()];
            prop_assert_eq!(hash(&a) == hash(&joined), a == joined);
        }
    }
}
