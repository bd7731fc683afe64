//! Reading files into records.

use super::*;

backends! {
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
            let scope = app.principal().scope();
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
        let scope = app.principal().scope();
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
}
