//! Accepts an intent: the execution, its first event and its place in a queue, once a key.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::super::{
    super::{Error, places::TimerKind},
    keys::{Key, KeyClaim, KeyHolder, KeyScope},
    load::limits::{OWN, SHARED},
    operation::{Needs, NewLimits, Operation},
    working::{Fence, Working},
};
use entity::schedule_run;

use crate::model::{
    EventBody, Execution, ExecutionId, ExecutionStatus, Grants, Intent, IntentId, Limit, Micros,
    NodeId, Payload, Queue, RawJson, Refusal, ScheduleId, SessionId, SessionKey, TenantScope,
};

/// The most by which the time in a chosen id differs from that of the database.
const CHOSEN_ID_WITHIN_MICROS: u64 = 600 * 1_000_000;

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
    /// The parameters as they are shown.
    pub parameters: Payload,
    /// The parameters as the handler gets them, sealed, where some are sensitive.
    pub sealed: Option<Payload>,
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
    /// The limits that it is under, in the order in which it passes them.
    pub limits: Vec<Limit>,
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
    /// The same for its id, where the caller chose it.
    pub chosen: Option<Key>,
    /// The node that has a free slot for it: it is then started at once, without a claim.
    pub start_on: Option<NodeId>,
    /// The schedule that submits it.
    pub run: Option<ScheduleRun>,
}

/// An execution of a schedule.
#[derive(Debug, Clone)]
pub struct ScheduleRun {
    /// The schedule. If it is not there any more, nothing is accepted.
    pub schedule_id: ScheduleId,
    /// The version in which it was held. If it has another one, nothing is accepted.
    pub version: Option<i64>,
    /// The time of the schedule.
    pub scheduled_at: Option<Micros>,
    /// Who wanted it at once.
    pub triggered_by: Option<Arc<str>>,
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
    /// The claims of its keys; that of a chosen id comes first.
    fn key_claims(&self) -> impl Iterator<Item = KeyClaim> {
        let keys = self.chosen.iter().chain(&self.key);
        keys.map(|key| KeyClaim {
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
    fn finds(scope: KeyScope, working: &Working, holder: &KeyHolder) -> bool {
        let is_fingerprint = scope == KeyScope::Fingerprint;
        let found = working.executions.see(&holder.execution_id);
        let Some(status) = found.map(|row| row.status) else {
            // Retention has removed it: the key is free.
            return false;
        };
        !is_fingerprint
            || !status.is_terminal()
            || status == ExecutionStatus::Completed && !working.worn.contains(&holder.execution_id)
    }

    /// The execution that holds a key already.
    fn replay(
        working: &Working,
        claim: &KeyClaim,
        holder: &KeyHolder,
    ) -> Result<Submission, Error> {
        if holder.request_hash != claim.request_hash {
            let execution_id = holder.execution_id;
            let refusal = match claim.scope {
                KeyScope::Chosen => Refusal::ExecutionIdConflict,
                _ => Refusal::IdempotencyKeyConflict { execution_id },
            };
            return Err(refusal.into());
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

    /// A chosen id is free, and its time near that of the database: lists that are in the order of ids are then
    /// in that of time.
    fn check_chosen_id(&self, working: &Working) -> Result<(), Error> {
        if self.chosen.is_none() {
            return Ok(());
        }
        let id = self.execution.id;
        if working.taken_ids.contains(&id) || working.executions.see(&id).is_some() {
            return Err(Refusal::ExecutionIdConflict.into());
        }
        let off_by = id.made_at().map(|made_at| made_at.abs_diff(working.now));
        if off_by.is_none_or(|off_by| off_by > CHOSEN_ID_WITHIN_MICROS) {
            let message =
                "the time in a chosen execution id is at most 10 minutes from the server's";
            return Err(Refusal::invalid(["executionId"], message).into());
        }
        Ok(())
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

    fn check_schedule(&self, working: &Working) -> Result<(), Error> {
        let Some(run) = &self.run else {
            return Ok(());
        };
        let found = working.schedule(&self.scope, run.schedule_id);
        let version = found.map_err(|_| Error::Fenced)?.version;
        if run.version.is_some_and(|held| held != version) {
            return Err(Error::Fenced);
        }
        Ok(())
    }

    fn note_run(&self, working: &mut Working) {
        let (Some(run), execution_id) = (&self.run, self.execution.id) else {
            return;
        };
        working.changes.schedule_runs.push(schedule_run::Model {
            schedule_id: run.schedule_id.0,
            execution_id: execution_id.0,
            tenant_id: self.scope.tenant().to_string(),
            scheduled_at: run.scheduled_at,
        });
        if let Some(actor) = &run.triggered_by {
            let body = EventBody::ScheduleTriggered { execution_id };
            working.append_to_schedule(run.schedule_id, Some(actor), body, None);
        }
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
                sealed: new.sealed.clone(),
                metadata: new.metadata.clone(),
                idempotency_key: new.idempotency_key.clone(),
                created_at: new.intent_created_at.unwrap_or(now),
            },
            handler_name: new.handler_name.clone(),
            queue: new.queue.clone(),
            limits: limited_by(&new.limits),
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
            last_hash: None,
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

/// Whose limits these are, as `execution.limits` tells it.
fn limited_by(limits: &[Limit]) -> i64 {
    limits.iter().fold(0, |of, limit| {
        of | if limit.is_shared { SHARED } else { OWN }
    })
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
        needs.keys.extend(self.key_claims());
        if self.chosen.is_some() {
            needs.chosen_ids.push(self.execution.id);
        }
        match &self.execution.parent {
            Some((fence, _)) => needs.executions.push(fence.execution_id),
            None => needs.sessions.push(self.session_key()),
        }
        if !self.execution.limits.is_empty() {
            needs.limits.push(NewLimits {
                tenant: self.scope.tenant().clone(),
                intent_type: self.execution.intent_type.clone(),
                limits: self.execution.limits.clone(),
            });
        }
        needs
            .schedules
            .extend(self.run.as_ref().map(|run| run.schedule_id));
    }

    fn decide(&self, working: &mut Working) -> Result<Submission, Error> {
        for claim in self.key_claims() {
            let holder = working.keys.get(&claim.name());
            if let Some(holder) = holder.filter(|it| Self::finds(claim.scope, working, it)) {
                return Self::replay(working, &claim, holder);
            }
        }
        self.check_chosen_id(working)?;
        self.check_session(working)?;
        self.check_parent(working)?;
        self.check_schedule(working)?;
        working.check_limits(&self.execution.limits)?;
        for claim in self.key_claims() {
            working.hold(claim);
        }

        let row = self.row(working);
        let (id, body) = (row.id, created(&row));
        let (deadline_at, run_at) = (row.deadline_at, row.run_at.filter(|at| *at > working.now));
        let parameters = row.intent.parameters.clone();
        working.executions.make(id, row);
        working.limit(id, &self.execution.limits);
        working.count(id);
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
            .filter(|_| run_at.is_none() && !matches!(self.execution.queue, Queue::Worker { .. }));
        let slot = match (slot, run_at) {
            (_, Some(at)) => {
                working.set_timer(id, TimerKind::Start, at);
                None
            }
            (Some(node), None) => working.start_or_wait(id, node).then_some(node),
            (None, None) => {
                working.enqueue(id);
                None
            }
        };
        self.note_run(working);
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
