//! State of executions, and what a running attempt writes.

use super::*;
use crate::{
    model::{
        ExecutionId, Grants, IntentId, Payload, Queue, Session,
        StateWriteMode::{Merge, Replace},
    },
    state_surface::{Error, NewSession},
    storage::{self, Fence, NewExecution, Submit},
};

/// A running execution of a new session.
async fn running(world: &World, surface: &StateSurface) -> (Session, Fence) {
    let session = surface
        .create_session(&anyone(), NewSession::anonymous())
        .await
        .unwrap();
    let ids = IdSource::system();
    let id = ids.execution();
    let execution = NewExecution {
        id,
        intent_id: IntentId(id.0),
        intent_type: "echo".to_owned(),
        handler_name: "test".to_owned(),
        session_id: session.id,
        solution_id: "default".to_owned(),
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
        submitted_by: "ann".into(),
        grants: Grants::all(),
    };
    let submit = Submit {
        scope: anyone().scope(),
        execution,
        key: None,
        chosen: None,
        start_on: Some(ids.node()),
        run: None,
    };
    let submission = world.storage.submit(submit).await.unwrap();
    assert!(submission.started_at.is_some());
    let epoch = submission.execution.epoch;
    let execution_id = id;
    (
        session,
        Fence {
            execution_id,
            epoch,
        },
    )
}

async fn state(surface: &StateSurface, id: ExecutionId) -> Option<(String, i64)> {
    let read = surface.get_execution_state(&anyone().scope(), id).await;
    let (state, version) = read.unwrap()?;
    Some((state.as_str().to_owned(), version))
}

#[tokio::test]
async fn an_execution_has_no_state_before_the_first_write_and_the_last_one_after() {
    let world = World::new().await;
    // Two nodes, as when an execution is taken over.
    let (a, b) = (world.plain(), world.plain());
    let (_, fence) = running(&world, &a).await;
    let id = fence.execution_id;
    assert_eq!(state(&a, id).await, None);
    for n in 1..=3 {
        let value = json(&n.to_string());
        let written = a
            .set_execution_state_fenced(&anyone(), fence, value, Replace, Some(n - 1))
            .await;
        assert_eq!(written.unwrap().1, n);
        let expected = Some((n.to_string(), n));
        // The first read of each node is from the database, the second from a copy.
        for surface in [&a, &b, &a, &b] {
            assert_eq!(state(surface, id).await, expected);
        }
    }
    let (scope, other) = (anyone().scope(), somebody_else().scope());
    assert!(a.get_execution_state(&scope, id).await.unwrap().is_some());
    assert!(a.get_execution_state(&other, id).await.unwrap().is_none());
}

#[tokio::test]
async fn an_attempt_that_lost_the_execution_writes_nothing() {
    let world = World::new().await;
    let surface = world.plain();
    let (session, fence) = running(&world, &surface).await;
    let zombie = Fence {
        epoch: fence.epoch - 1,
        ..fence
    };
    let write = surface
        .set_session_state_fenced(&anyone(), zombie, session.id, json("1"), Replace, None)
        .await;
    assert!(matches!(write, Err(Error::Storage(storage::Error::Fenced))));
    let write = surface
        .set_execution_state_fenced(&anyone(), zombie, json("1"), Replace, None)
        .await;
    assert!(matches!(write, Err(Error::Storage(storage::Error::Fenced))));
    let read = surface.get_session(&anyone().scope(), session.id).await;
    assert_eq!(read.unwrap(), Some(session.clone()));
    assert_eq!(state(&surface, fence.execution_id).await, None);

    let alive = json(r#"{"by":"the attempt"}"#);
    let written = surface
        .set_session_state_fenced(&anyone(), fence, session.id, alive.clone(), Merge, Some(1))
        .await
        .unwrap();
    assert_eq!((written.state, written.state_version), (alive, 2));
}
