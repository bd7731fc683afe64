//! What operations change, tell and refuse.

use serde_json::{Value, json};
use takeoff::model::{ArtifactState, TransitionRequest};

use super::{MANY, begin, begun, count, counts, ended, read, waiting};
use crate::support::{TestApp, backends};

/// The code of the only mistake.
fn mistake(answer: &Value) -> (&Value, &Value) {
    assert!(
        answer["operation"].is_null() && answer["preview"].is_null(),
        "{answer}"
    );
    let errors = answer["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 1, "{answer}");
    (&errors[0]["code"], &errors[0]["path"])
}

backends! {
    async fn what_fits_a_filter_is_cancelled_and_nothing_else(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (session, other) = (app.session().await, app.session().await);
        let first = app.submit(session, "remote", json!({})).await;
        waiting(&app, session, MANY - 1).await;
        waiting(&app, other, 2).await;
        let done = app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        let input = json!({"filter": {"sessionId": session.to_string()}, "reason": "too many"});
        let answer = begin(&app, "cancelExecutions", input).await;
        let operation = &answer["operation"];
        assert_eq!(operation["kind"], "CANCEL_EXECUTIONS", "{answer}");
        assert_eq!(operation["expectedCount"], json!({"count": MANY, "exact": true}));
        assert_eq!(operation["reason"], "too many");
        assert_eq!(operation["createdBy"], "development");
        let filter = json!({"sessionId": session.to_string(), "status": ["CREATED", "RUNNING"]});
        assert_eq!(operation["filter"], filter);
        let id = operation["id"].as_str().unwrap();
        let operation = ended(&app, id).await;
        assert_eq!(operation["status"], "COMPLETED", "{operation}");
        let many = MANY as u64;
        assert_eq!(counts(&operation), [many, many, 0, 0]);
        assert!(operation["finishedAt"].is_string());
        let status = json!({"status": ["CANCELLED"]});
        assert_eq!(count(&app, status).await, many);
        assert_eq!(count(&app, json!({"sessionId": other.to_string(), "status": ["CREATED"]})).await, 2);
        assert_eq!(app.execution(done.id).await.status, done.status);
        let cancelled = app.execution(first.id).await;
        assert_eq!(cancelled.cancel_reason, Some(format!("too many ({id})")));
        app.assert_verified().await;
    }

    async fn the_log_tells_who_began_an_operation_and_how_it_went(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        waiting(&app, session, 3).await;
        let input = json!({"filter": {"intentType": ["remote"]}});
        let id = begun(&app, "cancelExecutions", input).await;
        ended(&app, &id).await;
        let query = "query($id: ID!) { walEntries(filter: {streamId: $id}) { nodes { type streamKind streamId actor data } } }";
        let log = app.data(query, json!({"id": id})).await;
        let entries = log["walEntries"]["nodes"].as_array().unwrap();
        let types: Vec<&str> = entries.iter().map(|entry| entry["type"].as_str().unwrap()).collect();
        assert_eq!(types, ["operation.started", "operation.progressed", "operation.ended"]);
        let actors: Vec<&Value> = entries.iter().map(|entry| &entry["actor"]).collect();
        assert_eq!(actors, [&json!("development"), &Value::Null, &Value::Null]);
        assert_eq!(entries[2]["data"]["status"], "COMPLETED");
        assert_eq!(entries[2]["data"]["counts"]["done"], 3);
        assert!(entries.iter().all(|entry| entry["streamKind"] == "OPERATION" && entry["streamId"] == id.as_str()));
        app.assert_verified().await;
    }

    async fn a_dry_run_tells_what_would_be_changed_and_writes_nothing(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        waiting(&app, session, 30).await;
        let entries = "{ walEntries(first: 1) { totalCount { count } } }";
        let before = app.data(entries, json!({})).await;
        let input = json!({"filter": {"sessionId": session.to_string()}, "dryRun": true});
        let answer = begin(&app, "cancelExecutions", input).await;
        assert_eq!(answer["operation"], Value::Null);
        assert_eq!(answer["preview"]["matched"], json!({"count": 30, "exact": true}), "{answer}");
        assert_eq!(answer["preview"]["executions"].as_array().unwrap().len(), 20);
        let rerun = json!({"filter": {"sessionId": session.to_string()}, "dryRun": true});
        let answer = begin(&app, "rerunExecutions", rerun).await;
        assert_eq!(answer["preview"]["matched"], json!({"count": 0, "exact": true}), "{answer}");
        let archive = json!({"filter": {"sessionId": session.to_string()}, "dryRun": true});
        let answer = begin(&app, "archiveArtifacts", archive).await;
        assert_eq!(answer["preview"]["artifacts"], json!([]), "{answer}");
        let operations = app.data("{ operations { totalCount { count } } }", json!({})).await;
        assert_eq!(operations["operations"]["totalCount"]["count"], 0);
        assert_eq!(app.data(entries, json!({})).await, before);
        assert_eq!(count(&app, json!({"status": ["CREATED"]})).await, 30);
    }

    async fn what_has_failed_is_run_again_once_and_re_runs_are_not(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut failed = Vec::new();
        for _ in 0..5 {
            let execution = app.run_in(session, "flaky", json!({"failures": 99})).await;
            failed.push(execution.id.to_string());
        }
        app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        let id = begun(&app, "rerunExecutions", json!({"all": true})).await;
        let operation = ended(&app, &id).await;
        assert_eq!(counts(&operation), [5, 5, 0, 0], "{operation}");
        for failed in &failed {
            let again = json!({"rerunOf": failed});
            assert_eq!(count(&app, again).await, 1);
        }
        assert_eq!(count(&app, json!({})).await, 11);
        app.assert_verified().await;
    }

    async fn artifacts_are_archived_with_the_operation_in_their_history(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let mut made = Vec::new();
        for name in ["a", "b", "c"] {
            let done = app.run_in(session, "make", json!({"name": name})).await;
            let id: String = done.result.unwrap().as_inline().unwrap().read().unwrap();
            let ready = TransitionRequest {
                artifact_id: id.parse().unwrap(),
                to: ArtifactState::Ready,
                actor: "ann".into(),
                reason: None,
            };
            // It may be so already.
            let _ = app.services().artifacts.transition(&app.principal(), ready).await;
            made.push(id);
        }
        let input = json!({"filter": {"nameContains": "b", "eligibleFor": "make"}});
        let id = begun(&app, "archiveArtifacts", input).await;
        assert_eq!(counts(&ended(&app, &id).await), [1, 1, 0, 0]);
        let id = begun(&app, "archiveArtifacts", json!({"filter": {"artifactType": ["thing"]}, "reason": "old"})).await;
        assert_eq!(counts(&ended(&app, &id).await), [2, 2, 0, 0]);
        let query = "query($id: ID!) { artifact(id: $id) { lifecycleState transitions { to reason } } }";
        let found = app.data(query, json!({"id": made[0]})).await;
        assert_eq!(found["artifact"]["lifecycleState"], "ARCHIVED");
        let last = found["artifact"]["transitions"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last, json!({"to": "ARCHIVED", "reason": format!("old ({id})")}));
        app.assert_verified().await;
    }

    async fn refusals_are_counted_and_the_first_ones_shown(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (open, closed) = (app.session().await, app.session().await);
        for session in [open, closed, closed] {
            app.run_in(session, "add", json!({"a": 1, "b": 2})).await;
        }
        let close = "mutation($id: ID!) { closeSession(input: {sessionId: $id}) { errors { code } } }";
        app.data(close, json!({"id": closed.to_string()})).await;
        let input = json!({"filter": {"status": ["COMPLETED"]}});
        let id = begun(&app, "rerunExecutions", input).await;
        let operation = ended(&app, &id).await;
        assert_eq!(counts(&operation), [3, 1, 0, 2], "{operation}");
        let refusals = operation["refusals"].as_array().unwrap();
        assert_eq!(refusals.len(), 2);
        assert!(refusals.iter().all(|refusal| refusal["code"] == "SESSION_NOT_ACTIVE"
            && refusal["itemId"].as_str().unwrap().starts_with("exe_")), "{operation}");
    }

    async fn what_says_nothing_or_cannot_be_is_refused(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let path = json!(["input", "filter"]);
        for input in [json!({}), json!({"filter": {}}), json!({"filter": {"rootsOnly": true}, "all": true})] {
            let answer = begin(&app, "cancelExecutions", input).await;
            assert_eq!(mistake(&answer), (&json!("INVALID_INPUT"), &path), "{answer}");
        }
        let path = json!(["input", "filter", "status"]);
        for (mutation, status) in [("cancelExecutions", "FAILED"), ("rerunExecutions", "RUNNING")] {
            let answer = begin(&app, mutation, json!({"filter": {"status": [status]}})).await;
            assert_eq!(mistake(&answer), (&json!("INVALID_INPUT"), &path), "{answer}");
        }
        let path = json!(["input", "filter", "lifecycleState"]);
        let answer = begin(&app, "archiveArtifacts", json!({"filter": {"lifecycleState": ["PENDING"]}})).await;
        assert_eq!(mistake(&answer), (&json!("INVALID_INPUT"), &path), "{answer}");
        let path = json!(["input", "reason"]);
        let answer = begin(&app, "cancelExecutions", json!({"all": true, "reason": "x".repeat(901)})).await;
        assert_eq!(mistake(&answer), (&json!("INVALID_INPUT"), &path), "{answer}");
        let absent = "opr_01m8j2gzpxfmv9xyk8ycfmwv9e";
        assert_eq!(read(&app, absent).await, Value::Null);
        let stop = "mutation($id: ID!) { cancelOperation(input: {id: $id}) { operation { id } errors { code path } } }";
        let answer = app.data(stop, json!({"id": absent})).await;
        assert_eq!(answer["cancelOperation"]["errors"], json!([{"code": "NOT_FOUND", "path": ["input", "id"]}]));
    }

    async fn operations_are_listed_newest_first(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut ids = Vec::new();
        for _ in 0..3 {
            let id = begun(&app, "cancelExecutions", json!({"all": true})).await;
            assert_eq!(counts(&ended(&app, &id).await), [0; 4]);
            ids.push(id);
        }
        ids.reverse();
        let query = "query($after: String) { operations(first: 2, after: $after) { nodes { id }
            pageInfo { hasNextPage endCursor } totalCount { count } } }";
        let first = app.data(query, json!({})).await["operations"].take();
        let listed = |page: &Value| page["nodes"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>();
        assert_eq!(listed(&first), ids[..2]);
        assert_eq!(first["totalCount"]["count"], 3);
        let rest = app.data(query, json!({"after": first["pageInfo"]["endCursor"]})).await["operations"].take();
        assert_eq!(listed(&rest), ids[2..]);
        assert_eq!(rest["pageInfo"]["hasNextPage"], false);
    }
}
