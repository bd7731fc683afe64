//! Who did what, as the log and the records tell it.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use takeoff::{model::RawJson, model::StateWriteMode};

use crate::support::{TestApp, backends};

const ALL: &str = "{
    executions(first: 50) { nodes { submittedBy parent { id } status
        events(first: 50) { nodes { type actor } } } }
    artifacts(first: 50) { nodes { transitions { actor } } }
    walEntries(first: 200) { nodes { type actor } } }";

/// Whoever is named, by the type of entry.
fn named(entries: &Value) -> BTreeMap<&str, Vec<Option<&str>>> {
    let mut named: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for entry in entries.as_array().unwrap() {
        let actors = named.entry(entry["type"].as_str().unwrap()).or_default();
        let actor = entry["actor"].as_str();
        if !actors.contains(&actor) {
            actors.push(actor);
        }
    }
    named
}

backends! {
    async fn what_a_handler_does_is_done_for_whoever_submitted_it(backend: Backend) {
        let app = TestApp::start(&backend).await;
        app.run("family", json!({"children": 2})).await;
        app.run("make", json!({"name": "a", "parents": []})).await;
        app.run("talk", json!({})).await;
        app.run("steps", json!({})).await;
        let session = app.session().await;
        let (principal, state) = (app.principal(), RawJson::from(&json!({"seen": true})));
        let surface = &app.services().state;
        let written = surface.set_session_state(&principal, session, state, StateWriteMode::Merge, None);
        written.await.unwrap();
        surface.close_session(&principal, session, None).await.unwrap();
        let waiting = app.submit(app.session().await, "gated", json!({})).await;
        let runtime = &app.services().runtime;
        runtime.cancel(&principal, waiting.id, Some("enough".into())).await.unwrap();
        app.ended(waiting.id).await;

        let all = app.data(ALL, json!({})).await;
        let executions = all["executions"]["nodes"].as_array().unwrap();
        let children = executions.iter().filter(|one| !one["parent"].is_null());
        assert_eq!(children.count(), 2);
        let who = Some("development");
        for one in executions {
            assert_eq!(one["submittedBy"].as_str(), who);
            let events = named(&one["events"]["nodes"]);
            assert_eq!(events["execution.created"], [who]);
        }
        for artifact in all["artifacts"]["nodes"].as_array().unwrap() {
            for transition in artifact["transitions"].as_array().unwrap() {
                assert_eq!(transition["actor"].as_str(), who);
            }
        }
        let log = named(&all["walEntries"]["nodes"]);
        for kind in [
            "artifact.registered", "child.submitted", "execution.cancel_requested",
            "execution.created", "session.closed", "session.created", "session.state_changed",
            "step.completed",
        ] {
            assert_eq!(log[kind], [who], "{kind}");
        }
        for kind in ["execution.started", "execution.completed", "execution.cancelled"] {
            assert_eq!(log[kind], [None], "{kind}");
        }
        app.assert_verified().await;
    }
}
