//! The content solution on real files.

use serde_json::{Value, json};
use takeoff::{
    model::{ArtifactId, ArtifactState, Execution, ExecutionStatus, RawJson, Refusal},
    runtime::SubmitIntent,
    storage::Error,
};

use crate::support::{TestApp, backends};

const ORDERS: &str = include_str!("../../samples/orders.csv");
const CATALOG: &str = include_str!("../../samples/catalog.json");
const READINGS: &str = include_str!("../../samples/readings.ndjson");
const NOTES: &str = include_str!("../../samples/notes.txt");

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
            let scope = TestApp::principal().scope();
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
            let found = app.services().artifacts.find(&TestApp::principal().scope(), file).await;
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

    async fn malformed_and_binary_content_fail_with_their_place(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let cases = [
            ("a.csv", "a,b\n1,2\n3\n", "MALFORMED_CSV", "line 3"),
            ("a.json", "{\"a\": 1,\n \"b\": }", "MALFORMED_JSON", "line 2"),
            ("a.ndjson", "{\"a\": 1}\n{\"a\": \n", "MALFORMED_NDJSON", "line 2"),
            ("a.txt", "\u{0}\u{1}PK", "BINARY_CONTENT", ""),
        ];
        for (name, content, code, place) in cases {
            let file = ingested(&app, name, content).await;
            app.run("save_materialization", json!({"artifact_id": file})).await;
            let (found, message) = code_of(&app, "parse_content", json!({"artifact_id": file})).await;
            assert_eq!(found, code, "{name}: {message}");
            assert!(message.contains(place), "{name}: {message}");
        }
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

    async fn rows_can_be_looked_at(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let parameters = json!({
            "journey_id": "content_pipeline",
            "journey_params": {"filename": "a.csv", "content": "name,age\nÄnne,41\nBo,7\n"},
        });
        let steps = result(&app.run("compose_journey", parameters).await)["steps"].clone();
        let parsed = steps["parse"]["result"]["artifact_id"].clone();
        let looked = app.run("get_parsed_file", json!({"artifact_id": parsed, "offset": 1})).await;
        assert_eq!(result(&looked)["rows"], json!([{"name": "Bo", "age": 7}]));
        let query = "query($id: ID!, $offset: BigInt) { artifact(id: $id) { materializations {
            preview(first: 1, offset: $offset) } } }";
        for (offset, expected) in [("0", json!([{"name": "Änne", "age": 41}])), ("1", json!([{"name": "Bo", "age": 7}])), ("9", json!([]))] {
            let found = app.data(query, json!({"id": parsed, "offset": offset})).await;
            assert_eq!(found["artifact"]["materializations"][0]["preview"], expected);
        }
        for parameters in [
            json!({"artifact_id": parsed, "offset": 2}),
            json!({"artifact_id": parsed, "offset": u32::MAX}),
        ] {
            assert_eq!(result(&app.run("get_parsed_file", parameters).await)["rows"], json!([]));
        }
    }

    async fn columns_keep_the_order_of_the_file(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let names = |columns: &Value| -> Vec<String> {
            let columns = columns.as_array().unwrap().iter();
            columns.map(|column| column["name"].as_str().unwrap().to_owned()).collect()
        };
        for (name, content) in [
            ("a.csv", "zone,id,area\nz,1,2\ny,3,4\n"),
            ("a.ndjson", "{\"zone\":\"z\",\"id\":1}\n{\"area\":4,\"id\":3}\n"),
        ] {
            let parameters = json!({"journey_id": "content_pipeline", "filename": name, "content": content});
            let steps = result(&app.run("compose_journey", parameters).await)["steps"].clone();
            let parsed = &steps["parse"]["result"];
            assert_eq!(names(&parsed["schema"]["columns"]), ["zone", "id", "area"]);
            let scope = TestApp::principal().scope();
            let profile = id(&steps["profile"]["result"]["artifact_id"]);
            let found = app.services().artifacts.find(&scope, profile).await.unwrap().unwrap();
            assert_eq!(names(&found.semantic_descriptor.to_value()["columns"]), ["zone", "id", "area"]);

            let looked = app.run("get_parsed_file", json!({"artifact_id": parsed["artifact_id"], "limit": 1})).await;
            let text = looked.result.unwrap().as_inline().unwrap();
            let places = |text: &str| ["\"zone\"", "\"id\""].map(|name| text.find(name).unwrap());
            assert!(places(text.as_str()).is_sorted(), "{text:?}");
            let status = format!("/api/execution/{}/status?include_events=true", looked.id);
            let status = app.http.get(app.url(&status)).send().await.unwrap().text().await.unwrap();
            let payload = status.split_once("execution.completed").unwrap().1;
            assert!(places(payload).is_sorted(), "{status}");
        }
    }

    async fn titles_comments_and_the_ways_of_people_are_read_and_said(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let parsed = async |name: &str, content: &str, options: Value| {
            let parameters = json!({"journey_id": "content_pipeline", "filename": name,
                "content": content, "parse_options": options});
            let steps = result(&app.run("compose_journey", parameters).await)["steps"].take();
            let parsed = steps["parse"]["result"]["artifact_id"].clone();
            let query = "query($id: ID!) { artifact(id: $id) { semanticDescriptor materializations { preview } } }";
            let mut found = app.data(query, json!({"id": parsed})).await["artifact"].take();
            (found["semanticDescriptor"].take(), found["materializations"][0]["preview"].take())
        };
        let sales = "Sales 2024\n\nday;price\n1.2.2024;1.234,50\n13.2.2024;7\n";
        let (said, rows) = parsed("sales.txt", sales, json!({})).await;
        assert_eq!(said["skipped"], json!({"lines": 2, "detected": true, "first": ["Sales 2024", ""]}));
        assert_eq!((&said["parser_type"], &said["delimiter"]), (&json!("csv"), &json!(";")));
        assert_eq!(said["schema"]["columns"][0]["written_as"], "DD.MM.YYYY");
        assert_eq!(rows[0], json!({"day": "2024-02-01", "price": 1234.5}));

        let dates = "when\n1/2/2024\n3/4/2024\n";
        let (said, rows) = parsed("dates.csv", dates, json!({})).await;
        assert_eq!(said["schema"]["columns"][0]["ambiguous"], json!(["DD/MM/YYYY", "MM/DD/YYYY"]));
        assert_eq!(rows[0]["when"], "1/2/2024");
        let (said, rows) = parsed("dates.csv", dates, json!({"date_format": "MM/DD/YYYY"})).await;
        assert_eq!(said["schema"]["columns"][0]["type"], "date");
        assert_eq!(rows[0]["when"], "2024-01-02");

        let noted = "one\ntwo\na,b\n1,2\n% note\n3,4\n";
        let (said, rows) = parsed("n.csv", noted, json!({"skip_rows": 2, "comment": "%"})).await;
        assert_eq!((&said["skipped"]["detected"], &said["comment_lines"]), (&json!(false), &json!(1)));
        assert_eq!(rows, json!([{"a": 1, "b": 2}, {"a": 3, "b": 4}]));

        let wrong = json!({"journey_id": "content_pipeline", "filename": "a.csv", "content": "a",
            "parse_options": {"format": "json", "skip_rows": 1}});
        assert_eq!(refused(&app, "compose_journey", wrong).await, ["parameters.parse_options.skip_rows"]);
        app.assert_verified().await;
    }

    async fn lenient_reading_keeps_bad_rows_aside_with_line_and_reason(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let bad = (0..1_200).map(|n| format!("bad {n}\n")).collect::<Vec<_>>().concat();
        let content = format!("a,b\n1,2\n{bad}3,4\n");
        let parse = async |options: Value| {
            let parameters = json!({"journey_id": "content_pipeline", "filename": "a.csv",
                "content": content, "parse_options": options});
            app.run("compose_journey", parameters).await
        };
        let strict = parse(json!({})).await.error.unwrap();
        assert!(strict.message.contains("line 3") && strict.message.contains("expected 2"), "{}", strict.message);
        let lenient = result(&parse(json!({"mode": "lenient"})).await)["steps"]["parse"]["result"].take();
        assert_eq!((&lenient["record_count"], &lenient["rejected_count"]), (&json!(2), &json!(1_200)));
        let query = "query($id: ID!) { artifact(id: $id) { artifactType semanticDescriptor
            materializations { preview(first: 2) } } }";
        let found = app.data(query, json!({"id": lenient["rejected_artifact_id"]})).await["artifact"].take();
        assert_eq!(found["artifactType"], "rejected_rows");
        assert_eq!(found["semanticDescriptor"], json!({"rejected_count": 1_200, "kept_count": 1_000}));
        let reason = "found 1 cell(s), expected 2 as in the first record";
        assert_eq!(found["materializations"][0]["preview"], json!([
            {"line": 3, "reason": reason, "text": "bad 0"},
            {"line": 4, "reason": reason, "text": "bad 1"},
        ]));
        let parsed = id(&lenient["artifact_id"]);
        let scope = TestApp::principal().scope();
        let said = app.services().artifacts.find(&scope, parsed).await.unwrap().unwrap();
        assert_eq!(said.semantic_descriptor.to_value()["rejected_count"], 1_200);
        app.assert_verified().await;
    }

    async fn a_path_names_the_records_of_a_document(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let content = "{\"meta\": {\"n\": 2}, \"data\": {\"items\": [{\"z\": 1, \"a\": 2}, {\"z\": 3}]}}";
        let file = ingested(&app, "a.json", content).await;
        app.run("save_materialization", json!({"artifact_id": file})).await;
        let at = |path: &str| json!({"artifact_id": file, "parse_options": {"path": path}});
        let parsed = result(&app.run("parse_content", at("/data/items")).await);
        assert_eq!(parsed["record_count"], 2);
        assert_eq!(code_of(&app, "parse_content", at("/data")).await.0, "PATH_NOT_ARRAY");
        let (code, message) = code_of(&app, "parse_content", at("/data/rows")).await;
        assert_eq!(code, "PATH_NOT_FOUND");
        assert!(message.contains("/data/rows"), "{message}");
        assert_eq!(refused(&app, "parse_content", at("data")).await, ["parameters.parse_options.path"]);
        app.assert_verified().await;
    }

    async fn a_long_parse_says_how_far_it_is(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let rows = (0..40_000).map(|n| format!("{n},x\n")).collect::<Vec<_>>().concat();
        let file = ingested(&app, "long.csv", &format!("n,m\n{rows}")).await;
        app.run("save_materialization", json!({"artifact_id": file})).await;
        let done = app.run("parse_content", json!({"artifact_id": file})).await;
        assert_eq!(result(&done)["record_count"], 40_000);
        let query = "query($id: ID!) { execution(id: $id) { events(first: 50) { nodes {
            ... on ProgressReported { fraction message } } } } }";
        let events = app.data(query, json!({"id": done.id.to_string()})).await;
        let events = events["execution"]["events"]["nodes"].as_array().unwrap().clone();
        let reported = |message: &str| -> Vec<f64> {
            let of = events.iter().filter(|event| event["message"] == message);
            of.map(|event| event["fraction"].as_f64().unwrap()).collect()
        };
        let parsing = reported("parsing");
        assert!(!parsing.is_empty() && parsing.is_sorted(), "{events:?}");
        assert!(parsing[0] > 0.2 && parsing[parsing.len() - 1] <= 0.8, "{parsing:?}");
        assert_eq!(reported("parsed"), [0.8]);
    }

    async fn a_descriptor_has_the_statistics_of_its_columns(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let numbers: Vec<String> = (0..12_000).map(|n| n.to_string()).collect();
        let content = format!("n\n{}\n", numbers.join("\n"));
        let parameters = json!({"journey_id": "content_pipeline", "filename": "a.csv", "content": content});
        let steps = result(&app.run("compose_journey", parameters).await)["steps"].clone();
        let query = "query($id: ID!) { artifact(id: $id) { semanticDescriptor } }";
        let profile = json!({"id": steps["profile"]["result"]["artifact_id"]});
        let found = app.data(query, profile).await["artifact"]["semanticDescriptor"].take();
        let column = &found["columns"][0];
        let near = |value: &Value, truth: f64, error: &Value| {
            let (value, error) = (value.as_f64().unwrap(), error.as_f64().unwrap());
            assert!(error > 0.0 && (value - truth).abs() <= 3.0 * error * truth, "{column}");
        };
        assert_eq!(column["distinct"]["exact"], false);
        near(&column["distinct"]["estimate"], 12_000.0, &column["distinct"]["error"]);
        near(&column["quantiles"]["p50"], 6_000.0, &column["quantiles"]["error"]);
        assert_eq!((&column["null_count"], &column["max"]), (&json!(0), &json!(11_999)));
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

    async fn a_delayed_echo_can_be_cancelled(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let running = app.submit(session, "echo", json!({"delay_ms": 60_000})).await;
        app.reaches(running.id, ExecutionStatus::Running).await;
        app.services().runtime.cancel(&TestApp::principal(), running.id, None).await.unwrap();
        assert_eq!(app.ended(running.id).await.status, ExecutionStatus::Cancelled);
    }
}
