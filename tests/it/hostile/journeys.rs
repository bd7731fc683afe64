//! Journeys that are small to send and large to run.

use std::time::Instant;

use serde_json::{Value, json};
use takeoff::{
    model::{ExecutionStatus, RawJson, Refusal},
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{TestApp, backends};

async fn refused(app: &TestApp, parameters: Value) -> (Vec<String>, String) {
    let session = app.session().await;
    let intent = SubmitIntent::new("compose_journey", session, RawJson::from(&parameters));
    match app.try_submit(intent).await {
        Err(Error::Refused(Refusal::InvalidInput(faults))) => {
            (faults[0].path.clone(), faults[0].message.clone())
        }
        other => panic!("{other:?}"),
    }
}

fn step(name: &str, parameters: &Value) -> Value {
    json!({"name": name, "intent_type": "echo", "parameters": parameters})
}

backends! {
    async fn a_parameter_that_is_bound_ten_thousand_times_is_refused_at_submit(backend: Backend) {
        let app = TestApp::start(&backend).await;
        // 280 KB that would become 19 GB.
        let many: Vec<Value> = (0..12_000).map(|_| json!({"$param": "x"})).collect();
        let parameters = json!({"x": vec![0; 50_000], "steps": [step("a", &json!({"message": many}))]});
        let began = Instant::now();
        let (path, message) = refused(&app, parameters).await;
        assert_eq!(path, ["parameters", "steps"]);
        assert!(message.contains("524288 bytes") && message.contains("\"a\""), "{message}");
        println!("refused after {:?}", began.elapsed());
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn many_steps_that_each_take_a_large_parameter_are_refused_together(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let steps: Vec<Value> = (0..100)
            .map(|n| step(&format!("s{n}"), &json!({"message": {"$param": "x"}})))
            .collect();
        let parameters = json!({"x": "x".repeat(300_000), "steps": steps});
        let (path, message) = refused(&app, parameters).await;
        assert_eq!(path, ["parameters", "steps"]);
        assert!(message.contains("all steps"), "{message}");
        // A tenth of them is an ordinary journey.
        let parameters = json!({"x": "x".repeat(300_000), "steps": &steps[..10]});
        let done = app.run("compose_journey", parameters).await;
        assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    }

    async fn an_output_that_is_bound_ten_thousand_times_fails_the_step(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let many: Vec<Value> = (0..10_000).map(|_| json!({"$from": "one"})).collect();
        let parameters = json!({"steps": [
            step("one", &json!({"message": "x".repeat(100_000)})),
            step("two", &json!({"message": many})),
        ]});
        let failed = app.run("compose_journey", parameters).await;
        let error = failed.error.expect("it did not fail");
        assert_eq!(error.code, "PARAMETERS_TOO_LARGE");
        assert!(error.message.contains("\"two\""), "{}", error.message);
        app.assert_verified().await;
    }

    async fn results_that_do_not_fit_the_journeys_own_are_not_read(backend: Backend) {
        let app = TestApp::start_with(&backend, &["limits.result_bytes=200000"]).await;
        let steps: Vec<Value> = (0..3)
            .map(|n| step(&format!("s{n}"), &json!({"message": {"$param": "x"}})))
            .collect();
        let parameters = json!({"x": "x".repeat(90_000), "steps": steps});
        let failed = app.run("compose_journey", parameters).await;
        assert_eq!(failed.error.expect("it did not fail").code, "RESULT_TOO_LARGE");
        app.assert_verified().await;
    }
}
