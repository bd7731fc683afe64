//! What a text names, as far as whoever asks may read it.

use serde_json::{Value, json};
use takeoff::{auth::NewKey, model::RawJson, runtime::SubmitIntent};

use crate::support::{TestApp, backends};

const SEARCH: &str = "query($text: String!, $first: Int) { search(text: $text, first: $first) {
    kind id title by node { id } } }";

async fn search(app: &TestApp, text: &str) -> Vec<Value> {
    let found = app.data(SEARCH, json!({"text": text})).await;
    found["search"].as_array().unwrap().clone()
}

/// Kind, title and way of each.
fn told(found: &[Value]) -> Vec<String> {
    let told = found.iter().map(|one| {
        let text = |name: &str| one[name].as_str().unwrap().to_owned();
        format!("{} {} by {}", text("kind"), text("title"), text("by"))
    });
    told.collect()
}

/// The same by a key with these scopes, or of another tenant.
async fn by(app: &TestApp, tenant: &str, scopes: &[&str], text: &str) -> Vec<String> {
    let new = NewKey {
        scopes: scopes.iter().map(|&scope| scope.to_owned()).collect(),
        ..NewKey::default()
    };
    let principal = app.principal_of(tenant);
    let key = app.services().keys.create(&principal, new).await.unwrap();
    let request = app
        .http
        .post(format!("http://{}/graphql", app.server.address()));
    let request = request.bearer_auth(key.text.expose());
    let request = request.json(&json!({"query": SEARCH, "variables": {"text": text}}));
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    told(answer["data"]["search"].as_array().unwrap())
}

backends! {
    async fn a_text_finds_ids_keys_and_names(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let artifact = app.run_in(session, "make", json!({"name": "Harvest 2026"})).await;
        let artifact: String = artifact.result.unwrap().as_inline().unwrap().read().unwrap();
        let intent = SubmitIntent {
            idempotency_key: Some("harvest".to_owned()),
            ..SubmitIntent::new("add", session, RawJson::from(&json!({"a": 1, "b": 2})))
        };
        let keyed = app.try_submit(intent).await.unwrap().execution.id;
        app.ended(keyed).await;
        let named = json!({"name": "harvest, nightly", "everySeconds": 3600});
        let schedule = crate::schedules::created(&app, session, named).await;
        let found = search(&app, " harvest ").await;
        let expected = [
            "EXECUTION add by KEY", "SCHEDULE harvest, nightly by NAME", "ARTIFACT Harvest 2026 by NAME",
        ];
        assert_eq!(told(&found), expected);
        assert_eq!(found[0]["node"]["id"], keyed.to_string());
        assert_eq!((&found[1]["id"], &found[1]["node"]), (&json!(schedule), &Value::Null));
        assert_eq!((&found[2]["id"], &found[2]["node"]["id"]), (&json!(artifact), &json!(artifact)));
        for (id, expected) in [
            (artifact.clone(), "ARTIFACT Harvest 2026 by ID"),
            (keyed.to_string(), "EXECUTION add by ID"),
            (session.to_string(), &format!("SESSION {session} by ID")),
            (schedule.clone(), "SCHEDULE harvest, nightly by ID"),
        ] {
            assert_eq!(told(&search(&app, &id).await), [expected], "{id}");
        }
        assert_eq!(told(&search(&app, "STEP").await)[..2], ["INTENT_TYPE slow_step by NAME", "INTENT_TYPE steps by NAME"]);
        for nothing in ["h", "nobody", "exe_01m8rnb8kxesvb2hgf2vkqbf5w", "exe_x", "100 %", "_"] {
            assert_eq!(search(&app, nothing).await, Vec::<Value>::new(), "{nothing}");
        }
        let one = app.data(SEARCH, json!({"text": "harvest", "first": 1})).await;
        assert_eq!(one["search"].as_array().unwrap().len(), 1);
        for bad in ["", "   ", &"x".repeat(201)] {
            let refused = app.graphql(SEARCH, json!({"text": bad})).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "BAD_USER_INPUT", "{refused}");
        }
    }

    async fn what_may_not_be_read_is_not_found(backend: Backend) {
        let settings = ["auth.mode=required", "auth.failed_proofs_burst=100000"];
        let app = TestApp::start_with(&backend, &settings).await;
        let session = app.session().await;
        let artifact = app.run_in(session, "make", json!({"name": "plan"})).await;
        let execution = artifact.id.to_string();
        let artifact: String = artifact.result.unwrap().as_inline().unwrap().read().unwrap();
        let read = "executions:read";
        assert_eq!(by(&app, "default", &["artifacts:read"], "plan").await, ["ARTIFACT plan by NAME"]);
        assert_eq!(by(&app, "default", &["artifacts:read"], &artifact).await, ["ARTIFACT plan by ID"]);
        assert_eq!(by(&app, "default", &[read], &execution).await, ["EXECUTION make by ID"]);
        for (tenant, scopes, text) in [
            ("default", &[read][..], "plan"), ("default", &[read], &artifact), ("default", &["artifacts:read"], &execution),
            ("default", &["artifacts:read:own"], "plan"), ("default", &["artifacts:read:own"], &artifact),
            ("default", &["executions:read:own"], &execution), ("default", &[read], &session.to_string()),
            ("other", &[read, "artifacts:read"], "plan"), ("other", &[read, "artifacts:read"], &artifact),
            ("other", &[read, "artifacts:read"], &execution),
        ] {
            assert_eq!(by(&app, tenant, scopes, text).await, Vec::<String>::new(), "{tenant} {scopes:?} {text}");
        }
    }
}
