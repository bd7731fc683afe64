//! Parameters that a handler's schema marks as sensitive: the handler gets them, everybody else gets `***`.

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use takeoff::{
    content::Digest,
    model::{Execution, ExecutionStatus, Refusal},
    prelude::*,
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{Backend, NodeProcess, TestApp, TrySolution, backends, config};

const PASSWORD: &str = "swordfish-4711-\u{fc}\"\\n";
const OLD: &str = "secrets.keys=old:0123456789abcdef0123456789abcdef";
const BOTH: &str =
    "secrets.keys=new:fedcba9876543210fedcba9876543210, old:0123456789abcdef0123456789abcdef";
const NEW: &str = "secrets.keys=new:fedcba9876543210fedcba9876543210";

fn parameters() -> Value {
    json!({"user": "ann", "password": PASSWORD})
}

fn expected() -> Value {
    json!(format!("ann {}", Digest::of(PASSWORD.as_bytes())))
}

fn result_of(ended: &Execution) -> Value {
    assert_eq!(
        ended.status,
        ExecutionStatus::Completed,
        "{:?}",
        ended.error
    );
    ended
        .result
        .as_ref()
        .unwrap()
        .as_inline()
        .unwrap()
        .to_value()
}

/// All that the API tells of an execution.
const ALL: &str =
    "query($id: ID!) { execution(id: $id) { status error { code message earlier { message } }
    intent { parameters metadata } events(first: 50) { nodes { __typename type } }
    children(first: 5) { nodes { intent { parameters } error { message } } } }
    walEntries(first: 200) { nodes { type data payload } } }";

async fn all_of(app: &TestApp, ended: &Execution) -> String {
    app.data(ALL, json!({"id": ended.id.to_string()}))
        .await
        .to_string()
}

/// Nothing of the password is in any file below the data folder, but for the keys'.
fn assert_not_on_disk(backend: &Backend) {
    fn look(folder: &std::path::Path) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path);
            } else {
                let bytes = std::fs::read(&path).unwrap();
                let found = bytes.windows(14).any(|part| part == b"swordfish-4711");
                assert!(!found, "{}", path.display());
            }
        }
    }
    look(backend.folder.path());
}

backends! {
    async fn the_handler_gets_them_and_everybody_else_a_mask(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let ended = app.run("login", parameters()).await;
        assert_eq!(result_of(&ended), expected());
        let told = all_of(&app, &ended).await;
        assert!(told.contains(r#""parameters":{"password":"***","user":"ann"}"#), "{told}");
        assert!(!told.contains("swordfish"), "{told}");
        let rest = app.http.get(app.url(&format!("/api/execution/{}", ended.id))).send().await.unwrap();
        assert!(!rest.text().await.unwrap().contains("swordfish"));
        app.assert_verified().await;
        app.server.stop().await;
        assert_not_on_disk(&backend);
    }

    async fn no_error_tells_them(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let mut wrong = parameters();
        wrong["echo"] = json!(true);
        let failed = app.run("login", wrong).await;
        let message = failed.error.as_ref().unwrap().message.clone();
        assert_eq!(message, "ann:*** is wrong");
        assert!(!all_of(&app, &failed).await.contains("swordfish"));
        let session = app.session().await;
        for bad in [json!({"user": 7, "password": PASSWORD}), json!({"user": "ann", "password": ["swordfish"]}),
            json!({"user": "ann", "password": format!("known {PASSWORD}")})] {
            let intent = SubmitIntent::new("login", session, RawJson::from(&bad));
            let Err(Error::Refused(Refusal::InvalidInput(faults))) = app.try_submit(intent).await else {
                panic!("{bad} was accepted")
            };
            assert!(!format!("{faults:?}").contains("swordfish"), "{faults:?}");
        }
    }

    async fn a_panic_that_tells_them_is_logged_without_them(backend: Backend) {
        let node = NodeProcess::start(&backend, &[]).await;
        let mut wrong = parameters();
        wrong["panics"] = json!(true);
        let url = format!("http://{}", node.address);
        let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_takeoff"))
            .env_clear()
            .args(["submit", "login", "--watch", "--url", &url, "--params-json", &wrong.to_string()])
            .output().await.unwrap();
        let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert!(said.contains("HANDLER_PANICKED"), "{said}");
        let log = node.log();
        assert!(log.contains("*** is wrong") && log.contains("support/handlers.rs:"), "{log}");
        assert!(!log.contains("swordfish"), "{log}");
    }

    async fn a_handler_that_finds_them_by_a_function_has_them_sealed_and_needs_keys(backend: Backend) {
        let app = hushed(&backend, Mark::Function).await;
        let ended = app.run("hush", json!({"pin": PASSWORD})).await;
        assert_eq!(ended.error.as_ref().unwrap().message, told_by_hush());
        assert!(!all_of(&app, &ended).await.contains("swordfish"));
        let steps = json!([{"name": "in", "intent_type": "hush", "parameters": {"pin": PASSWORD}}]);
        let inner = json!([{"name": "out", "intent_type": "compose_journey", "parameters": {"steps": {"$param": "bound"}}}]);
        for journey in [json!({"steps": steps}), json!({"bound": steps, "steps": inner})] {
            let ended = app.run("compose_journey", journey).await;
            assert_eq!(ended.status, ExecutionStatus::Failed);
            let told = all_of(&app, &ended).await;
            assert!(told.contains(r#""parameters":"***""#) && !told.contains("swordfish"), "{told}");
        }
        app.server.stop().await;
        assert_not_on_disk(&backend);
        if backend.is_postgres() {
            let app = App::new(config(&backend, &["secrets.keys="])).solution(Hushed(Mark::Function));
            let refused = format!("{:#}", app.listen().await.err().unwrap());
            assert!(refused.contains("the handler own of hush has sensitive parameters"), "{refused}");
        }
        // A journey alone needs none.
        let app = App::new(config(&backend, &["secrets.keys="])).solution(Hushed(Mark::Nothing));
        app.listen().await.unwrap().stop().await;
    }

    async fn what_was_stored_before_the_mark_is_masked_in_errors_and_sealed_when_it_is_run_again(backend: Backend) {
        let app = hushed(&backend, Mark::Nothing).await;
        let old = app.run("hush", json!({"pin": PASSWORD})).await;
        assert!(all_of(&app, &old).await.contains("swordfish"));
        app.server.stop().await;
        let app = hushed(&backend, Mark::Schema).await;
        let rerun = async |id| {
            let again = app.services().runtime.rerun(&app.principal(), id, None).await.unwrap();
            app.ended(again.execution.id).await
        };
        let again = rerun(old.id).await;
        assert_eq!(again.error.as_ref().unwrap().message, told_by_hush());
        assert_eq!(again.intent.parameters.as_inline().unwrap().as_str(), r#"{"pin":"***"}"#);
        assert_eq!(rerun(again.id).await.error.unwrap().message, told_by_hush());
        app.assert_verified().await;
        // A mask is nothing that a handler can work with.
        backend.execute("UPDATE execution SET sealed = NULL").await;
        assert_eq!(rerun(again.id).await.error.unwrap().code, "UNREADABLE_PARAMETERS");
    }

    async fn keys_and_repetitions_work_on_them(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let session = app.session().await;
        let submit = |password: &str| {
            let parameters = RawJson::from(&json!({"user": "ann", "password": password}));
            let mut intent = SubmitIntent::new("login", session, parameters);
            intent.idempotency_key = Some("k".into());
            app.try_submit(intent)
        };
        let first = submit(PASSWORD).await.unwrap();
        assert!(submit(PASSWORD).await.unwrap().replayed);
        let Err(Error::Refused(Refusal::IdempotencyKeyConflict { .. })) = submit("another one").await else {
            panic!("two passwords are one request")
        };
        app.ended(first.execution.id).await;
        let again = app.services().runtime.rerun(&app.principal(), first.execution.id, None).await.unwrap();
        assert_eq!(result_of(&app.ended(again.execution.id).await), expected());
    }

    async fn a_journey_passes_them_on_and_shows_none(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let own = json!({"steps": [{"name": "in", "intent_type": "login", "parameters": parameters()}]});
        let taken = json!({"secret": PASSWORD, "steps": [{"name": "in", "intent_type": "login",
            "parameters": {"user": "ann", "password": {"$param": "secret"}}}]});
        let inner = json!({"steps": [{"name": "in", "intent_type": "compose_journey", "parameters": own}]});
        for journey in [own, taken] {
            let ended = app.run("compose_journey", journey).await;
            assert_eq!(result_of(&ended)["steps"]["in"]["result"], expected());
            let told = all_of(&app, &ended).await;
            assert!(told.contains(r#""parameters":"***""#) && !told.contains("swordfish"), "{told}");
        }
        let ended = app.run("compose_journey", inner).await;
        assert_eq!(result_of(&ended)["steps"]["in"]["result"]["steps"]["in"]["result"], expected());
        assert!(!all_of(&app, &ended).await.contains("swordfish"));
    }

    async fn large_ones_are_sealed_in_the_content_store(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let password = PASSWORD.repeat(2_000);
        let ended = app.run("login", json!({"user": "ann", "password": password})).await;
        assert_eq!(result_of(&ended), json!(format!("ann {}", Digest::of(password.as_bytes()))));
        app.server.stop().await;
        assert_not_on_disk(&backend);
    }

    async fn what_an_old_key_sealed_is_read_after_a_rotation_without_it(backend: Backend) {
        let app = TestApp::start_with(&backend, &[OLD]).await;
        let session = app.session().await;
        let before = app.run_in(session, "login", parameters()).await;
        app.server.stop().await;
        let Err(refused) = started(&backend, NEW).await else {
            panic!("it started without the key that sealed what is there")
        };
        assert!(format!("{refused:#}").contains("secrets.keys lacks the key old"), "{refused:#}");

        let app = TestApp::start_with(&backend, &[BOTH]).await;
        let rotate = async |keys: &str| {
            tokio::process::Command::new(env!("CARGO_BIN_EXE_takeoff"))
                .env_clear()
                .args(["--database-url", &backend.url(), "--set", keys, "secrets", "rotate"])
                .output().await.unwrap()
        };
        if backend.is_postgres() {
            // Beside a node that runs: it reads what others seal from now on.
            assert!(rotate(BOTH).await.status.success());
            let other = TestApp::start_with(&backend, &[BOTH]).await;
            let by_other = other.run_in(session, "login", parameters()).await;
            let again = app.services().runtime.rerun(&app.principal(), by_other.id, None).await.unwrap();
            assert_eq!(result_of(&app.ended(again.execution.id).await), expected());
            other.server.stop().await;
        }
        app.server.stop().await;
        let output = rotate(BOTH).await;
        assert!(output.status.success(), "{output:?}");

        let app = TestApp::start_with(&backend, &[NEW]).await;
        let again = app.services().runtime.rerun(&app.principal(), before.id, None).await.unwrap();
        assert_eq!(result_of(&app.ended(again.execution.id).await), expected());
        app.run_in(session, "login", parameters()).await;
        app.assert_verified().await;
    }

    async fn what_was_sealed_for_one_intent_opens_for_no_other(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let one = app.run("login", parameters()).await;
        let two = app.run("login", json!({"user": "bob", "password": "another"})).await;
        let sealed = "(SELECT max(sealed) FROM execution WHERE parameters LIKE '%ann%')";
        let copy = format!("UPDATE execution SET sealed = {sealed} WHERE parameters LIKE '%bob%'");
        backend.execute(&copy).await;
        let rerun = async |id| {
            let again = app.services().runtime.rerun(&app.principal(), id, None).await.unwrap();
            app.ended(again.execution.id).await
        };
        assert_eq!(result_of(&rerun(one.id).await), expected());
        let refused = rerun(two.id).await;
        assert_eq!(refused.error.unwrap().code, "UNREADABLE_PARAMETERS");
    }

    async fn without_a_key_that_nodes_share_a_handler_of_them_is_refused(backend: Backend) {
        let started = started(&backend, "secrets.keys=").await;
        if backend.is_postgres() {
            let refused = format!("{:#}", started.err().unwrap());
            assert!(refused.contains("the handler try of login has sensitive parameters"), "{refused}");
            assert!(refused.contains("set secrets.keys"), "{refused}");
        } else {
            // One node makes a key of its own, which stays.
            started.unwrap().stop().await;
            assert!(backend.folder.path().join("secrets.key").exists());
        }
    }
}

/// How a handler's parameter is marked.
#[derive(Clone, Copy)]
enum Mark {
    Nothing,
    Schema,
    Function,
}

/// A handler that fails with a message which tells its parameter, and its digest.
struct Hushed(Mark);

#[derive(Deserialize, JsonSchema)]
struct Plain {
    pin: String,
}

#[derive(Deserialize, JsonSchema)]
struct Marked {
    #[schemars(extend("writeOnly" = true))]
    pin: String,
}

impl Solution for Hushed {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        let plain = |_: ExecutionContext, p: Plain| hush(&p.pin);
        let marked = |_: ExecutionContext, p: Marked| hush(&p.pin);
        match self.0 {
            Mark::Nothing => registry.handler("hush", "own", plain).register(),
            Mark::Schema => registry.handler("hush", "own", marked).register(),
            Mark::Function => registry
                .handler("hush", "own", plain)
                .sensitive(|_, _| vec!["/pin".to_owned()])
                .register(),
        }
    }
}

fn hush(pin: &str) -> std::future::Ready<Result<(), HandlerError>> {
    let message = format!("{pin} {}", Digest::of(pin.as_bytes()));
    std::future::ready(Err(HandlerError::fatal("HUSHED", message)))
}

fn told_by_hush() -> String {
    format!("*** {}", Digest::of(PASSWORD.as_bytes()))
}

async fn hushed(backend: &Backend, mark: Mark) -> TestApp {
    let app = App::new(config(backend, &[])).solution(Hushed(mark));
    TestApp::of(app.listen().await.unwrap(), TrySolution::default())
}

async fn started(backend: &Backend, setting: &str) -> anyhow::Result<takeoff::app::Server> {
    let app = App::new(config(backend, &[setting]));
    app.solution(TrySolution::default()).listen().await
}
