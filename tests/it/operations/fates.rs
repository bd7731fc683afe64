//! Operations whose node dies, that are stopped, that have to wait, and that are too many.

use serde_json::{Value, json};

use super::{
    MANY, begin, begun, count, counts, document, ended, forbid_advances, permit_advances, read,
    waiting,
};
use crate::support::{Backend, NodeProcess, SHORT_LEASE, TestApp, backends, http, soon};

/// An answer of a node in a process of its own.
async fn ask(node: &NodeProcess, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let url = format!("http://{}/graphql", node.address);
    let answer = http().post(url).json(&body).send().await;
    let mut answer: Value = answer.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

/// Begins an operation on a node of its own that is killed once it has changed a part of the first batch, of which it
/// could write nothing down. `query` counts what was changed, as `found`.
async fn killed_once(
    backend: &Backend,
    mutation: &str,
    input: Value,
    query: &str,
    filter: Value,
) -> String {
    let mut node = NodeProcess::start(backend, &["runtime.poll_ms=20", SHORT_LEASE]).await;
    forbid_advances(backend).await;
    let begun = ask(&node, &document(mutation), json!({"input": input})).await;
    let id = begun["it"]["operation"]["id"].as_str();
    let id = id.unwrap_or_else(|| panic!("{begun}"));
    let variables = if filter.is_null() {
        json!({})
    } else {
        json!({"filter": filter})
    };
    soon(async {
        loop {
            let found = ask(&node, query, variables.clone()).await;
            if found["found"]["totalCount"]["count"].as_u64().unwrap() >= 40 {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    })
    .await;
    node.kill();
    permit_advances(backend).await;
    // The time for which the dead node holds it.
    backend.execute("UPDATE operation SET due_at = 1").await;
    id.to_owned()
}

/// The same for an operation on executions.
async fn killed_in_the_middle(
    backend: &Backend,
    mutation: &str,
    input: Value,
    changed: Value,
) -> String {
    let query = "query($filter: ExecutionFilter) { found: executions(first: 1, filter: $filter) { totalCount { count } } }";
    killed_once(backend, mutation, input, query, changed).await
}

backends! {
    async fn what_a_process_that_is_killed_has_run_again_is_not_run_again_once_more(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        for _ in 0..MANY {
            app.submit(session, "add", json!({"a": 1, "b": 2})).await;
        }
        let many = MANY as u64;
        app.until(|| async { (count(&app, json!({"status": ["COMPLETED"]})).await == many).then_some(()) }).await;
        app.server.stop().await;
        let input = json!({"filter": {"status": ["COMPLETED"], "intentType": ["add"]}});
        let new = json!({"createdAfter": now()});
        let id = killed_in_the_middle(&backend, "rerunExecutions", input, new).await;
        let app = TestApp::start(&backend).await;
        let operation = ended(&app, &id).await;
        assert_eq!(operation["status"], "COMPLETED", "{operation}");
        assert_eq!(counts(&operation), [many, many, 0, 0], "{operation}");
        assert_eq!(count(&app, json!({})).await, 2 * many);
        let query = "query($after: String) { executions(first: 200, after: $after) {
            nodes { id rerunOf { id } } pageInfo { hasNextPage endCursor } } }";
        let (mut repeated, mut after) = (Vec::new(), Value::Null);
        loop {
            let page = app.data(query, json!({"after": after})).await["executions"].take();
            let nodes = page["nodes"].as_array().unwrap().iter();
            repeated.extend(nodes.filter_map(|node| Some(node["rerunOf"]["id"].as_str()?.to_owned())));
            if page["pageInfo"]["hasNextPage"] == false {
                break;
            }
            after = page["pageInfo"]["endCursor"].clone();
        }
        repeated.sort();
        repeated.dedup();
        assert_eq!(repeated.len(), MANY, "each is run again once");
        app.assert_verified().await;
    }

    async fn what_a_process_that_is_killed_has_cancelled_is_counted_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        waiting(&app, session, MANY).await;
        app.server.stop().await;
        let input = json!({"filter": {"intentType": ["remote"]}});
        let id = killed_in_the_middle(&backend, "cancelExecutions", input, json!({"status": ["CANCELLED"]})).await;
        let app = TestApp::start(&backend).await;
        let operation = ended(&app, &id).await;
        let many = MANY as u64;
        assert_eq!(counts(&operation), [many, many, 0, 0], "{operation}");
        assert_eq!(count(&app, json!({"status": ["CANCELLED"]})).await, many);
        app.assert_verified().await;
    }

    async fn what_a_process_that_is_killed_has_archived_is_counted_once(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let many = MANY as u64;
        for n in 0..MANY {
            app.submit(session, "make", json!({"name": format!("thing {n}")})).await;
        }
        app.until(|| async { (count(&app, json!({"status": ["COMPLETED"]})).await == many).then_some(()) }).await;
        app.server.stop().await;
        let input = json!({"filter": {"artifactType": ["thing"]}});
        let query = "{ found: artifacts(first: 1, filter: {lifecycleState: [ARCHIVED]}) { totalCount { count } } }";
        let id = killed_once(&backend, "archiveArtifacts", input, query, Value::Null).await;
        let app = TestApp::start(&backend).await;
        let operation = ended(&app, &id).await;
        assert_eq!(counts(&operation), [many, many, 0, 0], "{operation}");
        let found = app.data(query, json!({})).await;
        assert_eq!(found["found"]["totalCount"]["count"], many);
        app.assert_verified().await;
    }

    async fn an_operation_that_is_stopped_goes_on_no_more(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.poll_ms=20"]).await;
        let session = app.session().await;
        waiting(&app, session, MANY).await;
        forbid_advances(&backend).await;
        let id = begun(&app, "cancelExecutions", json!({"all": true})).await;
        let cancelled = json!({"status": ["CANCELLED"]});
        app.until(|| async { (count(&app, cancelled.clone()).await == 100).then_some(()) }).await;
        let stop = "mutation($id: ID!) { cancelOperation(input: {id: $id, reason: \"a mistake\"}) {
            operation { status } errors { code } } }";
        let stopped = app.data(stop, json!({"id": id})).await;
        assert_eq!(stopped["cancelOperation"], json!({"operation": {"status": "CANCELLED"}, "errors": []}));
        permit_advances(&backend).await;
        // Another one has its turn meanwhile.
        let other = begun(&app, "rerunExecutions", json!({"all": true})).await;
        ended(&app, &other).await;
        assert_eq!(count(&app, json!({"status": ["CREATED"]})).await, MANY as u64 - 100);
        let again = app.data(stop, json!({"id": id})).await;
        assert_eq!(again["cancelOperation"]["operation"]["status"], "CANCELLED");
        app.assert_verified().await;
    }

    async fn what_a_quota_refuses_waits_for_it(backend: Backend) {
        let app = TestApp::start_with(&backend, &["quotas.tenants=default = submits_per_second:4"]).await;
        let session = app.session().await;
        let mut first = Vec::new();
        for _ in 0..9 {
            let add = || async {
                let parameters = takeoff::model::RawJson::from(&json!({"a": 1, "b": 2}));
                let intent = takeoff::runtime::SubmitIntent::new("add", session, parameters);
                app.try_submit(intent).await.ok()
            };
            first.push(app.until(add).await.execution.id);
        }
        for id in first {
            app.ended(id).await;
        }
        let id = begun(&app, "rerunExecutions", json!({"filter": {"status": ["COMPLETED"]}})).await;
        let operation = ended(&app, &id).await;
        assert_eq!(counts(&operation), [9, 9, 0, 0], "{operation}");
        assert_eq!(count(&app, json!({})).await, 18);
    }

    async fn what_can_never_be_changed_is_counted_and_holds_up_nothing(backend: Backend) {
        // Under limits by key parameters are read before something is run again.
        let app = TestApp::start(&backend).await;
        let large = json!({"key": "lost", "millis": 1, "more": "l".repeat(100_000)});
        let lost = app.run("queued-nap", large).await;
        app.run("queued-nap", json!({"key": "kept", "millis": 1})).await;
        std::fs::remove_dir_all(backend.folder.path().join("content/payloads")).unwrap();
        let id = begun(&app, "rerunExecutions", json!({"filter": {"status": ["COMPLETED"]}})).await;
        let operation = ended(&app, &id).await;
        assert_eq!(operation["status"], "COMPLETED", "{operation}");
        assert_eq!(counts(&operation), [2, 1, 0, 1], "{operation}");
        let refusal = &operation["refusals"][0];
        assert_eq!((&refusal["itemId"], &refusal["code"]), (&json!(lost.id), &json!("NOT_FOUND")));
    }

    async fn so_many_go_on_for_a_tenant_at_the_same_time(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        waiting(&app, session, 1).await;
        forbid_advances(&backend).await;
        for _ in 0..10 {
            begun(&app, "cancelExecutions", json!({"filter": {"intentType": ["remote"]}})).await;
        }
        // Those with nothing to do may have ended by now.
        backend.execute("UPDATE operation SET status = 0, due_at = 9000000000000000, finished_at = NULL, version = version + 1").await;
        let answer = begin(&app, "cancelExecutions", json!({"all": true})).await;
        assert_eq!(answer["errors"][0]["code"], "INVALID_INPUT", "{answer}");
        let theirs = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", "globex");
        let body = json!({"query": document("cancelExecutions"), "variables": {"input": {"all": true}}});
        let theirs: Value = theirs.json(&body).send().await.unwrap().json().await.unwrap();
        assert_eq!(theirs["data"]["it"]["errors"], json!([]), "{theirs}");
        permit_advances(&backend).await;
    }

    async fn nodes_that_begin_operations_at_once_keep_to_that_number(backend: Backend) {
        // SQLite has one writer.
        if !backend.is_postgres() {
            return;
        }
        let (one, other) = (TestApp::start(&backend).await, TestApp::start(&backend).await);
        for _ in 0..9 {
            let id = begun(&one, "cancelExecutions", json!({"all": true})).await;
            ended(&one, &id).await;
        }
        backend.execute("UPDATE operation SET status = 0, due_at = 9000000000000000, finished_at = NULL").await;
        backend.slow_inserts("operation").await;
        let all = json!({"all": true});
        let (one, other) = tokio::join!(
            begin(&one, "cancelExecutions", all.clone()),
            begin(&other, "cancelExecutions", all)
        );
        let codes = [&one["errors"][0]["code"], &other["errors"][0]["code"]];
        let refused = codes.iter().filter(|code| **code == "INVALID_INPUT");
        assert_eq!(refused.count(), 1, "{one} {other}");
    }

    async fn operations_that_have_ended_go_after_their_time(backend: Backend) {
        let app = TestApp::start_with(&backend, &["retention.operations=0s", "retention.period_seconds=86400"]).await;
        let id = begun(&app, "cancelExecutions", json!({"all": true})).await;
        ended(&app, &id).await;
        app.until(|| async {
            app.services().runtime.remove_old().await.unwrap();
            read(&app, &id).await.is_null().then_some(())
        }).await;
        app.assert_verified().await;
    }
}

/// A time after everything that is there was made, as the API writes it.
fn now() -> String {
    let now = takeoff::model::time_of(takeoff::clock::Clock::System.now());
    now.to_rfc3339()
}
