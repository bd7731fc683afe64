//! The language of policies, without a server, and how a folder takes the place of another.

use cedar_policy::{Context, Entities, Request, Schema};

use super::{pose::Posed, *};
use crate::{
    model::{ArtifactId, ExecutionId, RawJson, Session, SessionId, SessionStatus},
    storage::read_tests::on_each_database,
};
use uuid::Uuid;

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        tenant: None,
        name: name.to_owned(),
        text: text.to_owned(),
    }
}

fn tenant() -> TenantId {
    "acme".parse().unwrap()
}

fn session(is_full: bool) -> Session {
    let given = |text: &str| is_full.then(|| text.to_owned());
    Session {
        id: SessionId(Uuid::from_u128(1)),
        tenant_id: tenant(),
        user_id: given("ann"),
        solution_id: given("content"),
        is_anonymous: !is_full,
        status: SessionStatus::Active,
        metadata: RawJson::empty_object(),
        state: RawJson::empty_object(),
        state_version: 1,
        created_at: 0,
        updated_at: 0,
        expires_at: 0,
    }
}

/// A question about each action: with all that is optional, or with nothing of it.
fn questions(tenant: &TenantId, is_full: bool) -> Vec<Question<'_>> {
    let session_id = SessionId(Uuid::from_u128(1));
    let submit = Submit {
        intent_type: "echo",
        handler_name: "content",
        is_read_only: true,
        solution_id: "default",
        session_id,
        priority: 5,
        size_bytes: 7,
        is_rerun: false,
    };
    let artifact = Described {
        id: ArtifactId(Uuid::from_u128(2)),
        tenant,
        artifact_type: "file",
        state: ArtifactState::Pending,
        session_id,
        intent_type: "ingest_file",
        user: is_full.then_some("ann"),
        owner: is_full.then_some("bob"),
        display_name: is_full.then_some("a.csv"),
    };
    let about = About {
        artifact,
        size_bytes: Some(7),
    };
    let during = During {
        execution_id: ExecutionId(Uuid::from_u128(3)),
        session_id,
        intent_type: "compose_journey",
    };
    let asked = [
        Asked::Submit(submit),
        Asked::Materialize(about, Phase::Open),
        Asked::Materialize(about, Phase::Save),
        Asked::Transition(about, ArtifactState::Ready),
        Asked::ReadContent(about, "csv"),
    ];
    let during = is_full.then_some(during);
    asked.map(|asked| Question { asked, during }).into()
}

#[test]
fn every_question_fits_the_schema() {
    let language = Language::new().unwrap();
    let (schema, _) = Schema::from_cedarschema_str(&schema()).unwrap();
    let (tenant, principal) = (tenant(), Principal::for_test("acme"));
    for is_full in [true, false] {
        let looked_up = LookedUp {
            sessions: vec![session(is_full)],
            size_bytes: 7,
        };
        for question in questions(&tenant, is_full) {
            let Posed { request, entities } = language
                .names
                .pose(&principal, &question, &looked_up)
                .unwrap();
            let checked = Request::new(
                request.principal().unwrap().clone(),
                request.action().unwrap().clone(),
                request.resource().unwrap().clone(),
                request.context().cloned().unwrap_or_else(Context::empty),
                Some(&schema),
            );
            assert!(checked.is_ok(), "{question:?}: {checked:?}");
            let entities = entities.iter().cloned();
            let checked = Entities::from_entities(entities, Some(&schema));
            assert!(checked.is_ok(), "{question:?}: {checked:?}");
        }
    }
}

#[test]
fn the_default_policies_fit_the_schema_and_leave_three_actions_open() {
    let sets = Sets::of(&default_files(), &Language::new().unwrap()).unwrap();
    assert_eq!(sets.warnings, []);
    let open = Action::ALL.map(|action| sets.of_tenant(&tenant()).known(action).is_open);
    assert_eq!(open, [true, false, true, true]);
}

#[test]
fn the_default_policies_save_within_an_open_boundary_of_the_tenant_alone() {
    let language = Language::new().unwrap();
    let sets = Sets::of(&default_files(), &language).unwrap();
    let (acme, principal) = (tenant(), Principal::for_test("acme"));
    let save = |owner: &TenantId, state| {
        let mut question = questions(owner, true)[2];
        let Asked::Materialize(about, Phase::Save) = &mut question.asked else {
            panic!("{question:?}")
        };
        about.artifact.state = state;
        let posed = language
            .names
            .pose(&principal, &question, &LookedUp::default());
        sets.of_tenant(&acme).decide(&posed.unwrap())
    };
    let saved = save(&acme, ArtifactState::Pending);
    assert_eq!(
        (saved.is_allowed, saved.policies),
        (true, vec!["save-within-boundary".to_owned()])
    );
    for state in [
        ArtifactState::Ready,
        ArtifactState::Failed,
        ArtifactState::Archived,
    ] {
        assert!(!save(&acme, state).is_allowed, "{state:?}");
    }
    let globex = "globex".parse().unwrap();
    assert!(!save(&globex, ArtifactState::Pending).is_allowed);
}

/// What is known of submits where these are the policies.
fn known(text: &str) -> Known {
    let sets = Sets::of(&[file("a.cedar", text)], &Language::new().unwrap());
    sets.unwrap().of_tenant(&tenant()).known(Action::Submit)
}

#[test]
fn an_action_is_open_where_nothing_about_it_depends_on_anything() {
    let open = "permit (principal, action, resource);";
    assert!(known(open).is_open);
    let of_another = r#"forbid (principal, action == Action::"transition", resource);"#;
    assert!(known(&format!("{open}{of_another}")).is_open);
    for closed in [
        "",
        of_another,
        "permit (principal is Caller, action, resource);",
        r#"permit (principal, action, resource == IntentType::"echo");"#,
        r#"permit (principal, action, resource) when { principal.actor == "ann" };"#,
        r#"permit (principal, action, resource); forbid (principal == Caller::"a/b", action, resource);"#,
        r#"permit (principal, action, resource); forbid (principal, action in [Action::"submit"], resource);"#,
        r#"permit (principal, action, resource); permit (principal, action, resource) when { principal.actor == "ann" };"#,
    ] {
        assert!(!known(closed).is_open, "{closed}");
    }
}

#[test]
fn sessions_are_looked_at_by_policies_that_name_them() {
    let when = |condition: &str| {
        known(&format!(
            r#"permit (principal, action == Action::"submit", resource) when {{ {condition} }};"#
        ))
    };
    assert!(when("context.session.anonymous").looks_at_sessions);
    assert!(when(r#"Session::"acme/ses_1".anonymous"#).looks_at_sessions);
    assert!(!when("context.priority == 5").looks_at_sessions);
}

#[test]
fn a_policy_without_an_id_is_named_by_its_file_and_place() {
    let text = "permit (principal, action, resource);\nforbid (principal, action, resource);";
    let language = Language::new().unwrap();
    let sets = Sets::of(&[file("a.cedar", text)], &language).unwrap();
    let (tenant, principal) = (tenant(), Principal::for_test("acme"));
    let question = questions(&tenant, true)[0];
    let posed = language
        .names
        .pose(&principal, &question, &LookedUp::default());
    let decision = sets.of_tenant(&tenant).decide(&posed.unwrap());
    assert_eq!(decision.policies, ["a.cedar#2"]);
}

#[test]
fn ids_that_cannot_be_told_are_refused() {
    for id in ["", "a\\nb", &"x".repeat(201)] {
        let text = format!("@id(\"{id}\") permit (principal, action, resource);");
        let refused = Sets::of(&[file("a.cedar", &text)], &Language::new().unwrap());
        assert!(
            refused.unwrap_err().to_string().contains("is refused"),
            "{id}"
        );
    }
}

#[tokio::test]
async fn a_folder_that_is_refused_never_takes_the_place_of_one_that_is_not() {
    on_each_database(async |world| {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.cedar");
        let open = "permit (principal, action, resource);";
        std::fs::write(&path, open).unwrap();
        let policies = Policies::open(world.storage.clone(), Some(folder.path()), false).unwrap();
        let is_open_after = |text: Option<&str>| {
            match text {
                Some(text) => std::fs::write(&path, text).unwrap(),
                None => std::fs::remove_dir_all(folder.path()).unwrap(),
            }
            policies.renew(folder::read(folder.path()));
            !policies.decides(&tenant(), Action::Submit)
        };
        assert!(is_open_after(Some("permit (principal")));
        assert!(!is_open_after(Some(
            "forbid (principal, action, resource);"
        )));
        assert!(!is_open_after(Some(
            "permit (principal, action, resource) when { principal.nobody };"
        )));
        assert!(is_open_after(Some(open)));
        assert!(is_open_after(None));
    })
    .await;
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "a switch for whoever runs the tests"
)]
fn the_documented_schema_is_this_one() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.cedarschema");
    let made = schema();
    if std::env::var_os("TAKEOFF_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let is_same = std::fs::read_to_string(&path).unwrap_or_default() == made;
    assert!(
        is_same,
        "run the tests with TAKEOFF_BLESS=1 to write docs/policy.cedarschema again"
    );
}
