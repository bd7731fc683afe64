use crate::{
    model::{
        ArtifactId, ArtifactState, ExecutionError, ExecutionId, ExecutionStatus, IntentId, Micros,
        Queue, Refusal, SessionId, TransitionRequest,
    },
    storage::{
        Error,
        read_tests::{World, on_each_database, scope_of},
        write::{
            Key, KeyScope, Outcome, Submission, Submit, TransitionArtifact,
            tests::{Batch, Scene, TENANT, alone, completion, fence, stored, thing},
        },
    },
};

fn keyed(scene: &Scene, scope: KeyScope, hash: &str) -> Submit {
    let mut submit = scene.submit();
    submit.key = Some(Key {
        scope,
        key: "one".into(),
        request_hash: hash.into(),
        ttl_micros: None,
    });
    submit
}

async fn count_of_transactions(world: &World) -> i64 {
    let text = "SELECT COUNT(DISTINCT tx) AS count FROM event";
    let rows = crate::storage::sql::query(&world.storage.db.reader, text, []);
    crate::storage::sql::get(&rows.await.unwrap()[0], "count").unwrap()
}

#[tokio::test]
async fn equal_keys_are_decided_in_one_transaction_in_their_order() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 30).await;
        let before = count_of_transactions(world).await;
        let mut batch = Batch::default();
        // The first is refused: the key goes to who follows.
        let mut nowhere = keyed(&scene, KeyScope::Caller, "same");
        nowhere.execution.session_id = SessionId(scene.ids.node().0);
        let refused = batch.add(nowhere);
        let same: Vec<_> = (0..20)
            .map(|_| batch.add(keyed(&scene, KeyScope::Caller, "same")))
            .collect();
        let other = batch.add(keyed(&scene, KeyScope::Caller, "other"));
        batch.run(world).await;
        assert_eq!(count_of_transactions(world).await, before + 1);
        assert!(matches!(
            refused.get(),
            Err(Error::Refused(Refusal::NotFound { .. }))
        ));
        let same: Vec<Submission> = same.into_iter().map(|one| one.get().unwrap()).collect();
        let replayed = same.iter().filter(|one| one.replayed).count();
        assert_eq!((same[0].replayed, replayed), (false, 19));
        assert!(
            same.iter()
                .all(|one| one.execution.id == same[0].execution.id)
        );
        let conflict = Refusal::IdempotencyKeyConflict {
            execution_id: same[0].execution.id,
        };
        assert!(matches!(other.get(), Err(Error::Refused(refusal)) if refusal == conflict));
        // And what is durable says the same.
        let again = alone(world, keyed(&scene, KeyScope::Caller, "same"))
            .await
            .unwrap();
        assert!(again.replayed && again.execution.id == same[0].execution.id);
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_key_whose_only_intent_is_refused_is_free_again() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 31).await;
        let mut nowhere = keyed(&scene, KeyScope::Caller, "one");
        nowhere.execution.session_id = SessionId(scene.ids.node().0);
        alone(world, nowhere).await.unwrap_err();
        let other = alone(world, keyed(&scene, KeyScope::Caller, "other")).await;
        assert!(!other.unwrap().replayed);
    })
    .await;
}

fn fingerprinted(scene: &Scene) -> Submit {
    let mut submit = keyed(scene, KeyScope::Fingerprint, "print");
    submit.start_on = Some(scene.node);
    submit
}

#[tokio::test]
async fn a_fingerprint_finds_work_under_way_or_completed_and_never_a_failure() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 33).await;
        let first = alone(world, fingerprinted(&scene)).await.unwrap().execution;
        let found = alone(world, fingerprinted(&scene)).await.unwrap();
        assert!(found.replayed && found.execution.id == first.id);
        let mut failure = completion(&first);
        failure.outcome = Outcome::Failed(ExecutionError {
            code: "NOT_TODAY".into(),
            message: "no".into(),
            retryable: false,
            attempt: 1,
            earlier: Vec::new(),
        });
        alone(world, failure).await.unwrap();
        let mut batch = Batch::default();
        let second = batch.add(fingerprinted(&scene));
        let joined = batch.add(fingerprinted(&scene));
        batch.run(world).await;
        let (second, joined) = (second.get().unwrap(), joined.get().unwrap());
        assert!(!second.replayed && second.execution.id != first.id);
        assert!(joined.replayed && joined.execution.id == second.execution.id);
        alone(world, completion(&second.execution)).await.unwrap();
        let found = alone(world, fingerprinted(&scene)).await.unwrap();
        assert!(found.replayed && found.execution.id == second.execution.id);
    })
    .await;
}

#[tokio::test]
async fn a_fingerprint_does_not_find_what_was_deleted() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 34).await;
        let first = alone(world, fingerprinted(&scene)).await.unwrap().execution;
        let id = ArtifactId::derived(TENANT, b"print", "thing");
        let mut made = completion(&first);
        made.artifacts.push(thing(id));
        alone(world, made).await.unwrap();
        let found = alone(world, fingerprinted(&scene)).await.unwrap();
        assert!(found.replayed);
        for to in [ArtifactState::Archived, ArtifactState::Deleted] {
            let request = TransitionRequest {
                artifact_id: id,
                to,
                actor: "test".into(),
                reason: None,
            };
            let scope = scope_of(TENANT);
            alone(world, TransitionArtifact { scope, request })
                .await
                .unwrap();
        }
        let anew = alone(world, fingerprinted(&scene)).await.unwrap();
        assert!(!anew.replayed);
        let first = stored(world, &first).await;
        assert_eq!(first.status, ExecutionStatus::Completed);
    })
    .await;
}

#[tokio::test]
async fn an_intent_for_a_free_slot_is_started_at_once_and_others_wait() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 35).await;
        let mut started = scene.submit();
        started.start_on = Some(scene.node);
        let started = alone(world, started).await.unwrap();
        assert!(started.started_at.is_some() && !started.replayed);
        let held = world.storage.leases_of(scene.node).await.unwrap();
        assert_eq!(held, [fence(&started.execution)]);
        // Not before its time, and not on a node where a worker serves it.
        let mut delayed = scene.submit();
        delayed.execution.run_at = Some(Micros::MAX);
        let mut remote = scene.submit();
        let handler = "translate/remote".into();
        remote.execution.queue = Queue::Worker { handler };
        for mut waiting in [scene.submit(), delayed, remote] {
            if waiting.execution.run_at.is_some() || waiting.execution.queue != Queue::Node {
                waiting.start_on = Some(scene.node);
            }
            let waiting = alone(world, waiting).await.unwrap();
            assert_eq!(waiting.execution.status, ExecutionStatus::Created);
            assert_eq!(waiting.started_at, None);
        }
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}

#[tokio::test]
async fn a_child_is_refused_when_its_parents_attempt_has_ended() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 36).await;
        let parent = scene.running(world).await;
        let child = alone(world, scene.child(&parent, "early")).await.unwrap();
        let child = child.execution;
        assert_eq!(
            (child.parent_id, child.root_id),
            (Some(parent.id), Some(parent.id))
        );
        assert_eq!((child.depth, child.status), (1, ExecutionStatus::Created));
        alone(world, completion(&parent)).await.unwrap();
        let late = alone(world, scene.child(&parent, "late")).await;
        assert!(matches!(late, Err(Error::Fenced)), "{late:?}");
    })
    .await;
}

fn with_id(scene: &Scene, id: ExecutionId, hash: &str) -> Submit {
    let mut submit = scene.submit();
    submit.execution.id = id;
    submit.execution.intent_id = IntentId(id.0);
    submit.chosen = Some(Key {
        scope: KeyScope::Chosen,
        key: id.to_string(),
        request_hash: hash.into(),
        ttl_micros: Some(3_600_000_000),
    });
    submit
}

#[tokio::test]
async fn a_chosen_id_is_taken_once_whoever_tries_it_in_one_transaction() {
    on_each_database(async |world| {
        let scene = Scene::begin(world, 40).await;
        let millis = u64::try_from(world.now().await / 1_000).unwrap();
        let id = uuid::Builder::from_unix_timestamp_millis(millis, &[1; 10]).into_uuid();
        let id = ExecutionId(id);
        let mut batch = Batch::default();
        // The first is refused: the id goes to who follows, with its request.
        let mut nowhere = with_id(&scene, id, "first");
        nowhere.execution.session_id = SessionId(scene.ids.node().0);
        let refused = batch.add(nowhere);
        let made = batch.add(with_id(&scene, id, "same"));
        let again = batch.add(with_id(&scene, id, "same"));
        let other = batch.add(with_id(&scene, id, "other"));
        // Of another tenant, and keyed as well.
        let mut keyed = with_id(&scene, id, "same");
        keyed.chosen.as_mut().unwrap().key = "of another user".into();
        let foreign = batch.add(keyed);
        batch.run(world).await;
        assert!(matches!(
            refused.get(),
            Err(Error::Refused(Refusal::NotFound { .. }))
        ));
        let made = made.get().unwrap();
        assert_eq!((made.replayed, made.execution.id), (false, id));
        assert!(again.get().unwrap().replayed);
        for refused in [other.get(), foreign.get()] {
            assert!(matches!(
                refused,
                Err(Error::Refused(Refusal::ExecutionIdConflict))
            ));
        }
        let again = alone(world, with_id(&scene, id, "same")).await.unwrap();
        assert!(again.replayed);
        let first = alone(world, with_id(&scene, id, "first")).await;
        assert!(matches!(
            first,
            Err(Error::Refused(Refusal::ExecutionIdConflict))
        ));
        assert_eq!(world.storage.verify().await.unwrap().differences, []);
    })
    .await;
}
