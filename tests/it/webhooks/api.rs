//! What is refused, and what is shown.

use serde_json::{Value, json};

use super::{HERE, Receiver, change, creation, entries, made, node, once, read};
use crate::support::{TestApp, backends};

async fn refused(app: &TestApp, input: Value) -> Value {
    let mut answer = app.data(&creation(), json!({"input": input})).await;
    let errors = answer["it"]["errors"].take();
    assert!(
        answer["it"]["webhook"].is_null() && answer["it"]["secret"].is_null(),
        "{answer}"
    );
    errors
}

backends! {
    async fn addresses_that_are_not_public_are_refused_however_they_are_written(backend: Backend) {
        let app = TestApp::start_with(&backend, &["webhooks.first_retry_ms=20", "runtime.poll_ms=20"]).await;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        for url in [
            format!("https://127.0.0.1:{port}/"),
            format!("https://2130706433:{port}/"),
            format!("https://[::ffff:127.0.0.1]:{port}/"),
            "https://10.0.0.1/".to_owned(),
            "https://169.254.169.254/latest/meta-data".to_owned(),
            format!("http://localhost:{port}/"),
            "https://user:password@hooks.example.com/".to_owned(),
            format!("https://hooks.example.com/{}", "a".repeat(2_000)),
            "nowhere".to_owned(),
        ] {
            let errors = refused(&app, json!({"url": url})).await;
            assert_eq!((&errors[0]["code"], &errors[0]["path"]), (&json!("INVALID_INPUT"), &json!(["input", "url"])), "{url}");
        }
        // A name is looked up when something is delivered, and so however it came to this machine.
        let webhook = made(&app, json!({"url": format!("https://localhost:{port}/")})).await;
        app.run("add", json!({"a": 1, "b": 2})).await;
        let failing = once(&app, &webhook.id, |it| it["lastFailure"] != Value::Null).await;
        assert_eq!(failing["lastFailure"], "its address is not public");
        // Connections are accepted in the order in which they were made: the first one is this test's own.
        let own = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (_, first) = listener.accept().await.unwrap();
        assert_eq!(first, own.local_addr().unwrap(), "somebody has connected");
    }

    async fn what_was_allowed_before_is_not_delivered_to_any_more(backend: Backend) {
        let receiver = Receiver::accepting().await;
        let app = node(&backend).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        app.server.stop().await;
        let app = TestApp::start_with(&backend, &["webhooks.first_retry_ms=20", "runtime.poll_ms=20"]).await;
        app.run("add", json!({"a": 1, "b": 2})).await;
        let failing = once(&app, &webhook.id, |it| it["lastFailure"] != Value::Null).await;
        assert_eq!(failing["lastFailure"], "its address is not public");
        assert_eq!(receiver.hooks().len(), 0);
    }

    async fn a_webhook_is_shown_as_it_was_made_and_its_changes_stand_in_the_log(backend: Backend) {
        let app = node(&backend).await;
        let session = app.session().await.to_string();
        let filter = json!({"types": ["execution.failed"], "intentType": ["add"], "sessionId": session});
        let made = made(&app, json!({"url": "http://127.0.0.1:1/a", "name": "failures", "filter": filter})).await;
        let found = read(&app, &made.id).await;
        assert_eq!((&found["filter"], &found["name"], &found["status"]), (&filter, &json!("failures"), &json!("ACTIVE")));
        assert_eq!((&found["createdBy"], &found["url"]), (&json!("development"), &json!("http://127.0.0.1:1/a")));
        let changed = change(&app, "updateWebhook", json!({"id": made.id, "filter": {"types": ["execution.completed"]}})).await;
        let expected = json!({"types": ["execution.completed"], "intentType": [], "sessionId": null});
        assert_eq!((&changed["filter"], &changed["name"]), (&expected, &json!("failures")));
        let told = entries(&app, &made.id).await;
        let types: Vec<&Value> = told.iter().map(|it| &it["type"]).collect();
        assert_eq!(types, ["webhook.created", "webhook.changed"]);
        assert_eq!(told[0]["data"]["filter"], json!({"types": ["execution.failed"], "intent_types": ["add"], "session_id": session}));
        assert_eq!((&told[1]["data"]["change"], &told[1]["actor"]), (&json!("UPDATED"), &json!("development")));
        let listed = app.data("{ webhooks(first: 1) { nodes { id } totalCount { count } pageInfo { hasNextPage } } }", json!({})).await;
        assert_eq!(listed["webhooks"]["nodes"], json!([{"id": made.id}]), "{listed}");
        app.assert_verified().await;
    }

    async fn faulty_input_is_told_with_its_place(backend: Backend) {
        let app = TestApp::start_with(&backend, &HERE).await;
        let url = "http://127.0.0.1:1/";
        for (input, path) in [
            (json!({"url": url, "name": ""}), json!(["input", "name"])),
            (json!({"url": url, "name": "a\u{1}"}), json!(["input", "name"])),
            (json!({"url": url, "filter": {"types": [""]}}), json!(["input", "filter", "types"])),
            (json!({"url": url, "filter": {"intentType": ["a".repeat(201)]}}), json!(["input", "filter", "intentType"])),
            (json!({"url": url, "filter": {"sessionId": "a"}}), json!(["input", "filter", "sessionId"])),
            (json!({"url": "ftp://127.0.0.1/"}), json!(["input", "url"])),
        ] {
            let errors = refused(&app, input.clone()).await;
            assert_eq!((&errors[0]["code"], &errors[0]["path"]), (&json!("INVALID_INPUT"), &path), "{input}");
        }
    }
}
