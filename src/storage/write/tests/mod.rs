//! Common parts of the tests of operations, and tests of several operations that meet: in one
//! transaction, in the order that a test gives them, or in several at once.

mod limits;
mod places;
mod races;
mod sessions;

use std::{collections::HashMap, sync::Arc};

use tokio::sync::oneshot;
use uuid::Uuid;

use super::{
    Claim, Complete, CreateKey, CreateSession, Fence, Key, KeyScope, NewExecution, Outcome, Shares,
    Submission, Submit,
    operation::{Operation, Pending, Request},
    writer::carry_out,
};
use crate::{
    ids::IdSource,
    model::{
        Artifact, ArtifactId, ArtifactState, Execution, ExecutionId, Grants, IntentId, KeyId,
        KeyRights, NewArtifact, NodeId, Payload, Queue, RawJson, Refusal, SessionId,
    },
    storage::{
        Error,
        read_tests::{World, scope_of},
        sql,
    },
};

pub(super) const TENANT: &str = "ours";
/// Who does everything.
pub(super) const ACTOR: &str = "ann";

/// Operations that will be carried out in one transaction.
#[derive(Default)]
pub(super) struct Batch(Vec<Box<dyn Pending>>);

/// The result of an operation of a batch.
pub(super) struct Answer<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Answer<T> {
    pub(super) fn get(mut self) -> Result<T, Error> {
        self.0.try_recv().expect("it was not carried out")
    }
}

impl Batch {
    pub(super) fn add<O: Operation>(&mut self, operation: O) -> Answer<O::Output> {
        let (caller, answer) = oneshot::channel();
        self.0.push(Box::new(Request {
            operation,
            decision: None,
            caller,
        }));
        Answer(answer)
    }

    pub(super) async fn run(self, world: &World) {
        // Boxed, for the futures of tests hold several.
        Box::pin(carry_out(&world.storage, self.0)).await;
    }
}

/// Carries out one operation alone.
pub(super) async fn alone<O: Operation>(world: &World, operation: O) -> Result<O::Output, Error> {
    let mut batch = Batch::default();
    let answer = batch.add(operation);
    batch.run(world).await;
    answer.get()
}

/// A tenant with a session, and a node for its executions.
pub(super) struct Scene {
    pub(super) ids: IdSource,
    pub(super) session: SessionId,
    pub(super) node: NodeId,
}

impl Scene {
    pub(super) async fn begin(world: &World, seed: u64) -> Self {
        let ids = IdSource::seeded(seed);
        let (session, node) = (ids.session(), ids.node());
        let create = CreateSession {
            scope: scope_of(TENANT),
            actor: ACTOR.into(),
            id: session,
            stream_id: None,
            user_id: None,
            solution_id: None,
            metadata: RawJson::empty_object(),
            state: RawJson::empty_object(),
            logged: Payload::inline(&RawJson::empty_object()),
            ttl_micros: 3_600_000_000,
            secret_digest: None,
        };
        alone(world, create).await.unwrap();
        Self { ids, session, node }
    }

    /// An intent without a key, which waits for a claim.
    pub(super) fn submit(&self) -> Submit {
        let id = self.ids.execution();
        let execution = NewExecution {
            id,
            intent_id: IntentId(id.0),
            intent_type: "echo".into(),
            handler_name: "content".into(),
            session_id: self.session,
            solution_id: "default".into(),
            parameters: Payload::inline(&RawJson::empty_object()),
            sealed: None,
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            intent_created_at: None,
            priority: 5,
            run_at: None,
            timeout_micros: None,
            parent: None,
            rerun_of: None,
            limits: Vec::new(),
            queue: Queue::Node,
            submitted_by: ACTOR.into(),
            grants: Grants::all(),
        };
        Submit {
            scope: scope_of(TENANT),
            execution,
            key: None,
            chosen: None,
            start_on: None,
            run: None,
        }
    }

    /// A child of a running execution.
    pub(super) fn child(&self, parent: &Execution, name: &str) -> Submit {
        let mut submit = self.submit();
        let fence = fence(parent);
        submit.execution.parent = Some((fence, name.to_owned()));
        submit.key = Some(Key {
            scope: KeyScope::Child,
            key: format!("{}/{name}", parent.id),
            request_hash: "one".into(),
            ttl_micros: None,
        });
        submit
    }

    pub(super) fn claim(&self, slots: usize) -> Claim {
        Claim {
            node_id: self.node,
            queue: Queue::Node,
            alone: false,
            slots,
            roots: slots,
            after: None,
            shares: Shares {
                held: HashMap::new(),
                cap: slots,
                weights: Arc::default(),
            },
        }
    }

    /// An execution that the scene's node runs.
    pub(super) async fn running(&self, world: &World) -> Execution {
        let mut submit = self.submit();
        submit.start_on = Some(self.node);
        let submitted: Submission = alone(world, submit).await.unwrap();
        submitted.execution
    }
}

pub(super) fn completion(execution: &Execution) -> Complete {
    Complete {
        fence: fence(execution),
        outcome: Outcome::Completed(Payload::inline(&RawJson::null())),
        artifacts: Vec::new(),
        transitions: Vec::new(),
    }
}

pub(super) fn fence(execution: &Execution) -> Fence {
    Fence {
        execution_id: execution.id,
        epoch: execution.epoch,
    }
}

/// The execution as the database has it.
pub(super) async fn stored(world: &World, execution: &Execution) -> Execution {
    let found = world
        .storage
        .find_executions(&scope_of(TENANT), &[execution.id])
        .await;
    found.unwrap().remove(0)
}

/// An artifact without content.
pub(super) fn thing(id: ArtifactId) -> NewArtifact {
    NewArtifact {
        id,
        artifact_type: "thing".into(),
        state: ArtifactState::Ready,
        semantic_descriptor: RawJson::empty_object(),
        parents: Vec::new(),
        materializations: Vec::new(),
        display_name: None,
        owner: None,
        purpose: None,
    }
}

/// Runs a statement that no operation would.
pub(super) async fn force(world: &World, text: &str) {
    world.storage.db.writer.execute(text, []).await.unwrap();
}

/// The number that a statement reads as `n`.
pub(super) async fn number(world: &World, text: &str) -> i64 {
    let rows = sql::query(&world.storage.db.reader, text, [])
        .await
        .unwrap();
    sql::get(&rows[0], "n").unwrap()
}

/// The types of the entries of an execution's stream.
pub(super) async fn told(world: &World, id: ExecutionId) -> Vec<String> {
    let scope = scope_of(TENANT);
    let events = world.storage.events_after(&scope, id, 0, 1000).await;
    let events = events.unwrap();
    events.iter().map(|event| event.body.type_name()).collect()
}

/// Adds a node that lives or is dead.
pub(super) async fn add_node(world: &World, id: NodeId, lives: bool) {
    let text = "INSERT INTO node (id, name, version, capacity, running, started_at, expires_at) \
         VALUES ($1, 'node', '', 1, 1, 0, $2)";
    let expires_at = if lives { i64::MAX } else { 0 };
    let values = [id.0.into(), expires_at.into()];
    world.storage.db.writer.execute(text, values).await.unwrap();
}

/// An artifact that an execution of its own has registered.
pub(super) async fn registered(
    world: &World,
    scene: &Scene,
    name: &str,
    state: ArtifactState,
) -> ArtifactId {
    let id = ArtifactId::derived(TENANT, name.as_bytes(), "thing");
    let mut complete = completion(&scene.running(world).await);
    complete.artifacts.push(NewArtifact { state, ..thing(id) });
    alone(world, complete).await.unwrap();
    id
}

/// An artifact as the database has it.
pub(super) async fn stored_artifact(world: &World, id: ArtifactId) -> Artifact {
    let found = world.storage.find_artifacts(&scope_of(TENANT), &[id]).await;
    found.unwrap().remove(0)
}

pub(super) fn refusal<T: std::fmt::Debug>(answer: Result<T, Error>) -> Refusal {
    match answer {
        Err(Error::Refused(refusal)) => refusal,
        other => panic!("{other:?}"),
    }
}

/// A key of the API without rights.
pub(super) fn key(number: u128, tenant: &str) -> CreateKey {
    CreateKey {
        scope: scope_of(tenant),
        actor: ACTOR.into(),
        id: KeyId(Uuid::from_u128(number)),
        prefix: format!("tk_{number}"),
        digest: "0".repeat(64),
        rights: KeyRights::default(),
        label: None,
        expires_at: None,
    }
}
