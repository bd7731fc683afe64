//! The life of executions: results, failures, retries, timeouts, steps, children, schedules.

use std::sync::atomic::Ordering;

use serde_json::json;
use takeoff::{
    model::{EventBody, ExecutionStatus, RawJson, Refusal, WaitReason},
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{TestApp, backends};

backends! {
    async fn progress_does_not_go_backwards_over_attempts(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("climb", json!({})).await;
        assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
        let reported: Vec<f64> = app
            .events(done.id)
            .await
            .iter()
            .filter_map(|event| match event.body {
                EventBody::ProgressReported { fraction, .. } => Some(fraction),
                _ => None,
            })
            .collect();
        assert_eq!(reported, [0.25, 0.75, 0.8]);
        app.assert_verified().await;
    }

    async fn an_intent_runs_to_its_result(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 2, "b": 3})).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
        assert_eq!(done.result.unwrap().as_str(), r#"{"sum":5}"#);
        assert_eq!(
            app.event_types(done.id).await,
            ["execution.created", "execution.started", "execution.completed"]
        );
        app.assert_verified().await;
    }

    async fn what_is_not_right_is_refused_and_nothing_is_stored(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let refuse = async |intent: SubmitIntent| match app.try_submit(intent).await {
            Err(Error::Refused(refusal)) => refusal,
            other => panic!("{other:?}"),
        };
        let intent = |name: &str, parameters| {
            SubmitIntent::new(name, session, RawJson::from(&parameters))
        };
        let unknown = refuse(intent("fly", json!({}))).await;
        assert!(matches!(unknown, Refusal::UnknownIntentType { .. }));
        let ambiguous = refuse(intent("twice", json!({}))).await;
        assert!(matches!(ambiguous, Refusal::AmbiguousHandler { .. }));
        let Refusal::InvalidInput(faults) = refuse(intent("add", json!({"a": "x", "c": 1}))).await
        else { panic!("accepted") };
        assert!(faults.iter().any(|fault| fault.path == ["parameters", "a"]), "{faults:?}");
        let mut elsewhere = intent("add", json!({"a": 1, "b": 1}));
        elsewhere.session_id = takeoff::ids::IdSource::seeded(7).session();
        assert!(matches!(refuse(elsewhere).await, Refusal::NotFound { .. }));
        let large = refuse(intent("talk", json!({"x": "y".repeat(600_000)}))).await;
        assert!(matches!(large, Refusal::TooLarge { .. }));
        let closed = app.services().state.close_session(&app.principal(), session, None).await;
        closed.unwrap();
        let late = refuse(intent("add", json!({"a": 1, "b": 1}))).await;
        assert!(matches!(late, Refusal::SessionNotActive { .. }));
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn a_failing_attempt_is_repeated_until_it_succeeds(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("flaky", json!({"failures": 2})).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 3));
        let types = app.event_types(done.id).await;
        let retries = types.iter().filter(|name| *name == "execution.retrying").count();
        assert_eq!(retries, 2, "{types:?}");
        app.assert_verified().await;
    }

    async fn used_up_attempts_end_in_a_failure_with_every_error(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let failed = app.run("flaky", json!({"failures": 9})).await;
        assert_eq!((failed.status, failed.attempt), (ExecutionStatus::Failed, 4));
        let error = failed.error.unwrap();
        assert_eq!((error.code.as_str(), error.attempt), ("NOT_YET", 4));
        let earlier: Vec<i64> = error.earlier.iter().map(|link| link.attempt).collect();
        assert_eq!(earlier, [1, 2, 3]);
        app.assert_verified().await;
    }

    async fn a_fatal_error_is_not_repeated(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let failed = app.run("flaky", json!({"failures": 9, "fatal": true})).await;
        assert_eq!((failed.status, failed.attempt), (ExecutionStatus::Failed, 1));
        assert_eq!(failed.error.unwrap().code, "NOT_TODAY");
    }

    async fn a_panic_is_a_failed_attempt_and_tells_the_tenant_nothing(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let failed = app.run("panic", json!({})).await;
        assert_eq!((failed.status, failed.attempt), (ExecutionStatus::Failed, 2));
        let error = failed.error.unwrap();
        assert_eq!(error.code, "HANDLER_PANICKED");
        assert!(!error.message.contains("secret"), "{}", error.message);
    }

    async fn an_attempt_ends_at_its_timeout(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for (intent_type, code) in [
            ("hang", "ATTEMPT_TIMEOUT"),
            ("silent", "ATTEMPT_TIMEOUT"),
            ("overdue", "EXECUTION_TIMEOUT"),
        ] {
            let failed = app.run(intent_type, json!({})).await;
            assert_eq!(failed.status, ExecutionStatus::Failed, "{intent_type}");
            assert_eq!(failed.error.unwrap().code, code, "{intent_type}");
        }
        app.assert_verified().await;
    }

    async fn a_result_of_100_mb_is_a_failure_and_a_large_one_is_kept_whole(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let failed = app.run("big", json!({"bytes": 100_000_000})).await;
        assert_eq!(failed.error.unwrap().code, "RESULT_TOO_LARGE");
        assert_eq!(failed.attempt, 1);
        let done = app.run("big", json!({"bytes": 1_000_000})).await;
        let stored = done.result.unwrap();
        assert!(stored.as_reference().is_some());
        let scope = app.principal().scope();
        let result = app.services().runtime.payload(&scope, &stored).await.unwrap();
        assert_eq!(result.as_str().len(), 1_000_002);
        app.assert_verified().await;
    }

    async fn a_recorded_step_is_not_run_again(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("steps", json!({})).await;
        assert_eq!((done.status, done.attempt), (ExecutionStatus::Completed, 3));
        assert_eq!(done.result.unwrap().as_str(), "[0,1]");
        assert_eq!(app.solution.step_runs.load(Ordering::SeqCst), 2);
        let scope = app.principal().scope();
        let steps = app.services().storage.find_steps(&scope, &[done.id]).await.unwrap();
        let names: Vec<&str> = steps[&done.id].iter().map(|step| step.name.as_str()).collect();
        assert_eq!(names, ["one", "two"]);
        app.assert_verified().await;
    }

    async fn children_are_executions_of_their_own(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("family", json!({"children": 3})).await;
        assert_eq!(done.result.unwrap().as_str(), "[1,2,3]");
        let scope = app.principal().scope();
        let children = app.services().storage.first_children(&scope, &[done.id], 10).await.unwrap();
        assert_eq!(children[&done.id].len(), 3);
        for child in &children[&done.id] {
            assert_eq!(child.status, ExecutionStatus::Completed);
            assert_eq!(child.parent_id, Some(done.id));
        }
        let types = app.event_types(done.id).await;
        assert_eq!(types.iter().filter(|name| *name == "child.submitted").count(), 3);
        app.assert_verified().await;
    }

    async fn a_parent_that_waits_gives_its_slot_away(backend: Backend) {
        let one_slot = ["runtime.max_concurrent_executions=1"];
        let app = TestApp::start_with(&backend, &one_slot).await;
        let done = app.run("family", json!({"children": 2})).await;
        assert_eq!(done.status, ExecutionStatus::Completed);
    }

    async fn run_at_and_remote_handlers_wait_and_say_why(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let add = json!({"a": 1, "b": 1});
        let mut later = SubmitIntent::new("add", session, RawJson::from(&add));
        let first = app.run("add", add).await;
        later.run_at = Some(first.finished_at.unwrap() + 4_000_000);
        let scheduled = app.try_submit(later.clone()).await.unwrap().execution;
        let remote = app.submit(session, "remote", json!({})).await;
        let scope = app.principal().scope();
        let ids = [scheduled.id, remote.id];
        let reasons = app.services().storage.wait_reasons(&scope, &ids).await.unwrap();
        assert_eq!(reasons[&scheduled.id].reason, WaitReason::Schedule);
        assert_eq!(reasons[&remote.id].reason, WaitReason::Worker);
        let done = app.ended(scheduled.id).await;
        assert!(done.started_at.unwrap() >= later.run_at.unwrap());
        assert_eq!(app.execution(remote.id).await.status, ExecutionStatus::Created);
        app.assert_verified().await;
    }

    async fn with_one_slot_the_first_priority_goes_first(backend: Backend) {
        let one_slot = ["runtime.max_concurrent_executions=1"];
        let app = TestApp::start_with(&backend, &one_slot).await;
        let session = app.session().await;
        let blocker = app.submit(session, "gated", json!({})).await;
        app.reaches(blocker.id, ExecutionStatus::Running).await;
        let mut waiting = Vec::new();
        for priority in [9, 5, 0] {
            let parameters = RawJson::from(&json!({"a": priority, "b": 0}));
            let mut intent = SubmitIntent::new("add", session, parameters);
            intent.priority = Some(priority);
            waiting.push(app.try_submit(intent).await.unwrap().execution.id);
        }
        app.solution.gate.add_permits(1);
        let mut started = Vec::new();
        for id in &waiting {
            started.push(app.ended(*id).await.started_at.unwrap());
        }
        assert!(started[2] <= started[1] && started[1] <= started[0], "{started:?}");
        assert!(started[2] < started[0]);
    }

    async fn a_rerun_is_a_new_execution_of_the_same_intent(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let principal = app.principal();
        let failed = app.run("flaky", json!({"failures": 9, "fatal": true})).await;
        let again = app.services().runtime.rerun(&principal, failed.id, None).await.unwrap();
        let again = app.ended(again.execution.id).await;
        assert_ne!(again.id, failed.id);
        assert_eq!((again.rerun_of, again.intent.id), (Some(failed.id), failed.intent.id));
        let old = app.execution(failed.id).await;
        assert_eq!(old, failed);
        let running = app.submit(failed.intent.session_id, "gated", json!({})).await;
        let refused = app.services().runtime.rerun(&principal, running.id, None).await;
        assert!(matches!(refused, Err(Error::Refused(Refusal::InvalidInput(_)))));
        app.assert_verified().await;
    }

    async fn a_tenant_with_a_long_queue_does_not_starve_another(backend: Backend) {
        let one_slot = ["runtime.max_concurrent_executions=1"];
        let app = TestApp::start_with(&backend, &one_slot).await;
        let session = app.session().await;
        let blocker = app.submit(session, "gated", json!({})).await;
        app.reaches(blocker.id, ExecutionStatus::Running).await;
        let mut long = Vec::new();
        for n in 0..40 {
            long.push(app.submit(session, "add", json!({"a": n, "b": 0})).await.id);
        }
        let other = app.principal_of("other");
        let new = takeoff::state_surface::NewSession::anonymous();
        let session = app.services().state.create_session(&other, new).await.unwrap();
        let parameters = RawJson::from(&json!({"a": 1, "b": 1}));
        let intent = SubmitIntent::new("add", session.id, parameters);
        let short = app.services().runtime.submit(&other, intent).await.unwrap().execution;
        app.solution.gate.add_permits(1);
        let scope = other.scope();
        let waiting = app.services().events.wait_until_terminal(&scope, short.id);
        let short = waiting.await.unwrap();
        let last = app.ended(*long.last().unwrap()).await;
        assert!(short.started_at.unwrap() < last.started_at.unwrap());
        let before = short.started_at.unwrap();
        let mut earlier = 0;
        for id in long {
            earlier += usize::from(app.execution(id).await.started_at.unwrap() < before);
        }
        assert!(earlier <= 10, "{earlier} of the long queue went first");
    }
}
