//! The number of statements that a query costs, counted where they are sent to the database.

use serde_json::{Value, json};

use crate::support::{Backend, TestApp, backends};

/// Nothing else looks at the database meanwhile.
async fn quiet(backend: &Backend) -> TestApp {
    let quiet = [
        "runtime.poll_ms=60000",
        "runtime.lease_seconds=3600",
        "runtime.heartbeat_seconds=3000",
    ];
    TestApp::start_with(backend, &quiet).await
}

/// The id of the artifact that is made.
async fn made(app: &TestApp, parameters: Value) -> String {
    let made = app.run("make", parameters).await;
    made.result.unwrap().as_inline().unwrap().read().unwrap()
}

async fn reads(app: &TestApp) -> u64 {
    let text = app
        .http
        .get(app.url("/metrics"))
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    let line = text
        .lines()
        .find(|line| line.starts_with("takeoff_statements_total{purpose=\"read\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok())
        .unwrap_or(0)
}

backends! {
    async fn a_page_of_50_executions_costs_at_most_6(backend: Backend) {
        let app = quiet(&backend).await;
        let root = made(&app, json!({"name": "root"})).await;
        let session = app.session().await;
        let mut ids = Vec::new();
        for n in 0..50 {
            let parameters = json!({"name": format!("n{n}"), "parents": [root]});
            ids.push(app.submit(session, "make", parameters).await.id);
        }
        for id in ids {
            app.ended(id).await;
        }
        let query = "{ executions(first: 50) { nodes { id status
            intent { intentType parameters session { id } }
            artifacts { nodes { displayName parents { nodes { id displayName } } } } } } }";
        let before = reads(&app).await;
        let page = app.data(query, json!({})).await["executions"]["nodes"].take();
        let cost = reads(&app).await - before;
        let nodes = page.as_array().unwrap();
        assert_eq!(nodes.len(), 50);
        for node in nodes {
            assert_eq!(node["artifacts"]["nodes"][0]["parents"]["nodes"][0]["displayName"], "root");
        }
        assert!((1..=6).contains(&cost), "{cost} statements");
    }

    async fn counting_what_belongs_to_each_of_a_page_costs_one_for_each_list(backend: Backend) {
        let app = quiet(&backend).await;
        let session = app.session().await;
        for n in 0..20 {
            app.ended(app.submit(session, "make", json!({"name": format!("n{n}")})).await.id).await;
        }
        let query = "{ executions(first: 20) { totalCount { count } nodes {
            children { totalCount { count } } artifacts { totalCount { count } } } } }";
        let before = reads(&app).await;
        let page = app.data(query, json!({})).await["executions"].take();
        let cost = reads(&app).await - before;
        assert_eq!(page["totalCount"]["count"], 20);
        for node in page["nodes"].as_array().unwrap() {
            let counts = (&node["children"]["totalCount"]["count"], &node["artifacts"]["totalCount"]["count"]);
            assert_eq!(counts, (&json!(0), &json!(1)));
        }
        // A page and a count for each of the three lists.
        assert_eq!(cost, 3 * 2);
        let uncounted = "{ executions(first: 20) { nodes { id } } }";
        let before = reads(&app).await;
        app.data(uncounted, json!({})).await;
        assert_eq!(reads(&app).await - before, 1, "what is not asked for is not counted");
    }

    async fn a_lineage_costs_one_for_each_level_one_for_its_roots_and_one_for_its_artifacts(backend: Backend) {
        let app = quiet(&backend).await;
        let mut last = made(&app, json!({"name": "level 0"})).await;
        for level in 1..4 {
            let parameters = json!({"name": format!("level {level}"), "parents": [last]});
            last = made(&app, parameters).await;
        }
        let query = "query Lineage($root: ID!) { lineage(roots: [$root]) { nodes { artifact { displayName } } } }";
        let before = reads(&app).await;
        let nodes = app.data(query, json!({"root": last})).await["lineage"]["nodes"].take();
        let cost = reads(&app).await - before;
        let names = nodes.as_array().unwrap().iter().map(|node| &node["artifact"]["displayName"]);
        assert_eq!(names.collect::<Vec<_>>(), ["level 3", "level 2", "level 1", "level 0"]);
        assert_eq!(cost, 1 + 4 + 1);
    }
}
