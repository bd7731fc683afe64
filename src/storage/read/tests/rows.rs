//! Rows of the tables, with something plausible in every column.

use uuid::Uuid;

use super::World;
use crate::{
    model::{
        ArtifactId, ArtifactState, EventBody, ExecutionId, ExecutionStatus, Micros, SessionId,
        SessionStatus, StreamKind,
    },
    storage::sql::{Combined, Rows},
};

pub(super) const TENANT: &str = "ours";

pub(super) fn artifact_id(key: i64) -> ArtifactId {
    ArtifactId(Uuid::from_u128(
        0xa000_0000 + u128::from(key.unsigned_abs()),
    ))
}

pub(super) fn execution_id(number: u128) -> ExecutionId {
    ExecutionId(Uuid::from_u128(0xe000_0000 + number))
}

pub(super) fn session_id(number: u128) -> SessionId {
    SessionId(Uuid::from_u128(0x5000_0000 + number))
}

#[derive(Debug, Clone)]
pub(crate) struct ArtifactRow {
    pub(crate) key: i64,
    pub(crate) tenant: &'static str,
    pub(crate) artifact_type: &'static str,
    pub(crate) state: ArtifactState,
    pub(crate) name: Option<String>,
    pub(crate) execution: u128,
    pub(crate) session: u128,
    pub(crate) user: Option<&'static str>,
    pub(crate) generation: i64,
}

/// A ready artifact; its id is [`artifact_id`] of its key.
pub(crate) fn artifact(key: i64) -> ArtifactRow {
    ArtifactRow {
        key,
        tenant: TENANT,
        artifact_type: "file",
        state: ArtifactState::Ready,
        name: None,
        execution: 1,
        session: 1,
        user: None,
        generation: 0,
    }
}

#[derive(Debug, Clone)]
pub(super) struct ExecutionRow {
    pub(super) number: u128,
    pub(super) tenant: &'static str,
    pub(super) status: ExecutionStatus,
    pub(super) intent_type: &'static str,
    pub(super) session: u128,
    pub(super) user: Option<&'static str>,
    pub(super) parent: Option<u128>,
    pub(super) child_key: Option<&'static str>,
    pub(super) metadata: &'static str,
    pub(super) created_at: Micros,
    pub(super) handler: &'static str,
    pub(super) rerun_of: Option<u128>,
    pub(super) error_code: Option<&'static str>,
    /// Of one that has ended; when it was accepted if none.
    pub(super) finished_at: Option<Micros>,
}

impl ExecutionRow {
    /// When it ended, if it has.
    pub(super) fn finished(&self) -> Option<Micros> {
        let is_ended = self.status.is_terminal();
        is_ended.then_some(self.finished_at.unwrap_or(self.created_at))
    }
}

/// A created execution; its id is [`execution_id`] of its number.
pub(super) fn execution(number: u128) -> ExecutionRow {
    ExecutionRow {
        number,
        tenant: TENANT,
        status: ExecutionStatus::Created,
        intent_type: "echo",
        session: 1,
        user: None,
        parent: None,
        child_key: None,
        metadata: "{}",
        created_at: 1,
        handler: "handler",
        rerun_of: None,
        error_code: None,
        finished_at: None,
    }
}

#[derive(Debug, Clone)]
pub(super) struct SessionRow {
    pub(super) number: u128,
    pub(super) user: &'static str,
    pub(super) status: SessionStatus,
    pub(super) metadata: &'static str,
    pub(super) expires_at: Micros,
}

/// A session of Ann.
pub(super) fn session(number: u128, status: SessionStatus, expires_at: Micros) -> SessionRow {
    SessionRow {
        number,
        user: "ann",
        status,
        metadata: "{}",
        expires_at,
    }
}

#[derive(Debug, Clone)]
pub(super) struct EventRow {
    pub(super) stream: Uuid,
    pub(super) kind: StreamKind,
    pub(super) tenant: &'static str,
    pub(super) session: u128,
    pub(super) intent_type: &'static str,
    pub(super) seq: i64,
    pub(super) tx: i64,
    pub(super) ord: i64,
    pub(super) body: EventBody,
}

/// Entry `seq` of an execution's stream, alone in transaction `tx`.
pub(super) fn event(execution: u128, seq: i64, tx: i64) -> EventRow {
    EventRow {
        stream: execution_id(execution).0,
        kind: StreamKind::Execution,
        tenant: TENANT,
        session: 1,
        intent_type: "echo",
        seq,
        tx,
        ord: 0,
        body: EventBody::Domain { name: "x".into() },
    }
}

impl World {
    pub(crate) async fn put_artifacts(&self, rows: impl IntoIterator<Item = ArtifactRow>) {
        let mut cells = Rows::of(&[
            "key",
            "id",
            "tenant_id",
            "artifact_type",
            "session_id",
            "execution_id",
            "intent_id",
            "intent_type",
            "state",
            "semantic_descriptor",
            "display_name",
            "generation",
            "roots",
            "content_hash",
            "version",
            "next_seq",
            "created_at",
            "updated_at",
            "user_id",
        ]);
        for row in rows {
            cells.push(vec![
                row.key.into(),
                artifact_id(row.key).0.into(),
                row.tenant.into(),
                row.artifact_type.into(),
                session_id(row.session).0.into(),
                execution_id(row.execution).0.into(),
                execution_id(row.execution).0.into(),
                format!("makes_{}", row.artifact_type).into(),
                row.state.code().into(),
                "{}".into(),
                row.name.into(),
                row.generation.into(),
                "[]".into(),
                "".into(),
                1_i64.into(),
                1_i64.into(),
                row.key.into(),
                row.key.into(),
                row.user.map(str::to_owned).into(),
            ]);
        }
        self.insert(cells, "artifact").await;
    }

    /// Edges as (child, parent).
    pub(super) async fn put_edges(&self, edges: impl IntoIterator<Item = (i64, i64)>) {
        let mut cells = Rows::of(&["child", "parent"]);
        for (child, parent) in edges {
            cells.push(vec![child.into(), parent.into()]);
        }
        self.insert(cells, "artifact_edge").await;
    }

    pub(super) async fn put_executions(&self, rows: impl IntoIterator<Item = ExecutionRow>) {
        let mut cells = Rows::of(&[
            "id",
            "tenant_id",
            "intent_id",
            "intent_type",
            "handler_name",
            "session_id",
            "solution_id",
            "parameters",
            "metadata",
            "intent_created_at",
            "parent_id",
            "child_key",
            "status",
            "epoch",
            "attempt",
            "lost_attempts",
            "priority",
            "next_seq",
            "last_tx",
            "created_at",
            "finished_at",
            "user_id",
            "rerun_of",
            "error_code",
        ]);
        for row in rows {
            let id = execution_id(row.number).0;
            cells.push(vec![
                id.into(),
                row.tenant.into(),
                id.into(),
                row.intent_type.into(),
                row.handler.into(),
                session_id(row.session).0.into(),
                "default".into(),
                "{}".into(),
                row.metadata.into(),
                row.created_at.into(),
                row.parent.map(|number| execution_id(number).0).into(),
                row.child_key.map(str::to_owned).into(),
                row.status.code().into(),
                0_i64.into(),
                0_i64.into(),
                0_i64.into(),
                5_i64.into(),
                4_i64.into(),
                0_i64.into(),
                row.created_at.into(),
                row.finished().into(),
                row.user.map(str::to_owned).into(),
                row.rerun_of.map(|number| execution_id(number).0).into(),
                row.error_code.map(str::to_owned).into(),
            ]);
        }
        self.insert(cells, "execution").await;
    }

    pub(super) async fn put_events(&self, rows: impl IntoIterator<Item = EventRow>) {
        let transaction = self.storage.db.writer.begin().await.unwrap();
        put_events(&transaction, rows).await;
        transaction.commit(None).await.unwrap();
    }

    pub(super) async fn put_session(&self, number: u128, status: SessionStatus, expires_at: i64) {
        self.put_sessions([session(number, status, expires_at)])
            .await;
    }

    pub(super) async fn put_sessions(&self, rows: impl IntoIterator<Item = SessionRow>) {
        let mut cells = Rows::of(&[
            "id",
            "tenant_id",
            "user_id",
            "is_anonymous",
            "status",
            "metadata",
            "state",
            "state_version",
            "next_seq",
            "created_at",
            "updated_at",
            "expires_at",
        ]);
        for row in rows {
            cells.push(vec![
                session_id(row.number).0.into(),
                TENANT.into(),
                Some(row.user.to_owned()).into(),
                false.into(),
                row.status.code().into(),
                row.metadata.into(),
                "{}".into(),
                1_i64.into(),
                1_i64.into(),
                i64::try_from(row.number).unwrap().into(),
                1_i64.into(),
                row.expires_at.into(),
            ]);
        }
        self.insert(cells, "session").await;
    }

    /// Where live executions wait: rows of `ready`, `timer` or `lease`.
    pub(crate) async fn run(&self, statement: &str, values: Vec<sea_orm::Value>) {
        let db = &self.storage.db.writer;
        db.execute(statement, values).await.unwrap();
    }

    async fn insert(&self, rows: Rows, table: &str) {
        let transaction = self.storage.db.writer.begin().await.unwrap();
        insert(&transaction, rows, table).await;
        transaction.commit(None).await.unwrap();
    }
}

pub(super) async fn put_events(
    db: &impl sea_orm::ConnectionTrait,
    rows: impl IntoIterator<Item = EventRow>,
) {
    let mut cells = Rows::of(&[
        "stream_id",
        "seq",
        "stream_kind",
        "tenant_id",
        "session_id",
        "intent_type",
        "event_type",
        "data",
        "tx",
        "ord",
        "occurred_at",
    ]);
    for row in rows {
        let (event_type, data) = row.body.encode().unwrap();
        cells.push(vec![
            row.stream.into(),
            row.seq.into(),
            row.kind.code().into(),
            row.tenant.into(),
            session_id(row.session).0.into(),
            row.intent_type.into(),
            event_type.into(),
            data.into(),
            row.tx.into(),
            row.ord.into(),
            row.tx.into(),
        ]);
    }
    insert(db, cells, "event").await;
}

async fn insert(db: &impl sea_orm::ConnectionTrait, rows: Rows, table: &str) {
    let mut inserted = Combined::default();
    inserted.insert(rows, table);
    if let Some(last) = inserted.run(db).await.unwrap() {
        db.execute_raw(last).await.unwrap();
    }
}
