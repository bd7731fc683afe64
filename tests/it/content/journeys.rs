//! Journeys, those that ship with the server and those of a caller's own.

use super::*;

backends! {
    async fn the_pipeline_makes_a_file_records_and_a_profile(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let samples = [
            ("orders.csv", ORDERS, "csv"),
            ("catalog.json", CATALOG, "json"),
            ("readings.ndjson", READINGS, "ndjson"),
            ("notes.txt", NOTES, "text"),
        ];
        for (filename, content, parser) in samples {
            let parameters = json!({
                "journey_id": "content_pipeline", "filename": filename, "content": content,
            });
            let done = app.run("compose_journey", parameters).await;
            let steps = result(&done)["steps"].clone();
            assert_eq!(steps["parse"]["result"]["parser_type"], parser);
            let (file, parsed, profile) = (
                id(&steps["ingest"]["result"]["artifact_id"]),
                id(&steps["parse"]["result"]["artifact_id"]),
                id(&steps["profile"]["result"]["artifact_id"]),
            );
            let scope = app.principal().scope();
            let registry = &app.services().artifacts;
            let file = registry.find(&scope, file).await.unwrap().unwrap();
            assert_eq!(file.state, ArtifactState::Ready);
            let path = registry.path(&scope, profile, file.id).await.unwrap();
            assert_eq!(path, Some(vec![profile, parsed, file.id]));
            let found = registry.find(&scope, profile).await.unwrap().unwrap();
            assert_eq!((found.generation, found.roots), (2, vec![file.id]));
        }
        app.assert_verified().await;
    }

    async fn pipelines_over_the_same_content_at_once_all_complete(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        for round in 0..3 {
            let pipelines = (0..12).map(|_| {
                let parameters = json!({
                    "journey_id": "content_pipeline", "filename": "same.csv",
                    "content": format!("a,b\n{round},2\n"),
                });
                app.submit(session, "compose_journey", parameters)
            });
            for pipeline in futures::future::join_all(pipelines).await {
                let done = app.ended(pipeline.id).await;
                assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
            }
        }
        app.assert_verified().await;
    }

    async fn a_parameter_that_a_journey_does_not_take_is_refused_by_its_name(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let misspelt = json!({
            "journey_id": "content_pipeline", "filename": "a.csv", "content": "a;b\n1;2\n",
            "parse_option": {"delimiter": ";"},
        });
        assert_eq!(refused(&app, "compose_journey", misspelt).await, ["parameters.parse_option"]);
        let under = json!({"journey_id": "file_parsing", "journey_params": {
            "file_id": ArtifactId::derived("default", b"x", "y"), "delimiter": ";",
        }});
        assert_eq!(refused(&app, "compose_journey", under).await, ["parameters.delimiter"]);
        let unused = json!({"who": "Ada", "whom": "Bob", "steps": [
            {"name": "one", "intent_type": "echo", "parameters": {"message": {"$param": "who"}}},
        ]});
        assert_eq!(refused(&app, "compose_journey", unused).await, ["parameters.whom"]);
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn a_journey_of_ones_own_binds_outputs_and_a_failing_step_fails_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let steps = |second: &str| json!({"who": "Ada", "steps": [
            {"name": "one", "intent_type": "echo", "parameters": {"message": {"$param": "who"}}},
            {"name": "two", "intent_type": second,
             "parameters": {"message": {"$from": "one", "path": "/message"}}},
        ]});
        let done = app.run("compose_journey", steps("echo")).await;
        assert_eq!(result(&done)["steps"]["two"]["result"]["message"], "Ada");
        let failed = app.run("compose_journey", steps("parse_content")).await;
        let error = failed.error.unwrap();
        assert_eq!(error.code, "CHILD_REFUSED", "{}", error.message);
        app.assert_verified().await;
    }

    async fn steps_side_by_side_need_one_slot_at_most(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=1"]).await;
        let steps: Vec<Value> =
            (0..4).map(|n| json!({"name": format!("s{n}"), "intent_type": "echo"})).collect();
        let done = app.run("compose_journey", json!({"steps": steps})).await;
        assert_eq!(result(&done)["steps"].as_object().unwrap().len(), 4);
        app.assert_verified().await;
    }

    async fn a_step_that_is_refused_is_named(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let steps = json!({"steps": [{"name": "first", "intent_type": "nothing_such"}]});
        let (code, message) = code_of(&app, "compose_journey", steps).await;
        assert_eq!(code, "CHILD_REFUSED");
        assert!(message.contains("first") && message.contains("nothing_such"), "{message}");
    }
}
