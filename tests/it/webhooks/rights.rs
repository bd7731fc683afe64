//! Whose webhooks are whose, and who may make and change them.

use serde_json::{Value, json};

use super::{HERE, Receiver, change, changing, creation, made, node, reading};
use crate::{
    auth::own::{id, key_with, session_of},
    support::{TestApp, backends},
};

const WHOLE: [&str; 2] = ["executions:read", "executions:control"];
const LIST: &str = "{ webhooks { nodes { id } totalCount { count } } }";

async fn ask(app: &TestApp, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = app.http.post(app.url("/graphql")).bearer_auth(token);
    let answer = request.json(&body).send().await.unwrap();
    answer.json().await.unwrap()
}

/// Every mutation that names a webhook, with its input.
fn changes(id: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("updateWebhook", json!({"id": id, "name": "another"})),
        ("pauseWebhook", json!({"id": id})),
        ("resumeWebhook", json!({"id": id})),
        ("rotateWebhookSecret", json!({"id": id})),
        (
            "redeliverWebhook",
            json!({"id": id, "after": takeoff::model::Cursor::default().to_string()}),
        ),
        ("deleteWebhook", json!({"id": id})),
    ]
}

backends! {
    async fn who_reads_all_events_and_controls_executions_makes_webhooks_and_nobody_else(backend: Backend) {
        let settings = [&HERE[..], &["auth.mode=required", "auth.failed_proofs_burst=100000"]].concat();
        let app = TestApp::start_with(&backend, &settings).await;
        let boss = key_with(&app, &WHOLE).await;
        let receiver = Receiver::accepting().await;
        let input = json!({"input": {"url": receiver.url, "filter": {"types": ["nothing"]}}});
        let webhook = ask(&app, &boss, &creation(), input.clone()).await;
        let webhook = id(&webhook["data"]["it"]["webhook"]["id"]);
        for (scopes, reads) in [
            (&["executions:read", "executions:control:own"][..], true),
            (&["executions:read:own", "executions:control"], false),
            (&["executions:read"], true),
            (&["executions:control"], false),
            (&["sessions:write", "log:read", "artifacts:read"], false),
        ] {
            let token = key_with(&app, scopes).await;
            let mut tried = vec![(creation(), input.clone())];
            let changes = changes(&webhook).into_iter();
            tried.extend(changes.map(|(name, input)| (changing(name), json!({"input": input}))));
            for (query, variables) in tried {
                let refused = ask(&app, &token, &query, variables).await;
                assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{scopes:?} {refused}");
            }
            for (query, variables) in [(LIST.to_owned(), json!({})), (reading(), json!({"id": webhook}))] {
                let answer = ask(&app, &token, &query, variables).await;
                let is_forbidden = answer["errors"][0]["extensions"]["code"] == "FORBIDDEN";
                assert_eq!(is_forbidden, !reads, "{scopes:?} {answer}");
            }
        }
        // Another one with the rights may do all of it.
        let other = key_with(&app, &WHOLE).await;
        for (name, input) in changes(&webhook).into_iter().filter(|(name, _)| *name != "redeliverWebhook") {
            let changed = ask(&app, &other, &changing(name), json!({"input": input})).await;
            assert_eq!(changed["data"]["it"]["errors"], json!([]), "{name} {changed}");
        }
        app.assert_verified().await;
    }

    async fn a_token_for_pages_makes_no_webhook_and_sees_none(backend: Backend) {
        let settings = [&HERE[..], &["auth.mode=required", "auth.failed_proofs_burst=100000"]].concat();
        let app = TestApp::start_with(&backend, &settings).await;
        let more = ["sessions:read", "sessions:write", "artifacts:read", "intents:submit"];
        let boss = key_with(&app, &[&WHOLE[..], &more].concat()).await;
        let made = session_of(&app, &boss, json!({})).await;
        let session = id(&made["data"]["createSession"]["session"]["id"]);
        let mint = "mutation($s: ID!) { createAccessToken(input: {sessionId: $s}) { token scopes errors { message } } }";
        let minted = ask(&app, &boss, mint, json!({"s": session})).await;
        let token = id(&minted["data"]["createAccessToken"]["token"]);
        let input = json!({"input": {"url": "http://127.0.0.1:1/", "filter": {"sessionId": session}}});
        let made = ask(&app, &boss, &creation(), input.clone()).await;
        let webhook = id(&made["data"]["it"]["webhook"]["id"]);
        let listed = ask(&app, &token, LIST, json!({})).await;
        assert_eq!(listed["errors"][0]["extensions"]["code"], "FORBIDDEN", "{listed}");
        let changes = changes(&webhook).into_iter();
        let mut tried = vec![(creation(), input)];
        tried.extend(changes.map(|(name, input)| (changing(name), json!({"input": input}))));
        for (query, variables) in tried {
            // Whatever it may do, it lasts for minutes.
            let mut refused = ask(&app, &token, &query, variables.clone()).await;
            let error = refused["data"]["it"]["errors"][0]["message"].take();
            assert!(error.as_str().is_some_and(|text| text.contains("a token of minutes")), "{refused}");
            // There is no such cursor to go on from.
            if !query.contains("redeliverWebhook") {
                let answer = ask(&app, &boss, &query, variables).await;
                assert!(answer.get("errors").is_none(), "{answer}");
            }
        }
    }

    async fn another_tenant_sees_nothing_of_a_webhook_and_hears_nothing(backend: Backend) {
        let app = node(&backend).await;
        let (ours, theirs) = (Receiver::accepting().await, Receiver::accepting().await);
        let webhook = made(&app, json!({"url": ours.url})).await;
        let as_globex = async |query: &str, variables: Value| {
            let body = json!({"query": query, "variables": variables});
            let request = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", "globex");
            let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
            answer["data"].clone()
        };
        let other = as_globex(&creation(), json!({"input": {"url": theirs.url}})).await;
        let other = id(&other["it"]["webhook"]["id"]);
        assert!(as_globex(&reading(), json!({"id": webhook.id})).await["webhook"].is_null());
        let listed = as_globex(LIST, json!({})).await;
        assert_eq!(listed["webhooks"], json!({"nodes": [{"id": other}], "totalCount": {"count": 1}}));
        for (name, input) in changes(&webhook.id) {
            let refused = as_globex(&changing(name), json!({"input": input})).await;
            assert_eq!(refused["it"]["errors"][0]["code"], "NOT_FOUND", "{name} {refused}");
        }
        let done = app.run("add", json!({"a": 1, "b": 2})).await;
        ours.has_all(&app, &[done.id]).await;
        // Theirs looks for what is new at the latest when something of their own is.
        let session = as_globex("mutation { createSession(input: {}) { session { id } } }", json!({})).await;
        let session = session["createSession"]["session"]["id"].clone();
        let submit = "mutation($s: ID!) { submitIntent(input: {intentType: \"add\", sessionId: $s, parameters: {a: 1, b: 2}}) {
            execution { id } errors { code } } }";
        let submitted = as_globex(submit, json!({"s": session})).await;
        let submitted = id(&submitted["submitIntent"]["execution"]["id"]);
        app.until(|| async { (theirs.hooks().len() == 3).then_some(()) }).await;
        assert!(theirs.hooks().iter().all(|hook| hook.execution() == submitted));
        assert!(ours.hooks().iter().all(|hook| hook.execution() == done.id.to_string()));
    }

    async fn beside_a_node_of_another_version_no_webhook_is_made(backend: Backend) {
        let app = node(&backend).await;
        let input = json!({"input": {"url": "http://127.0.0.1:1/"}});
        backend.execute("UPDATE node SET version = '0.0.0'").await;
        let refused = app.data(&creation(), input.clone()).await;
        let message = refused["it"]["errors"][0]["message"].as_str().unwrap();
        assert_eq!(message, "webhooks are made once all nodes run the same version");
        backend.execute(&format!("UPDATE node SET version = '{}'", env!("CARGO_PKG_VERSION"))).await;
        let made = app.data(&creation(), input).await;
        assert_eq!(made["it"]["errors"], json!([]), "{made}");
    }

    async fn so_many_webhooks_a_tenant_has(backend: Backend) {
        let app = node(&backend).await;
        let input = json!({"url": "http://127.0.0.1:1/", "filter": {"types": ["nothing"]}});
        let mut last = String::new();
        for _ in 0..20 {
            last = made(&app, input.clone()).await.id;
        }
        let refused = app.data(&creation(), json!({"input": input})).await;
        assert_eq!(refused["it"]["errors"][0]["code"], "INVALID_INPUT", "{refused}");
        change(&app, "deleteWebhook", json!({"id": last})).await;
        made(&app, input).await;
    }

    async fn nodes_that_make_webhooks_at_once_keep_to_that_number(backend: Backend) {
        // SQLite has one writer.
        if !backend.is_postgres() {
            return;
        }
        let (one, other) = (node(&backend).await, node(&backend).await);
        let input = json!({"url": "http://127.0.0.1:1/", "filter": {"types": ["nothing"]}});
        for _ in 0..19 {
            made(&one, input.clone()).await;
        }
        backend.slow_inserts("webhook").await;
        let (creation, input) = (creation(), json!({"input": input}));
        let made = [one.data(&creation, input.clone()), other.data(&creation, input)];
        let made = futures::future::join_all(made).await;
        let refused = made.iter().filter(|it| it["it"]["errors"][0]["code"] == "INVALID_INPUT");
        assert_eq!(refused.count(), 1, "{made:?}");
    }
}
