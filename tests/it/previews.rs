//! The size and the beginning of parameters and results, and the whole by itself.

use serde_json::{Value, json};

use crate::support::{TestApp, backends};

const PREVIEWS: &str = "query($id: ID!, $bytes: Int! = 2048) { execution(id: $id) {
    resultPreview(bytes: $bytes) { sizeBytes text isWhole url }
    intent { parametersPreview { sizeBytes text isWhole url } }
    steps { name resultPreview { sizeBytes text isWhole url } } } }";

async fn previews(app: &TestApp, id: &str, bytes: i64) -> Value {
    let found = app.data(PREVIEWS, json!({"id": id, "bytes": bytes})).await;
    found["execution"].clone()
}

/// What stands at the address of a preview.
async fn whole(app: &TestApp, preview: &Value) -> Value {
    let url = format!(
        "http://{}{}",
        app.server.address(),
        preview["url"].as_str().unwrap()
    );
    let answer = app.http.get(url).send().await.unwrap();
    assert_eq!(answer.headers()["content-type"], "application/json");
    let answer = answer.error_for_status().unwrap();
    answer.json().await.unwrap()
}

backends! {
    async fn a_large_result_is_shown_by_its_beginning_and_read_whole_by_its_address(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let bytes = 1_000_000;
        let done = app.run("big", json!({"bytes": bytes})).await;
        assert!(done.result.unwrap().as_reference().is_some(), "it is in the content store");
        let id = done.id.to_string();
        let shown = previews(&app, &id, 5).await;
        let result = &shown["resultPreview"];
        assert_eq!(result["sizeBytes"], (bytes + 2).to_string());
        assert_eq!((&result["text"], &result["isWhole"]), (&json!("\"xxxx"), &json!(false)));
        assert_eq!(whole(&app, result).await, "x".repeat(bytes));
        let parameters = &shown["intent"]["parametersPreview"];
        assert_eq!((&parameters["text"], &parameters["isWhole"]), (&json!("{\"bytes\":1000000}"), &json!(true)));
        assert_eq!(whole(&app, parameters).await, json!({"bytes": bytes}));
        let most = previews(&app, &id, 65_536).await;
        assert_eq!(most["resultPreview"]["text"].as_str().unwrap().len(), 65_536);
        app.assert_verified().await;
    }

    async fn a_step_is_shown_by_its_name_and_what_is_not_there_is_not_found(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("steps", json!({})).await;
        let shown = previews(&app, &done.id.to_string(), 100).await;
        for step in shown["steps"].as_array().unwrap() {
            let text: Value = serde_json::from_str(step["resultPreview"]["text"].as_str().unwrap()).unwrap();
            assert_eq!(whole(&app, &step["resultPreview"]).await, text, "{step}");
        }
        let failed = app.run("panic", json!({})).await.id;
        assert_eq!(previews(&app, &failed.to_string(), 100).await["resultPreview"], Value::Null);
        for (which, status) in [("", 404), ("of=result", 404), ("of=step&step=x", 404), ("of=step", 400), ("of=parameters&step=x", 400),
            ("of=x", 400), ("of=parameters", 200)] {
            let url = format!("http://{}/api/execution/{failed}/payload?{which}", app.server.address());
            assert_eq!(app.http.get(url).send().await.unwrap().status(), status, "{which}");
        }
        for bytes in [0, -1, 65_537] {
            let request = json!({"query": PREVIEWS, "variables": {"id": done.id.to_string(), "bytes": bytes}});
            let url = format!("http://{}/graphql", app.server.address());
            let answer: Value = app.http.post(url).json(&request).send().await.unwrap().json().await.unwrap();
            assert_eq!(answer["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{answer}");
        }
    }
}
