//! Lists: roots, keys, metadata, and how many there are.

use serde_json::{Value, json};
use takeoff::{model::RawJson, runtime::SubmitIntent};

use crate::support::{TestApp, backends};

const LIST: &str = "query($filter: ExecutionFilter) {
    executions(filter: $filter) { totalCount { count exact } nodes { id } pageInfo { hasNextPage endCursor } } }";

async fn list(app: &TestApp, filter: Value) -> (Vec<String>, Value) {
    let page = app.data(LIST, json!({"filter": filter})).await["executions"].take();
    let nodes = page["nodes"].as_array().unwrap();
    let ids = nodes
        .iter()
        .map(|node| node["id"].as_str().unwrap().to_owned());
    (ids.collect(), page["totalCount"].clone())
}

fn exactly(count: usize) -> Value {
    json!({"count": count, "exact": true})
}

async fn noted(app: &TestApp, key: &str, metadata: Value) -> String {
    let intent = SubmitIntent {
        idempotency_key: Some(key.to_owned()),
        metadata: RawJson::from(&metadata),
        ..SubmitIntent::new(
            "add",
            app.session().await,
            RawJson::from(&json!({"a": 1, "b": 2})),
        )
    };
    app.try_submit(intent)
        .await
        .unwrap()
        .execution
        .id
        .to_string()
}

async fn journey(app: &TestApp) -> String {
    let step =
        |name: &str| json!({"name": name, "intent_type": "echo", "parameters": {"message": name}});
    let steps = json!({"steps": [step("a"), step("b")]});
    app.run("compose_journey", steps).await.id.to_string()
}

backends! {
    async fn executions_are_listed_by_root_key_and_metadata(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let root = journey(&app).await;
        let first = noted(&app, "order-1", json!({"order": 1, "customer": "Ann"})).await;
        let second = noted(&app, "order-2", json!({"order": 2, "customer": "Ann"})).await;
        assert_eq!(list(&app, json!({})).await.1, exactly(5));
        assert_eq!(
            list(&app, json!({"rootsOnly": true})).await,
            (vec![second.clone(), first.clone(), root], exactly(3))
        );
        // The key's scope is the tenant, whatever the session.
        assert_eq!(list(&app, json!({"idempotencyKey": "order-1"})).await, (vec![first.clone()], exactly(1)));
        assert_eq!(list(&app, json!({"idempotencyKey": "order-3"})).await, (vec![], exactly(0)));
        let ann = json!({"key": "customer", "value": "Ann"});
        assert_eq!(list(&app, json!({"metadata": [ann]})).await, (vec![second.clone(), first], exactly(2)));
        let both = json!({"metadata": [ann, {"key": "order", "value": 2}], "status": ["COMPLETED", "RUNNING", "CREATED"]});
        assert_eq!(list(&app, both).await, (vec![second], exactly(1)));
        for bad in [json!([{"key": "a", "value": null}]), json!([{"key": "a", "value": {"b": 1}}]), json!(vec![ann; 6])] {
            let answer = app.graphql(LIST, json!({"filter": {"metadata": bad}})).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        }
    }

    async fn what_is_another_tenants_is_neither_found_nor_counted(backend: Backend) {
        let app = TestApp::start(&backend).await;
        noted(&app, "k", json!({"a": "b"})).await;
        for filter in [json!({"rootsOnly": true}), json!({"idempotencyKey": "k"}), json!({"metadata": [{"key": "a", "value": "b"}]})] {
            assert_eq!(list(&app, filter.clone()).await.1, exactly(1));
            let body = json!({"query": LIST, "variables": {"filter": filter}});
            let request = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", "other");
            let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
            let page = &answer["data"]["executions"];
            assert_eq!((&page["nodes"], &page["totalCount"]), (&json!([]), &exactly(0)), "{answer}");
        }
    }

    async fn every_connection_counts_what_it_goes_through(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let root = journey(&app).await;
        let made = async |parameters: Value| -> String {
            app.run("make", parameters).await.result.unwrap().as_inline().unwrap().read().unwrap()
        };
        let parent = made(json!({"name": "parent"})).await;
        let child = made(json!({"name": "child", "parents": [parent]})).await;
        let create = "mutation($i: CreateSessionInput!) { createSession(input: $i) { session { id } errors { message } } }";
        app.data(create, json!({"i": {"metadata": {"team": "blue"}}})).await;
        let query = "query($root: ID!, $parent: ID!, $child: ID!) {
            executions(first: 1) { totalCount { count exact } }
            sessions(first: 1) { totalCount { count exact } nodes { executions(first: 1) { totalCount { count exact } } } }
            noted: sessions(filter: {metadata: [{key: \"team\", value: \"blue\"}]}) { totalCount { count exact } }
            artifacts(first: 1, filter: {nameContains: \"PARENT\"}) { totalCount { count exact } }
            walEntries(first: 1, filter: {types: [\"execution.created\"]}) { totalCount { count exact } }
            execution(id: $root) {
                children(first: 1) { totalCount { count exact } }
                artifacts(first: 1) { totalCount { count exact } }
                events(first: 1) { totalCount { count exact } }
            }
            parent: artifact(id: $parent) { children(first: 1) { totalCount { count exact } } parents { totalCount { count exact } } }
            child: artifact(id: $child) { parents(first: 1) { totalCount { count exact } }
                producedBy { execution { artifacts { totalCount { count exact } } } } }
        }";
        let data = app.data(query, json!({"root": root, "parent": parent, "child": child})).await;
        let total = |at: &str| data.pointer(at).unwrap()["totalCount"].clone();
        let events = app.events(root.parse().unwrap()).await.len();
        for (at, count) in [
            ("/executions", 5),
            ("/sessions", 4),
            // The newest session has none.
            ("/sessions/nodes/0/executions", 0),
            ("/noted", 1),
            ("/artifacts", 1),
            ("/walEntries", 5),
            ("/execution/children", 2),
            ("/execution/artifacts", 0),
            ("/execution/events", events),
            ("/parent/children", 1),
            ("/parent/parents", 0),
            ("/child/parents", 1),
            ("/child/producedBy/execution/artifacts", 1),
        ] {
            assert_eq!(total(at), exactly(count), "{at}");
        }
    }

    async fn rest_lists_by_root_key_and_metadata_and_counts_when_asked(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let root = journey(&app).await;
        let one = noted(&app, "order-1", json!({"order": 1})).await;
        let list = async |body: Value| -> Value {
            let answer = app.http.post(app.url("/api/execution/list")).json(&body).send().await.unwrap();
            answer.json().await.unwrap()
        };
        let ids = |page: &Value| -> Vec<String> {
            let all = page["executions"].as_array().unwrap().iter();
            all.map(|one| one["execution_id"].as_str().unwrap().to_owned()).collect()
        };
        let roots = list(json!({"roots_only": true, "count": true})).await;
        assert_eq!(ids(&roots), [one.clone(), root]);
        assert_eq!((&roots["total"], &roots["total_exact"]), (&json!(2), &json!(true)));
        let by_key = list(json!({"idempotency_key": "order-1"})).await;
        assert_eq!((ids(&by_key), by_key.get("total")), (vec![one.clone()], None));
        assert_eq!(ids(&list(json!({"metadata": {"order": 1}})).await), [one]);
        let refused = list(json!({"metadata": {"order": [1]}})).await;
        assert_eq!(refused["error_code"], "BAD_USER_INPUT", "{refused}");
        let artifacts = app.http.post(app.url("/api/artifact/list")).json(&json!({}));
        let artifacts: Value = artifacts.send().await.unwrap().json().await.unwrap();
        assert_eq!((&artifacts["total"], &artifacts["total_exact"]), (&json!(0), &json!(true)));
    }
}
