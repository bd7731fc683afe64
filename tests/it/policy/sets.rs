//! Sets of policies: of tenants, changed while the server runs, faulty, and what the log tells of their decisions.

use serde_json::{Value, json};
use takeoff::{app::App, model::ArtifactState};

use super::{
    folder,
    member::{Member, by},
    submit, told, write,
};
use crate::support::{TestApp, backends, config};

const NO_ADD: &str = r#"@id("no-add") forbid (principal, action == Action::"submit", resource == IntentType::"add");"#;

/// The policy overflows for whatever is added to a size.
const OVERFLOWS: &str = r#"@id("overflows") permit (principal, action == Action::"submit", resource == IntentType::"add")
when { context.sizeBytes + 9223372036854775807 > 0 };"#;

fn add() -> Value {
    json!({"a": 1, "b": 2})
}

backends! {
    async fn a_tenants_own_set_does_not_touch_another(backend: Backend) {
        let set = folder(&backend, &[("tenants/acme/own.cedar", NO_ADD)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let (acme, globex) = (Member::of(&app, "acme").await, Member::of(&app, "globex").await);
        assert_eq!(acme.submits("add", add()).await, Some(by("no-add")));
        assert_eq!(acme.submits("echo", json!({"message": ""})).await, None);
        assert_eq!(globex.submits("add", add()).await, None);
        app.assert_verified().await;
    }

    async fn a_tenants_own_set_cannot_undo_what_is_for_all(backend: Backend) {
        let permit = r#"@id("all") permit (principal, action, resource);"#;
        let set = folder(&backend, &[("no-add.cedar", NO_ADD), ("tenants/acme/own.cedar", permit)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        assert_eq!(Member::of(&app, "acme").await.submits("add", add()).await, Some(by("no-add")));
    }

    async fn what_no_policy_permits_is_denied_without_an_id(backend: Backend) {
        let only = r#"permit (principal, action == Action::"submit", resource == IntentType::"echo");"#;
        write(&backend, "only.cedar", only);
        let set = format!("policy.folder={}", backend.folder.path().join("policies").display());
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "default").await;
        assert_eq!(member.submits("echo", json!({"message": ""})).await, None);
        assert_eq!(member.submits("add", add()).await, Some(by("")));
        let denied = submit(&app, member.session, "add", add()).await;
        let expected = json!({"code": "POLICY_DENIED", "message": "no policy permits submit here", "path": null, "policyId": null});
        assert_eq!(denied["errors"], json!([expected]));
        let told = told(&app).await;
        assert_eq!((told.len(), &told[0]["data"]["policies"]), (2, &json!([])), "{told:?}");
    }

    async fn a_change_takes_effect_without_a_restart(backend: Backend) {
        let set = folder(&backend, &[]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "default").await;
        let becomes = async |expected: Option<String>| {
            app.until(|| async { (member.submits("add", add()).await == expected).then_some(()) }).await;
        };
        becomes(None).await;
        write(&backend, "no-add.cedar", NO_ADD);
        becomes(Some(by("no-add"))).await;
        write(&backend, "no-add.cedar", &NO_ADD.replace("no-add", "renamed"));
        becomes(Some(by("renamed"))).await;
        std::fs::remove_file(backend.folder.path().join("policies/no-add.cedar")).unwrap();
        becomes(None).await;
    }

    async fn a_policy_that_cannot_be_evaluated_denies(backend: Backend) {
        let set = folder(&backend, &[("overflows.cedar", OVERFLOWS)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "default").await;
        assert_eq!(member.submits("add", add()).await, Some(by("overflows")));
        assert_eq!(member.submits("echo", json!({"message": ""})).await, None);
        let told = told(&app).await;
        let data = &told[0]["data"];
        assert_eq!((told.len(), &data["policies"]), (1, &json!(["overflows"])));
        assert!(data["errors"][0].as_str().unwrap().contains("overflow"), "{data}");
        app.assert_verified().await;
    }

    async fn a_folder_with_a_fault_refuses_the_start(backend: Backend) {
        let set = folder(&backend, &[("typo.cedar", "forbid (principal, action, resource)\nwhen { principal.tenent == \"acme\" };")]);
        let refused = App::new(config(&backend, &[&set])).start().await;
        let said = format!("{:#}", refused.err().expect("it started"));
        assert!(said.contains("policy.folder is refused") && said.contains("typo.cedar:2: "), "{said}");
    }

    async fn every_decision_is_in_the_log_on_request(backend: Backend) {
        let set = folder(&backend, &[("no-add.cedar", NO_ADD)]);
        let app = TestApp::start_with(&backend, &[&set, "policy.log_decisions=true"]).await;
        let member = Member::of(&app, "default").await;
        assert_eq!(member.submits("add", add()).await, Some(by("no-add")));
        let file = member.ingest("a.csv", "a\nb\n").await;
        assert_eq!(member.changes(&file, ArtifactState::Ready).await, None);
        assert_eq!(member.reads(&file).await, None);
        let mut told = told(&app).await;
        let named = |entry: &Value| {
            let data = &entry["data"];
            let by = data["policies"][0].as_str().unwrap();
            let by_handler = data["execution_id"].is_string();
            format!("{} {} by {by}, by a handler: {by_handler}", entry["type"].as_str().unwrap(), data["action"].as_str().unwrap())
        };
        told.reverse();
        let mut told: Vec<String> = told.iter().map(named).collect();
        told.sort();
        assert_eq!(told, [
            "policy.allowed materialize by open-boundary, by a handler: true",
            "policy.allowed materialize by save-within-boundary, by a handler: false",
            "policy.allowed read_content by scopes, by a handler: false",
            "policy.allowed submit by scopes, by a handler: false",
            "policy.allowed transition by scopes, by a handler: false",
            "policy.denied submit by no-add, by a handler: false",
        ]);
        app.assert_verified().await;
    }

    async fn a_file_is_saved_against_the_boundary_that_its_ingest_has_opened(backend: Backend) {
        let save_where_opened = r#"@id("save-where-opened")
            forbid (principal, action == Action::"materialize", resource)
            when { context.phase == Phase::"SAVE" }
            unless { context has session && context.session == resource.session };
            @id("no-boundary") forbid (principal in Tenant::"closed", action == Action::"materialize", resource)
            when { context.phase == Phase::"OPEN" };"#;
        let set = folder(&backend, &[("save.cedar", save_where_opened)]);
        let app = TestApp::start_with(&backend, &[&set]).await;
        let member = Member::of(&app, "default").await;
        let file = member.ingest("a.csv", "a\nb\n").await;
        assert_eq!(file.state, ArtifactState::Pending);
        let save = || json!({"artifact_id": file.id});
        let denied = Some("the policy \"save-where-opened\" denies materialize here".to_owned());
        let elsewhere = member.elsewhere(None).await;
        assert_eq!(elsewhere.runs("save_materialization", save()).await, denied);
        assert_eq!(member.changes(&file, ArtifactState::Ready).await, Some(by("save-where-opened")));
        assert_eq!(member.artifact(file.id).await.state, ArtifactState::Pending);
        assert_eq!(member.runs("save_materialization", save()).await, None);
        assert_eq!(member.artifact(file.id).await.state, ArtifactState::Ready);
        // Without a boundary there is nothing to save.
        let closed = Member::of(&app, "closed").await;
        let failed = closed.runs("ingest_file", json!({"filename": "a.csv", "content": "a\nb\n"})).await;
        assert_eq!(failed, Some("the policy \"no-boundary\" denies materialize here".to_owned()));
        app.assert_verified().await;
    }

    async fn the_default_set_permits_the_whole_way_of_a_file(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let member = Member::of(&app, "default").await;
        let journey = json!({"journey_id": "content_pipeline", "filename": "a.csv", "content": "a,b\n1,2\n"});
        assert_eq!(member.runs("compose_journey", journey).await, None);
        assert_eq!(told(&app).await, Vec::<Value>::new());
        app.assert_verified().await;
    }
}
