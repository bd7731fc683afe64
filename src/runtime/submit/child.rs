//! Children of running executions.

use std::sync::Arc;

use super::{Checked, ChildIntent, SubmitIntent, Submitted, keys::request_hash, timeout_micros};
use crate::{
    model::{IntentId, RawJson, Refusal, TenantScope},
    runtime::{context::Attempt, engine::Inner, error::HandlerError},
    storage::{Error, Fence, Key, KeyScope, NewExecution},
};

impl Inner {
    /// A child of a running attempt; the same one at every attempt. It is made when it is its turn, for
    /// thousands may wait.
    pub(in crate::runtime) async fn submit_child(
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
            queue: handler.queue.clone(),
            submitted_by: Arc::clone(parent.principal.actor()),
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
