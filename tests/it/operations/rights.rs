//! Whose operations are whose, and what they may change.

use serde_json::{Value, json};

use super::{counts, document, read_document};
use crate::{
    auth::own::{id, key_with, run, session_of},
    support::{TestApp, backends},
};

const OWN: [&str; 6] = [
    "intents:submit",
    "executions:read:own",
    "executions:control:own",
    "sessions:read:own",
    "sessions:write:own",
    "artifacts:read:own",
];
const WHOLE: [&str; 2] = ["executions:read", "executions:control"];

async fn ask(app: &TestApp, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = app.http.post(app.url("/graphql")).bearer_auth(token);
    let answer = request.json(&body).send().await.unwrap();
    answer.json().await.unwrap()
}

async fn begin(app: &TestApp, token: &str, input: Value) -> Value {
    let query = document("rerunExecutions");
    ask(app, token, &query, json!({"input": input})).await["data"]["it"].take()
}

async fn ended(app: &TestApp, token: &str, id: &str) -> Value {
    app.until(|| async {
        let found =
            ask(app, token, &read_document(), json!({"id": id})).await["data"]["operation"].take();
        (found["status"] != "RUNNING").then_some(found)
    })
    .await
}

const COMPLETED: &str = "COMPLETED";

backends! {
    async fn whoever_controls_their_own_changes_their_own_and_sees_their_own_operations(backend: Backend) {
        let settings = ["auth.mode=required", "auth.failed_proofs_burst=100000"];
        let app = TestApp::start_with(&backend, &settings).await;
        let (ann, bob, boss) = (key_with(&app, &OWN).await, key_with(&app, &OWN).await, key_with(&app, &WHOLE).await);
        for (token, times) in [(&ann, 2), (&bob, 3)] {
            let made = session_of(&app, token, json!({})).await;
            let session = id(&made["data"]["createSession"]["session"]["id"]);
            for _ in 0..times {
                run(&app, token, &session, "add", json!({"a": 1, "b": 2})).await;
            }
        }
        let input = json!({"filter": {"status": [COMPLETED]}, "dryRun": true});
        for (token, seen) in [(&ann, 2), (&bob, 3), (&boss, 5)] {
            let answer = begin(&app, token, input.clone()).await;
            assert_eq!(answer["preview"]["matched"]["count"], seen, "{answer}");
        }
        // Nobody learns by a filter what they may not read.
        for scopes in [&["executions:control"][..], &["executions:control", "executions:read:own"]] {
            let blind = key_with(&app, scopes).await;
            let refused = ask(&app, &blind, &document("rerunExecutions"), json!({"input": input})).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
        }
        let input = json!({"filter": {"status": [COMPLETED]}});
        let own = id(&begin(&app, &ann, input.clone()).await["operation"]["id"]);
        assert_eq!(counts(&ended(&app, &ann, &own).await), [2, 2, 0, 0]);
        let list = "{ operations { nodes { id } totalCount { count } } }";
        let stop = "mutation($id: ID!) { cancelOperation(input: {id: $id}) { operation { id } errors { code } } }";
        // Of the tenant's whole, and one's own.
        for (token, shown) in [(&ann, 1), (&boss, 1), (&bob, 0)] {
            let listed = ask(&app, token, list, json!({})).await;
            assert_eq!(listed["data"]["operations"]["totalCount"]["count"], shown, "{listed}");
            let found = ask(&app, token, &read_document(), json!({"id": own})).await;
            assert_eq!(found["data"]["operation"].is_object(), shown == 1, "{found}");
            let stopped = ask(&app, token, stop, json!({"id": own})).await;
            let errors = &stopped["data"]["cancelOperation"]["errors"];
            let expected = if shown == 1 { json!([]) } else { json!([{"code": "NOT_FOUND"}]) };
            assert_eq!(errors, &expected, "{stopped}");
        }
        app.assert_verified().await;
    }

    async fn another_tenant_sees_nothing_of_an_operation_and_changes_nothing_by_its_own(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let execution = app.run("add", json!({"a": 1, "b": 2})).await;
        let ours = crate::operations::begun(&app, "rerunExecutions", json!({"filter": {"status": [COMPLETED]}})).await;
        crate::operations::ended(&app, &ours).await;
        let theirs = async |query: &str, variables: Value| {
            let body = json!({"query": query, "variables": variables});
            let request = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", "globex");
            let answer: Value = request.json(&body).send().await.unwrap().json().await.unwrap();
            answer["data"].clone()
        };
        assert!(theirs(&read_document(), json!({"id": ours})).await["operation"].is_null());
        let listed = theirs("{ operations { totalCount { count } } }", json!({})).await;
        assert_eq!(listed["operations"]["totalCount"]["count"], 0);
        let stop = "mutation($id: ID!) { cancelOperation(input: {id: $id}) { errors { code } } }";
        let stopped = theirs(stop, json!({"id": ours})).await;
        assert_eq!(stopped["cancelOperation"]["errors"][0]["code"], "NOT_FOUND");
        let input = json!({"filter": {"status": [COMPLETED]}, "dryRun": true});
        let seen = theirs(&document("rerunExecutions"), json!({"input": input})).await;
        assert_eq!(seen["it"]["preview"]["matched"]["count"], 0, "{seen} {}", execution.id);
    }

    async fn whoever_reads_what_an_operation_changes_reads_it_and_nobody_else(backend: Backend) {
        let settings = ["auth.mode=required", "auth.failed_proofs_burst=100000"];
        let app = TestApp::start_with(&backend, &settings).await;
        let artifacts = key_with(&app, &["artifacts:read", "artifacts:write"]).await;
        let executions = key_with(&app, &WHOLE).await;
        let none = key_with(&app, &["sessions:read"]).await;
        let input = json!({"input": {"filter": {"artifactType": ["thing"]}}});
        let begun = ask(&app, &artifacts, &document("archiveArtifacts"), input).await;
        let archive = id(&begun["data"]["it"]["operation"]["id"]);
        assert_eq!(ended(&app, &artifacts, &archive).await["kind"], "ARCHIVE_ARTIFACTS");
        let begun = begin(&app, &executions, json!({"filter": {"intentType": ["add"]}})).await;
        let rerun = id(&begun["operation"]["id"]);
        ended(&app, &executions, &rerun).await;
        let list = "{ operations { nodes { id } } }";
        let stop = "mutation($id: ID!) { cancelOperation(input: {id: $id}) { operation { id } errors { code } } }";
        for (token, own, other) in [(&artifacts, &archive, &rerun), (&executions, &rerun, &archive)] {
            let listed = ask(&app, token, list, json!({})).await;
            assert_eq!(listed["data"]["operations"]["nodes"], json!([{"id": own}]), "{listed}");
            let found = ask(&app, token, &read_document(), json!({"id": other})).await;
            assert!(found["data"]["operation"].is_null() && found.get("errors").is_none(), "{found}");
            let stopped = ask(&app, token, stop, json!({"id": other})).await;
            assert_eq!(stopped["data"]["cancelOperation"]["errors"], json!([{"code": "NOT_FOUND"}]), "{stopped}");
        }
        for (query, variables) in [(list.to_owned(), json!({})), (read_document(), json!({"id": rerun})),
            (stop.to_owned(), json!({"id": rerun}))] {
            let refused = ask(&app, &none, &query, variables).await;
            assert_eq!(refused["errors"][0]["extensions"]["code"], "FORBIDDEN", "{refused}");
        }
    }
}
