//! Entries of the log: each is the next one of its stream, and in the order of the transaction.

use std::sync::Arc;

use uuid::Uuid;

use super::{notice::Notice, working::Working};
use crate::model::{
    ApiKey, ArtifactId, Cause, Cursor, Event, EventBody, ExecutionId, OperationId, Payload,
    ScheduleId, SessionId, SessionKey, StreamKind, WebhookId,
};

impl Working {
    /// Appends to an execution's stream.
    pub(super) fn append(&mut self, id: ExecutionId, body: EventBody, payload: Option<Payload>) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(execution) = self.executions.change(&id) else {
            return;
        };
        let seq = execution.next_seq;
        execution.next_seq += 1;
        execution.last_tx = tx;
        let actor = match body.cause() {
            Cause::Named(actor) => Some(actor.into()),
            Cause::Submitter | Cause::Caller => execution.submitted_by.clone(),
            Cause::Runtime => None,
        };
        let intent = &execution.intent;
        let (tenant_id, session_id) = (intent.tenant_id.clone(), intent.session_id);
        let intent_type = Some(intent.intent_type.clone());
        self.changes.notices.push(Notice::Events {
            tenant_id: tenant_id.clone(),
            session_id,
            execution_id: id,
            seq,
            terminal: body.is_terminal(),
        });
        self.changes.events.push(Event {
            stream_kind: StreamKind::Execution,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id,
            session_id,
            intent_type,
            actor,
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to a session's stream; nobody is the actor where the session's time has passed.
    pub(super) fn append_to_session(
        &mut self,
        key: &SessionKey,
        actor: Option<&Arc<str>>,
        body: EventBody,
        payload: Option<Payload>,
    ) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(row) = self.sessions.change(key) else {
            return;
        };
        let seq = row.next_seq;
        row.next_seq += 1;
        let stream_id = row.stream_id.unwrap_or(key.id.0);
        self.changes.events.push(Event {
            stream_kind: StreamKind::Session,
            stream_id,
            cursor: Cursor { tx, ord, seq },
            tenant_id: key.tenant_id.clone(),
            session_id: key.id,
            intent_type: None,
            actor: actor.cloned(),
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to an artifact's own stream.
    pub(super) fn append_to_artifact(&mut self, id: ArtifactId, body: EventBody) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(row) = self.artifacts.change(&id) else {
            return;
        };
        let actor = match body.cause() {
            Cause::Named(actor) => Some(actor.into()),
            Cause::Submitter | Cause::Caller | Cause::Runtime => None,
        };
        let artifact = &mut row.artifact;
        let seq = artifact.next_seq;
        artifact.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Artifact,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: artifact.tenant_id.clone(),
            session_id: artifact.session_id,
            intent_type: None,
            actor,
            body,
            payload: None,
            occurred_at: now,
        });
    }

    /// Appends to a key's stream.
    pub(super) fn append_to_key(
        &mut self,
        key: &ApiKey,
        seq: i64,
        actor: &Arc<str>,
        body: EventBody,
    ) {
        let (tx, ord) = (self.tx, self.next_ord());
        self.changes.events.push(Event {
            stream_kind: StreamKind::Key,
            stream_id: key.id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: key.tenant_id.clone(),
            session_id: SessionId(Uuid::nil()),
            intent_type: None,
            actor: Some(Arc::clone(actor)),
            body,
            payload: None,
            occurred_at: self.now,
        });
    }

    /// Appends to a schedule's stream; nobody is the actor where the runtime pauses it.
    pub(super) fn append_to_schedule(
        &mut self,
        id: ScheduleId,
        actor: Option<&Arc<str>>,
        body: EventBody,
        payload: Option<Payload>,
    ) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(row) = self.schedules.change(&id) else {
            return;
        };
        let schedule = &mut row.schedule;
        let seq = schedule.next_seq;
        schedule.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Schedule,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: schedule.tenant_id.clone(),
            session_id: SessionId(Uuid::nil()),
            intent_type: None,
            actor: actor.cloned(),
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to a bulk operation's stream; nobody is the actor where the runtime goes on with it.
    pub(super) fn append_to_operation(
        &mut self,
        id: OperationId,
        actor: Option<&Arc<str>>,
        body: EventBody,
        payload: Option<Payload>,
    ) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(row) = self.operations.change(&id) else {
            return;
        };
        let operation = &mut row.operation;
        let seq = operation.next_seq;
        operation.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Operation,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: operation.tenant_id.clone(),
            session_id: SessionId(Uuid::nil()),
            intent_type: None,
            actor: actor.cloned(),
            body,
            payload,
            occurred_at: now,
        });
    }

    /// Appends to a webhook's stream; nobody is the actor where the runtime gives it up.
    pub(super) fn append_to_webhook(
        &mut self,
        id: WebhookId,
        actor: Option<&Arc<str>>,
        body: EventBody,
    ) {
        let (tx, ord, now) = (self.tx, self.next_ord(), self.now);
        let Some(row) = self.webhooks.change(&id) else {
            return;
        };
        let webhook = &mut row.webhook;
        let seq = webhook.next_seq;
        webhook.next_seq += 1;
        self.changes.events.push(Event {
            stream_kind: StreamKind::Webhook,
            stream_id: id.0,
            cursor: Cursor { tx, ord, seq },
            tenant_id: webhook.tenant_id.clone(),
            session_id: SessionId(Uuid::nil()),
            intent_type: None,
            actor: actor.cloned(),
            body,
            payload: None,
            occurred_at: now,
        });
    }

    fn next_ord(&self) -> i64 {
        let before = i64::try_from(self.changes.events.len()).unwrap_or(i64::MAX);
        self.first_ord.saturating_add(before)
    }
}
