use futures::future::join_all;

use crate::{
    model::{EventBody, Execution, ExecutionId, ExecutionStatus},
    storage::{
        Error,
        read_tests::{World, on_each_database, scope_of},
        sql,
        write::{
            Cancel, Emit, Outcome,
            tests::{Batch, Scene, TENANT, alone, completion, fence, stored},
        },
    },
};

/// More than one transaction takes care of.
const MANY: usize = 300;

/// Children that wait for a slot.
async fn plant(world: &World, scene: &Scene, parent: &Execution, count: usize) -> Vec<Execution> {
    let mut batch = Batch::default();
    let planted: Vec<_> = (0..count)
        .map(|n| batch.add(scene.child(parent, &format!("planted {n}"))))
        .collect();
    batch.run(world).await;
    planted
        .into_iter()
        .map(|one| one.get().unwrap().execution)
        .collect()
}

/// A child that the scene's node runs.
async fn running_child(world: &World, scene: &Scene, parent: &Execution, name: &str) -> Execution {
    let mut child = scene.child(parent, name);
    child.start_on = Some(scene.node);
    alone(world, child).await.unwrap().execution
}

async fn of_status(world: &World, all: &[Execution], status: ExecutionStatus) -> usize {
    let ids: Vec<ExecutionId> = all.iter().map(|one| one.id).collect();
    let scope = scope_of(TENANT);
    let found = world.storage.find_executions(&scope, &ids).await.unwrap();
    found.iter().filter(|one| one.status == status).count()
}

/// Does what a node does with a cancellation that is under way.
async fn go_on(world: &World, id: ExecutionId) {
    let storage = &world.storage;
    let found = storage.cancellations_of(&[id]).await.unwrap();
    let [cancellation] = &found[..] else {
        panic!("{found:?}");
    };
    let mut reached = cancellation.beginning();
    loop {
        let below = storage
            .live_below(cancellation, reached, 100)
            .await
            .unwrap();
        let Some(last) = below.last else { break };
        storage.cancel_below(cancellation, below.ids).await.unwrap();
        reached = last;
    }
    storage.end_cancellation(id).await.unwrap();
    assert_eq!(storage.cancellations_of(&[id]).await.unwrap(), []);
}

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
async fn below_what_is_cancelled_nothing_starts_has_children_or_completes_before_it_is_reached() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 5).await;
        let root = scene.running(world).await;
        let planted = plant(world, &scene, &root, MANY).await;
        let middle = running_child(world, &scene, &root, "middle").await;
        let deep = running_child(world, &scene, &middle, "deep").await;
        alone(world, cancel(&root)).await.unwrap();
        let at_once = of_status(world, &planted, ExecutionStatus::Cancelled).await;
        assert!((1..MANY).contains(&at_once), "{at_once}");
        assert!(stored(world, &deep).await.cancel_requested_at.is_none());
        let late = alone(world, scene.child(&deep, "late")).await;
        assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
        let claimed = alone(world, scene.claim(10)).await.unwrap();
        assert!(claimed.executions.is_empty());
        let status = alone(world, completion(&deep)).await.unwrap();
        assert_eq!(status, ExecutionStatus::Cancelled);
        let deep = stored(world, &deep).await;
        assert_eq!(deep.cancel_reason.as_deref(), Some("enough"));
        go_on(world, root.id).await;
        let ended = of_status(world, &planted, ExecutionStatus::Cancelled).await;
        assert_eq!(ended, MANY);
        for held in [&root, &middle] {
            let status = alone(world, completion(held)).await.unwrap();
            assert_eq!(status, ExecutionStatus::Cancelled);
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_in_a_tree_reaches_what_is_below_it_and_nothing_beside_it() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 6).await;
        let root = scene.running(world).await;
        let (mut cancelled, mut beside) = (Vec::new(), Vec::new());
        let left = running_child(world, &scene, &root, "left").await;
        let right = running_child(world, &scene, &root, "right").await;
        for (parent, all) in [(&left, &mut cancelled), (&right, &mut beside)] {
            let below = running_child(world, &scene, parent, "below").await;
            all.extend(plant(world, &scene, &below, MANY).await);
            all.extend(plant(world, &scene, parent, 20).await);
        }
        alone(world, cancel(&left)).await.unwrap();
        let claimed = alone(world, scene.claim(2 * MANY))
            .await
            .unwrap()
            .executions;
        assert!(
            claimed
                .iter()
                .all(|one| beside.iter().any(|other| other.id == one.id))
        );
        go_on(world, left.id).await;
        let ended = of_status(world, &cancelled, ExecutionStatus::Cancelled).await;
        assert_eq!(ended, cancelled.len());
        assert_eq!(
            of_status(world, &beside, ExecutionStatus::Cancelled).await,
            0
        );
        assert!(alone(world, scene.child(&right, "more")).await.is_ok());
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_cancellation_that_another_transaction_has_overtaken_takes_its_place_behind_it() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 7).await;
        let running = scene.running(world).await;
        // As if the last event were of a transaction that began long after the next one.
        let db = &world.storage.db.writer;
        for ahead in [
            "UPDATE event SET tx = tx + 5000 WHERE stream_id = $1 AND seq = 2",
            "UPDATE execution SET last_tx = last_tx + 5000 WHERE id = $1",
        ] {
            db.execute(ahead, [running.id.0.into()]).await.unwrap();
        }
        alone(world, cancel(&running)).await.unwrap();
        alone(world, completion(&running)).await.unwrap();
        let scope = scope_of(TENANT);
        let events = world.storage.events_after(&scope, running.id, 0, 10);
        let places: Vec<_> = events
            .await
            .unwrap()
            .iter()
            .map(|event| (event.cursor.tx, event.cursor.ord))
            .collect();
        assert!(places.len() == 4 && places.is_sorted(), "{places:?}");
        assert!(places.windows(2).all(|two| two[0] != two[1]), "{places:?}");
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn cancellations_under_a_flood_of_submits_and_events_are_answered() {
    on_each_database(async |world| {
        let scene = &Scene::begin(world, 8).await;
        for round in 0..4 {
            let root = &scene.running(world).await;
            plant(world, scene, root, 50).await;
            let others = join_all((0..6).map(|flood| async move {
                for n in 0..10 {
                    let child = scene.child(root, &format!("{flood} {n}"));
                    // Refused once the parent is cancelled.
                    let _ = alone(world, child).await;
                    let emit = Emit {
                        fence: fence(root),
                        body: EventBody::ProgressReported {
                            fraction: 0.5,
                            message: Some(format!("{round}")),
                        },
                        payload: None,
                    };
                    alone(world, emit).await.unwrap();
                }
            }));
            let (_, cancelled) = tokio::join!(others, alone(world, cancel(root)));
            assert!(cancelled.is_ok(), "{cancelled:?}");
            let found = world.storage.cancellations_of(&[root.id]).await.unwrap();
            assert_eq!(found.len(), 1);
            go_on(world, root.id).await;
            let left = world
                .storage
                .live_in_tree(&scope_of(TENANT), root.id, 1000)
                .await
                .unwrap();
            assert_eq!(left, 0);
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
        let text = "SELECT COUNT(*) AS doubles FROM (SELECT tx, ord FROM event \
             GROUP BY tx, ord HAVING COUNT(*) > 1) d";
        let found = sql::query(&world.storage.db.reader, text, [])
            .await
            .unwrap();
        assert_eq!(sql::get::<i64>(&found[0], "doubles").unwrap(), 0);
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
