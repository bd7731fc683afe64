//! Policies at the boundary: who is denied what, what the log tells of it, and how a change takes effect.

mod commands;
mod decisions;
mod documented;
mod member;
mod sets;
mod submitters;

use serde_json::{Value, json};
use takeoff::model::SessionId;

use crate::support::{Backend, TestApp, backends};

/// The default policies, and beside them these in files of their own.
fn folder(backend: &Backend, files: &[(&str, &str)]) -> String {
    let folder = backend.folder.path().join("policies");
    let all = [("default.cedar", takeoff::policy::DEFAULT)];
    for (name, text) in all.iter().chain(files) {
        write(backend, name, text);
    }
    format!("policy.folder={}", folder.display())
}

fn write(backend: &Backend, name: &str, text: &str) {
    let path = backend.folder.path().join("policies").join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
    execution { id } errors { code message path ... on PolicyDenied { policyId } } } }";

async fn submit(app: &TestApp, session: SessionId, intent_type: &str, parameters: Value) -> Value {
    let input = json!({"sessionId": session, "intentType": intent_type, "parameters": parameters});
    let mut data = app.data(SUBMIT, json!({"input": input})).await;
    data["submitIntent"].take()
}

/// The decisions that the log tells of: type, and data.
async fn told(app: &TestApp) -> Vec<Value> {
    let query =
        "{ walEntries(first: 200, filter: {types: [\"policy.denied\", \"policy.allowed\"]}) {
        nodes { type actor data } } }";
    let mut data = app.data(query, json!({})).await;
    serde_json::from_value(data["walEntries"]["nodes"].take()).unwrap()
}

backends! {
    async fn a_denied_intent_names_the_policy_and_is_told_in_the_log(backend: Backend) {
        let forbid = r#"@id("no-echo") forbid (principal, action == Action::"submit", resource == IntentType::"echo");"#;
        let set = folder(&backend, &[("echo.cedar", forbid)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let session = app.session().await;
        let denied = submit(&app, session, "echo", json!({"message": "hello"})).await;
        let message = r#"the policy "no-echo" denies submit here"#;
        let expected = json!([{"code": "POLICY_DENIED", "message": message, "path": null, "policyId": "no-echo"}]);
        assert_eq!(denied, json!({"execution": null, "errors": expected}));
        let accepted = submit(&app, session, "add", json!({"a": 1, "b": 2})).await;
        assert_eq!(accepted["errors"], json!([]));
        let data = json!({"action": "submit", "resource": "IntentType::\"echo\"", "policies": ["no-echo"], "errors": [], "execution_id": null});
        assert_eq!(told(&app).await, [json!({"type": "policy.denied", "actor": "development", "data": data})]);
        let rest = app.http.post(app.url("/api/intent/submit"));
        let body = json!({"session_id": session, "intent_type": "echo", "parameters": {"message": "hello"}});
        let answer = rest.json(&body).send().await.unwrap();
        assert_eq!(answer.status(), 403);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!((&answer["error_code"], &answer["policy_id"]), (&json!("POLICY_DENIED"), &json!("no-echo")));
        app.assert_verified().await;
    }
}
