//! The handlers that the guide shows.

use std::{sync::Arc, time::Duration};

use futures::StreamExt;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use takeoff::{model::Fault, prelude::*};

/// An order to be paid.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    /// At least one cent.
    #[schemars(range(min = 1))]
    amount_cents: u64,
    /// Left out: the customer is not told.
    email: Option<String>,
    #[serde(default)]
    lines: Vec<String>,
}

async fn place(_: ExecutionContext, order: Order) -> Result<Value, HandlerError> {
    Ok(json!([order.amount_cents, order.email, order.lines]))
}

async fn hold(_: ExecutionContext, _: Value) -> Result<(), HandlerError> {
    Ok(())
}

fn register_hold(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("hold", "shop", hold)
        .check(|parameters| {
            if parameters["from"].as_i64() > parameters["to"].as_i64() {
                return vec![Fault::at(
                    ["parameters", "to"],
                    "the end comes before the beginning",
                )];
            }
            Vec::new()
        })
        .register()
}

struct Bank;

impl Bank {
    async fn charge(&self, key: &str, cents: u64) -> Result<String, std::io::Error> {
        Ok(format!("{} for {cents}", key.ends_with("/charge")))
    }
}

async fn pay(ctx: ExecutionContext, bank: Bank, cents: u64) -> Result<String, HandlerError> {
    let key = ctx.idempotency_key("charge");
    let receipt = ctx
        .step("charge", || async { Ok(bank.charge(&key, cents).await?) })
        .await?;
    Ok(receipt)
}

async fn order(ctx: ExecutionContext) -> Result<(), HandlerError> {
    // Both run at the same time; each is an execution of its own.
    let parcel = ctx
        .child(
            "parcel",
            ChildIntent::new("pack_parcel", &json!({"number": "A-1"})),
        )
        .await?;
    let letter = ctx
        .child(
            "letter",
            ChildIntent::new("print_letter", &json!({"number": "A-1"})),
        )
        .await?;
    let parcel: ArtifactId = parcel.result().await?;
    match letter.outcome().await? {
        ChildOutcome::Completed(_) => {}
        ChildOutcome::Failed(error) => ctx.emit("letter_missing", &error.message).await?,
        ChildOutcome::Cancelled => {}
    }
    ctx.emit("packed", &parcel).await
}

async fn pack_parcel(ctx: ExecutionContext, _: Value) -> Result<ArtifactId, HandlerError> {
    ctx.artifacts()
        .register(ArtifactDraft::new("parcel", "parcel"))
}

async fn print_letter(_: ExecutionContext, _: Value) -> Result<(), HandlerError> {
    Err(refused(404))
}

#[derive(Deserialize, JsonSchema)]
struct Summarise {
    source: ArtifactId,
}

async fn summarise(
    ctx: ExecutionContext,
    parameters: Summarise,
) -> Result<ArtifactId, HandlerError> {
    let artifacts = ctx.artifacts();
    let forms = artifacts.materializations(parameters.source).await?;
    let Some(form) = forms.first() else {
        return Err(HandlerError::fatal(
            "NO_CONTENT",
            "the artifact has no stored content",
        ));
    };
    let text = artifacts.read(form).await?;
    let summary = artifacts.store(text.slice(..text.len().min(100))).await?;
    artifacts.register(
        ArtifactDraft::new("summary", "summary")
            .display_name("The first hundred bytes")
            .descriptor(&json!({"bytes": summary.size_bytes}))?
            .stored(&summary, "text")
            .parent(parameters.source),
    )
}

async fn shout(ctx: ExecutionContext, parameters: Summarise) -> Result<ArtifactId, HandlerError> {
    let artifacts = ctx.artifacts();
    let forms = artifacts.materializations(parameters.source).await?;
    let form = forms
        .first()
        .ok_or_else(|| HandlerError::fatal("NO_CONTENT", "it has no content"))?;
    let body = artifacts.read_stream(form).await?;
    let loud = body.map(|part| part.map(|part| part.to_ascii_uppercase().into()));
    let stored = artifacts.store_stream(loud, 100 * 1024 * 1024).await?;
    let draft = ArtifactDraft::new("loud", "text").stored(&stored, "text");
    artifacts.register(draft.parent(parameters.source))
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cart {
    items: u64,
}

async fn add_item(ctx: ExecutionContext) -> Result<u64, HandlerError> {
    let state = ctx.state_surface();
    let (json, version) = state.session().await?;
    let items = json.read::<Cart>()?.items + 1;
    let change = json!({"items": items});
    state
        .write_session(&change, StateWriteMode::Merge, Some(version))
        .await?;
    Ok(items)
}

async fn wait_for_pickup(ctx: ExecutionContext) -> Result<(), HandlerError> {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_hours(1)) => Ok(()),
        () = ctx.cancellation().cancelled() => {
            // Up to five seconds to tidy up; what is returned no longer counts.
            Err(HandlerError::fatal("STOPPED", "nobody is coming"))
        }
    }
}

fn refused(status: u16) -> HandlerError {
    match status {
        429 | 503 => HandlerError::retryable("BANK_BUSY", "the bank asks to come back later"),
        _ => HandlerError::fatal("CARD_REFUSED", "the bank refuses the card"),
    }
}

fn patient() -> RetryPolicy {
    let policy = RetryPolicy {
        max_attempts: 5,
        initial_delay: Duration::from_secs(1),
        factor: 2.0,
        max_delay: Duration::from_mins(5),
        jitter: 0.2,
    };
    policy
}

#[derive(Deserialize, JsonSchema)]
struct Login {
    user: String,
    #[schemars(extend("writeOnly" = true))]
    password: String,
}

async fn log_in(ctx: ExecutionContext, login: Login) -> Result<bool, HandlerError> {
    let shown: Value = ctx
        .intent()
        .parameters
        .as_inline()
        .map(|it| it.to_value())
        .unwrap_or_default();
    Ok(shown["user"] == login.user.as_str() && shown["password"] != login.password.as_str())
}

#[derive(Deserialize, JsonSchema)]
struct Import {
    address: String,
}

async fn import(_: ExecutionContext, import: Import) -> Result<String, HandlerError> {
    Ok(import.address)
}

fn register_import(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("import", "shop", import)
        .fingerprint(Arc::new(|input: FingerprintInput| {
            Box::pin(async move {
                let Some(address) = input.parameters["address"].as_str() else {
                    return Ok(None);
                };
                let session = input.session_id.to_string();
                Ok(Some(vec![
                    session.into_bytes(),
                    address.as_bytes().to_vec(),
                ]))
            })
        }))
        .register()
}

pub(super) struct Guide;

impl Solution for Guide {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        registry.handler("place", "guide", place).register()?;
        register_hold(registry)?;
        let pay = |ctx, cents: u64| pay(ctx, Bank, cents);
        registry.handler("charge", "guide", pay).register()?;
        let order = |ctx, _: Value| order(ctx);
        registry.handler("order", "guide", order).register()?;
        registry
            .handler("pack_parcel", "guide", pack_parcel)
            .register()?;
        registry
            .handler("print_letter", "guide", print_letter)
            .register()?;
        registry
            .handler("summarise", "guide", summarise)
            .register()?;
        registry.handler("shout", "guide", shout).register()?;
        let add_item = |ctx, _: Value| add_item(ctx);
        registry.handler("add_item", "guide", add_item).register()?;
        let wait = |ctx, _: Value| wait_for_pickup(ctx);
        registry
            .handler("wait_for_pickup", "guide", wait)
            .retry(patient())
            .register()?;
        registry.handler("log_in", "guide", log_in).register()?;
        register_import(registry)
    }
}
