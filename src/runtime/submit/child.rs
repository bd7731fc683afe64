//! Children of running executions.

use std::sync::Arc;

use futures::future::BoxFuture;

use super::{
    Checked,
    keys::{Keys, request_hash},
    timeout_micros,
};
use crate::{
    model::{Execution, IntentId, RawJson, Refusal, TenantScope},
    runtime::{
        attempt::{Attempt, Handles, Submitter},
        decisions::Accepting,
        engine::Engine,
        error::Error,
        handler_error::HandlerError,
        request::{ChildIntent, SubmitIntent, Submitted},
        trees::Place,
    },
    storage::{Fence, Key, KeyScope, NewExecution},
};

impl Submitter for Engine {
    fn handles(&self) -> Arc<Handles> {
        Arc::clone(&self.handles)
    }

    fn submit_child<'a>(
        self: Arc<Self>,
        parent: &'a Attempt,
        name: &'a str,
        intent: Box<dyn FnOnce() -> Result<ChildIntent, HandlerError> + Send + 'a>,
    ) -> BoxFuture<'a, Result<Submitted, HandlerError>> {
        Box::pin(async move { self.submit_in_turn(parent, name, intent).await })
    }
}

impl Engine {
    /// Refuses a child that would make its tree too deep or too large, unless it is there already.
    async fn check_tree(
        &self,
        scope: &TenantScope,
        parent: &Execution,
        name: &str,
    ) -> Result<Place<'_>, HandlerError> {
        let limits = &self.limits;
        if parent.depth >= limits.tree_depth {
            let message = format!("an execution has at most {} ancestors", limits.tree_depth);
            return Err(HandlerError::fatal("TREE_TOO_DEEP", message));
        }
        let root = parent.root_id.unwrap_or(parent.id);
        let (place, has_room) = self.trees.take(root, limits.tree_executions);
        if has_room {
            return Ok(place);
        }
        let counting = self.trees.counting(root);
        let _alone = counting.lock().await;
        if self.trees.has_room_now(root, limits.tree_executions) {
            return Ok(place);
        }
        let live = self
            .storage
            .live_in_tree(scope, root, limits.tree_executions)
            .await?;
        if self.trees.note(root, live, limits.tree_executions) {
            return Ok(place);
        }
        if parent.attempt > 1 && self.storage.has_child(scope, parent.id, name).await? {
            return Ok(place);
        }
        let message = format!(
            "at most {} executions below one live at the same time",
            limits.tree_executions
        );
        Err(HandlerError::fatal("TREE_TOO_LARGE", message))
    }
}

impl Engine {
    /// A child of a running attempt; the same one at every attempt. It is made when it is its turn, for
    /// thousands may wait.
    async fn submit_in_turn(
        self: &Arc<Self>,
        parent: &Attempt,
        name: &str,
        child: Box<dyn FnOnce() -> Result<ChildIntent, HandlerError> + Send + '_>,
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
        let submitter = &parent.principal;
        submitter
            .check_submit(&child.intent_type)
            .map_err(Error::from)?;
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
            sealing,
            limits,
            parameters: _,
        } = self.check(scope, &intent).await.map_err(refused_child)?;
        let accepting = Accepting {
            session_id: of_parent.session_id,
            solution_id: &solution_id,
            priority: parent.execution.priority,
            size_bytes: intent.parameters.as_str().len(),
            is_rerun: false,
            parent: Some(&parent.execution),
        };
        self.decide_submit(submitter, &handler, accepting)
            .await
            .map_err(refused_child)?;
        let fence: Fence = parent.fence();
        let id = self.ids.execution();
        let intent_id = IntentId(id.0);
        let (parameters, sealed) = self
            .store_parameters(scope, intent_id, &intent.parameters, &sealing)
            .await?;
        let new = NewExecution {
            id,
            intent_id,
            intent_type: child.intent_type,
            handler_name: handler.handler_name.clone(),
            session_id: of_parent.session_id,
            solution_id,
            parameters,
            sealed,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            intent_created_at: None,
            priority: parent.execution.priority,
            run_at: None,
            timeout_micros: timeout_micros(&handler),
            parent: Some((fence, name.to_owned())),
            rerun_of: None,
            limits,
            queue: handler.queue.clone(),
            submitted_by: Arc::clone(parent.principal.actor()),
            grants: parent.principal.grants_of_attempts().clone(),
        };
        let key = Key {
            scope: KeyScope::Child,
            key: format!("{}/{name}", parent.execution.id),
            request_hash: request_hash(&intent, sealing.digest.as_deref()),
            ttl_micros: None,
        };
        // It is stored: nobody needs it while the writers are waited for.
        drop(intent);
        self.store(scope.clone(), new, Keys::of(Some(key)), None, None)
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
        Error::Refused(refusal @ Refusal::PolicyDenied { .. }) => {
            HandlerError::fatal("POLICY_DENIED", refusal.to_string())
        }
        Error::Refused(refusal @ Refusal::LimitReached { .. }) => {
            HandlerError::retryable("LIMIT_REACHED", refusal.to_string())
        }
        Error::Refused(refusal) => HandlerError::fatal("CHILD_REFUSED", refusal.to_string()),
        other => other.into(),
    }
}
