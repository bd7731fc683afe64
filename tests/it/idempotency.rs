//! Keys: the same request is the same execution, under concurrency and across restarts.

use std::{collections::HashSet, sync::atomic::Ordering};

use futures::future::join_all;
use takeoff::{
    model::{RawJson, Refusal, SessionId},
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
}
