//! Artifacts and lineage through running executions.

use serde_json::{Value, json};
use takeoff::{
    model::{ArtifactId, ArtifactState, ExecutionStatus, Refusal, TransitionRequest},
    storage::{ArtifactFilter, Error, PageRequest},
};

use ArtifactState::{Archived, Deleted, Ready};

use crate::support::{TestApp, backends};

async fn make(app: &TestApp, name: &str, parents: &[ArtifactId]) -> ArtifactId {
    let done = app
        .run("make", json!({"name": name, "parents": parents}))
        .await;
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    done.result.unwrap().as_inline().unwrap().read().unwrap()
}

fn to(id: ArtifactId, state: ArtifactState) -> TransitionRequest {
    TransitionRequest {
        artifact_id: id,
        to: state,
        actor: "ann".into(),
        reason: Some("why".into()),
    }
}

backends! {
    async fn generation_and_roots_come_from_the_parents(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let a = make(&app, "a", &[]).await;
        let b = make(&app, "b", &[]).await;
        let c = make(&app, "c", &[a]).await;
        let d = make(&app, "d", &[b, c]).await;
        let scope = app.principal().scope();
        let found = app.services().artifacts.find(&scope, d).await.unwrap().unwrap();
        assert_eq!(found.generation, 2);
        let mut roots = found.roots.clone();
        roots.sort_unstable();
        let mut expected = vec![a, b];
        expected.sort_unstable();
        assert_eq!(roots, expected);
        let path = app.services().artifacts.path(&scope, d, a).await.unwrap();
        assert_eq!(path, Some(vec![d, c, a]));
        assert_eq!(app.services().artifacts.path(&scope, a, b).await.unwrap(), None);
        app.assert_verified().await;
    }

    async fn a_missing_parent_fails_the_execution_and_leaves_nothing(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let nobody = ArtifactId::derived("default", b"x", "nobody");
        let failed = app.run("make", json!({"name": "orphan", "parents": [nobody]})).await;
        assert_eq!(failed.status, ExecutionStatus::Failed);
        assert_eq!(failed.error.unwrap().code, "MISSING_PARENT");
        let scope = app.principal().scope();
        let count = app.services().storage.count_artifacts(&scope, &ArtifactFilter::default()).await;
        assert_eq!(count.unwrap().count, 0);
        app.assert_verified().await;
    }

    async fn text_that_no_database_takes_fails_the_execution(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let no_owner = app.run("make", json!({"name": "a", "owner": "Zo\u{0}"})).await;
        assert_eq!(no_owner.error.unwrap().code, "ARTIFACT_REFUSED");
        let no_name = app.run("make", json!({"name": "a\u{1}"})).await;
        assert_eq!(no_name.error.unwrap().code, "INVALID_NAME");
        assert_eq!(app.run("make", json!({"name": "a", "owner": "Zoë"})).await.status, ExecutionStatus::Completed);
        app.assert_verified().await;
    }

    async fn an_outcome_that_cannot_be_recorded_is_a_failure(backend: Backend) {
        let app = TestApp::start(&backend).await;
        backend.execute(if backend.is_postgres() {
            "ALTER TABLE artifact ADD CONSTRAINT no_things CHECK (artifact_type <> 'thing')"
        } else {
            "CREATE TRIGGER no_things BEFORE INSERT ON artifact BEGIN SELECT RAISE(ABORT, 'no'); END"
        }).await;
        let failed = app.run("make", json!({"name": "a"})).await;
        assert_eq!(failed.status, ExecutionStatus::Failed);
        let error = failed.error.unwrap();
        assert_eq!((error.code.as_str(), error.message.as_str()), ("INTERNAL", "the outcome cannot be recorded"));
        assert_eq!(app.run("add", json!({"a": 1, "b": 2})).await.status, ExecutionStatus::Completed);
        app.assert_verified().await;
    }

    async fn only_what_is_ready_or_archived_resolves(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let (scope, principal) = (app.principal().scope(), app.principal());
        let registry = &app.services().artifacts;
        let id = make(&app, "a", &[]).await;
        assert!(registry.resolve(&scope, id, "thing").await.is_ok());
        let other = app.principal_of("other").scope();
        for (scope, kind) in [(&scope, "other thing"), (&other, "thing")] {
            let refused = registry.resolve(scope, id, kind).await;
            assert!(matches!(refused, Err(Error::Refused(Refusal::NotFound { .. }))));
        }
        let straight = registry.transition(&principal, to(id, Deleted)).await;
        assert!(matches!(straight, Err(Error::Refused(Refusal::InvalidTransition { .. }))));
        registry.transition(&principal, to(id, Archived)).await.unwrap();
        assert!(registry.resolve(&scope, id, "thing").await.is_ok());
        registry.transition(&principal, to(id, Ready)).await.unwrap();
        registry.transition(&principal, to(id, Archived)).await.unwrap();
        registry.transition(&principal, to(id, Deleted)).await.unwrap();
        assert!(registry.resolve(&scope, id, "thing").await.is_err());
        assert!(registry.find(&scope, id).await.unwrap().is_some(), "the tombstone stays");
        let histories = app.services().storage.find_transitions(&scope, &[id]).await.unwrap();
        let states: Vec<ArtifactState> = histories[&id].iter().map(|change| change.to).collect();
        assert_eq!(states, [Ready, Archived, Ready, Archived, Deleted]);
        app.assert_verified().await;
    }

    async fn a_list_agrees_with_what_is_there(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let scope = app.principal().scope();
        let mut ids = Vec::new();
        for n in 0..5 {
            ids.push(make(&app, &format!("Thing_{n}"), &[]).await);
        }
        let registry = &app.services().artifacts;
        let all = ArtifactFilter::default();
        let page = registry.list(&scope, &all, None, &PageRequest::first(3)).await.unwrap();
        assert!(page.has_next && !page.has_previous);
        let next = PageRequest { after: Some(page.items[2].0), ..PageRequest::first(3) };
        let rest = registry.list(&scope, &all, None, &next).await.unwrap();
        let listed: Vec<ArtifactId> =
            page.items.iter().chain(&rest.items).map(|(_, artifact)| artifact.id).collect();
        ids.reverse();
        assert_eq!(listed, ids);
        let named = ArtifactFilter { name_contains: Some("thing_3".into()), ..all.clone() };
        assert_eq!(registry.count(&scope, &named, None).await.unwrap().count, 1);
        let any = ArtifactFilter { name_contains: Some("%".into()), ..all.clone() };
        assert_eq!(registry.count(&scope, &any, None).await.unwrap().count, 0);
        assert_eq!(registry.count(&scope, &all, Some("make")).await.unwrap().count, 5);
        assert_eq!(registry.count(&scope, &all, Some("add")).await.unwrap().count, 0);
        assert!(registry.count(&scope, &all, Some("fly")).await.is_err());
    }

    async fn a_deleted_artifact_has_no_link_and_its_content_goes_after_a_grace(backend: Backend) {
        let app = TestApp::start_with(&backend, &["content.deleted_grace_seconds=0"]).await;
        let session = app.session().await;
        let ingest = async |name: &str| {
            let parameters = json!({"ui_name": name, "content": "the same bytes"});
            let done = app.run_in(session, "ingest_file", parameters).await;
            done.result.unwrap().as_inline().unwrap().to_value()["artifact_id"].take()
        };
        let (one, two) = (ingest("one").await, ingest("two").await);
        let form = async |id: &Value| {
            let query = "query($id: ID!) { artifact(id: $id) { lifecycleState
                materializations { digest downloadUrl } transitions { to } } }";
            app.data(query, json!({"id": id})).await["artifact"].take()
        };
        let link = form(&one).await["materializations"][0]["downloadUrl"].take();
        let link = app.url(link.as_str().unwrap());
        let status = async || app.http.get(&link).send().await.unwrap().status().as_u16();
        let delete = async |id: &Value| {
            let query = "mutation($input: DeleteArtifactInput!) { deleteArtifact(input: $input) {
                artifact { lifecycleState } errors { code } } }";
            let input = json!({"input": {"artifactId": id, "reason": "not needed"}});
            let deleted = app.data(query, input).await["deleteArtifact"].take();
            assert_eq!(deleted["artifact"]["lifecycleState"], "DELETED", "{deleted}");
        };
        let release = async || app.services().uploads.release_deleted().await.unwrap();
        delete(&one).await;
        let deleted = form(&one).await;
        assert_eq!(deleted["materializations"][0]["downloadUrl"], Value::Null);
        assert_eq!(deleted["transitions"], json!([{"to": "PENDING"}, {"to": "FAILED"}, {"to": "DELETED"}]));
        // The other one holds the same bytes.
        assert_eq!((release().await, release().await), (0, 1));
        assert_eq!(status().await, 200);
        delete(&two).await;
        assert_eq!(status().await, 404, "a link that was given out before");
        assert_eq!(release().await, 0);
        assert_eq!(status().await, 404, "they were put aside");
        // Whoever registers them meanwhile gets them back.
        let three = ingest("three").await;
        assert_eq!((release().await, status().await), (1, 200));
        delete(&three).await;
        assert_eq!((release().await, release().await, release().await), (0, 1, 0));
        assert_eq!(status().await, 404);
        app.assert_verified().await;
    }

    async fn deleting_tells_what_was_made_from_it_and_takes_it_along_if_asked(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let parameters = json!({
            "journey_id": "content_pipeline", "filename": "a.csv", "content": "a\n1\n",
        });
        let done = app.run("compose_journey", parameters).await;
        let steps = done.result.unwrap().as_inline().unwrap().to_value()["steps"].take();
        let artifact = |step: &str| steps[step]["result"]["artifact_id"].clone();
        let query = "mutation($input: DeleteArtifactInput!) { deleteArtifact(input: $input) {
            artifact { lifecycleState } descendants(first: 10) { id lifecycleState } descendantCount truncated
            errors { code path } } }";
        let delete = async |input: Value| app.data(query, json!({"input": input})).await["deleteArtifact"].take();
        let state = async |step: &str| {
            let query = "query($id: ID!) { artifact(id: $id) { lifecycleState } }";
            app.data(query, json!({"id": artifact(step)})).await["artifact"]["lifecycleState"].take()
        };
        let dry = delete(json!({"artifactId": artifact("ingest"), "includeDescendants": true, "dryRun": true})).await;
        assert_eq!(dry["artifact"]["lifecycleState"], "READY", "{dry}");
        assert_eq!(dry["descendants"][0]["id"], artifact("parse"));
        assert_eq!(dry["descendants"][1]["id"], artifact("profile"));
        assert_eq!((&dry["descendantCount"], &dry["truncated"]), (&json!(2), &json!(false)));
        let alone = delete(json!({"artifactId": artifact("ingest")})).await;
        assert_eq!(alone["artifact"]["lifecycleState"], "DELETED");
        assert_eq!(alone["descendantCount"], 2);
        assert_eq!(state("parse").await, "READY");
        let whole = delete(json!({"artifactId": artifact("ingest"), "includeDescendants": true})).await;
        assert_eq!(whole["errors"], json!([]));
        for step in ["ingest", "parse", "profile"] {
            assert_eq!(state(step).await, "DELETED");
        }
        let nothing = delete(json!({"artifactId": artifact("ingest"), "includeDescendants": true})).await;
        assert_eq!(nothing["descendantCount"], 0);
        let absent = delete(json!({"artifactId": "art_00000000000000000000000000"})).await;
        assert_eq!(absent["errors"][0]["code"], "NOT_FOUND", "{absent}");
        app.assert_verified().await;
    }
}
