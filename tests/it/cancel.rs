//! Cancelling: in every live state, down the tree, and against completion.

use serde_json::json;
use takeoff::{
    model::{ExecutionStatus, RawJson, Refusal},
    runtime::SubmitIntent,
    storage::Error,
};

use crate::support::{TestApp, backends};

async fn cancel(app: &TestApp, id: takeoff::model::ExecutionId) -> Result<(), Error> {
    let reason = Some("enough".to_owned());
    app.services()
        .runtime
        .cancel(&TestApp::principal(), id, reason)
        .await
        .map(|_| ())
}

backends! {
    async fn a_cancellation_reaches_every_live_state(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "gated", json!({})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        let waiting_for_worker = app.submit(session, "remote", json!({})).await;
        let parameters = RawJson::from(&json!({"a": 1, "b": 1}));
        let mut later = SubmitIntent::new("add", session, parameters);
        later.run_at = Some(i64::MAX / 2);
        let scheduled = app.try_submit(later).await.unwrap().execution;
        let parent = app.submit(session, "family", json!({"children": 2, "gated": true})).await;
        let scope = TestApp::principal().scope();
        let children = app.until(|| async {
            let found = app.services().storage.first_children(&scope, &[parent.id], 5).await.unwrap();
            found.get(&parent.id).filter(|children| children.len() == 2).cloned()
        }).await;
        for id in [running.id, waiting_for_worker.id, scheduled.id, parent.id] {
            cancel(&app, id).await.unwrap();
        }
        let mut all = vec![running.id, waiting_for_worker.id, scheduled.id, parent.id];
        all.extend(children.iter().map(|child| child.id));
        for id in all {
            let ended = app.ended(id).await;
            assert_eq!(ended.status, ExecutionStatus::Cancelled);
            assert_eq!(ended.cancel_reason.as_deref(), Some("enough"));
            let types = app.event_types(id).await;
            assert_eq!(types.last().map(String::as_str), Some("execution.cancelled"), "{types:?}");
            assert!(types.contains(&"execution.cancel_requested".to_owned()));
        }
        app.assert_verified().await;
    }

    async fn what_has_ended_or_is_not_there_cannot_be_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 1})).await;
        let refused = cancel(&app, done.id).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::AlreadyTerminal { .. }))));
        let nobody = takeoff::ids::IdSource::seeded(9).execution();
        let refused = cancel(&app, nobody).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::NotFound { .. }))));
    }

    async fn of_a_cancellation_and_a_completion_one_wins_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut outcomes = [0, 0];
        for _ in 0..60 {
            let execution = app.submit(session, "gated", json!({})).await;
            app.reaches(execution.id, ExecutionStatus::Running).await;
            app.solution.gate.add_permits(1);
            let cancelled = cancel(&app, execution.id).await;
            let ended = app.ended(execution.id).await;
            let types = app.event_types(execution.id).await;
            match cancelled {
                Ok(()) => assert_eq!(ended.status, ExecutionStatus::Cancelled, "{types:?}"),
                Err(Error::Refused(Refusal::AlreadyTerminal { .. })) => {
                    assert_eq!(ended.status, ExecutionStatus::Completed, "{types:?}");
                }
                Err(error) => panic!("{error}"),
            }
            outcomes[usize::from(ended.status == ExecutionStatus::Completed)] += 1;
            // A permit that the cancelled handler did not take must not free the next one.
            while let Ok(permit) = app.solution.gate.try_acquire() { permit.forget(); }
        }
        assert_eq!(outcomes[0] + outcomes[1], 60);
        app.assert_verified().await;
    }
}
