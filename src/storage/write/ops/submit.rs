//! Accepts an intent: the execution, its first event and its place in a queue, once a key.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::super::{
    super::{Error, places::TimerKind},
    keys::{Key, KeyClaim, KeyHolder, KeyScope},
    operation::{Needs, Operation},
    working::{Fence, Working},
};
use crate::model::{
    EventBody, Execution, ExecutionId, ExecutionStatus, Grants, Intent, IntentId, Micros, NodeId,
    Payload, Queue, RawJson, Refusal, SessionId, SessionKey, TenantScope,
};

/// An execution to be made.
#[derive(Debug, Clone)]
pub struct NewExecution {
    /// Its id.
    pub id: ExecutionId,
    /// The intent's id; that of the repeated execution for a re-run.
    pub intent_id: IntentId,
    /// The intent's type.
    pub intent_type: String,
    /// The chosen handler.
    pub handler_name: String,
    /// The session.
    pub session_id: SessionId,
    /// The solution.
    pub solution_id: String,
    /// The parameters.
    pub parameters: Payload,
    /// The client's notes.
    pub metadata: RawJson,
    /// The caller's key, to be shown again.
    pub idempotency_key: Option<String>,
    /// When the intent was accepted, if that was before now.
    pub intent_created_at: Option<Micros>,
    /// 0 to 9.
    pub priority: i64,
    /// Not before.
    pub run_at: Option<Micros>,
    /// Fails when it has not ended after so long.
    pub timeout_micros: Option<i64>,
    /// The parent's right to write, and the child's name.
    pub parent: Option<(Fence, String)>,
    /// The execution it repeats.
    pub rerun_of: Option<ExecutionId>,
    /// Where it waits.
    pub queue: Queue,
    /// Who submits it; for a child whoever submitted its parent.
    pub submitted_by: Arc<str>,
    /// What its attempts may do.
    pub grants: Grants,
}

/// Accepts one intent.
#[derive(Debug, Clone)]
pub struct Submit {
    /// The tenant.
    pub scope: TenantScope,
    /// The execution to make.
    pub execution: NewExecution,
    /// The key by which it is one with an earlier request.
    pub key: Option<Key>,
    /// The node that has a free slot for it: it is then started at once, without a claim.
    pub start_on: Option<NodeId>,
}

/// An accepted intent.
#[derive(Debug, Clone)]
pub struct Submission {
    /// The execution, new or found by its key.
    pub execution: Execution,
    /// True if it was found by its key.
    pub replayed: bool,
    /// When it was started on the node that offered a slot, by the database's clock.
    pub started_at: Option<Micros>,
}

impl Submit {
    fn key_claim(&self) -> Option<KeyClaim> {
        self.key.as_ref().map(|key| KeyClaim {
            tenant_id: self.scope.tenant().clone(),
            scope: key.scope,
            key: key.key.clone(),
            execution_id: self.execution.id,
            request_hash: key.request_hash.clone(),
            ttl_micros: key.ttl_micros,
        })
    }

    /// Returns whether the holder of the key is the answer. Work that is found by its fingerprint
    /// must still be worth something: under way, or completed with all that it made.
    fn finds(&self, working: &Working, holder: &KeyHolder) -> bool {
        let is_fingerprint = self
            .key
            .as_ref()
            .is_some_and(|key| key.scope == KeyScope::Fingerprint);
        let found = working.executions.see(&holder.execution_id);
        let Some(status) = found.map(|row| row.status) else {
            return true;
        };
        !is_fingerprint
            || !status.is_terminal()
            || status == ExecutionStatus::Completed && !working.worn.contains(&holder.execution_id)
    }

    /// The execution that holds the key already.
    fn replay(&self, working: &Working, holder: &KeyHolder) -> Result<Submission, Error> {
        if Some(&holder.request_hash) != self.key.as_ref().map(|key| &key.request_hash) {
            let execution_id = holder.execution_id;
            return Err(Refusal::IdempotencyKeyConflict { execution_id }.into());
        }
        let execution = working.executions.see(&holder.execution_id).cloned();
        let execution = execution.ok_or(Error::Corrupt {
            what: "idempotency key",
            source: None,
        })?;
        Ok(Submission {
            execution,
            replayed: true,
            started_at: None,
        })
    }

    fn session_key(&self) -> SessionKey {
        SessionKey::of(&self.scope, self.execution.session_id)
    }

    fn check_session(&self, working: &Working) -> Result<(), Error> {
        if self.execution.parent.is_some() {
            // Work that was accepted goes on, whatever becomes of the session meanwhile.
            return Ok(());
        }
        let standing = working.standing(&self.session_key());
        standing
            .ok_or_else(|| Refusal::not_found("session", "sessionId"))?
            .check(working.now)?;
        Ok(())
    }

    fn check_parent(&self, working: &Working) -> Result<(), Error> {
        let Some((fence, _)) = &self.execution.parent else {
            return Ok(());
        };
        let is_cancelled = working.fenced(*fence)?.cancel_requested_at.is_some();
        if is_cancelled || working.marks.contains_key(&fence.execution_id) {
            return Err(Error::Fenced);
        }
        Ok(())
    }

    /// The user of the session; for a child that of its parent.
    fn user_id(&self, working: &Working) -> Option<Arc<str>> {
        match &self.execution.parent {
            Some((fence, _)) => {
                let parent = working.executions.see(&fence.execution_id)?;
                parent.user_id.clone()
            }
            None => working.standing(&self.session_key())?.user_id,
        }
    }

    fn row(&self, working: &Working) -> Execution {
        let (new, now) = (&self.execution, working.now);
        let parent = new.parent.as_ref();
        let parent = parent.and_then(|(fence, _)| working.executions.see(&fence.execution_id));
        Execution {
            id: new.id,
            intent: Intent {
                id: new.intent_id,
                intent_type: new.intent_type.clone(),
                tenant_id: self.scope.tenant().clone(),
                session_id: new.session_id,
                solution_id: new.solution_id.clone(),
                parameters: new.parameters.clone(),
                metadata: new.metadata.clone(),
                idempotency_key: new.idempotency_key.clone(),
                created_at: new.intent_created_at.unwrap_or(now),
            },
            handler_name: new.handler_name.clone(),
            queue: new.queue.clone(),
            submitted_by: Some(Arc::clone(&new.submitted_by)),
            user_id: self.user_id(working),
            grants: new.grants.clone(),
            status: ExecutionStatus::Created,
            epoch: 0,
            attempt: 0,
            lost_attempts: 0,
            crashes: 0,
            interruptions: 0,
            repetitions: 0,
            priority: new.priority,
            next_seq: 1,
            last_tx: 0,
            parent_id: new.parent.as_ref().map(|(fence, _)| fence.execution_id),
            root_id: parent.map(|parent| parent.root_id.unwrap_or(parent.id)),
            depth: parent.map_or(0, |parent| parent.depth + 1),
            child_key: new.parent.as_ref().map(|(_, key)| key.clone()),
            rerun_of: new.rerun_of,
            run_at: new.run_at,
            deadline_at: new
                .timeout_micros
                .map(|timeout| new.run_at.unwrap_or(now).max(now) + timeout),
            cancel_requested_at: None,
            cancel_reason: None,
            result: None,
            error: None,
            created_at: now,
            started_at: None,
            finished_at: None,
        }
    }
}

/// The first event of a stream: all that is needed to make the row again.
fn created(execution: &Execution) -> EventBody {
    let intent = &execution.intent;
    EventBody::ExecutionCreated {
        intent_id: intent.id,
        intent_type: intent.intent_type.clone(),
        session_id: intent.session_id,
        solution_id: intent.solution_id.clone(),
        metadata: intent.metadata.clone(),
        idempotency_key: intent.idempotency_key.clone(),
        intent_created_at: intent.created_at,
        handler_name: execution.handler_name.clone(),
        priority: execution.priority,
        run_at: execution.run_at,
        deadline_at: execution.deadline_at,
        parent_id: execution.parent_id,
        child_key: execution.child_key.clone(),
        rerun_of: execution.rerun_of,
        queue: Some(execution.queue.name().into_owned()),
        user_id: execution.user_id.clone(),
        grants: (execution.grants != Grants::all()).then(|| execution.grants.clone()),
    }
}

impl Operation for Submit {
    type Output = Submission;

    fn needs(&self, needs: &mut Needs) {
        needs.keys.extend(self.key_claim());
        match &self.execution.parent {
            Some((fence, _)) => needs.executions.push(fence.execution_id),
            None => needs.sessions.push(self.session_key()),
        }
    }

    fn decide(&self, working: &mut Working) -> Result<Submission, Error> {
        let claim = self.key_claim();
        let holder = claim.as_ref();
        let holder = holder.and_then(|claim| working.keys.get(&claim.name()));
        if let Some(holder) = holder.filter(|holder| self.finds(working, holder)) {
            return self.replay(working, holder);
        }
        self.check_session(working)?;
        self.check_parent(working)?;
        if let Some(claim) = claim {
            working.hold(claim);
        }

        let row = self.row(working);
        let (id, body) = (row.id, created(&row));
        let (deadline_at, run_at) = (row.deadline_at, row.run_at.filter(|at| *at > working.now));
        let parameters = row.intent.parameters.clone();
        working.executions.make(id, row);
        if let Some((fence, child_key)) = &self.execution.parent {
            let (child_id, child_key) = (id, child_key.clone());
            let intent_type = self.execution.intent_type.clone();
            let body = EventBody::ChildSubmitted {
                child_id,
                child_key,
                intent_type,
            };
            working.append(fence.execution_id, body, None);
            working.adopt(fence.execution_id, id);
        }
        working.append(id, body, Some(parameters));
        if let Some(at) = deadline_at {
            working.set_timer(id, TimerKind::Deadline, at);
        }
        let slot = self
            .start_on
            .filter(|_| run_at.is_none() && self.execution.queue == Queue::Node);
        match (slot, run_at) {
            (Some(node), _) => {
                working.start(id, node, false);
            }
            (None, Some(at)) => working.set_timer(id, TimerKind::Start, at),
            (None, None) => working.enqueue(id),
        }
        let execution = working.executions.see(&id).cloned();
        let execution = execution.ok_or(Error::Corrupt {
            what: "execution",
            source: None,
        })?;
        Ok(Submission {
            execution,
            replayed: false,
            started_at: slot.map(|_| working.now),
        })
    }

    /// One that is cancelled in the same transaction is started as cancelled.
    fn settle(&self, submission: &mut Submission, working: &Working) {
        if submission.started_at.is_some() {
            working.refresh(&mut submission.execution);
        }
    }
}
