//! Keys: the same request is the same execution, under concurrency and across restarts.

use std::{collections::HashSet, sync::atomic::Ordering};

use futures::future::join_all;
use takeoff::{
    model::{ExecutionId, Principal, RawJson, Refusal, SessionId},
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{TestApp, backends};

fn with_key(session: SessionId, key: &str, a: i64) -> SubmitIntent {
    let parameters = RawJson::parse(&format!(r#"{{"a": {a},  "b": 1}}"#)).unwrap();
    SubmitIntent {
        idempotency_key: Some(key.to_owned()),
        ..SubmitIntent::new("add", session, parameters)
    }
}

fn with_suffix(id: uuid::Uuid, suffix: [u8; 4]) -> uuid::Uuid {
    let mut bytes = *id.as_bytes();
    bytes[12..].copy_from_slice(&suffix);
    uuid::Uuid::from_bytes(bytes)
}

/// An id that a caller chooses for an execution.
fn new_id(principal: &Principal) -> ExecutionId {
    let made = takeoff::ids::IdSource::system().execution().0;
    ExecutionId(with_suffix(made, principal.execution_id_suffix()))
}

backends! {
    async fn the_same_key_and_request_is_the_same_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let first = app.try_submit(with_key(session, "k", 1)).await.unwrap();
        assert!(!first.replayed);
        app.ended(first.execution.id).await;
        let mut spelled_otherwise = with_key(session, "k", 1);
        spelled_otherwise.parameters = RawJson::parse(r#"{"b":1,"a":1}"#).unwrap();
        let again = app.try_submit(spelled_otherwise).await.unwrap();
        assert_eq!((again.replayed, again.execution.id), (true, first.execution.id));
        let conflict = app.try_submit(with_key(session, "k", 2)).await;
        match conflict {
            Err(Error::Refused(Refusal::IdempotencyKeyConflict { execution_id })) => {
                assert_eq!(execution_id, first.execution.id);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(app.solution.runs.load(Ordering::SeqCst), 1);
    }

    async fn numbers_of_a_request_are_compared_by_their_exact_value(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let noted = |note: &str| SubmitIntent {
            metadata: RawJson::parse(&format!(r#"{{"n": {note}}}"#)).unwrap(),
            ..with_key(session, note.get(..6).unwrap_or("k"), 1)
        };
        app.try_submit(noted("1")).await.unwrap();
        assert!(app.try_submit(noted("1.0")).await.unwrap().replayed);
        app.try_submit(noted("18446744073709551617")).await.unwrap();
        let conflict = app.try_submit(noted("18446744073709551616")).await;
        assert!(matches!(conflict, Err(Error::Refused(Refusal::IdempotencyKeyConflict { .. }))));
    }

    async fn concurrent_submits_with_one_key_make_one_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        for round in 0..10 {
            let key = format!("k{round}");
            let submits = (0..20).map(|_| app.try_submit(with_key(session, &key, 1)));
            let answers = join_all(submits).await;
            let ids: HashSet<_> = answers.iter().map(|a| a.as_ref().unwrap().execution.id).collect();
            let made = answers.iter().filter(|a| !a.as_ref().unwrap().replayed).count();
            assert_eq!((ids.len(), made), (1, 1));
        }
        assert_eq!(app.verify().await.executions, 10);
        app.assert_verified().await;
    }

    async fn a_refused_submit_leaves_its_key_free(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let absent = takeoff::ids::IdSource::seeded(3).session();
        let refused = app.try_submit(with_key(absent, "k", 1)).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::NotFound { .. }))));
        let session = app.session().await;
        assert!(!app.try_submit(with_key(session, "k", 1)).await.unwrap().replayed);
    }

    async fn a_key_is_remembered_across_a_restart(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let first = app.try_submit(with_key(session, "k", 1)).await.unwrap();
        app.ended(first.execution.id).await;
        app.server.stop().await;
        let app = TestApp::start(&backend).await;
        let again = app.try_submit(with_key(session, "k", 1)).await.unwrap();
        assert_eq!((again.replayed, again.execution.id), (true, first.execution.id));
    }

    async fn tenants_do_not_share_keys(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let first = app.try_submit(with_key(session, "k", 1)).await.unwrap();
        let other = app.principal_of("other");
        let new = takeoff::state_surface::NewSession::anonymous();
        let theirs = app.services().state.create_session(&other, new).await.unwrap();
        let second = app.services().runtime.submit(&other, with_key(theirs.id, "k", 1)).await;
        assert_ne!(second.unwrap().execution.id, first.execution.id);
        let foreign = app.services().runtime.submit(&other, with_key(session, "k2", 1)).await;
        assert!(matches!(foreign, Err(Error::Refused(Refusal::NotFound { .. }))));
    }

    async fn a_chosen_id_is_the_executions_and_finds_it_again(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let id = new_id(&app.principal());
        let chosen = |a: i64| SubmitIntent {
            idempotency_key: None,
            execution_id: Some(id),
            ..with_key(session, "", a)
        };
        let answers = join_all((0..20).map(|_| app.try_submit(chosen(1)))).await;
        let answers: Vec<_> = answers.into_iter().map(Result::unwrap).collect();
        assert!(answers.iter().all(|answer| answer.execution.id == id));
        assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
        assert_eq!(answers[0].execution.intent.id.0, id.0);
        let conflict = app.try_submit(chosen(2)).await;
        assert!(matches!(conflict, Err(Error::Refused(Refusal::ExecutionIdConflict))), "{conflict:?}");
        app.ended(id).await;
        assert_eq!(app.solution.runs.load(Ordering::SeqCst), 1);
        app.server.stop().await;
        let app = TestApp::start(&backend).await;
        assert!(app.try_submit(chosen(1)).await.unwrap().replayed);
        app.assert_verified().await;
    }

    async fn a_chosen_id_tells_nothing_of_what_others_have(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let theirs = app.principal_of("other");
        let new = takeoff::state_surface::NewSession::anonymous();
        let of_theirs = app.services().state.create_session(&theirs, new).await.unwrap().id;
        let intent = SubmitIntent::new("add", of_theirs, RawJson::parse(r#"{"a": 1, "b": 1}"#).unwrap());
        let theirs = app.services().runtime.submit(&theirs, intent).await.unwrap().execution.id;
        // Whoever wants it as one of their own gets the same answer whether it is there or not.
        for (foreign, is_there) in [(theirs, true), (takeoff::ids::IdSource::system().execution(), false)] {
            let chosen = SubmitIntent { execution_id: Some(foreign), ..with_key(session, "another", 1) };
            match app.try_submit(chosen).await {
                Err(Error::Refused(Refusal::InvalidInput(faults))) => assert_eq!(faults[0].path, ["executionId"]),
                other => panic!("{is_there}: {other:?}"),
            }
        }
        let own = new_id(&app.principal());
        let chosen = |key: &str, a| SubmitIntent { execution_id: Some(own), ..with_key(session, key, a) };
        app.try_submit(chosen("k", 1)).await.unwrap();
        let refused = app.try_submit(chosen("another", 2)).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::ExecutionIdConflict))), "{refused:?}");
        // The key of what was refused is free.
        assert!(!app.try_submit(with_key(session, "another", 2)).await.unwrap().replayed);
        app.assert_verified().await;
    }

    async fn a_key_that_finds_an_execution_goes_before_a_new_id(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let chosen = |id| SubmitIntent { execution_id: Some(id), ..with_key(session, "k", 1) };
        let (first, second) = (new_id(&app.principal()), new_id(&app.principal()));
        assert_eq!(app.try_submit(chosen(first)).await.unwrap().execution.id, first);
        let found = app.try_submit(chosen(second)).await.unwrap();
        assert_eq!((found.replayed, found.execution.id), (true, first));
        // The second id was not used up by it.
        let other = SubmitIntent { idempotency_key: None, ..chosen(second) };
        let made = app.try_submit(other).await.unwrap();
        assert_eq!((made.replayed, made.execution.id), (false, second));
        app.assert_verified().await;
    }

    async fn a_chosen_id_is_a_version_7_uuid_of_now(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let now = new_id(&app.principal()).0;
        let suffix = app.principal().execution_id_suffix();
        let millis = u64::try_from(now.as_u128() >> 80).unwrap();
        let with_suffix = |id: uuid::Uuid| with_suffix(id, suffix);
        let at = |millis: u64| with_suffix(uuid::Builder::from_unix_timestamp_millis(millis, &[7; 10]).into_uuid());
        let minutes = |count: u64| count * 60_000;
        let bad = [
            uuid::Uuid::from_u128(now.as_u128() & !(0xf << 76) | (4 << 76)),
            with_suffix(uuid::Uuid::nil()),
            uuid::Uuid::from_u128(now.as_u128() ^ 1),
            at(millis - minutes(11)),
            at(millis + minutes(11)),
        ];
        for id in bad {
            let chosen = SubmitIntent {
                execution_id: Some(ExecutionId(id)),
                ..with_key(session, "k", 1)
            };
            match app.try_submit(chosen).await {
                Err(Error::Refused(Refusal::InvalidInput(faults))) => assert_eq!(faults[0].path, ["executionId"]),
                other => panic!("{other:?}"),
            }
        }
        for id in [at(millis - minutes(9)), at(millis + minutes(9))] {
            let chosen = SubmitIntent {
                idempotency_key: None,
                execution_id: Some(ExecutionId(id)),
                ..with_key(session, "", 1)
            };
            assert_eq!(app.try_submit(chosen).await.unwrap().execution.id.0, id);
        }
    }
}
