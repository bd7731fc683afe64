//! Ends of attempts, and each of an execution's counts.

use crate::{
    model::{
        ArtifactId, EventBody, Execution, ExecutionError, ExecutionId, ExecutionStatus, Micros,
        Queue, Refusal,
    },
    storage::{
        Error,
        read_tests::{World, on_each_database, scope_of},
        write::{
            Outcome, Recover, Wake,
            tests::{
                Scene, TENANT, add_node, alone, completion, refusal, stored, stored_artifact, thing,
            },
        },
    },
};

/// Ends the attempt without an outcome, and begins another one.
async fn again(world: &World, scene: &Scene, execution: &Execution, outcome: Outcome) -> Execution {
    let is_parked = matches!(outcome, Outcome::Park);
    let mut end = completion(execution);
    end.outcome = outcome;
    alone(world, end).await.unwrap();
    if is_parked {
        let ids = vec![execution.id];
        alone(world, Wake { ids }).await.unwrap();
    }
    next_attempt(world, scene).await
}

async fn next_attempt(world: &World, scene: &Scene) -> Execution {
    let mut claim = scene.claim(1);
    claim.alone = world
        .storage
        .something_waits_alone(&Queue::Node)
        .await
        .unwrap();
    let claimed = alone(world, claim).await.unwrap();
    claimed
        .executions
        .into_iter()
        .next()
        .expect("it does not wait")
}

fn interrupted() -> Outcome {
    Outcome::Retry {
        error: ExecutionError {
            code: "UNAVAILABLE".into(),
            message: "the database is away".into(),
            retryable: true,
            attempt: 1,
            earlier: Vec::new(),
        },
        delay_micros: 0,
        lost: true,
    }
}

/// Returns the time between its last attempt and the next one.
async fn delay(world: &World, id: ExecutionId) -> Micros {
    let scope = scope_of(TENANT);
    let events = world
        .storage
        .events_after(&scope, id, 0, 1000)
        .await
        .unwrap();
    let last = events.last().unwrap();
    match &last.body {
        EventBody::ExecutionRetrying {
            next_attempt_at, ..
        } => next_attempt_at - last.occurred_at,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_was_parked_and_handed_back_is_still_run_again_when_its_artifact_is_overtaken() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 50).await;
        let id = ArtifactId::derived(TENANT, b"x", "thing");
        let mut journey = scene.running(world).await;
        for _ in 0..3 {
            journey = again(world, &scene, &journey, Outcome::Park).await;
            journey = again(world, &scene, &journey, Outcome::HandBack).await;
        }
        let mut first = completion(&scene.running(world).await);
        first.artifacts.push(thing(id));
        alone(world, first).await.unwrap();
        let mut overtaken = completion(&journey);
        let mut named = thing(id);
        named.display_name = Some("another name".into());
        overtaken.artifacts.push(named);
        let status = alone(world, overtaken).await.unwrap();
        assert_eq!(status, ExecutionStatus::Running);
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn neither_parkings_nor_hand_backs_lengthen_the_delay_after_an_outage() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 51).await;
        let mut one = scene.running(world).await;
        for outcome in [Outcome::Park, Outcome::HandBack]
            .into_iter()
            .cycle()
            .take(8)
        {
            one = again(world, &scene, &one, outcome).await;
        }
        let mut end = completion(&one);
        end.outcome = interrupted();
        alone(world, end).await.unwrap();
        assert_eq!(delay(world, one.id).await, 0);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_was_parked_says_that_neither_it_nor_an_outage_ended_the_process() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 52).await;
        let mut one = scene.running(world).await;
        let db = &world.storage.db.writer;
        for expected in [1, 2] {
            add_node(world, scene.node, false).await;
            assert_eq!(alone(world, Recover { limit: 9 }).await.unwrap(), 1);
            assert_eq!(stored(world, &one).await.crashes, expected);
            let forget = "DELETE FROM node WHERE id = $1";
            db.execute(forget, [scene.node.0.into()]).await.unwrap();
            one = next_attempt(world, &scene).await;
        }
        let mut end = completion(&one);
        end.outcome = Outcome::Park;
        alone(world, end).await.unwrap();
        let parked = stored(world, &one).await;
        assert_eq!((parked.crashes, parked.lost_attempts), (0, 3));
        let ids = vec![one.id];
        alone(world, Wake { ids }).await.unwrap();
        // It need not run alone any more.
        assert!(
            !world
                .storage
                .something_waits_alone(&Queue::Node)
                .await
                .unwrap()
        );
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_ends_once_and_with_it_what_it_made_is_registered() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 53).await;
        let running = scene.running(world).await;
        let id = ArtifactId::derived(TENANT, b"x", "thing");
        let mut end = completion(&running);
        end.artifacts.push(thing(id));
        let status = alone(world, end.clone()).await.unwrap();
        assert_eq!(status, ExecutionStatus::Completed);
        let again = alone(world, end).await;
        assert!(matches!(again, Err(Error::Fenced)), "{again:?}");
        let made = stored_artifact(world, id).await;
        assert_eq!((made.execution_id, made.version), (running.id, 1));
        assert!(
            world
                .storage
                .leases_of(scene.node)
                .await
                .unwrap()
                .is_empty()
        );
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_refused_artifact_leaves_the_attempt_as_it_was() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 54).await;
        let running = scene.running(world).await;
        let id = ArtifactId::derived(TENANT, b"x", "thing");
        let mut end = completion(&running);
        end.artifacts.push(thing(id));
        let mut orphan = thing(ArtifactId::derived(TENANT, b"y", "thing"));
        orphan
            .parents
            .push(ArtifactId::derived(TENANT, b"absent", "thing"));
        end.artifacts.push(orphan);
        let refused = refusal(alone(world, end).await);
        let expected = Refusal::not_found("parent artifact", "parentArtifacts");
        assert_eq!(refused, expected);
        let mut stored = stored(world, &running).await;
        // A write does not answer with it.
        stored.last_hash = None;
        assert_eq!(stored, running);
        let found = world.storage.find_artifacts(&scope_of(TENANT), &[id]).await;
        assert!(found.unwrap().is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_retry_that_would_begin_after_the_deadline_fails_the_execution() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 55).await;
        let mut submit = scene.submit();
        submit.execution.timeout_micros = Some(60_000_000);
        submit.start_on = Some(scene.node);
        let running = alone(world, submit).await.unwrap().execution;
        let mut end = completion(&running);
        let Outcome::Retry { error, .. } = interrupted() else {
            unreachable!()
        };
        end.outcome = Outcome::Retry {
            error,
            delay_micros: 120_000_000,
            lost: false,
        };
        let status = alone(world, end).await.unwrap();
        assert_eq!(status, ExecutionStatus::Failed);
        assert_eq!(
            stored(world, &running).await.error.unwrap().code,
            "UNAVAILABLE"
        );
    })
    .await;
}
