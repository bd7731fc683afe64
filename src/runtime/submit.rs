//! From a request to a durable execution: checks and routing.

mod child;
mod keys;

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use tracing::Instrument;

use super::{
    catalog::Declaration,
    engine::Engine,
    error::Error,
    handler_error::Kind,
    request::{SubmitIntent, Submitted},
};
use crate::{
    model::{ExecutionId, Fault, IntentId, Principal, Reach, Refusal, TenantScope, is_name},
    storage::{Key, KeyScope, NewExecution, Submit},
    telemetry::metrics,
};
pub(super) use keys::fingerprint;
use keys::{fault_of_key, framed_hash, request_hash};

/// A request whose faults have been looked for.
struct Checked {
    handler: Arc<Declaration>,
    parameters: Value,
    solution_id: String,
}

impl Engine {
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
        let known = self.catalog.has(intent_type);
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
        principal.check_submit(&intent.intent_type)?;
        self.refuse_while_draining()?;
        let scope = principal.scope();
        let reach = principal.reach_of_submits();
        let session = intent.session_id;
        if !self
            .storage
            .reaches_session(&scope, &reach, session)
            .await?
        {
            return Err(Refusal::not_found("session", "sessionId").into());
        }
        let checked = self.check(&scope, &intent).await?;
        let key = self.key(&scope, &reach, &intent, &checked).await?;
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
            queue: checked.handler.queue.clone(),
            submitted_by: Arc::clone(principal.actor()),
            grants: principal.grants_of_attempts().clone(),
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
            let result = stored.map_err(Error::from).map(|submission| {
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
        let stored = self.executor.spawn(storing.in_current_span());
        stored.await.unwrap_or(Err(Error::ShuttingDown))
    }

    async fn check(&self, scope: &TenantScope, intent: &SubmitIntent) -> Result<Checked, Error> {
        self.check_form(intent)?;
        let solution_id = self.solution_of(scope, intent).await?;
        let handler = self.catalog.route(
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
        if intent.handler_name.is_none() && self.catalog.is_ambiguous(&intent.intent_type) {
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
        reach: &Reach,
        intent: &SubmitIntent,
        checked: &Checked,
    ) -> Result<Option<Key>, Error> {
        let ttl_micros = Some(self.settings.idempotency_ttl_micros);
        if let Some(key) = &intent.idempotency_key {
            let request_hash = request_hash(intent);
            let key = reach.own_key(key.clone());
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
            kind @ (Kind::Interrupted | Kind::Retryable | Kind::Abandoned) => Error::Fingerprint {
                message: error.message,
                is_outage: kind == Kind::Interrupted,
            },
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
        reach: &Reach,
        id: ExecutionId,
        idempotency_key: Option<String>,
    ) -> Result<Submitted, Error> {
        self.refuse_while_draining()?;
        if let Some(fault) = fault_of_key(idempotency_key.as_deref()) {
            return Err(Refusal::InvalidInput(vec![fault]).into());
        }
        let scope = principal.scope();
        let found = self.storage.find_executions(&scope, &[id]).await?;
        let reached = self.storage.reached_executions(&scope, reach, found);
        let old = reached.await?.into_iter().next();
        let old = old.ok_or_else(|| Refusal::not_found("execution", "executionId"))?;
        if !old.status.is_terminal() {
            let message = "an execution is run again when it has ended";
            return Err(Refusal::invalid(["executionId"], message).into());
        }
        let intent = old.intent;
        let handler = self
            .catalog
            .route(&intent.intent_type, Some(&old.handler_name), None)?;
        let key = idempotency_key.clone().map(|key| Key {
            scope: KeyScope::Caller,
            key: reach.own_key(key),
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
            queue: handler.queue.clone(),
            submitted_by: Arc::clone(principal.actor()),
            grants: principal.grants_of_attempts().clone(),
        };
        self.store(scope, new, key, None).await
    }
}

fn timeout_micros(handler: &Declaration) -> Option<i64> {
    handler
        .metadata
        .execution_timeout
        .and_then(|limit| i64::try_from(limit.as_micros()).ok())
}
