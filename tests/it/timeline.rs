//! What executions did and when: timelines, parts of their events, numbers over time.

use serde_json::{Value, json};
use takeoff::{model::ExecutionStatus, runtime::SubmitIntent};

use crate::support::{TestApp, backends};

const TIMELINE: &str = "query($id: ID!, $most: Int! = 200) { execution(id: $id) { timeline(maxItems: $most) {
    truncated items { id kind name attempt outcome errorCode waitingFor intentType childId child { status }
    startedAt finishedAt } } } }";

async fn timeline(app: &TestApp, id: &str) -> Vec<Value> {
    let found = app.data(TIMELINE, json!({"id": id})).await;
    let items = found["execution"]["timeline"]["items"].as_array().unwrap();
    items.clone()
}

/// What of `names` the items of a kind have.
fn told(items: &[Value], kind: &str, names: &[&str]) -> Vec<Value> {
    let of_kind = items.iter().filter(|item| item["kind"] == kind);
    of_kind
        .map(|item| names.iter().map(|name| item[*name].clone()).collect())
        .collect()
}

backends! {
    async fn a_timeline_tells_of_attempts_steps_children_and_waits(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("steps", json!({})).await;
        let items = timeline(&app, &done.id.to_string()).await;
        let attempts = told(&items, "ATTEMPT", &["attempt", "outcome", "errorCode"]);
        let again = |number: i64| json!([number, "RETRIED", "AGAIN"]);
        assert_eq!(attempts, [again(1), again(2), json!([3, "COMPLETED", null])]);
        let steps = told(&items, "STEP", &["name", "attempt", "outcome"]);
        assert_eq!(steps, [json!(["one", 1, "COMPLETED"]), json!(["two", 1, "COMPLETED"])]);
        let retries = told(&items, "WAIT", &["waitingFor", "outcome"]);
        let retries = retries.iter().filter(|wait| wait[0] == "RETRY").count();
        assert_eq!(retries, 2);
        assert!(items.iter().all(|item| item["finishedAt"].as_str() >= item["startedAt"].as_str()));
        let starts: Vec<_> = items.iter().map(|item| item["startedAt"].as_str().unwrap()).collect();
        assert!(starts.is_sorted());

        let family = app.run("family", json!({"children": 3})).await;
        let items = timeline(&app, &family.id.to_string()).await;
        let children = told(&items, "CHILD", &["name", "intentType", "outcome"]);
        let child = |n: i64| json!([format!("child-{n}"), "add", "COMPLETED"]);
        assert_eq!(children, [child(0), child(1), child(2)]);
        assert!(items.iter().filter(|item| item["kind"] == "CHILD").all(|item| item["child"]["status"] == "COMPLETED"));
        let few = app.data(TIMELINE, json!({"id": family.id.to_string(), "most": 2})).await;
        let few = &few["execution"]["timeline"];
        assert_eq!((few["items"].as_array().unwrap().len(), &few["truncated"]), (2, &json!(true)));

        let path = format!("/api/execution/{}/timeline", family.id);
        let rest: Value = app.http.get(app.url(&path)).send().await.unwrap().json().await.unwrap();
        assert_eq!(rest["items"].as_array().unwrap().len(), items.len());
        assert_eq!(rest["truncated"], false);
    }

    async fn a_step_that_has_run_for_a_while_is_in_the_timeline_before_it_has_ended(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let intent = SubmitIntent::new("slow_step", session, takeoff::model::RawJson::empty_object());
        let id = app.try_submit(intent).await.unwrap().execution.id;
        let text = id.to_string();
        let running = app.until(|| async {
            let items = timeline(&app, &text).await;
            items.into_iter().find(|item| item["name"] == "slow")
        }).await;
        assert_eq!((&running["outcome"], &running["finishedAt"], &running["attempt"]), (&json!(null), &json!(null), &json!(1)));
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
        let steps = told(&timeline(&app, &text).await, "STEP", &["name", "outcome"]);
        assert_eq!(steps, [json!(["quick", "COMPLETED"]), json!(["slow", "COMPLETED"])]);
        // What was quick was told of once.
        let events = app.data(EVENTS, json!({"id": text, "last": 50, "types": ["step.started", "step.completed"]})).await;
        let types: Vec<_> = events["execution"]["events"]["nodes"].as_array().unwrap().iter().map(|it| it["type"].clone()).collect();
        assert_eq!(types, ["step.completed", "step.started", "step.completed"]);
        app.assert_verified().await;
    }

    async fn events_are_read_from_either_end_and_by_types(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let id = app.run("steps", json!({})).await.id.to_string();
        let page = async |more: Value| {
            let mut variables = json!({"id": id});
            variables.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            app.data(EVENTS, variables).await["execution"]["events"].take()
        };
        let all = page(json!({"first": 200})).await;
        let sequences = |page: &Value| page["nodes"].as_array().unwrap().iter()
            .map(|it| it["sequence"].as_str().unwrap().parse::<usize>().unwrap()).collect::<Vec<_>>();
        let count = sequences(&all).len();
        assert_eq!(sequences(&all), (1..=count).collect::<Vec<_>>());
        let end = page(json!({"last": 2})).await;
        assert_eq!(sequences(&end), [count - 1, count]);
        assert_eq!((&end["pageInfo"]["hasPreviousPage"], &end["pageInfo"]["hasNextPage"]), (&json!(true), &json!(false)));
        let before = page(json!({"last": 2, "before": end["pageInfo"]["startCursor"]})).await;
        assert_eq!(sequences(&before), [count - 3, count - 2]);
        let between = page(json!({"first": 9, "after": all["nodes"][0]["cursor"], "before": end["pageInfo"]["startCursor"]})).await;
        assert_eq!(sequences(&between), (2..count - 1).collect::<Vec<_>>());
        let started = page(json!({"first": 2, "types": ["execution.started"]})).await;
        assert_eq!(sequences(&started).len(), 2);
        assert_eq!(started["pageInfo"]["hasNextPage"], true);
        let third = page(json!({"first": 2, "types": ["execution.started"], "after": started["pageInfo"]["endCursor"]})).await;
        assert_eq!((sequences(&third).len(), &third["pageInfo"]["hasNextPage"]), (1, &json!(false)));
        assert_eq!(sequences(&page(json!({"last": 5, "types": ["nothing"]})).await), [0; 0]);
        let other = app.run("add", json!({"a": 1, "b": 2})).await.id.to_string();
        let foreign = app.data(EVENTS, json!({"id": other})).await;
        let foreign = &foreign["execution"]["events"]["nodes"][0]["cursor"];
        let refused = app.graphql(EVENTS, json!({"id": id, "last": 2, "before": foreign})).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT");
    }

    async fn executions_are_counted_by_time_type_and_end(backend: Backend) {
        let app = TestApp::start(&backend).await;
        for _ in 0..3 {
            app.run("add", json!({"a": 1, "b": 2})).await;
        }
        app.run("flaky", json!({"failures": 9, "fatal": true})).await;
        app.run("family", json!({"children": 2})).await;
        let stats = "query($roots: Boolean) { executionStats(filter: {after: \"2026-01-01T00:00:00Z\", rootsOnly: $roots}, bucket: DAY) {
            points { intentType accepted completed failed cancelled } } }";
        let mut points = app.data(stats, json!({})).await["executionStats"]["points"].take();
        // Around midnight there are two days.
        let mut sums: std::collections::BTreeMap<String, [i64; 4]> = std::collections::BTreeMap::new();
        for point in points.as_array_mut().unwrap() {
            let sum = sums.entry(point["intentType"].as_str().unwrap().to_owned()).or_default();
            for (total, name) in sum.iter_mut().zip(["accepted", "completed", "failed", "cancelled"]) {
                *total += point[name].as_str().unwrap().parse::<i64>().unwrap();
            }
        }
        assert_eq!(sums["add"], [5, 5, 0, 0]);
        assert_eq!(sums["family"], [1, 1, 0, 0]);
        assert_eq!(sums["flaky"], [1, 0, 1, 0]);
        let groups = "query { failureGroups(filter: {after: \"2026-01-01T00:00:00Z\"}) { errorCode intentType count } }";
        let groups = app.data(groups, json!({})).await["failureGroups"].take();
        assert_eq!(groups, json!([{"errorCode": "NOT_TODAY", "intentType": "flaky", "count": "1"}]));
        let list = "query($f: ExecutionFilter, $o: ExecutionOrder) { executions(filter: $f, orderBy: $o) { nodes { intent { intentType } } } }";
        let found = app.data(list, json!({"f": {"errorCode": ["NOT_TODAY"]}, "o": "LAST_FINISHED_FIRST"})).await;
        assert_eq!(found["executions"]["nodes"], json!([{"intent": {"intentType": "flaky"}}]));
        let body = json!({"error_code": "NOT_TODAY", "order": "first_finished_first", "finished_after": "2026-01-01T00:00:00Z"});
        let rest = app.http.post(app.url("/api/execution/list")).json(&body).send().await.unwrap();
        let rest: Value = rest.json().await.unwrap();
        assert_eq!(rest["executions"].as_array().map(Vec::len), Some(1), "{rest}");
        for bad in [json!({"order": "x"}), json!({"waiting_for": "x"}), json!({"finished_after": "x"})] {
            let refused = app.http.post(app.url("/api/execution/list")).json(&bad).send().await.unwrap();
            assert_eq!(refused.status(), 400, "{bad}");
        }
    }
}

const EVENTS: &str = "query($id: ID!, $first: Int, $after: String, $last: Int, $before: String, $types: [String!]) {
    execution(id: $id) { events(first: $first, after: $after, last: $last, before: $before, types: $types) {
        nodes { type sequence cursor } pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }";
