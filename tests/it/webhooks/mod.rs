//! Webhooks: what happens is told to a receiver of the test, at least once and in order.

mod api;
mod changes;
mod costs;
mod deliver;
mod fates;
mod rights;
mod secrets;
mod shares;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::{
    Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{IntoResponse as _, Response},
};
use serde_json::{Value, json};
use takeoff::{app::App, clock::Clock, model::ExecutionId};
use tokio::sync::Semaphore;

use crate::support::{Backend, TestApp, TrySolution, config};

/// A node that delivers to this machine, and does not wait for long.
pub const HERE: [&str; 3] = [
    "webhooks.allow_private_addresses=true",
    "webhooks.first_retry_ms=20",
    "runtime.poll_ms=20",
];

pub async fn node(backend: &Backend) -> TestApp {
    TestApp::start_with(backend, &HERE).await
}

/// One that goes by `clock`.
pub async fn node_by(backend: &Backend, clock: &Clock, settings: &[&str]) -> TestApp {
    let solution = TrySolution::default();
    let app = App::new(config(backend, &[&HERE[..], settings].concat()));
    let app = app.solution(solution.clone()).clock(clock.clone());
    let server = app.listen().await.unwrap();
    TestApp::of(server, solution)
}

/// What a receiver answers.
#[derive(Clone)]
pub enum Reply {
    Status(u16),
    With(u16, &'static [(&'static str, &'static str)], String),
    /// Nothing until the gate lets it through, then 200.
    Gated,
}

/// A delivery as it came.
#[derive(Debug, Clone)]
pub struct Hook {
    pub id: String,
    pub seconds: i64,
    pub signatures: String,
    pub content_type: String,
    pub text: String,
    pub event: Value,
    /// True once it was answered by 200.
    pub accepted: bool,
}

impl Hook {
    pub fn execution(&self) -> &str {
        self.event["execution_id"].as_str().unwrap()
    }

    pub fn sequence(&self) -> i64 {
        self.event["sequence"].as_i64().unwrap()
    }
}

type Answering = Arc<dyn Fn(usize, &Value) -> Reply + Send + Sync>;

struct Shared {
    hooks: Mutex<Vec<Hook>>,
    answer: Mutex<Answering>,
    gate: Semaphore,
    /// The most deliveries that have waited for their answer at the same time.
    most: AtomicUsize,
}

/// A receiver at a free port of this machine.
pub struct Receiver {
    shared: Arc<Shared>,
    pub url: String,
}

fn header(headers: &HeaderMap, name: &str) -> String {
    let value = headers.get(name).unwrap_or_else(|| panic!("{name}"));
    value.to_str().unwrap().to_owned()
}

async fn receive(State(shared): State<Arc<Shared>>, headers: HeaderMap, text: String) -> Response {
    let event: Value = serde_json::from_str(&text).unwrap();
    let answer = Arc::clone(&*shared.answer.lock().unwrap());
    let number = {
        let mut hooks = shared.hooks.lock().unwrap();
        hooks.push(Hook {
            id: header(&headers, "webhook-id"),
            seconds: header(&headers, "webhook-timestamp").parse().unwrap(),
            signatures: header(&headers, "webhook-signature"),
            content_type: header(&headers, "content-type"),
            text,
            event: event.clone(),
            accepted: false,
        });
        let waiting = hooks.iter().filter(|hook| !hook.accepted).count();
        shared.most.fetch_max(waiting, Ordering::Relaxed);
        hooks.len() - 1
    };
    let accept = || shared.hooks.lock().unwrap()[number].accepted = true;
    match answer(number, &event) {
        Reply::Status(status) => {
            if status == 200 {
                accept();
            }
            StatusCode::from_u16(status).unwrap().into_response()
        }
        Reply::With(status, headers, text) => {
            let mut answer = (StatusCode::from_u16(status).unwrap(), text).into_response();
            for (name, value) in headers {
                answer.headers_mut().insert(*name, value.parse().unwrap());
            }
            answer
        }
        Reply::Gated => {
            shared.gate.acquire().await.unwrap().forget();
            accept();
            StatusCode::OK.into_response()
        }
    }
}

impl Receiver {
    /// One that answers as `answer` says to the delivery of a number, from 0, and an event.
    pub async fn start(answer: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let shared = Arc::new(Shared {
            hooks: Mutex::default(),
            answer: Mutex::new(Arc::new(answer)),
            gate: Semaphore::new(0),
            most: AtomicUsize::new(0),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive);
        let router = router.with_state(Arc::clone(&shared));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { shared, url }
    }

    pub async fn accepting() -> Self {
        Self::start(|_, _| Reply::Status(200)).await
    }

    /// Answers otherwise from now on.
    pub fn answer(&self, answer: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) {
        *self.shared.answer.lock().unwrap() = Arc::new(answer);
    }

    /// Lets what waits through, and whatever comes.
    pub fn open_gate(&self) {
        self.shared.gate.add_permits(100_000);
    }

    /// Lets so many through.
    pub fn let_through(&self, count: usize) {
        self.shared.gate.add_permits(count);
    }

    pub fn most_at_once(&self) -> usize {
        self.shared.most.load(Ordering::Relaxed)
    }

    /// All that has come, in order.
    pub fn hooks(&self) -> Vec<Hook> {
        self.shared.hooks.lock().unwrap().clone()
    }

    pub fn accepted(&self) -> Vec<Hook> {
        let hooks = self.hooks().into_iter();
        hooks.filter(|hook| hook.accepted).collect()
    }

    /// Waits until every event of these executions was accepted.
    pub async fn has_all(&self, app: &TestApp, executions: &[ExecutionId]) {
        let mut expected = HashSet::new();
        for id in executions {
            let events = app.events(*id).await;
            expected.extend(events.iter().map(|event| event.id().to_string()));
        }
        let accepted = || async {
            let accepted = self.accepted();
            let accepted = accepted
                .iter()
                .map(|hook| hook.event["id"].as_str().unwrap());
            let accepted: HashSet<&str> = accepted.collect();
            expected
                .iter()
                .all(|id| accepted.contains(id.as_str()))
                .then_some(())
        };
        app.until(accepted).await;
    }
}

/// The sequences of what came, by execution.
pub fn sequences(hooks: &[Hook]) -> BTreeMap<String, Vec<i64>> {
    let mut found = BTreeMap::<String, Vec<i64>>::new();
    for hook in hooks {
        let of = found.entry(hook.execution().to_owned()).or_default();
        of.push(hook.sequence());
    }
    found
}

/// Each execution's events begin with the first, and no one comes before the one before it has come.
pub fn assert_in_order(hooks: &[Hook]) {
    for (execution, sequences) in sequences(hooks) {
        let mut known = 0;
        for sequence in &sequences {
            assert!(*sequence <= known + 1, "{execution}: {sequences:?}");
            known = known.max(*sequence);
        }
    }
}

pub const FIELDS: &str = "id name url status disabledReason createdBy cursor consecutiveFailures lastSuccessAt \
    lastFailureAt lastFailure nextAttemptAt formerSecretUntil filter { types intentType sessionId }";

pub struct Made {
    pub id: String,
    pub secret: String,
}

pub fn creation() -> String {
    format!(
        "mutation($input: CreateWebhookInput!) {{ it: createWebhook(input: $input) {{ webhook {{ {FIELDS} }} secret \
         errors {{ code message path }} }} }}"
    )
}

/// A webhook that must be made.
pub async fn made(app: &TestApp, input: Value) -> Made {
    let made = app.data(&creation(), json!({"input": input})).await["it"].take();
    assert_eq!(made["errors"], json!([]), "{made}");
    Made {
        id: made["webhook"]["id"].as_str().unwrap().to_owned(),
        secret: made["secret"].as_str().unwrap().to_owned(),
    }
}

/// The document of a mutation that changes a webhook.
pub fn changing(mutation: &str) -> String {
    let (first, rest) = mutation.split_at(1);
    format!(
        "mutation($input: {}{rest}Input!) {{ it: {mutation}(input: $input) {{ webhook {{ {FIELDS} }} \
         errors {{ code message path }} }} }}",
        first.to_uppercase()
    )
}

/// The webhook after a change that must succeed.
pub async fn change(app: &TestApp, mutation: &str, input: Value) -> Value {
    let mut changed = app.data(&changing(mutation), json!({"input": input})).await["it"].take();
    assert_eq!(changed["errors"], json!([]), "{changed}");
    changed["webhook"].take()
}

pub fn reading() -> String {
    format!("query($id: ID!) {{ webhook(id: $id) {{ {FIELDS} }} }}")
}

pub async fn read(app: &TestApp, id: &str) -> Value {
    app.data(&reading(), json!({"id": id})).await["webhook"].take()
}

/// The webhook once it is as `is` says.
pub async fn once(app: &TestApp, id: &str, is: impl Fn(&Value) -> bool) -> Value {
    app.until(|| async {
        let found = read(app, id).await;
        is(&found).then_some(found)
    })
    .await
}

/// The entries of a webhook in the log.
pub async fn entries(app: &TestApp, id: &str) -> Vec<Value> {
    let query =
        "query($id: ID) { walEntries(filter: {streamId: $id}) { nodes { type actor data } } }";
    let found = app.data(query, json!({"id": id})).await;
    found["walEntries"]["nodes"].as_array().unwrap().clone()
}
