//! A shop as a Rust team would bring it to Takeoff: the solution below, then a `main` that serves
//! it, submits orders to it, shows what happens and ends with an error if that is not as it should
//! be.
//!
//! ```text
//! cargo run --example order_fulfilment
//! ```
//!
//! Data goes to `TAKEOFF_DATA_DIR`, or to a temporary folder when that is not set.
#![expect(
    clippy::print_stdout,
    reason = "what it prints is what the example is for"
)]

use std::{
    collections::{HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, ensure};
use futures::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use takeoff::{
    app::Server,
    config::Origin,
    model::{Event, EventBody, Execution, ExecutionStatus, Principal},
    prelude::*,
    runtime::SubmitIntent,
    services::Services,
    state_surface::NewSession,
    storage::{Direction, LineageRequest},
};

// The solution: two intents, their parameters and their handlers.

/// An order that a customer placed.
#[derive(Clone, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Order {
    number: String,
    /// What the customer pays, in cents.
    #[schemars(range(min = 1))]
    amount_cents: u64,
    /// How long the packing takes.
    #[serde(default)]
    packing_seconds: u64,
}

struct Shop(Arc<Partners>);

impl Solution for Shop {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        let partners = Arc::clone(&self.0);
        registry
            .handler("fulfil_order", "shop", move |ctx, order| {
                fulfil_order(ctx, order, Arc::clone(&partners))
            })
            .description("Charges an order, has it packed and ships it.")
            .retry(RetryPolicy::attempts(5))
            .execution_timeout(Duration::from_hours(24))
            .register()?;
        registry
            .handler("pack_parcel", "shop", pack_parcel)
            .description("Packs what was ordered.")
            .register()
    }
}

async fn fulfil_order(
    ctx: ExecutionContext,
    order: Order,
    partners: Arc<Partners>,
) -> Result<ArtifactId, HandlerError> {
    // A recorded step is not run again: an attempt that follows gets the same shelf.
    let shelf = ctx.step("reserve", || partners.reserve(&order)).await?;
    // A call that may be repeated carries a key, the same at each attempt.
    let key = ctx.idempotency_key("charge");
    let receipt = ctx.step("charge", || partners.charge(&key, &order)).await?;
    ctx.progress(0.5, "paid, now packing").await?;
    // The child is an execution of its own. While it runs, this one takes no slot of the node.
    let intent = ChildIntent::new("pack_parcel", &order);
    let parcel: ArtifactId = ctx.child("parcel", intent).await?.result().await?;
    let shipment = ArtifactDraft::new("shipment", "shipment")
        .display_name(&format!("shipment of order {}", order.number))
        .descriptor(&json!({"receipt": receipt, "shelf": shelf}))?
        .parent(parcel);
    ctx.artifacts().register(shipment)
}

async fn pack_parcel(ctx: ExecutionContext, order: Order) -> Result<ArtifactId, HandlerError> {
    tokio::select! {
        () = tokio::time::sleep(Duration::from_secs(order.packing_seconds)) => {}
        () = ctx.cancellation().cancelled() => {
            return Err(HandlerError::fatal("UNPACKED", "everything is back on its shelf"));
        }
    }
    let parcel = ArtifactDraft::new("parcel", "parcel").descriptor(&order)?;
    ctx.artifacts().register(parcel)
}

// What lies outside: a warehouse, and a payment service that is busy when it is first asked.

#[derive(Default)]
struct Partners {
    reservations: AtomicU64,
    charges: Mutex<HashMap<String, u64>>,
}

/// They are reached over a network.
const LATENCY: Duration = Duration::from_millis(20);

impl Partners {
    async fn reserve(&self, order: &Order) -> Result<String, HandlerError> {
        tokio::time::sleep(LATENCY).await;
        let number = self.reservations.fetch_add(1, Ordering::SeqCst) + 1;
        Ok(format!("shelf {number} for order {}", order.number))
    }

    async fn charge(&self, key: &str, order: &Order) -> Result<String, HandlerError> {
        tokio::time::sleep(LATENCY).await;
        let mut charges = self.charges.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = charges.entry(key.to_owned()).or_default();
        *asked += 1;
        if *asked == 1 {
            let message = "the payment service asks to come back later";
            return Err(HandlerError::retryable("PAYMENT_BUSY", message));
        }
        Ok(format!("{} cents received", order.amount_cents))
    }
}

// From here on: a server with the solution, and somebody who uses it.

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let temporary = tempfile::tempdir()?;
    let partners = Arc::new(Partners::default());
    let app = App::new(config(temporary.path())?).solution(Shop(Arc::clone(&partners)));
    let server = app.listen().await?;
    println!("serving http://{}/graphql", server.address());
    let outcome = show(&server, &partners).await;
    server.stop().await;
    outcome
}

/// The usual configuration, but a free port, and a temporary folder unless the environment names
/// one.
fn config(temporary: &Path) -> anyhow::Result<Config> {
    let mut overrides = Overrides {
        http_bind: Some("127.0.0.1:0".to_owned()),
        ..Overrides::default()
    };
    let given = Config::from_process(&overrides)?;
    if !matches!(given.origin("data_dir"), Some(Origin::Variable(_))) {
        overrides.data_dir = Some(temporary.display().to_string());
    }
    Ok(Config::from_process(&overrides)?)
}

async fn show(server: &Server, partners: &Partners) -> anyhow::Result<()> {
    let customer = Customer::new(server).await?;
    an_order_is_fulfilled(&customer, partners).await?;
    an_order_is_cancelled(&customer).await?;
    let report = customer.services.storage.verify().await?;
    ensure!(report.differences.is_empty(), "{:?}", report.differences);
    println!(
        "\nverified: log and state of {} executions and {} artifacts agree",
        report.executions, report.artifacts
    );
    Ok(())
}

async fn an_order_is_fulfilled(customer: &Customer, partners: &Partners) -> anyhow::Result<()> {
    println!("\norder A-1 is fulfilled");
    let order = json!({"number": "A-1", "amount_cents": 4_990});
    let submitted = customer.submit("fulfil_order", &order).await?;
    let children = customer.follow(submitted.id, "fulfil_order").await?;
    for child in &children {
        customer.follow(*child, "pack_parcel").await?;
    }
    let done = customer.execution(submitted.id).await?;
    ensure!(
        done.status == ExecutionStatus::Completed,
        "{:?}",
        done.error
    );
    ensure!(done.attempt == 2, "{} attempts instead of 2", done.attempt);
    ensure!(
        children.len() == 1,
        "{} children instead of 1",
        children.len()
    );
    let reservations = partners.reservations.load(Ordering::SeqCst);
    ensure!(
        reservations == 1,
        "{reservations} reservations instead of 1"
    );
    println!("  attempts: {}, reservations: {reservations}", done.attempt);
    let result = done.result.and_then(|result| result.as_inline());
    let shipment: ArtifactId = result.context("there is no result")?.read()?;
    customer.show_lineage(shipment).await
}

async fn an_order_is_cancelled(customer: &Customer) -> anyhow::Result<()> {
    println!("\norder A-2 is cancelled while it is packed");
    let order = json!({"number": "A-2", "amount_cents": 250, "packing_seconds": 3_600});
    let submitted = customer.submit("fulfil_order", &order).await?;
    let child = customer.first_child(submitted.id).await?;
    let (runtime, reason) = (
        &customer.services.runtime,
        "the customer changed their mind",
    );
    let reason = Some(reason.to_owned());
    runtime
        .cancel(&customer.principal, submitted.id, reason)
        .await?;
    customer.follow(submitted.id, "fulfil_order").await?;
    customer.follow(child, "pack_parcel").await?;
    for id in [submitted.id, child] {
        let status = customer.execution(id).await?.status;
        ensure!(status == ExecutionStatus::Cancelled, "{id} is {status:?}");
    }
    Ok(())
}

/// Somebody with a session. A client elsewhere does the same by GraphQL.
struct Customer {
    services: Services,
    principal: Principal,
    session: SessionId,
}

impl Customer {
    async fn new(server: &Server) -> anyhow::Result<Self> {
        let services = server.node().services.clone();
        let principal = server.node().principal(TenantId::default_tenant());
        let new = NewSession::anonymous();
        let session = services.state.create_session(&principal, new).await?.id;
        Ok(Self {
            services,
            principal,
            session,
        })
    }

    async fn submit(
        &self,
        intent_type: &str,
        parameters: &serde_json::Value,
    ) -> anyhow::Result<Execution> {
        let intent = SubmitIntent::new(intent_type, self.session, RawJson::from(parameters));
        let runtime = &self.services.runtime;
        Ok(runtime.submit(&self.principal, intent).await?.execution)
    }

    async fn execution(&self, id: ExecutionId) -> anyhow::Result<Execution> {
        let storage = &self.services.storage;
        let found = storage
            .find_executions(&self.principal.scope(), &[id])
            .await?;
        found.into_iter().next().context("the execution is gone")
    }

    /// Prints the events of an execution until it ends; its children.
    async fn follow(&self, id: ExecutionId, name: &str) -> anyhow::Result<Vec<ExecutionId>> {
        let mut children = Vec::new();
        let events = &self.services.events;
        let batches = events.watch_execution(&self.principal, id, None).await?;
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            for event in batch?.events.iter() {
                println!(
                    "  {name:<12}  {:>2}  {}",
                    event.cursor.seq,
                    described(event)
                );
                if let EventBody::ChildSubmitted { child_id, .. } = &event.body {
                    children.push(*child_id);
                }
            }
        }
        Ok(children)
    }

    /// The first child of a running execution, as soon as there is one.
    async fn first_child(&self, id: ExecutionId) -> anyhow::Result<ExecutionId> {
        let events = &self.services.events;
        let batches = events.watch_execution(&self.principal, id, None).await?;
        let mut batches = std::pin::pin!(batches);
        while let Some(batch) = batches.next().await {
            for event in batch?.events.iter() {
                if let EventBody::ChildSubmitted { child_id, .. } = &event.body {
                    return Ok(*child_id);
                }
            }
        }
        anyhow::bail!("the execution ended without a child")
    }

    /// Prints an artifact and what it was made from.
    async fn show_lineage(&self, id: ArtifactId) -> anyhow::Result<()> {
        let (scope, artifacts) = (self.principal.scope(), &self.services.artifacts);
        let request = LineageRequest {
            roots: vec![id],
            direction: Direction::Upstream,
            max_depth: 10,
            max_nodes: 500,
            max_edges: 5_000,
            fan_out: 100,
            deadline: Duration::from_secs(2),
            artifact_types: HashSet::new(),
            stop_at_types: HashSet::new(),
        };
        let lineage = artifacts.lineage(&scope, &request).await?;
        ensure!(
            lineage.nodes.len() == 2,
            "{} artifacts in the lineage",
            lineage.nodes.len()
        );
        println!("  lineage of the shipment:");
        for node in lineage.nodes {
            let artifact = node.artifact;
            let indent = "  ".repeat(node.depth as usize + 2);
            println!(
                "{indent}{} ({}) made by {}",
                artifact.artifact_type,
                artifact.state.name(),
                artifact.intent_type
            );
        }
        Ok(())
    }
}

/// An event in one line.
fn described(event: &Event) -> String {
    let name = event.body.type_name();
    match &event.body {
        EventBody::ExecutionStarted { attempt, .. } => format!("{name}: attempt {attempt}"),
        EventBody::ExecutionRetrying { error, .. } => {
            format!("{name}: {}: {}", error.code, error.message)
        }
        EventBody::StepCompleted { name: step, .. } => format!("{name}: {step}"),
        EventBody::ProgressReported { message, .. } => {
            format!("{name}: {}", message.as_deref().unwrap_or_default())
        }
        EventBody::ArtifactRegistered { artifact, .. } => {
            format!("{name}: {}", artifact.artifact_type)
        }
        EventBody::CancelRequested { reason, .. } => {
            format!("{name}: {}", reason.as_deref().unwrap_or_default())
        }
        EventBody::ChildSubmitted { intent_type, .. } => format!("{name}: {intent_type}"),
        _ => name,
    }
}
