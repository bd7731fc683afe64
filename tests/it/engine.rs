//! The life of executions.

use serde_json::json;
use takeoff::{
    model::{ExecutionStatus, RawJson, Refusal},
    runtime::SubmitIntent,
    storage::Error,
};

use crate::support::{TestApp, backends};

backends! {
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
        assert_eq!(app.verify().await.executions, 0);
    }
}
