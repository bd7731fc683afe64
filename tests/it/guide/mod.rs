//! The code of docs/handlers.md, registered and run. A block of the guide that is not here, or not
//! the same here, fails the first test.

#![expect(
    clippy::match_same_arms,
    clippy::unused_async,
    clippy::let_and_return,
    reason = "the code is as the guide shows it"
)]

mod handlers;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use takeoff::{
    app::Server,
    model::{Execution, ExecutionStatus, Refusal},
    prelude::*,
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{Backend, TestApp, config};

/// Code without what formatting changes.
fn bare(code: &str) -> String {
    let text: String = code.chars().filter(|c| !c.is_whitespace()).collect();
    text.replace(",)", ")")
        .replace(",}", "}")
        .replace(",]", "]")
}

#[test]
fn every_block_of_the_guide_is_run_by_these_tests() {
    let guide = include_str!("../../../docs/handlers.md");
    let code = [include_str!("mod.rs"), include_str!("handlers.rs")];
    let code = code.map(bare).join("\n");
    let mut blocks = 0;
    for block in guide.split("```rust").skip(1) {
        let body = block.split_once('\n').unwrap().1;
        let body = body.split("```").next().unwrap();
        let visible: Vec<&str> = body
            .lines()
            .filter(|line| !line.starts_with("# ") && *line != "#")
            .filter(|line| !line.starts_with("use "))
            .collect();
        let visible = visible.join("\n");
        // What is imported stands at another place here.
        let after_imports = visible.split_once("};\n\nasync fn a_greeting");
        let visible = after_imports.map_or(visible.clone(), |(_, rest)| {
            format!("async fn a_greeting{rest}")
        });
        assert!(code.contains(&bare(&visible)), "not run:\n{visible}");
        blocks += 1;
    }
    assert!(blocks > 10, "{blocks}");
    // These two would serve until they are told to stop.
    let _: [fn() -> anyhow::Result<()>; 1] = [main];
    let _: [fn() -> std::process::ExitCode; 1] = [commands::main];
}

#[derive(Deserialize, JsonSchema)]
struct Greet {
    name: String,
}

#[derive(Serialize)]
struct Greeting {
    text: String,
}

async fn greet(_: ExecutionContext, greet: Greet) -> Result<Greeting, HandlerError> {
    Ok(Greeting {
        text: format!("Hello, {}!", greet.name),
    })
}

struct Hello;

impl Solution for Hello {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        registry
            .handler("greet", "hello", greet)
            .description("Greets somebody.")
            .register()
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let config = Config::from_process(&Overrides::default())?;
    App::new(config).solution(Hello).serve().await
}

mod commands {
    use super::Hello;

    pub(super) fn main() -> std::process::ExitCode {
        takeoff::cli::run(|app| app.solution(Hello))
    }
}

mod shop {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use schemars::JsonSchema;
    use serde::Deserialize;
    use takeoff::prelude::*;

    #[derive(Deserialize, JsonSchema)]
    struct Order {
        number: String,
    }

    #[derive(Default)]
    pub(super) struct Bank(AtomicU64);

    impl Bank {
        async fn charge(&self, _: &str) -> Result<u64, std::io::Error> {
            Ok(self.0.fetch_add(1, Ordering::SeqCst))
        }
    }

    #[derive(Default)]
    pub(super) struct Shop {
        bank: Arc<Bank>,
    }

    impl Solution for Shop {
        fn register(
            &self,
            registry: &mut IntentRegistry,
            works: &Works,
        ) -> Result<(), RegistrationError> {
            let (bank, content) = (Arc::clone(&self.bank), works.content.clone());
            registry
                .handler("pay", "shop", move |ctx: ExecutionContext, order: Order| {
                    let (bank, _content) = (Arc::clone(&bank), content.clone());
                    async move { Ok(bank.charge(&ctx.idempotency_key(&order.number)).await?) }
                })
                .solution("shop")
                .retry(RetryPolicy::attempts(5))
                .register()?;
            // Without a function the handler is declared: its intents are accepted and wait.
            registry.register_intent("print_label", "warehouse", None, HandlerMetadata::default())
        }
    }
}

mod testing {
    use takeoff::{
        model::ExecutionStatus, prelude::*, runtime::SubmitIntent, state_surface::NewSession,
    };

    use super::Hello;

    #[tokio::test(flavor = "multi_thread")]
    async fn the_test_of_the_guide_passes() -> anyhow::Result<()> {
        Box::pin(a_greeting_names_whom_it_greets()).await
    }

    async fn a_greeting_names_whom_it_greets() -> anyhow::Result<()> {
        let folder = tempfile::tempdir()?;
        let overrides = Overrides {
            data_dir: Some(folder.path().display().to_string()),
            http_bind: Some("127.0.0.1:0".to_owned()),
            ..Overrides::default()
        };
        // No environment: what is set on the machine must not change the test.
        let config = Config::load(&overrides, std::iter::empty())?;
        let server = App::new(config).solution(Hello).listen().await?;
        let services = &server.node().services;
        let caller = server.node().principal(TenantId::default_tenant());

        let session = services
            .state
            .create_session(&caller, NewSession::anonymous())
            .await?;
        let parameters = RawJson::parse(r#"{"name": "Ann"}"#)?;
        let intent = SubmitIntent::new("greet", session.id, parameters);
        let execution = services.runtime.submit(&caller, intent).await?.execution;
        let ended = services
            .events
            .wait_until_terminal(&caller.scope(), execution.id)
            .await?;
        assert_eq!(ended.status, ExecutionStatus::Completed);

        server.stop().await;
        Ok(())
    }
}

async fn started() -> (Backend, TestApp) {
    let backend = Backend::sqlite();
    let app = App::new(config(&backend, &[]))
        .solution(Hello)
        .solution(shop::Shop::default())
        .solution(handlers::Guide);
    let server: Server = app.listen().await.unwrap();
    let app = TestApp::of(server, crate::support::TrySolution::default());
    (backend, app)
}

fn result(done: Execution) -> Value {
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    done.result.unwrap().as_inline().unwrap().to_value()
}

async fn faults(app: &TestApp, intent_type: &str, parameters: Value) -> Vec<String> {
    let intent = SubmitIntent::new(intent_type, app.session().await, RawJson::from(&parameters));
    match app.try_submit(intent).await {
        Err(Error::Refused(Refusal::InvalidInput(faults))) => {
            faults.iter().map(|fault| fault.path.join(".")).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handlers_of_the_guide_do_what_it_says() {
    let (_backend, app) = started().await;
    let greeting = app.run("greet", json!({"name": "Ann"})).await;
    assert_eq!(result(greeting), json!({"text": "Hello, Ann!"}));
    assert_eq!(result(app.run("pay", json!({"number": "A-1"})).await), 0);
    let placed = app
        .run("place", json!({"amount_cents": 5, "lines": ["a"]}))
        .await;
    assert_eq!(result(placed), json!([5, null, ["a"]]));
    assert_eq!(
        faults(&app, "place", json!({"amount_cents": 0})).await,
        ["parameters.amount_cents"]
    );
    assert_eq!(
        faults(&app, "hold", json!({"from": 2, "to": 1})).await,
        ["parameters.to"]
    );
    assert_eq!(result(app.run("charge", json!(250)).await), "true for 250");
    let ordered = app.run("order", json!({})).await;
    let types = app.event_types(ordered.id).await;
    for emitted in ["domain.letter_missing", "domain.packed"] {
        assert!(types.iter().any(|it| it == emitted), "{types:?}");
    }
    let session = app.session().await;
    for items in [1, 2] {
        assert_eq!(
            result(app.run_in(session, "add_item", json!({})).await),
            items
        );
    }
    let import = || app.submit(session, "import", json!({"address": "here"}));
    assert_eq!(import().await.id, import().await.id);
    let waiting = app.submit(session, "wait_for_pickup", json!({})).await;
    app.reaches(waiting.id, ExecutionStatus::Running).await;
    app.services()
        .runtime
        .cancel(&app.principal(), waiting.id, None)
        .await
        .unwrap();
    assert_eq!(
        app.ended(waiting.id).await.status,
        ExecutionStatus::Cancelled
    );
    app.assert_verified().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guides_handler_of_sensitive_parameters_gets_what_is_shown_to_nobody() {
    let (_backend, app) = started().await;
    let login = json!({"user": "ann", "password": "swordfish"});
    assert_eq!(result(app.run("log_in", login).await), true);
}

#[tokio::test(flavor = "multi_thread")]
async fn content_of_the_guide_is_read_whole_and_as_a_stream() {
    let (_backend, app) = started().await;
    let content = json!({"ui_name": "a.txt", "content": "text ".repeat(100)});
    let source = result(app.run("ingest_file", content).await)["artifact_id"].take();
    assert_eq!(
        faults(&app, "summarise", json!({"source": "art_1"})).await,
        ["parameters.source"]
    );
    for (intent_type, bytes) in [("summarise", 100), ("shout", 500)] {
        let made = result(app.run(intent_type, json!({"source": source})).await);
        let query =
            "query($id: ID!) { artifact(id: $id) { materializations { sizeBytes downloadUrl }
            parents { nodes { id } } } }";
        let found = app.data(query, json!({"id": made})).await["artifact"].take();
        assert_eq!(found["parents"]["nodes"][0]["id"], source);
        let form = &found["materializations"][0];
        assert_eq!(form["sizeBytes"], bytes.to_string());
        let link = app.url(form["downloadUrl"].as_str().unwrap());
        let text = app
            .http
            .get(link)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        assert_eq!(text.starts_with("TEXT "), intent_type == "shout", "{text}");
    }
}
