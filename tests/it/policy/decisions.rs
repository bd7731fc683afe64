//! Each of the four actions, denied by attributes of each kind. Each kind has a tenant to itself.

use serde_json::json;
use takeoff::model::ArtifactState;

use super::{
    folder,
    member::{Member, by, denial},
};
use crate::support::{TestApp, backends};

const ADD: fn() -> serde_json::Value = || json!({"a": 1, "b": 2});

/// Submits.
const SUBMIT: &str = r#"
@id("by-tenant") forbid (principal in Tenant::"tenant", action == Action::"submit", resource);
@id("by-caller") forbid (principal == Caller::"caller/development", action == Action::"submit", resource);
@id("by-user") forbid (principal, action == Action::"submit", resource)
when { principal.tenant == "user" && principal has user && principal.user == "development" };
@id("by-scope") forbid (principal, action == Action::"submit", resource)
when { principal.tenant == "scope" && principal.scopes.contains("runtime:operate") };
@id("by-session") forbid (principal, action == Action::"submit", resource)
when { context.session.tenant == "session" && context.session.anonymous };
@id("by-status") forbid (principal, action == Action::"submit", resource)
when { context.session in Tenant::"status" && context.session.status == SessionStatus::"ACTIVE" };
@id("by-type") forbid (principal in Tenant::"type", action == Action::"submit", resource == IntentType::"add");
@id("by-handler") forbid (principal in Tenant::"handler", action == Action::"submit", resource)
when { context.handler == "try" && resource.name == "add" && !resource.readOnly && context.solution == "default" };
@id("by-priority") forbid (principal in Tenant::"priority", action == Action::"submit", resource)
when { context.priority == 5 && !context.rerun };
@id("by-size") forbid (principal in Tenant::"size", action == Action::"submit", resource)
when { context.sizeBytes == 13 };
@id("by-rerun") forbid (principal in Tenant::"rerun", action == Action::"submit", resource) when { context.rerun };
@id("by-parent") forbid (principal in Tenant::"parent", action == Action::"submit", resource == IntentType::"ingest_file")
when { context has parentIntentType && context.parentIntentType == "compose_journey" };
"#;

/// Content that becomes an artifact.
const MATERIALIZE: &str = r#"
@id("by-tenant") forbid (principal in Tenant::"tenant", action == Action::"materialize", resource);
@id("by-type") forbid (principal in Tenant::"type", action == Action::"materialize", resource)
when { resource.type == "file" && resource.state == ArtifactState::"PENDING" };
@id("by-name") forbid (principal in Tenant::"name", action == Action::"materialize", resource)
when { resource has displayName && resource.displayName like "*.csv" };
@id("by-session") forbid (principal in Tenant::"session", action == Action::"materialize", resource)
when { resource.session.anonymous && context has session && context.session == resource.session };
@id("by-intent") forbid (principal in Tenant::"intent", action == Action::"materialize", resource)
when { resource.intentType == "ingest_file" && context has intentType && context.intentType == "ingest_file" };
@id("by-size") forbid (principal in Tenant::"size", action == Action::"materialize", resource)
when { context.sizeBytes > 10 };
"#;

/// Changes of state.
const TRANSITION: &str = r#"
@id("by-state") forbid (principal in Tenant::"state", action == Action::"transition", resource)
when { resource.state == ArtifactState::"READY" && context.to == ArtifactState::"ARCHIVED" };
@id("by-name") forbid (principal in Tenant::"name", action == Action::"transition", resource)
when { resource has displayName && resource.displayName == "kept.csv" && context.to == ArtifactState::"ARCHIVED" };
@id("by-session") forbid (principal in Tenant::"session", action == Action::"transition", resource)
when { resource.session.anonymous && context.to == ArtifactState::"ARCHIVED" };
@id("by-client") forbid (principal in Tenant::"client", action == Action::"transition", resource)
when { !(context has intentType) };
@id("by-handler") forbid (principal in Tenant::"handler", action == Action::"transition", resource)
when { context has intentType && context.intentType == "archive_file" };
@id("by-size") forbid (principal in Tenant::"size", action == Action::"transition", resource)
when { context.sizeBytes > 10 && context.to == ArtifactState::"ARCHIVED" };
@id("by-deletion") forbid (principal in Tenant::"deletion", action == Action::"transition", resource)
when { context.to == ArtifactState::"DELETED" };
"#;

/// Reading of content.
const READ: &str = r#"
@id("by-type") forbid (principal in Tenant::"type", action == Action::"read_content", resource)
when { resource.type == "file" };
@id("by-format") forbid (principal in Tenant::"format", action == Action::"read_content", resource)
when { context.format == "csv" };
@id("by-session") forbid (principal in Tenant::"session", action == Action::"read_content", resource)
when { resource.session.anonymous };
@id("by-owner") forbid (principal in Tenant::"owner", action == Action::"read_content", resource)
when { resource has user } unless { principal has user && resource.user == principal.user };
@id("by-size") forbid (principal in Tenant::"size", action == Action::"read_content", resource)
when { context.sizeBytes > 10 };
@id("by-handler") forbid (principal in Tenant::"handler", action == Action::"read_content", resource)
when { context has intentType && context.intentType == "parse_content" };
"#;

const LONG: &str = "city,founded\nMalmö,1353\n";
const SHORT: &str = "a\nb\n";

fn denied(id: &str, action: &str) -> String {
    format!("the policy {id:?} denies {action} here")
}

backends! {
    async fn a_submit_is_denied_by_attributes_of_each_kind(backend: Backend) {
        let set = folder(&backend, &[("submit.cedar", SUBMIT)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        for kind in ["tenant", "caller", "user", "scope", "session", "status", "type", "handler", "priority", "size"] {
            let member = Member::of(&app, kind).await;
            assert_eq!(member.submits("add", ADD()).await, Some(by(&format!("by-{kind}"))), "{kind}");
        }
        // What none of them is about.
        assert_eq!(Member::of(&app, "other").await.submits("add", ADD()).await, None);
        let session = Member::of(&app, "session").await.elsewhere(Some("ann")).await;
        assert_eq!(session.submits("add", ADD()).await, None);
        assert_eq!(Member::of(&app, "type").await.submits("echo", json!({"message": ""})).await, None);
        assert_eq!(Member::of(&app, "size").await.submits("add", json!({"a": 10, "b": 2})).await, None);
        app.assert_verified().await;
    }

    async fn a_re_run_and_a_child_are_decided_too(backend: Backend) {
        let set = folder(&backend, &[("submit.cedar", SUBMIT)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "rerun").await;
        let done = member.run("add", ADD()).await;
        let again = app.services().runtime.rerun(&member.principal, done.id, None).await;
        assert_eq!(denial(again), Some(by("by-rerun")));
        let member = Member::of(&app, "parent").await;
        let journey = json!({"journey_id": "content_pipeline", "filename": "a.csv", "content": LONG});
        let failed = member.run("compose_journey", journey).await;
        let error = failed.error.unwrap();
        assert!(error.message.contains("the policy \"by-parent\" denies submit here"), "{error:?}");
        assert_eq!(member.submits("ingest_file", json!({"filename": "a.csv", "content": LONG})).await, None);
        app.assert_verified().await;
    }

    async fn content_is_materialised_unless_it_is_denied_by_attributes_of_each_kind(backend: Backend) {
        let set = folder(&backend, &[("materialize.cedar", MATERIALIZE)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let file = |name: &str, content: &str| json!({"filename": name, "content": content});
        for kind in ["tenant", "type", "name", "session", "intent", "size"] {
            let member = Member::of(&app, kind).await;
            let failed = member.runs("ingest_file", file("a.csv", LONG)).await;
            assert_eq!(failed, Some(denied(&format!("by-{kind}"), "materialize")), "{kind}");
        }
        for (kind, name, content) in [("size", "a.csv", SHORT), ("name", "a.txt", LONG), ("other", "a.csv", LONG)] {
            let member = Member::of(&app, kind).await;
            assert_eq!(member.runs("ingest_file", file(name, content)).await, None, "{kind}");
        }
        app.assert_verified().await;
    }

    async fn a_change_of_state_is_denied_by_attributes_of_each_kind(backend: Backend) {
        use ArtifactState::{Archived, Ready};
        let set = folder(&backend, &[("transition.cedar", TRANSITION)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        for kind in ["state", "name", "session", "size"] {
            let member = Member::of(&app, kind).await;
            let kept = member.ingest("kept.csv", LONG).await;
            assert_eq!(member.changes(&kept, Ready).await, None, "{kind}");
            assert_eq!(member.changes(&kept, Archived).await, Some(by(&format!("by-{kind}"))), "{kind}");
            assert_eq!(member.artifact(kept.id).await.state, Ready);
        }
        let short = Member::of(&app, "size").await;
        let other = short.ingest("kept.csv", SHORT).await;
        assert_eq!(short.changes(&other, Ready).await, None);
        assert_eq!(short.changes(&other, Archived).await, None);

        let client = Member::of(&app, "client").await;
        let file = client.ingest("a.csv", LONG).await;
        assert_eq!(client.changes(&file, Ready).await, Some(by("by-client")));
        assert_eq!(client.runs("save_materialization", json!({"artifact_id": file.id})).await, None);

        let handler = Member::of(&app, "handler").await;
        let file = handler.ingest("a.csv", LONG).await;
        assert_eq!(handler.runs("save_materialization", json!({"artifact_id": file.id})).await, None);
        let failed = handler.runs("archive_file", json!({"artifact_id": file.id})).await;
        assert_eq!(failed, Some(denied("by-handler", "transition")));
        assert_eq!(handler.changes(&file, Archived).await, None);
        app.assert_verified().await;
    }

    async fn deleting_is_decided_step_by_step_and_for_each_artifact(backend: Backend) {
        let set = folder(&backend, &[("transition.cedar", TRANSITION)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        for (kind, id) in [("deletion", "by-deletion"), ("name", "by-name")] {
            let member = Member::of(&app, kind).await;
            let kept = member.ingest("kept.csv", LONG).await;
            assert_eq!(member.changes(&kept, ArtifactState::Ready).await, None);
            assert_eq!(member.deletes(&kept, false).await, Some(by(id)), "{kind}");
            assert_eq!(member.artifact(kept.id).await.state, ArtifactState::Ready);
            // To ask what would be deleted deletes nothing.
            assert_eq!(member.deletes(&kept, true).await, None);
        }
        let member = Member::of(&app, "other").await;
        let file = member.ingest("kept.csv", LONG).await;
        assert_eq!(member.deletes(&file, false).await, None);
        app.assert_verified().await;
    }

    async fn reading_content_is_denied_by_attributes_of_each_kind(backend: Backend) {
        let set = folder(&backend, &[("read.cedar", READ)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        for kind in ["type", "format", "session", "size"] {
            let member = Member::of(&app, kind).await;
            let file = member.ingest("a.csv", LONG).await;
            assert_eq!(member.reads(&file).await, Some(by(&format!("by-{kind}"))), "{kind}");
        }
        let member = Member::of(&app, "size").await;
        assert_eq!(member.reads(&member.ingest("a.csv", SHORT).await).await, None);
        let of_ann = Member::of(&app, "session").await.elsewhere(Some("ann")).await;
        assert_eq!(of_ann.reads(&of_ann.ingest("a.csv", LONG).await).await, None);
        let owner = Member::of(&app, "owner").await;
        for (user, expected) in [("ann", Some(by("by-owner"))), ("development", None)] {
            let member = owner.elsewhere(Some(user)).await;
            assert_eq!(member.reads(&member.ingest("a.csv", LONG).await).await, expected, "{user}");
        }
        app.assert_verified().await;
    }

    async fn a_handler_reads_for_its_submitter(backend: Backend) {
        let set = folder(&backend, &[("read.cedar", READ)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "handler").await;
        let file = member.ingest("a.csv", LONG).await;
        assert_eq!(member.changes(&file, ArtifactState::Ready).await, None);
        assert_eq!(member.reads(&file).await, None);
        let failed = member.runs("parse_content", json!({"artifact_id": file.id})).await;
        assert_eq!(failed, Some(denied("by-handler", "read_content")));
        app.assert_verified().await;
    }

    async fn a_link_and_a_preview_that_are_denied_are_null_with_the_reason(backend: Backend) {
        let forbid = r#"@id("no-reading") forbid (principal, action == Action::"read_content", resource)
            when { !(context has intentType) };"#;
        let set = folder(&backend, &[("read.cedar", forbid)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "default").await;
        let file = member.ingest("a.csv", LONG).await;
        assert_eq!(member.changes(&file, ArtifactState::Ready).await, None);
        let parsed = member.run("parse_content", json!({"artifact_id": file.id})).await;
        let id = member.result_artifact(&parsed).await.id.to_string();
        for field in ["downloadUrl", "preview(first: 1)"] {
            let query = format!("query($id: ID!) {{ artifact(id: $id) {{ materializations {{ it: {field} }} }} }}");
            let answer = app.graphql(&query, json!({"id": id})).await;
            let error = &answer["errors"][0];
            assert_eq!(error["extensions"]["code"], "POLICY_DENIED", "{answer}");
            assert_eq!(error["message"], r#"the policy "no-reading" denies read_content here"#);
            assert_eq!(answer["data"]["artifact"]["materializations"], json!([{"it": null}]));
        }
        let record = app.http.post(app.url("/api/artifact/resolve"));
        let body = json!({"artifact_id": id, "artifact_type": "parsed_content"});
        let record: serde_json::Value = record.json(&body).send().await.unwrap().json().await.unwrap();
        assert_eq!(record["materializations"][0]["download_url"], json!(null), "{record}");
        let content = app.http.get(app.url(&format!("/api/artifact/{id}/download"))).send().await.unwrap();
        assert_eq!(content.status(), 403);
        app.assert_verified().await;
    }
}
