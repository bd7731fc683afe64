//! Handlers that do what a test asks for.

mod limited;

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use futures::TryStreamExt as _;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use takeoff::{
    content::{Digest, LineWindow},
    model::{ArtifactId, Fault, RawJson},
    runtime::{
        ArtifactDraft, ChildIntent, ExecutionContext, HandlerError, HandlerMetadata,
        IntentRegistry, RegistrationError, RetryPolicy, Solution, Works,
    },
};
use tokio::sync::Semaphore;

use super::node::is_node_process;

/// Intents for tests. What the handlers did is counted; some wait for a permit of `gate`.
#[derive(Clone)]
pub struct TrySolution {
    pub runs: Arc<AtomicU64>,
    pub step_runs: Arc<AtomicU64>,
    pub gate: Arc<Semaphore>,
    /// Handlers that would have ended their process by now.
    pub killers: Arc<AtomicU64>,
}

impl Default for TrySolution {
    fn default() -> Self {
        Self {
            runs: Arc::default(),
            step_runs: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
            killers: Arc::default(),
        }
    }
}

#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Add {
    a: i64,
    b: i64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Login {
    user: String,
    #[schemars(extend("writeOnly" = true))]
    password: String,
    /// Fails with a message that tells the password.
    #[serde(default)]
    echo: bool,
    /// Panics with a message that tells the password.
    #[serde(default)]
    panics: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Flaky {
    /// Attempts that fail before one succeeds.
    failures: i64,
    #[serde(default)]
    fatal: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Family {
    children: u32,
    #[serde(default)]
    gated: bool,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Make {
    name: String,
    #[serde(default)]
    parents: Vec<String>,
    #[serde(default)]
    note: Option<String>,
    #[serde(default)]
    owner: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Keep {
    name: String,
    bytes: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Big {
    bytes: usize,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Nap {
    millis: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Stages {
    count: u32,
    /// The time that each takes.
    millis: u64,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Handle {
    artifact: String,
    way: Way,
}

/// A way in which a handler reads or writes content.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Way {
    Whole,
    Stream,
    Lines,
    /// As a stream that a library reads, whose errors have the store's inside.
    Wrapped,
    Piped,
    Store,
}

#[derive(Debug, Deserialize, JsonSchema)]
pub struct Nothing {}

#[derive(Debug, Serialize)]
pub struct Sum {
    sum: i64,
}

fn quick(attempts: u32) -> RetryPolicy {
    RetryPolicy {
        initial_delay: Duration::from_millis(20),
        max_delay: Duration::from_millis(50),
        ..RetryPolicy::attempts(attempts)
    }
}

impl Solution for TrySolution {
    fn register(&self, registry: &mut IntentRegistry, _: &Works) -> Result<(), RegistrationError> {
        let this = self.clone();
        registry
            .handler("add", "try", move |_, p: Add| {
                let runs = Arc::clone(&this.runs);
                async move {
                    runs.fetch_add(1, Ordering::SeqCst);
                    Ok(Sum { sum: p.a + p.b })
                }
            })
            .register()?;
        registry
            .handler("flaky", "try", flaky)
            .retry(quick(4))
            .register()?;
        registry
            .handler("panic", "try", panics)
            .retry(quick(2))
            .register()?;
        registry
            .handler("big", "try", big)
            .retry(quick(3))
            .register()?;
        let this = self.clone();
        registry
            .handler("gated", "try", move |ctx, _: Nothing| {
                gated(ctx, this.clone())
            })
            .register()?;
        let this = self.clone();
        registry
            .handler("killer", "try", move |_, _: Nothing| {
                this.killers.fetch_add(1, Ordering::SeqCst);
                std::future::pending::<Result<(), HandlerError>>()
            })
            .register()?;
        registry.handler("abort", "try", aborts).register()?;
        let this = self.clone();
        registry
            .handler("steps", "try", move |ctx, _: Nothing| {
                steps(ctx, this.clone())
            })
            .retry(quick(5))
            .register()?;
        let this = self.clone();
        registry
            .handler("slow_step", "try", move |ctx, _: Nothing| {
                slow_step(ctx, this.clone())
            })
            .register()?;
        registry
            .handler("family", "try", family)
            .retry(quick(3))
            .register()?;
        registry
            .handler("make", "try", make)
            .eligible_for("thing")
            .retry(quick(2))
            .register()?;
        registry
            .handler("keep", "try", keep)
            .retry(quick(2))
            .register()?;
        registry.handler("talk", "try", talk).register()?;
        registry
            .handler("login", "try", login)
            .retry(quick(2))
            .check(|parameters| {
                let password = parameters["password"].as_str().unwrap_or_default();
                let message = format!("{password} is known");
                let fault = || Fault::at(["parameters", "password"], message);
                password
                    .starts_with("known")
                    .then(fault)
                    .into_iter()
                    .collect()
            })
            .register()?;
        registry
            .handler("climb", "try", climb)
            .retry(quick(2))
            .register()?;
        self.register_limited(registry)?;
        register_timed(registry)?;
        registry
            .handler("handle", "try", handles)
            .retry(quick(2))
            .register()?;
        registry
            .handler("twice", "one", hangs)
            .solution("first")
            .register()?;
        registry
            .handler("twice", "two", hangs)
            .solution("second")
            .register()?;
        registry.register_intent("remote", "worker", None, HandlerMetadata::default())
    }
}

/// One step that is done at once, and one that waits at the gate.
async fn slow_step(ctx: ExecutionContext, this: TrySolution) -> Result<i64, HandlerError> {
    let gate = || async {
        let permit = this.gate.acquire().await;
        permit.map(tokio::sync::SemaphorePermit::forget)?;
        Ok(1)
    };
    ctx.step("quick", || async { Ok(0) }).await?;
    ctx.step("slow", gate).await
}

/// Handlers that take their time, or all that they have.
fn register_timed(registry: &mut IntentRegistry) -> Result<(), RegistrationError> {
    registry
        .handler("hang", "try", hangs)
        .retry(RetryPolicy::never())
        .attempt_timeout(Duration::from_millis(150))
        .register()?;
    registry
        .handler("overdue", "try", hangs)
        .execution_timeout(Duration::from_millis(150))
        .register()?;
    registry
        .handler("silent", "try", hangs)
        .retry(RetryPolicy::never())
        .heartbeat_timeout(Duration::from_millis(100))
        .register()?;
    registry.handler("nap", "try", nap).register()?;
    registry.handler("stages", "try", stages).register()?;
    registry.handler("spin", "try", spins).register()
}

/// Returns what a handler must know a password for, without the password.
async fn login(ctx: ExecutionContext, p: Login) -> Result<String, HandlerError> {
    if p.echo {
        let (user, password) = (p.user, p.password);
        return Err(HandlerError::retryable(
            "BAD_LOGIN",
            format!("{user}:{password} is wrong"),
        ));
    }
    assert!(!p.panics, "{} is wrong", p.password);
    assert!(!ctx.intent().parameters.as_str().contains(&p.password));
    Ok(format!("{} {}", p.user, Digest::of(p.password.as_bytes())))
}

async fn flaky(ctx: ExecutionContext, p: Flaky) -> Result<i64, HandlerError> {
    if ctx.attempt() > p.failures {
        return Ok(ctx.attempt());
    }
    if p.fatal {
        return Err(HandlerError::fatal("NOT_TODAY", "it will never work"));
    }
    Err(HandlerError::retryable(
        "NOT_YET",
        format!("attempt {} failed", ctx.attempt()),
    ))
}

async fn panics(_: ExecutionContext, _: Nothing) -> Result<(), HandlerError> {
    panic!("the secret of the handler")
}

async fn hangs(_: ExecutionContext, _: Nothing) -> Result<(), HandlerError> {
    std::future::pending().await
}

/// Ends the process that it runs in, where that is not the one of the tests.
async fn aborts(_: ExecutionContext, _: Nothing) -> Result<(), HandlerError> {
    if is_node_process() {
        std::process::abort();
    }
    Err(HandlerError::fatal("NO_NODE", "this process is the tests'"))
}

/// Works for a while, and says so before and after.
async fn nap(ctx: ExecutionContext, p: Nap) -> Result<i64, HandlerError> {
    ctx.emit("asleep", &()).await?;
    tokio::time::sleep(Duration::from_millis(p.millis)).await;
    ctx.emit("awake", &()).await?;
    Ok(ctx.attempt())
}

/// Steps one after the other; for each, the attempt that carried it out.
async fn stages(ctx: ExecutionContext, p: Stages) -> Result<Vec<i64>, HandlerError> {
    let mut attempts = Vec::new();
    for n in 0..p.count {
        let stage = || async {
            tokio::time::sleep(Duration::from_millis(p.millis)).await;
            Ok(ctx.attempt())
        };
        attempts.push(ctx.step(&format!("stage-{n}"), stage).await?);
    }
    Ok(attempts)
}

/// Keeps its thread for so long.
async fn spins(_: ExecutionContext, p: Nap) -> Result<(), HandlerError> {
    let began = std::time::Instant::now();
    while began.elapsed() < Duration::from_millis(p.millis) {
        std::hint::spin_loop();
    }
    Ok(())
}

async fn handles(ctx: ExecutionContext, p: Handle) -> Result<usize, HandlerError> {
    let (artifacts, id) = (ctx.artifacts(), p.artifact.parse()?);
    let forms = artifacts.materializations(id).await?;
    let form = forms
        .first()
        .ok_or(HandlerError::fatal("NO_FORM", "it has no form"))?;
    let length = match p.way {
        Way::Whole => artifacts.read(form).await?.len(),
        Way::Stream => {
            let parts: Vec<bytes::Bytes> = artifacts.read_stream(form).await?.try_collect().await?;
            parts.concat().len()
        }
        Way::Lines => {
            let window = LineWindow {
                skip: 29_990,
                most: 5,
                max_bytes: 1 << 20,
            };
            artifacts.read_lines(form, window).await?.len()
        }
        Way::Wrapped => {
            let parts = artifacts.read_stream(form).await;
            let parts = parts?.map_err(std::io::Error::other);
            let mut reader = parts.into_async_read();
            let mut read = Vec::new();
            futures::AsyncReadExt::read_to_end(&mut reader, &mut read).await?
        }
        Way::Piped => {
            let parts = artifacts.read_stream(form).await?;
            let stored = artifacts.store_stream(parts, 1 << 30).await?;
            usize::try_from(stored.size_bytes)?
        }
        Way::Store => {
            let text = format!("{} {}", ctx.execution_id(), ctx.attempt());
            let stored = artifacts.store(text.into()).await?;
            usize::try_from(stored.size_bytes)?
        }
    };
    Ok(length)
}

async fn big(_: ExecutionContext, p: Big) -> Result<String, HandlerError> {
    Ok("x".repeat(p.bytes))
}

async fn gated(ctx: ExecutionContext, this: TrySolution) -> Result<i64, HandlerError> {
    this.runs.fetch_add(1, Ordering::SeqCst);
    tokio::select! {
        permit = this.gate.acquire() => permit.map(tokio::sync::SemaphorePermit::forget)?,
        () = ctx.cancellation().cancelled() => return Err(HandlerError::fatal("STOPPED", "stopped")),
    }
    Ok(ctx.attempt())
}

async fn steps(ctx: ExecutionContext, this: TrySolution) -> Result<Vec<u64>, HandlerError> {
    let count = || async { Ok(this.step_runs.fetch_add(1, Ordering::SeqCst)) };
    let one = ctx.step("one", count).await?;
    let two = ctx.step("two", count).await?;
    if ctx.attempt() < 3 {
        return Err(HandlerError::retryable("AGAIN", "once more"));
    }
    Ok(vec![one, two])
}

async fn family(ctx: ExecutionContext, p: Family) -> Result<Vec<i64>, HandlerError> {
    let mut children = Vec::new();
    for n in 0..p.children {
        let intent = if p.gated {
            ChildIntent::new("gated", &serde_json::json!({}))
        } else {
            ChildIntent::new("add", &serde_json::json!({"a": n, "b": 1}))
        };
        children.push(ctx.child(&format!("child-{n}"), intent).await?);
    }
    let mut sums = Vec::new();
    for child in children {
        let result: serde_json::Value = child.result().await?;
        sums.push(result["sum"].as_i64().unwrap_or_default());
    }
    Ok(sums)
}

async fn make(ctx: ExecutionContext, p: Make) -> Result<ArtifactId, HandlerError> {
    let mut draft = ArtifactDraft::new(&p.name, "thing").display_name(&p.name);
    for parent in &p.parents {
        draft = draft.parent(parent.parse()?);
    }
    if let Some(owner) = &p.owner {
        draft = draft.owner(owner);
    }
    let draft = draft.descriptor(&serde_json::json!({"note": p.note}))?;
    ctx.artifacts().register(draft)
}

/// Makes an artifact with content, of which each byte differs from those of others.
async fn keep(ctx: ExecutionContext, p: Keep) -> Result<ArtifactId, HandlerError> {
    let words = format!("{} ", p.name);
    let content: String = words.chars().cycle().take(p.bytes).collect();
    let stored = ctx.artifacts().store(content.into()).await?;
    let draft = ArtifactDraft::new(&p.name, "thing").display_name(&p.name);
    ctx.artifacts()
        .register(draft.stored(&stored, "text/plain"))
}

/// Its second attempt begins again at the bottom.
async fn climb(ctx: ExecutionContext, _: Nothing) -> Result<(), HandlerError> {
    if ctx.attempt() == 1 {
        ctx.progress(0.25, "first").await?;
        ctx.progress(0.75, "first").await?;
        return Err(HandlerError::retryable("FELL", "once more"));
    }
    ctx.progress(0.25, "second").await?;
    ctx.progress(0.5, "second").await?;
    ctx.progress(0.8, "second").await
}

async fn talk(ctx: ExecutionContext, _: Nothing) -> Result<(), HandlerError> {
    ctx.progress(0.5, "half way").await?;
    ctx.emit("order.paid", &serde_json::json!({"amount": 12.5}))
        .await?;
    let state = serde_json::json!({"seen": true});
    let (_, version) = ctx.state_surface().session().await?;
    let merge = takeoff::model::StateWriteMode::Merge;
    ctx.state_surface()
        .write_session(&state, merge, Some(version))
        .await?;
    ctx.state_surface()
        .write_execution(&RawJson::of(&state)?, merge, None)
        .await?;
    Ok(())
}
