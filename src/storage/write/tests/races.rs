use futures::future::join_all;

use super::{ACTOR, Batch, Scene, TENANT, alone, completion, stored, thing};
use crate::{
    model::{
        ArtifactId, ArtifactState, Execution, ExecutionStatus, Payload, RawJson, Refusal,
        TransitionRequest,
    },
    storage::{
        Error,
        read_tests::{on_each_database, scope_of},
        sql,
        write::{Cancel, Complete, CreateSession, FireTimers},
    },
};

fn transition(id: ArtifactId, to: ArtifactState) -> TransitionRequest {
    TransitionRequest {
        artifact_id: id,
        to,
        actor: "runtime".into(),
        reason: None,
    }
}

#[tokio::test]
async fn executions_that_register_and_change_the_same_at_once_all_complete() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 40).await;
        for round in 0..10_u8 {
            let id = ArtifactId::derived(TENANT, &[round], "thing");
            let mut all: Vec<Complete> = Vec::new();
            for _ in 0..8 {
                let mut one = completion(&scene.running(world).await);
                let mut new = thing(id);
                new.state = ArtifactState::Pending;
                one.artifacts.push(new);
                all.push(one);
            }
            // Each by a writer of its own, as on nodes of their own.
            let ended = join_all(all.into_iter().map(|one| alone(world, one))).await;
            for status in ended {
                assert_eq!(status.unwrap(), ExecutionStatus::Completed);
            }
            let mut all = Vec::new();
            for _ in 0..8 {
                let mut one = completion(&scene.running(world).await);
                one.transitions.push(transition(id, ArtifactState::Ready));
                all.push(one);
            }
            let ended = join_all(all.into_iter().map(|one| alone(world, one))).await;
            for status in ended {
                assert_eq!(status.unwrap(), ExecutionStatus::Completed);
            }
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn an_attempt_that_decided_by_what_has_changed_meanwhile_is_run_again() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 41).await;
        let id = ArtifactId::derived(TENANT, b"x", "thing");
        let (one, other) = (scene.running(world).await, scene.running(world).await);
        let mut first = completion(&one);
        first.artifacts.push(thing(id));
        alone(world, first).await.unwrap();
        let mut second = completion(&other);
        let mut named = thing(id);
        named.display_name = Some("another name".into());
        second.artifacts.push(named.clone());
        assert_eq!(
            alone(world, second).await.unwrap(),
            ExecutionStatus::Running
        );
        // It is refused to who begins when the artifact is there.
        let mut late = completion(&scene.running(world).await);
        late.artifacts.push(named);
        let refused = alone(world, late).await;
        assert!(matches!(
            refused,
            Err(Error::Refused(Refusal::InvalidInput(_)))
        ));
        assert_eq!(stored(world, &other).await.lost_attempts, 1);
    })
    .await;
}

#[tokio::test]
async fn of_nodes_that_make_the_same_session_one_succeeds_and_the_others_are_refused() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 42).await;
        for _ in 0..10 {
            let id = scene.ids.session();
            let create = CreateSession {
                scope: scope_of(TENANT),
                actor: ACTOR.into(),
                id,
                stream_id: Some(scene.ids.session().0),
                user_id: None,
                solution_id: None,
                metadata: RawJson::empty_object(),
                state: RawJson::empty_object(),
                logged: Payload::inline(&RawJson::empty_object()),
                ttl_micros: 1_000_000,
                secret_digest: None,
            };
            let all = join_all((0..6).map(|_| alone(world, create.clone()))).await;
            assert_eq!(all.iter().filter(|made| made.is_ok()).count(), 1);
            for refused in all.into_iter().filter_map(Result::err) {
                assert!(
                    matches!(refused, Error::Refused(Refusal::InvalidInput(_))),
                    "{refused:?}"
                );
            }
        }
    })
    .await;
}

#[tokio::test]
async fn cancellations_claims_timers_and_completions_never_wait_for_each_other_in_a_circle() {
    const DEADLOCKS: &str = "SELECT deadlocks, (SELECT COUNT(*) FROM pg_stat_activity a \
         WHERE a.datname = current_database()) AS connections \
         FROM pg_stat_database WHERE datname = current_database()";
    on_each_database(async |world| {
        let scene = Scene::begin(world, 43).await;
        let cancel = |execution: &Execution| Cancel {
            scope: scope_of(TENANT),
            id: execution.id,
            reason: None,
            actor: "test".into(),
        };
        for _ in 0..25 {
            let (mut running, mut waiting) = (Vec::new(), Vec::new());
            let mut batch = Batch::default();
            for _ in 0..24 {
                let mut overdue = scene.submit();
                overdue.execution.timeout_micros = Some(1);
                overdue.start_on = Some(scene.node);
                running.push(batch.add(overdue));
                waiting.push(batch.add(scene.submit()));
            }
            batch.run(world).await;
            let running: Vec<_> = running
                .into_iter()
                .map(|one| one.get().unwrap().execution)
                .collect();
            let waiting: Vec<_> = waiting
                .into_iter()
                .map(|one| one.get().unwrap().execution)
                .collect();
            let mut batches: Vec<_> = (0..4).map(|_| Batch::default()).collect();
            for (n, (running, waiting)) in running.iter().zip(&waiting).enumerate() {
                let _ = batches[n % 3].add(completion(running));
                let _ = batches[(n + 1) % 3].add(cancel(waiting));
            }
            let _ = batches[1].add(scene.claim(24));
            let _ = batches[2].add(scene.claim(24));
            let _ = batches[3].add(FireTimers { limit: 100 });
            join_all(batches.into_iter().map(|batch| batch.run(world))).await;
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
        let db = &world.storage.db.reader;
        if db.get_database_backend() != sea_orm::DbBackend::Postgres {
            return;
        }
        // A process counts its deadlocks at its end; those of the batches have ended.
        let counted = async {
            loop {
                let found = sql::query(db, DEADLOCKS, []).await.unwrap();
                if sql::get::<i64>(&found[0], "connections").unwrap() <= 2 {
                    return sql::get::<i64>(&found[0], "deadlocks").unwrap();
                }
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        };
        let limit = std::time::Duration::from_secs(30);
        let counted = tokio::time::timeout(limit, counted).await;
        assert_eq!(counted.expect("connections of batches stay open"), 0);
    })
    .await;
}
