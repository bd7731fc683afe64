//! How many statements a query costs, counted where they are sent to the database.

use serde_json::json;

use crate::support::{TestApp, backends};

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
        // Nothing else looks at the database meanwhile.
        let quiet = [
            "runtime.poll_ms=60000", "runtime.lease_seconds=3600", "runtime.heartbeat_seconds=3000",
        ];
        let app = TestApp::start_with(&backend, &quiet).await;
        let root = app.run("make", json!({"name": "root"})).await;
        let root: String = root.result.unwrap().as_inline().unwrap().read().unwrap();
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
}
