//! Whose schedules are whose, and for whom they submit.

use serde_json::{Value, json};
use takeoff::clock::Clock;

use super::{MINUTE, NOON, node_with};
use crate::{
    auth::own::{id, key_with, session_of},
    support::{TestApp, backends},
};

const OWN: [&str; 4] = [
    "intents:submit:add",
    "executions:read:own",
    "sessions:read:own",
    "sessions:write:own",
];

async fn ask(app: &TestApp, token: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = app.http.post(app.url("/graphql")).bearer_auth(token);
    request
        .json(&body)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap()
}

const CREATE: &str = "mutation($input: CreateScheduleInput!) { createSchedule(input: $input) {
    schedule { id createdBy } errors { code message } } }";
const READ: &str =
    "query($id: ID!) { schedule(id: $id) { id executions { nodes { id submittedBy } } } }";
const LIST: &str = "{ schedules { nodes { id } totalCount { count } } }";

async fn make(app: &TestApp, token: &str, session: &str, intent_type: &str) -> Value {
    let parameters = if intent_type == "add" {
        json!({"a": 1, "b": 2})
    } else {
        json!({})
    };
    let input = json!({
        "intentType": intent_type, "sessionId": session, "parameters": parameters, "cron": "*/5 * * * *",
    });
    ask(app, token, CREATE, json!({"input": input})).await
}

/// The code of the first error of a change, whether of the field or of the payload.
async fn refused(app: &TestApp, token: &str, change: &str, schedule: &str) -> Value {
    let query = format!(
        "mutation {{ it: {change}(input: {{id: \"{schedule}\"}}) {{ errors {{ code }} }} }}"
    );
    let answer = ask(app, token, &query, json!({})).await;
    let of_field = answer["errors"][0]["extensions"]["code"].clone();
    if of_field.is_null() {
        answer["data"]["it"]["errors"][0]["code"].clone()
    } else {
        of_field
    }
}

backends! {
    async fn a_schedule_is_its_makers_and_submits_for_them(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node_with(&backend, &clock, &["auth.mode=required"]).await;
        let (ann, bob) = (key_with(&app, &OWN).await, key_with(&app, &OWN).await);
        let session = session_of(&app, &ann, json!({})).await;
        let session = id(&session["data"]["createSession"]["session"]["id"]);
        let other = make(&app, &ann, &session, "gated").await;
        assert_eq!(other["errors"][0]["extensions"]["code"], "FORBIDDEN", "{other}");
        let theirs = make(&app, &bob, &session, "add").await;
        assert_eq!(theirs["data"]["createSchedule"]["errors"][0]["code"], "NOT_FOUND", "{theirs}");
        let made = make(&app, &ann, &session, "add").await;
        let made = &made["data"]["createSchedule"]["schedule"];
        let (schedule, maker) = (id(&made["id"]), made["createdBy"].clone());

        let listed = ask(&app, &bob, LIST, json!({})).await;
        assert_eq!(listed["data"]["schedules"], json!({"nodes": [], "totalCount": {"count": 0}}));
        assert_eq!(ask(&app, &bob, READ, json!({"id": schedule})).await["data"]["schedule"], Value::Null);
        for change in ["pauseSchedule", "resumeSchedule", "triggerSchedule", "deleteSchedule"] {
            assert_eq!(refused(&app, &bob, change, &schedule).await, "NOT_FOUND", "{change}");
        }
        let listed = ask(&app, &ann, LIST, json!({})).await;
        assert_eq!(listed["data"]["schedules"]["nodes"], json!([{"id": schedule}]));

        clock.advance(5 * MINUTE);
        let execution = app.until(|| async {
            let found = ask(&app, &ann, READ, json!({"id": schedule})).await;
            let nodes = found["data"]["schedule"]["executions"]["nodes"].as_array()?.clone();
            nodes.first().cloned()
        }).await;
        assert_eq!(execution["submittedBy"], maker);
        let ended = app.ended(execution["id"].as_str().unwrap().parse().unwrap()).await;
        assert_eq!(ended.grants.to_string(), "executions:read:own sessions:read:own sessions:write:own intents:submit:add");

        // Somebody who reaches it, and may not do what its executions may.
        let clerk = key_with(&app, &["intents:submit:add", "executions:read"]).await;
        assert_eq!(refused(&app, &clerk, "triggerSchedule", &schedule).await, "FORBIDDEN");
        assert_eq!(refused(&app, &clerk, "resumeSchedule", &schedule).await, "FORBIDDEN");
        assert_eq!(refused(&app, &clerk, "pauseSchedule", &schedule).await, Value::Null);
        let reader = key_with(&app, &["executions:read"]).await;
        for change in ["pauseSchedule", "resumeSchedule", "triggerSchedule", "deleteSchedule"] {
            assert_eq!(refused(&app, &reader, change, &schedule).await, "FORBIDDEN", "{change}");
        }
        app.assert_verified().await;
    }

    async fn policies_decide_each_time_that_a_schedule_submits(backend: Backend) {
        let clock = Clock::manual(NOON);
        let folder = backend.folder.path().join("policies");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("default.cedar"), takeoff::policy::DEFAULT).unwrap();
        let setting = format!("policy.folder={}", folder.display());
        let app = node_with(&backend, &clock, &[&setting]).await;
        let session = app.session().await;
        let schedule = crate::schedules::created(&app, session, json!({"cron": "*/5 * * * *"})).await;
        let forbid = r#"@id("no-add") forbid (principal, action == Action::"submit", resource == IntentType::"add");"#;
        std::fs::write(folder.join("add.cedar"), forbid).unwrap();
        // The change is there when a new schedule is refused.
        app.until(|| async {
            let tried = crate::schedules::create(&app, session, json!({"cron": "@daily"})).await;
            (tried["errors"][0]["code"] == "POLICY_DENIED").then_some(())
        }).await;
        clock.advance(5 * MINUTE);
        let denied = crate::schedules::once(&app, &schedule, |it| it["lastError"].is_object()).await;
        assert!(denied["lastError"]["message"].as_str().unwrap().contains("no-add"), "{denied}");
        assert_eq!((&denied["status"], &denied["skippedCount"]), (&json!("ACTIVE"), &json!("1")));
        std::fs::remove_file(folder.join("add.cedar")).unwrap();
        app.until(|| async {
            let tried = crate::schedules::create(&app, session, json!({"cron": "@daily"})).await;
            tried["errors"].as_array().unwrap().is_empty().then_some(())
        }).await;
        clock.advance(5 * MINUTE);
        let fired = crate::schedules::once(&app, &schedule, |it| it["lastFiredAt"].is_string()).await;
        assert_eq!(crate::schedules::times_of(&fired), ["2026-01-05T12:10:00Z"]);
        app.assert_verified().await;
    }

    async fn a_quota_delays_what_a_schedule_submits(backend: Backend) {
        let clock = Clock::manual(NOON);
        let app = node_with(&backend, &clock, &["quotas.executions=1"]).await;
        let session = app.session().await;
        let schedule = crate::schedules::created(&app, session, json!({"cron": "*/5 * * * *"})).await;
        let live = app.submit(session, "gated", json!({})).await;
        clock.advance(5 * MINUTE);
        let waits = crate::schedules::once(&app, &schedule, |it| it["queuedTimes"] != json!([])).await;
        assert_eq!(crate::schedules::times_of(&waits), [""; 0]);
        app.solution.gate.add_permits(1);
        app.ended(live.id).await;
        let fired = app.until(|| async {
            clock.advance(1_000_000);
            let found = crate::schedules::read(&app, &schedule).await;
            found["lastFiredAt"].is_string().then_some(found)
        }).await;
        assert_eq!(crate::schedules::times_of(&fired), ["2026-01-05T12:05:00Z"]);
        app.assert_verified().await;
    }
}
