//! The content solution on real files.

mod journeys;
mod parsing;

use serde_json::{Value, json};
use takeoff::{
    model::{ArtifactId, ArtifactState, Execution, ExecutionStatus, RawJson, Refusal},
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{TestApp, backends};

const ORDERS: &str = include_str!("../../../src/cli/demo/samples/orders.csv");
const CATALOG: &str = include_str!("../../../src/cli/demo/samples/catalog.json");
const READINGS: &str = include_str!("../../../src/cli/demo/samples/readings.ndjson");
const NOTES: &str = include_str!("../../../src/cli/demo/samples/notes.txt");

fn result(execution: &Execution) -> Value {
    assert_eq!(
        execution.status,
        ExecutionStatus::Completed,
        "{:?}",
        execution.error
    );
    execution
        .result
        .as_ref()
        .unwrap()
        .as_inline()
        .unwrap()
        .to_value()
}

fn id(value: &Value) -> ArtifactId {
    value.as_str().unwrap().parse().unwrap()
}

async fn ingested(app: &TestApp, name: &str, content: &str) -> ArtifactId {
    let done = app
        .run("ingest_file", json!({"ui_name": name, "content": content}))
        .await;
    id(&result(&done)["artifact_id"])
}

async fn code_of(app: &TestApp, intent_type: &str, parameters: Value) -> (String, String) {
    let failed = app.run(intent_type, parameters).await;
    let error = failed.error.expect("it did not fail");
    (error.code, error.message)
}

async fn refused(app: &TestApp, intent_type: &str, parameters: Value) -> Vec<String> {
    let session = app.session().await;
    let intent = SubmitIntent::new(intent_type, session, RawJson::from(&parameters));
    match app.try_submit(intent).await {
        Err(Error::Refused(Refusal::InvalidInput(faults))) => {
            faults.iter().map(|fault| fault.path.join(".")).collect()
        }
        other => panic!("{other:?}"),
    }
}

backends! {
    async fn a_fingerprint_finds_no_failure(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let parse = async || {
            let nothing = takeoff::ids::IdSource::seeded(5).execution().0;
            let file = ArtifactId(nothing);
            let parameters = RawJson::from(&json!({"file_id": file}));
            let intent = SubmitIntent::new("parse_content", session, parameters);
            app.try_submit(intent).await.unwrap()
        };
        let first = parse().await;
        assert_eq!(app.ended(first.execution.id).await.status, ExecutionStatus::Failed);
        let second = parse().await;
        assert!(!second.replayed);
        assert_ne!(second.execution.id, first.execution.id);
    }

    async fn each_upload_of_the_same_content_is_a_file_of_its_own_name(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let pipeline = async |name: &str| {
            let parameters = json!({
                "journey_id": "content_pipeline", "filename": name, "content": "a,b\n1,2\n",
            });
            let done = app.run_in(session, "compose_journey", parameters).await;
            id(&result(&done)["steps"]["ingest"]["result"]["artifact_id"])
        };
        let (first, second) = (pipeline("a.csv").await, pipeline("b.csv").await);
        assert_ne!(first, second);
        let names = async |file: ArtifactId| {
            let found = app.services().artifacts.find(&app.principal().scope(), file).await;
            found.unwrap().unwrap().display_name.unwrap()
        };
        assert_eq!((names(first).await, names(second).await), ("a.csv".into(), "b.csv".into()));
        for intent_type in ["archive_file", "delete_file"] {
            result(&app.run(intent_type, json!({"artifact_id": first})).await);
        }
        let third = pipeline("a.csv").await;
        assert!(third != first && third != second);
        app.assert_verified().await;
    }

    async fn the_same_parse_is_the_same_execution_and_the_same_artifact(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let file = ingested(&app, "a.csv", "a,b\n1,2\n").await;
        app.run("save_materialization", json!({"artifact_id": file})).await;
        let parse = |options: Value| json!({"file_id": file, "parse_options": options});
        let one = app.submit(session, "parse_content", parse(json!({}))).await;
        let same = app.submit(session, "parse_content", parse(json!({}))).await;
        let other = app.submit(session, "parse_content", parse(json!({"has_header": false}))).await;
        assert_eq!(one.id, same.id);
        assert_ne!(one.id, other.id);
        app.ended(other.id).await;
        let keyed = async |key: &str| {
            let mut intent = SubmitIntent::new("parse_content", session, RawJson::from(&parse(json!({}))));
            intent.idempotency_key = Some(key.into());
            let execution = app.try_submit(intent).await.unwrap().execution;
            app.ended(execution.id).await
        };
        let mine = keyed("mine").await;
        assert_ne!(mine.id, one.id);
        let artifact = |execution: &Execution| id(&result(execution)["artifact_id"]);
        let parsed = artifact(&app.ended(one.id).await);
        assert_eq!(parsed, artifact(&mine), "the same work has the same artifact");
        // The execution that found it again shows it, too.
        let query = "query($id: ID!, $after: String) { execution(id: $id) {
            artifacts(first: 5, after: $after) { nodes { id } totalCount { count } } } }";
        let found = app.data(query, json!({"id": mine.id.to_string()})).await;
        assert_eq!(found["execution"]["artifacts"]["totalCount"]["count"], 1);
        let found = &found["execution"]["artifacts"]["nodes"];
        assert_eq!(*found, json!([{"id": parsed.to_string()}]));
        let listed = app.data(
            "query($id: ID!) { execution(id: $id) { artifacts(last: 5) { nodes { id } } } }",
            json!({"id": mine.id.to_string()}),
        ).await;
        assert_eq!(listed["execution"]["artifacts"]["nodes"], *found);
        // Deleted is for ever: the same work then makes another one.
        for intent_type in ["archive_file", "delete_file"] {
            let changed = app.run(intent_type, json!({"artifact_id": parsed})).await;
            result(&changed);
            // What only changed it neither made nor found it.
            let of_it = app.data(query, json!({"id": changed.id.to_string()})).await;
            assert_eq!(of_it["execution"]["artifacts"], json!({"nodes": [], "totalCount": {"count": 0}}));
        }
        let again = artifact(&keyed("again").await);
        assert_ne!(again, parsed);
        app.assert_verified().await;
    }

    async fn what_does_not_fit_the_lifecycle_is_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let file = ingested(&app, "a.csv", "a\n1\n").await;
        let of = |id: ArtifactId| json!({"artifact_id": id, "reason": "test"});
        assert_eq!(code_of(&app, "parse_content", json!({"artifact_id": file})).await.0, "NOT_READY");
        assert_eq!(code_of(&app, "archive_file", of(file)).await.0, "INVALID_TRANSITION");
        result(&app.run("save_materialization", json!({"artifact_id": file})).await);
        assert_eq!(code_of(&app, "delete_file", of(file)).await.0, "INVALID_TRANSITION");
        let again = result(&app.run("save_materialization", json!({"file_id": file})).await);
        assert_eq!(again["previous_state"], "READY");
        for (intent_type, state) in [
            ("archive_file", "ARCHIVED"),
            ("restore_file", "READY"),
            ("archive_file", "ARCHIVED"),
            ("delete_file", "DELETED"),
        ] {
            let changed = result(&app.run(intent_type, of(file)).await);
            assert_eq!(changed["lifecycle_state"], state);
        }
        let gone = code_of(&app, "parse_content", json!({"artifact_id": file, "parse_options": {"has_header": true}})).await;
        assert_eq!(gone.0, "NOT_FOUND");
        let nobody = ArtifactId::derived("default", b"x", "y");
        assert_eq!(code_of(&app, "archive_file", of(nobody)).await.0, "NOT_FOUND");
        app.assert_verified().await;
    }

    async fn faults_are_found_at_submit(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let no_source = json!({"ui_name": "a"});
        assert_eq!(refused(&app, "ingest_file", no_source).await, ["parameters.content"]);
        let two = json!({"ui_name": "a", "content": "a", "content_base64": "YQ=="});
        assert_eq!(refused(&app, "ingest_file", two).await, ["parameters.content_base64"]);
        let unnamed = json!({"content": "a"});
        assert_eq!(refused(&app, "ingest_file", unnamed).await, ["parameters.ui_name"]);
        assert_eq!(refused(&app, "parse_content", json!({})).await, ["parameters.artifact_id"]);
        let misspelt = json!({"ui_name": "a", "content": "a", "mimetype": "x"});
        assert_eq!(refused(&app, "ingest_file", misspelt).await.len(), 1);
        let unknown = json!({"journey_id": "nowhere"});
        assert_eq!(refused(&app, "compose_journey", unknown).await, ["parameters.journey_id"]);
        let cycle = json!({"steps": [
            {"name": "a", "intent_type": "echo", "depends_on": ["b"]},
            {"name": "b", "intent_type": "echo", "depends_on": ["a"]},
        ]});
        assert_eq!(refused(&app, "compose_journey", cycle).await, ["parameters.steps"]);
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn a_delayed_echo_can_be_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "echo", json!({"delay_ms": 60_000})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        app.services().runtime.cancel(&app.principal(), running.id, None).await.unwrap();
        assert_eq!(app.ended(running.id).await.status, ExecutionStatus::Cancelled);
    }
}
