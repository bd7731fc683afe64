use super::{Batch, Scene, TENANT, alone, completion, stored};
use crate::{
    model::{Execution, ExecutionStatus},
    storage::{
        read_tests::{on_each_database, scope_of},
        write::{Cancel, Outcome},
    },
};

fn cancel(execution: &Execution) -> Cancel {
    Cancel {
        scope: scope_of(TENANT),
        id: execution.id,
        reason: Some("enough".into()),
        actor: "test".into(),
    }
}

#[tokio::test]
async fn a_cancellation_reaches_what_is_submitted_below_it_in_the_same_transaction() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 1).await;
        let root = scene.running(world).await;
        let mut first = scene.child(&root, "first");
        first.start_on = Some(scene.node);
        let middle = alone(world, first).await.unwrap().execution;
        let mut batch = Batch::default();
        let mut waiting = Vec::new();
        for parent in [&root, &middle] {
            waiting.push(batch.add(scene.child(parent, "waits")));
        }
        let mut started = scene.child(&middle, "starts");
        started.start_on = Some(scene.node);
        let started = batch.add(started);
        let cancelled = batch.add(cancel(&root));
        let late = batch.add(scene.child(&middle, "late"));
        batch.run(world).await;
        assert!(cancelled.get().unwrap().cancel_requested_at.is_some());
        assert!(
            late.get().is_err(),
            "below what is cancelled nothing begins"
        );
        for waiting in waiting {
            let child = stored(world, &waiting.get().unwrap().execution).await;
            assert_eq!(child.status, ExecutionStatus::Cancelled);
        }
        let started = started.get().unwrap();
        assert!(started.started_at.is_some() && started.execution.cancel_requested_at.is_some());
        for running in [&root, &middle, &started.execution] {
            let found = stored(world, running).await;
            assert_eq!(found.status, ExecutionStatus::Running);
            assert!(found.cancel_requested_at.is_some());
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn what_is_claimed_and_cancelled_in_one_transaction_is_handed_out_as_cancelled() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 2).await;
        let waiting = alone(world, scene.submit()).await.unwrap().execution;
        let mut batch = Batch::default();
        let claimed = batch.add(scene.claim(1));
        let cancelled = batch.add(cancel(&waiting));
        batch.run(world).await;
        cancelled.get().unwrap();
        let claimed = claimed.get().unwrap().executions;
        assert!(claimed[0].cancel_requested_at.is_some());
        // The node that holds it ends it.
        let mut end = completion(&claimed[0]);
        end.outcome = Outcome::Cancelled;
        let status = alone(world, end).await.unwrap();
        assert_eq!(status, ExecutionStatus::Cancelled);
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn what_is_cancelled_before_the_claim_of_the_same_transaction_is_not_handed_out() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 3).await;
        let waiting = alone(world, scene.submit()).await.unwrap().execution;
        let mut batch = Batch::default();
        let cancelled = batch.add(cancel(&waiting));
        let claimed = batch.add(scene.claim(1));
        batch.run(world).await;
        assert_eq!(cancelled.get().unwrap().status, ExecutionStatus::Cancelled);
        assert!(claimed.get().unwrap().executions.is_empty());
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_was_stopped_though_nobody_cancelled_it_is_given_back() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 4).await;
        let running = scene.running(world).await;
        let mut end = completion(&running);
        end.outcome = Outcome::Cancelled;
        let status = alone(world, end).await.unwrap();
        assert_eq!(status, ExecutionStatus::Running);
        let again = alone(world, scene.claim(1)).await.unwrap().executions;
        assert_eq!(again[0].id, running.id);
    })
    .await;
}
