//! Journeys that submit many children at once: what another tenant meets meanwhile, and what the node
//! holds of them.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use super::trees::of_itself;
use crate::support::{Backend, NodeProcess, PATIENCE, TestApp, backends};

/// The most that such a journey may add to the memory of a node.
const MOST_BYTES: u64 = 128 << 20;
/// The number of executions in a burst.
const BURST: u64 = 2_000;

/// Parents that wait at once.
const WAITING: u64 = 500;
/// The most memory that each of them takes.
const MOST_BYTES_OF_A_PARENT: u64 = 96 << 10;

const CREATE_SESSION: &str = "mutation { createSession(input: {}) { session { id } } }";
const SUBMIT: &str = "mutation($input: SubmitIntentInput!) {
    submitIntent(input: $input) { execution { id } errors { code message } } }";
const READ: &str = "query($id: ID!) { execution(id: $id) { finishedAt } }";
const COUNT: &str = "{ executions(first: 1) { totalCount { count } } }";
const CANCEL: &str =
    "mutation($id: ID!) { cancelExecution(input: {executionId: $id}) { errors { code } } }";

/// A tenant that asks a node.
struct Tenant {
    name: &'static str,
    url: String,
    http: reqwest::Client,
    session: Value,
}

impl Tenant {
    async fn new(name: &'static str, address: SocketAddr) -> Self {
        let mut tenant = Self {
            name,
            url: format!("http://{address}/graphql"),
            http: crate::support::http(),
            session: Value::Null,
        };
        let created = tenant.ask(CREATE_SESSION, json!({})).await;
        tenant.session = created["createSession"]["session"]["id"].clone();
        tenant
    }

    /// Returns the answer, which must not be an error.
    async fn ask(&self, query: &str, variables: Value) -> Value {
        let request = self
            .http
            .post(&self.url)
            .header("x-takeoff-tenant", self.name)
            .json(&json!({"query": query, "variables": variables}));
        let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
        assert!(answer.get("errors").is_none(), "{}: {answer}", self.name);
        answer["data"].take()
    }

    async fn submit(&self, intent_type: &str, parameters: Value) -> Value {
        let input =
            json!({"intentType": intent_type, "sessionId": self.session, "parameters": parameters});
        let answer = self.ask(SUBMIT, json!({"input": input})).await;
        let submitted = &answer["submitIntent"];
        assert_eq!(submitted["errors"], json!([]), "{}", self.name);
        submitted["execution"]["id"].clone()
    }

    async fn ended(&self, id: &Value) {
        let began = Instant::now();
        while self.ask(READ, json!({"id": id})).await["execution"]["finishedAt"].is_null() {
            assert!(began.elapsed() < PATIENCE, "{} waits for ever", self.name);
        }
    }
}

/// Returns the number of the tenant's executions.
async fn count(tenant: &Tenant) -> u64 {
    let counted = tenant.ask(COUNT, json!({})).await;
    counted["executions"]["totalCount"]["count"]
        .as_u64()
        .unwrap()
}

/// A journey of so many equal steps that do not wait for each other.
fn wide(steps: usize, intent_type: &str, parameters: &Value) -> Value {
    let step =
        |n| json!({"name": format!("s{n}"), "intent_type": intent_type, "parameters": parameters});
    json!({"steps": (0..steps).map(step).collect::<Vec<_>>()})
}

backends! {
    async fn another_tenant_is_answered_while_a_journey_submits_itself(backend: Backend) {
        let node = NodeProcess::start(&backend, &[]).await;
        let hostile = Tenant::new("hostile", node.address).await;
        let other = Tenant::new("other", node.address).await;
        let echo = async || {
            let id = other.submit("echo", json!({"message": "hello"})).await;
            other.ask(READ, json!({"id": id})).await;
            other.ended(&id).await;
        };
        echo().await;
        let (before, mapped_before) = (node.memory_bytes(), node.mapped_bytes());
        node.forget_peak();
        let root = hostile.submit("compose_journey", of_itself(10)).await;
        // It is answered every time, by a node that has thousands of the other's to do.
        let mut echoes = 0;
        while count(&hostile).await < BURST || echoes < 10 {
            echo().await;
            echoes += 1;
        }
        let mapped = node.mapped_bytes().saturating_sub(mapped_before);
        let grown = node.peak_memory_bytes().saturating_sub(before + mapped);
        println!("{echoes} echoes, {} MB more memory", grown >> 20);
        assert!(grown < MOST_BYTES, "{} MB more memory", grown >> 20);
        hostile.ask(CANCEL, json!({"id": root})).await;
        echo().await;
    }

    async fn three_levels_of_children_end_with_few_slots_and_one_connection_for_their_reads(backend: Backend) {
        // On PostgreSQL the writers' connections are of the pool.
        let connections = if backend.is_postgres() { 4 } else { 1 };
        let connections = format!("database.max_connections={connections}");
        // The second time there are more children at once than a tenant has turns for.
        for (slots, width, executions) in [(1, 4, 49), (8, 16, 49 + 157)] {
            let slots = format!("runtime.max_concurrent_executions={slots}");
            let app = TestApp::start_with(&backend, &[slots.as_str(), connections.as_str()]).await;
            let innermost = wide(width, "add", &json!({"a": 1, "b": 2}));
            let middle = wide(3, "compose_journey", &innermost);
            let root = wide(3, "compose_journey", &middle);
            let root = app.submit(app.session().await, "compose_journey", root).await.id;
            let scope = app.principal().scope();
            let waiting = app.services().events.wait_until_terminal(&scope, root);
            // A hundred executions one after the other, on a disk that is busy; sooner than a timer wakes a parent.
            let done = tokio::time::timeout(Duration::from_mins(1), waiting).await;
            let done = done.expect("they wait for each other").unwrap();
            assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
            assert_eq!(app.verify().await.executions, executions);
            app.assert_verified().await;
            app.server.stop().await;
        }
    }
}

/// PostgreSQL only: what SQLite keeps of its rows is in the process, too.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_parent_that_waits_for_ten_children_takes_little_memory() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let node = NodeProcess::start(&backend, &[]).await;
    let tenant = Tenant::new("waits", node.address).await;
    // No node has the handler of the children: their parents wait.
    let journey = wide(10, "remote", &json!({}));
    let wait = async |before_that: u64, parents: u64| {
        for _ in 0..parents {
            tenant.submit("compose_journey", journey.clone()).await;
        }
        let began = Instant::now();
        while count(&tenant).await < 11 * (parents + before_that) {
            assert!(
                began.elapsed() < PATIENCE,
                "they do not submit their children"
            );
        }
    };
    wait(0, 20).await;
    let (before, mapped_before) = (node.memory_bytes(), node.mapped_bytes());
    wait(20, WAITING).await;
    let mapped = node.mapped_bytes().saturating_sub(mapped_before);
    let grown = node.memory_bytes().saturating_sub(before + mapped);
    println!("{} KB for each", grown / WAITING / 1024);
    assert!(
        grown < WAITING * MOST_BYTES_OF_A_PARENT,
        "{grown} bytes more"
    );
}
