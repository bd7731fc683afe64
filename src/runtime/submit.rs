//! From a request to a durable execution: checks and routing.

mod child;
mod keys;
mod schedule;
mod sealing;

use std::{sync::Arc, time::Instant};

use serde_json::Value;
use tracing::Instrument;

use super::{
    catalog::Declaration,
    decisions::Accepting,
    engine::Engine,
    error::Error,
    handler_error::Kind,
    intent_limits::limits_of,
    request::{SubmitIntent, Submitted},
    sensitive::masked,
};
use crate::{
    model::{
        ExecutionId, Fault, IntentId, Limit, Payload, Principal, Reach, Refusal, TenantScope,
        is_name,
    },
    quotas::Begun,
    storage::{Key, KeyScope, NewExecution, ScheduleRun, Submit},
    telemetry::metrics,
};
pub(super) use keys::RerunKey;
use keys::{Keys, fault_of_chosen_id, fault_of_key, request_hash};
use schedule::Scheduled;
pub(super) use sealing::Opened;
use sealing::Sealing;

/// The priority of an intent that has none.
const DEFAULT_PRIORITY: i64 = 5;

/// A request whose faults have been looked for.
struct Checked {
    handler: Arc<Declaration>,
    parameters: Value,
    solution_id: String,
    sealing: Sealing,
    limits: Vec<Limit>,
}

impl Engine {
    #[tracing::instrument(level = "info", name = "submit", skip_all,
        fields(tenant_id = %principal.tenant(), intent_type = %intent.intent_type))]
    pub(super) async fn submit(
        self: &Arc<Self>,
        principal: &Principal,
        intent: SubmitIntent,
    ) -> Result<Submitted, Error> {
        self.submit_for(principal, intent, None).await
    }

    /// Submits an intent for whoever asks, or for a schedule.
    async fn submit_for(
        self: &Arc<Self>,
        principal: &Principal,
        intent: SubmitIntent,
        scheduled: Option<Scheduled>,
    ) -> Result<Submitted, Error> {
        let began = Instant::now();
        let intent_type = intent.intent_type.clone();
        let (fixed, run) = scheduled.map_or((None, None), |it| (it.key, Some(it.run)));
        match self.accept(principal, intent, fixed).await {
            Ok((new, keys, _begun)) => {
                let scope = principal.scope();
                self.store(scope, new, keys, run, Some(began)).await
            }
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
        fixed: Option<Key>,
    ) -> Result<(NewExecution, Keys, Begun), Error> {
        principal.check_submit(&intent.intent_type)?;
        self.refuse_while_draining()?;
        let begun = self.quotas.submit(principal).await?;
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
        if let Some(id) = intent.execution_id
            && let Some(fault) = fault_of_chosen_id(principal, id)
        {
            return Err(Refusal::InvalidInput(vec![fault]).into());
        }
        let checked = self.check(&scope, &intent).await?;
        let accepting = Accepting {
            session_id: intent.session_id,
            solution_id: &checked.solution_id,
            priority: intent.priority.unwrap_or(DEFAULT_PRIORITY),
            size_bytes: intent.parameters.as_str().len(),
            is_rerun: false,
            parent: None,
        };
        self.decide_submit(principal, &checked.handler, accepting)
            .await?;
        let key = match fixed {
            Some(key) => Some(key),
            None => self.key(&scope, &reach, &intent, &checked).await?,
        };
        let chosen = self.key_of_chosen_id(&reach, &intent, &checked);
        let id = intent.execution_id.unwrap_or_else(|| self.ids.execution());
        let intent_id = IntentId(id.0);
        let stored = self
            .store_parameters(&scope, intent_id, &intent.parameters, &checked.sealing)
            .await?;
        let (parameters, sealed) = stored;
        let new = NewExecution {
            id,
            intent_id,
            intent_type: intent.intent_type,
            handler_name: checked.handler.handler_name.clone(),
            session_id: intent.session_id,
            solution_id: checked.solution_id,
            parameters,
            sealed,
            metadata: intent.metadata,
            idempotency_key: intent.idempotency_key,
            intent_created_at: None,
            priority: intent.priority.unwrap_or(DEFAULT_PRIORITY),
            run_at: intent.run_at,
            timeout_micros: timeout_micros(&checked.handler),
            parent: None,
            rerun_of: None,
            limits: checked.limits,
            queue: checked.handler.queue.clone(),
            submitted_by: Arc::clone(principal.actor()),
            grants: principal.grants_of_attempts().clone(),
        };
        Ok((new, Keys { key, chosen }, begun))
    }

    /// Makes the execution durable, and starts it at once when this node has a free slot. A caller
    /// that goes away meanwhile changes nothing: what is committed is also started, and counted as a
    /// submit when `submitted_at` says when a client asked for it.
    async fn store(
        self: &Arc<Self>,
        scope: TenantScope,
        execution: NewExecution,
        Keys { key, chosen }: Keys,
        run: Option<ScheduleRun>,
        submitted_at: Option<Instant>,
    ) -> Result<Submitted, Error> {
        let is_child = execution.parent.is_some();
        let (permit, taking) = self.free_slot_for(scope.tenant(), &execution).unzip();
        let node = self.node_id();
        let start_on = permit.as_ref().map(|_| node);
        let submit = Submit {
            scope,
            execution,
            key,
            chosen,
            start_on,
            run,
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
            drop(taking);
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
        let sealing = self.sealing(handler, intent, &parameters)?;
        let fit = handler.check(&parameters);
        fit.map_err(|refusal| sealing.without_secrets(refusal, &parameters))?;
        Ok(Checked {
            limits: limits_for(handler, scope, &parameters, &sealing.places),
            sealing,
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
            let request_hash = request_hash(intent, checked.sealing.digest.as_deref());
            let key = reach.own_key(key.clone());
            return Ok(Some(Key {
                scope: KeyScope::Caller,
                key,
                request_hash,
                ttl_micros,
            }));
        }
        let session_id = intent.session_id;
        let found = self
            .fingerprint(&checked.handler, scope, session_id, &checked.parameters)
            .await;
        let found = found.map_err(|error| checked.sealing.masked(error, &checked.parameters));
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

    /// The key by which a repetition with the same chosen id finds what it repeats.
    fn key_of_chosen_id(
        &self,
        reach: &Reach,
        intent: &SubmitIntent,
        checked: &Checked,
    ) -> Option<Key> {
        let id = intent.execution_id?;
        Some(Key {
            scope: KeyScope::Chosen,
            key: reach.own_key(id.to_string()),
            request_hash: request_hash(intent, checked.sealing.digest.as_deref()),
            ttl_micros: Some(self.settings.idempotency_ttl_micros),
        })
    }

    /// A new execution of the intent of a finished one.
    pub(super) async fn rerun(
        self: &Arc<Self>,
        principal: &Principal,
        reach: &Reach,
        id: ExecutionId,
        key: Option<RerunKey>,
    ) -> Result<Submitted, Error> {
        self.refuse_while_draining()?;
        let _begun = self.quotas.submit(principal).await?;
        let idempotency_key = key.as_ref().map(|key| key.text().to_owned());
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
        let accepting = Accepting {
            session_id: intent.session_id,
            solution_id: &intent.solution_id,
            priority: old.priority,
            size_bytes: size_of(&intent.parameters),
            is_rerun: true,
            parent: None,
        };
        self.decide_submit(principal, handler, accepting).await?;
        let key = key.map(|key| key.of_rerun(reach, id, self.settings.idempotency_ttl_micros));
        let stored = self.parameters_of_rerun(&scope, handler, &intent).await?;
        let (parameters, sealed) = stored;
        let limits = self.limits_of_rerun(&scope, handler, &parameters).await?;
        let new = NewExecution {
            id: self.ids.execution(),
            intent_id: intent.id,
            intent_type: intent.intent_type,
            handler_name: old.handler_name,
            session_id: intent.session_id,
            solution_id: intent.solution_id,
            parameters,
            sealed,
            metadata: intent.metadata,
            idempotency_key,
            intent_created_at: Some(intent.created_at),
            priority: old.priority,
            run_at: None,
            timeout_micros: timeout_micros(handler),
            parent: None,
            rerun_of: Some(id),
            limits,
            queue: handler.queue.clone(),
            submitted_by: Arc::clone(principal.actor()),
            grants: principal.grants_of_attempts().clone(),
        };
        self.store(scope, new, Keys::of(key), None, None).await
    }
}

impl Engine {
    /// The limits of an intent that is run again, by its parameters as they are shown.
    async fn limits_of_rerun(
        &self,
        scope: &TenantScope,
        handler: &Declaration,
        parameters: &Payload,
    ) -> Result<Vec<Limit>, Error> {
        if handler.limits.is_empty() {
            return Ok(Vec::new());
        }
        let parameters = self.payloads.load(scope, parameters).await?.to_value();
        Ok(limits_for(handler, scope, &parameters, &[]))
    }
}

/// The number of bytes of a value, wherever it is kept.
fn size_of(payload: &Payload) -> usize {
    let elsewhere = payload.as_reference();
    elsewhere.map_or(payload.as_str().len(), |(_, size_bytes)| {
        usize::try_from(size_bytes).unwrap_or(usize::MAX)
    })
}

/// The limits that an intent is under. What is sensitive tells no two keys apart.
fn limits_for(
    handler: &Declaration,
    scope: &TenantScope,
    parameters: &Value,
    sensitive: &[String],
) -> Vec<Limit> {
    let limits = &handler.limits;
    if limits.is_empty() {
        return Vec::new();
    }
    let masked = (!sensitive.is_empty()).then(|| masked(parameters, sensitive).to_value());
    let shown = masked.as_ref().unwrap_or(parameters);
    limits_of(limits, &handler.intent_type, scope.tenant(), shown)
}

fn timeout_micros(handler: &Declaration) -> Option<i64> {
    handler
        .metadata
        .execution_timeout
        .and_then(|limit| i64::try_from(limit.as_micros()).ok())
}
