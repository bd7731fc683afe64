//! Attempts are decided on as whoever submitted their execution.

use serde_json::json;

use super::folder;
use crate::{
    auth::own::{id, key_with, run, session_of},
    support::{TestApp, backends},
};

backends! {
    async fn what_an_attempt_does_is_denied_as_it_is_to_its_submitter(backend: Backend) {
        // Only whoever may read artifacts may make some, by whatever handler.
        let forbid = r#"@id("readers") forbid (principal, action == Action::"materialize", resource)
            unless { principal.scopes.contains("artifacts:read") };"#;
        let set = folder(&backend, &[("readers.cedar", forbid)]);
        let settings = [set.as_str(), "auth.mode=required"];
        let app = TestApp::start_with(&backend, &settings).await;
        let keys = [key_with(&app, &["intents:submit", "sessions:read", "sessions:write"]).await,
            key_with(&app, &["intents:submit", "sessions:read", "sessions:write", "artifacts:read", "artifacts:write"]).await];
        let journey = json!({"journey_id": "file_upload_materialization", "filename": "a.csv", "content": "a\nb\n"});
        for (key, expected) in keys.iter().zip([Some("POLICY_DENIED"), None]) {
            let made = session_of(&app, key, json!({})).await;
            let session = id(&made["data"]["createSession"]["session"]["id"]);
            let file = json!({"filename": "a.csv", "content": "a\nb\n"});
            let execution = run(&app, key, &session, "ingest_file", file).await;
            let ended = app.execution(execution.parse().unwrap()).await;
            assert_eq!(ended.error.map(|error| error.code).as_deref(), expected);
            let execution = run(&app, key, &session, "compose_journey", journey.clone()).await;
            let ended = app.execution(execution.parse().unwrap()).await;
            let message = ended.error.map(|error| error.message).unwrap_or_default();
            let is_denied = message.contains("the policy \"readers\" denies materialize here");
            assert_eq!(is_denied, expected.is_some(), "{message}");
        }
        app.assert_verified().await;
    }
}
