//! Operations that meet in one transaction, in the order that a test gives them.

mod cancel;
mod counts;
mod keys;
mod places;
mod races;
mod sessions;

use std::{collections::HashMap, sync::Arc};

use tokio::sync::oneshot;

use super::{
    Claim, Complete, CreateSession, Fence, Key, KeyScope, NewExecution, Outcome, Shares,
    Submission, Submit,
    operation::{Operation, Pending, Request},
    writer::carry_out,
};
use crate::{
    ids::IdSource,
    model::{Execution, IntentId, NodeId, Payload, Queue, RawJson, SessionId},
    storage::{
        Error,
        read_tests::{World, scope_of},
    },
};

pub(super) const TENANT: &str = "ours";
/// Who does everything.
pub(super) const ACTOR: &str = "ann";

/// Operations that will be carried out in one transaction.
#[derive(Default)]
pub(super) struct Batch(Vec<Box<dyn Pending>>);

/// What an operation of a batch came to.
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
            metadata: RawJson::empty_object(),
            idempotency_key: None,
            intent_created_at: None,
            priority: 5,
            run_at: None,
            timeout_micros: None,
            parent: None,
            rerun_of: None,
            queue: Queue::Node,
            submitted_by: ACTOR.into(),
        };
        Submit {
            scope: scope_of(TENANT),
            execution,
            key: None,
            start_on: None,
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
