//! The API over HTTP: a whole journey by the names clients know, and refusals as user errors.

use serde_json::{Value, json};

use crate::support::{TestApp, backends, soon};

const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
    replayed execution { id status } errors { __typename code message path
      ... on IdempotencyKeyConflict { execution { id } } } } }";

async fn session(app: &TestApp) -> Value {
    let query =
        "mutation { createSession(input: {}) { session { id isAnonymous } errors { code } } }";
    app.data(query, json!({})).await["createSession"]["session"]["id"].take()
}

async fn submit(app: &TestApp, input: Value) -> Value {
    app.data(SUBMIT, json!({"input": input})).await["submitIntent"].take()
}

/// The one user error of a submit.
async fn fault(app: &TestApp, input: Value) -> Value {
    let mut answer = submit(app, input).await;
    assert!(answer["execution"].is_null(), "{answer}");
    answer["errors"][0].take()
}

backends! {
    async fn a_frontend_submits_and_reads_everything_back(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let input = json!({"intentType": "family", "sessionId": session,
            "parameters": {"children": 2}, "metadata": {"from": "test"}});
        let submitted = submit(&app, input).await;
        let id = submitted["execution"]["id"].clone();
        app.ended(id.as_str().unwrap().parse().unwrap()).await;
        let query = "query($id: ID!) { execution(id: $id) {
            status attempt handlerName result waitingFor finishedAt
            intent { intentType parameters metadata session { id } }
            children { nodes { status result parent { id } } pageInfo { hasNextPage } }
            events(first: 2) { nodes { sequence type cursor } pageInfo { hasNextPage endCursor } }
            steps { name } error { code } } }";
        let found = app.data(query, json!({"id": id})).await["execution"].take();
        assert_eq!(found["status"], "COMPLETED");
        assert_eq!(found["result"], json!([1, 2]));
        assert_eq!(found["intent"]["parameters"], json!({"children": 2}));
        assert_eq!(found["intent"]["metadata"], json!({"from": "test"}));
        assert_eq!(found["children"]["nodes"][1]["parent"]["id"], id);
        assert_eq!(found["events"]["nodes"][0]["type"], "execution.created");
        assert_eq!(found["events"]["pageInfo"]["hasNextPage"], true);
        let other = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", "other")
            .json(&json!({"query": query, "variables": {"id": id}})).send().await.unwrap();
        let other: Value = other.json().await.unwrap();
        assert_eq!(other, json!({"data": {"execution": null}}));
    }

    async fn each_refusal_of_a_submit_has_its_code_and_path(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let add = json!({"a": 1, "b": 2});
        let nobody = takeoff::ids::IdSource::seeded(1).session().to_string();
        let cases = [
            (json!({"intentType": "fly", "sessionId": session}), "UNKNOWN_INTENT_TYPE", None),
            (json!({"intentType": "twice", "sessionId": session, "parameters": {}}),
             "AMBIGUOUS_HANDLER", None),
            (json!({"intentType": "add", "sessionId": session, "parameters": {"a": "x", "b": 1}}),
             "INVALID_INPUT", Some(json!(["input", "parameters", "a"]))),
            (json!({"intentType": "add", "sessionId": nobody, "parameters": add}),
             "NOT_FOUND", Some(json!(["input", "sessionId"]))),
            (json!({"intentType": "add", "sessionId": "exe_nonsense", "parameters": add}),
             "INVALID_INPUT", Some(json!(["input", "sessionId"]))),
            (json!({"intentType": "add", "sessionId": session, "parameters": add, "priority": 10}),
             "INVALID_INPUT", Some(json!(["input", "priority"]))),
            (json!({"intentType": "add", "sessionId": session, "parameters": add,
                    "idempotencyKey": "k".repeat(256)}),
             "INVALID_INPUT", Some(json!(["input", "idempotencyKey"]))),
            (json!({"intentType": "add", "sessionId": session, "parameters": add,
                    "idempotencyKey": "a\u{0}b"}),
             "INVALID_INPUT", Some(json!(["input", "idempotencyKey"]))),
            (json!({"intentType": "add", "sessionId": session, "parameters": add,
                    "solutionId": "a\u{1}"}),
             "INVALID_INPUT", Some(json!(["input", "solutionId"]))),
            (json!({"intentType": "add", "sessionId": session, "parameters": add, "handlerName": "x"}),
             "INVALID_INPUT", Some(json!(["input", "handlerName"]))),
            (json!({"intentType": "talk", "sessionId": session, "parameters": {"x": "y".repeat(700_000)}}),
             "TOO_LARGE", None),
        ];
        for (input, code, path) in cases {
            let shown = input.to_string().chars().take(100).collect::<String>();
            let found = fault(&app, input).await;
            assert_eq!(found["code"], code, "{shown}: {found}");
            if let Some(path) = path {
                assert_eq!(found["path"], path, "{shown}: {found}");
            }
        }
        let close = "mutation($id: ID!) { closeSession(input: {sessionId: $id}) {
            session { status } errors { code } } }";
        let closed = app.data(close, json!({"id": session})).await;
        assert_eq!(closed["closeSession"]["session"]["status"], "CLOSED");
        let late = fault(&app, json!({"intentType": "add", "sessionId": session, "parameters": add})).await;
        assert_eq!(late["code"], "SESSION_NOT_ACTIVE");
        let again = app.data(close, json!({"id": session})).await;
        assert_eq!(again["closeSession"]["errors"][0]["code"], "SESSION_NOT_ACTIVE");
        assert_eq!(app.verify().await.executions, 0);
    }

    async fn a_key_conflict_names_the_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let input = |a: i64| json!({"intentType": "add", "sessionId": session,
            "parameters": {"a": a, "b": 1}, "idempotencyKey": "k"});
        let first = submit(&app, input(1)).await;
        let again = submit(&app, input(1)).await;
        assert_eq!((&first["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
        assert_eq!(first["execution"]["id"], again["execution"]["id"]);
        let conflict = fault(&app, input(2)).await;
        assert_eq!(conflict["__typename"], "IdempotencyKeyConflict");
        assert_eq!(conflict["execution"]["id"], first["execution"]["id"]);
    }

    async fn a_batch_answers_each_intent_in_order(backend: Backend) {
        let app = TestApp::start_with(&backend, &["limits.batch_submit=3"]).await;
        let session = session(&app).await;
        let one = |name: &str| json!({"intentType": name, "sessionId": session,
            "parameters": {"a": 1, "b": 1}});
        let query = "mutation($input: SubmitIntentsInput!) { submitIntents(input: $input) {
            results { execution { id } errors { code path } } errors { code path } } }";
        let four = json!({"input": {"intents": [one("add"), one("add"), one("add"), one("add")]}});
        let refused = app.data(query, four).await["submitIntents"]["errors"].take();
        assert_eq!(refused, json!([{"code": "INVALID_INPUT", "path": ["input", "intents"]}]));
        let input = json!({"input": {"intents": [one("add"), one("fly"), one("add")]}});
        let results = app.data(query, input).await["submitIntents"]["results"].take();
        assert!(results[0]["execution"]["id"].is_string() && results[2]["execution"]["id"].is_string());
        assert_eq!(results[1]["errors"][0]["code"], "UNKNOWN_INTENT_TYPE");
    }

    async fn state_is_written_by_version_and_a_stale_one_is_told(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = session(&app).await;
        let query = "mutation($input: SetSessionStateInput!) { setSessionState(input: $input) {
            session { state stateVersion } errors { __typename code ... on StaleVersion { currentVersion } } } }";
        let set = async |input: Value| {
            app.data(query, json!({"input": input})).await["setSessionState"].take()
        };
        let one = set(json!({"sessionId": id, "state": {"a": 1, "b": {"c": 2}}, "ifVersion": "1"})).await;
        assert_eq!(one["session"]["stateVersion"], "2");
        let merged = set(json!({"sessionId": id, "state": {"b": {"c": null, "d": 3}}, "mode": "MERGE"})).await;
        assert_eq!(merged["session"]["state"], json!({"a": 1, "b": {"d": 3}}));
        let stale = set(json!({"sessionId": id, "state": {}, "ifVersion": "2"})).await;
        assert_eq!(stale["errors"][0]["__typename"], "StaleVersion");
        assert_eq!(stale["errors"][0]["currentVersion"], "3");
        let large = set(json!({"sessionId": id, "state": {"x": "y".repeat(300_000)}})).await;
        assert_eq!(large["errors"][0]["code"], "TOO_LARGE");
        let read = app.data("query($id: ID!) { session(id: $id) { state stateVersion } }", json!({"id": id})).await;
        assert_eq!(read["session"], json!({"state": {"a": 1, "b": {"d": 3}}, "stateVersion": "3"}));
    }

    async fn concurrent_compare_and_set_loses_no_update(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = session(&app).await;
        let read = "query($id: ID!) { session(id: $id) { state stateVersion } }";
        let write = "mutation($input: SetSessionStateInput!) { setSessionState(input: $input) {
            session { stateVersion } errors { code } } }";
        let count_up = async || {
            loop {
                let found = app.data(read, json!({"id": id})).await["session"].take();
                let count = found["state"]["count"].as_i64().unwrap_or(0) + 1;
                let input = json!({"sessionId": id, "state": {"count": count},
                    "ifVersion": found["stateVersion"]});
                let answer = app.data(write, json!({"input": input})).await["setSessionState"].take();
                if answer["errors"] == json!([]) { return; }
                assert_eq!(answer["errors"][0]["code"], "STALE_VERSION");
            }
        };
        soon(futures::future::join_all((0..12).map(|_| count_up()))).await;
        let found = app.data(read, json!({"id": id})).await;
        assert_eq!(found["session"], json!({"state": {"count": 12}, "stateVersion": "13"}));
    }

    async fn a_session_is_upgraded_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = session(&app).await;
        let query = "mutation($id: ID!) { upgradeSession(input: {sessionId: $id, userId: \"ann\"}) {
            session { status userId isAnonymous } errors { code } } }";
        let upgraded = app.data(query, json!({"id": id})).await["upgradeSession"]["session"].take();
        assert_eq!(upgraded, json!({"status": "UPGRADED", "userId": "ann", "isAnonymous": false}));
        let again = app.data(query, json!({"id": id})).await;
        assert_eq!(again["upgradeSession"]["errors"][0]["code"], "INVALID_TRANSITION");
    }

    async fn lists_page_forward_and_backward(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        for n in 0..5 {
            app.submit(session, "add", json!({"a": n, "b": 0})).await;
        }
        let query = "query($first: Int, $after: String, $last: Int, $before: String) {
            executions(first: $first, after: $after, last: $last, before: $before) {
              nodes { id } edges { cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }";
        let page = async |variables: Value| app.data(query, variables).await["executions"].take();
        let all = page(json!({"first": 10})).await;
        let first = page(json!({"first": 2})).await;
        let second = page(json!({"first": 3, "after": first["pageInfo"]["endCursor"]})).await;
        let ids = |page: &Value| page["nodes"].as_array().unwrap().clone();
        assert_eq!([ids(&first), ids(&second)].concat(), ids(&all));
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        assert_eq!(second["pageInfo"]["hasNextPage"], false);
        let back = page(json!({"last": 2, "before": second["pageInfo"]["startCursor"]})).await;
        assert_eq!(ids(&back), ids(&first));
        let wrong = app.graphql(query, json!({"first": 1, "last": 1})).await;
        assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
        let wrong = app.graphql(query, json!({"first": 201})).await;
        assert_eq!(wrong["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }

    async fn an_internal_fault_shows_nothing_of_the_layers_below(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("add", json!({"a": 1, "b": 1})).await;
        backend.execute("UPDATE execution SET status = 77").await;
        let query = "query($id: ID!) { execution(id: $id) { status } }";
        let answer = app.graphql(query, json!({"id": done.id.to_string()})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "INTERNAL");
        let text = answer.to_string();
        for leak in ["SELECT", "status\": 77", "sqlx", "execution status", ".rs"] {
            assert!(!text.contains(leak), "{text}");
        }
    }

    async fn cancel_and_rerun_by_mutation(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = session(&app).await;
        let submitted = submit(&app, json!({"intentType": "gated", "sessionId": session, "parameters": {}})).await;
        let id = submitted["execution"]["id"].clone();
        let cancel = "mutation($id: ID!, $why: String) { cancelExecution(input: {executionId: $id, reason: $why}) {
            execution { id } errors { code path } } }";
        let refused = app.data(cancel, json!({"id": id, "why": "\u{0}"})).await;
        assert_eq!(
            refused["cancelExecution"]["errors"],
            json!([{"code": "INVALID_INPUT", "path": ["input", "reason"]}])
        );
        let answer = app.data(cancel, json!({"id": id, "why": "no"})).await;
        assert_eq!(answer["cancelExecution"]["errors"], json!([]));
        app.ended(id.as_str().unwrap().parse().unwrap()).await;
        let again = app.data(cancel, json!({"id": id})).await;
        assert_eq!(again["cancelExecution"]["errors"][0]["code"], "ALREADY_TERMINAL");
        app.solution.gate.add_permits(1);
        let rerun = "mutation($id: ID!) { rerunExecution(input: {executionId: $id}) {
            execution { id rerunOf { id } intent { id } } errors { code } } }";
        let rerun = app.data(rerun, json!({"id": id})).await["rerunExecution"]["execution"].take();
        assert_eq!(rerun["rerunOf"]["id"], id);
        app.ended(rerun["id"].as_str().unwrap().parse().unwrap()).await;
        app.assert_verified().await;
    }

    async fn the_probes_name_each_dependency(backend: Backend) {
        let app = TestApp::start(&backend).await;
        app.run("add", json!({"a": 1, "b": 1})).await;
        let ready: Value = app.http.get(app.url("/ready")).send().await.unwrap().json().await.unwrap();
        assert_eq!(ready["dependencies"]["database"], "up");
        assert_eq!(ready["dependencies"]["content"], "up");
        let redis = if backend.is_postgres() { "up" } else { "not configured" };
        assert_eq!(ready["dependencies"]["redis"], redis);
        assert!(app.http.get(app.url("/health")).send().await.unwrap().status().is_success());
        let text = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
        for series in [
            "takeoff_submits_total", "takeoff_executions_total", "takeoff_execution_duration_seconds",
            "takeoff_submit_duration_seconds", "takeoff_queue_depth", "takeoff_running",
            "takeoff_batch_items", "takeoff_zombies_dropped_total", "takeoff_sweep_repairs_total",
            "takeoff_subscribers",
        ] {
            assert!(text.contains(series), "{series} is missing in\n{text}");
        }
    }
}
