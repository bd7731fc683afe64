//! An execution that ends the process it runs in.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use takeoff::model::{ExecutionId, ExecutionStatus};

use crate::support::{Backend, NodeProcess, SHORT_LEASE, TestApp, backends};

async fn lives_until_it_is_killed(app: &TestApp) {
    let began = || async { (app.solution.killers.load(Ordering::SeqCst) > 0).then_some(()) };
    app.until(began).await;
}

async fn assert_blamed(app: &TestApp, id: ExecutionId) {
    let blamed = app.ended(id).await;
    assert_eq!(
        (blamed.status, blamed.attempt),
        (ExecutionStatus::Failed, 3)
    );
    assert_eq!((blamed.crashes, blamed.lost_attempts), (3, 3));
    assert_eq!(blamed.error.unwrap().code, "ATTEMPT_LOST");
}

backends! {
    async fn what_ends_its_process_three_times_in_a_row_fails_and_what_was_there_does_not(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let killer = app.submit(session, "killer", json!({})).await.id;
        let mut others = Vec::new();
        for _ in 0..3 {
            others.push(app.submit(session, "gated", json!({})).await.id);
        }
        for life in 1..=3 {
            lives_until_it_is_killed(&app).await;
            if life < 3 {
                app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 3).then_some(()) }).await;
            } else {
                // The suspect runs alone.
                assert_eq!(app.solution.runs.load(Ordering::SeqCst), 0);
            }
            app.crash(&backend).await;
            app = TestApp::start(&backend).await;
        }
        assert_blamed(&app, killer).await;
        app.solution.gate.add_permits(others.len());
        for id in others {
            let done = app.ended(id).await;
            assert_eq!((done.status, done.crashes), (ExecutionStatus::Completed, 2));
        }
        app.assert_verified().await;
    }

    async fn a_parent_is_not_blamed_for_its_child(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let steps = json!([{"name": "bad", "intent_type": "killer"}]);
        let parent = app.submit(session, "compose_journey", json!({"steps": steps})).await.id;
        for _ in 1..=3 {
            lives_until_it_is_killed(&app).await;
            app.crash(&backend).await;
            app = TestApp::start(&backend).await;
        }
        let failed = app.ended(parent).await;
        let error = failed.error.unwrap();
        assert_eq!(error.code, "CHILD_FAILED", "{error:?}");
        assert!(error.message.contains("ATTEMPT_LOST"), "{error:?}");
        app.assert_verified().await;
    }

    async fn what_ran_alone_and_ended_by_itself_is_no_longer_suspected(backend: Backend) {
        let mut app = TestApp::start(&backend).await;
        let session = app.session().await;
        let id = app.submit(session, "gated", json!({})).await.id;
        for _ in 1..=2 {
            app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 1).then_some(()) }).await;
            app.crash(&backend).await;
            app = TestApp::start(&backend).await;
        }
        app.until(|| async { (app.solution.runs.load(Ordering::SeqCst) == 1).then_some(()) }).await;
        // Nothing else starts meanwhile, and nothing is lost by that.
        let other = app.submit(session, "add", json!({"a": 1, "b": 1})).await;
        assert_eq!(other.status, ExecutionStatus::Created);
        app.solution.gate.add_permits(1);
        assert_eq!(app.ended(id).await.status, ExecutionStatus::Completed);
        assert_eq!(app.ended(other.id).await.status, ExecutionStatus::Completed);
    }
}

/// Its nodes are started again many times.
const LIMIT: Duration = Duration::from_mins(3);

const SETTINGS: [&str; 2] = ["telemetry.log=warn", SHORT_LEASE];

/// Processes that share a database, each started again when it has ended.
struct Cluster {
    backend: Backend,
    nodes: Vec<NodeProcess>,
    http: reqwest::Client,
    ends: usize,
}

impl Cluster {
    async fn start(backend: Backend, count: usize) -> Self {
        let mut nodes = vec![];
        for _ in 0..count {
            nodes.push(NodeProcess::start(&backend, &SETTINGS).await);
        }
        Self {
            backend,
            nodes,
            http: crate::support::http(),
            ends: 0,
        }
    }

    /// Asks one after the other until one answers.
    async fn ask(&mut self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let asked = Instant::now();
        loop {
            assert!(asked.elapsed() < LIMIT, "nobody answers");
            for at in 0..self.nodes.len() {
                let url = format!("http://{}/graphql", self.nodes[at].address);
                if let Ok(answer) = self.http.post(url).json(&body).send().await
                    && let Ok(mut answer) = answer.json::<Value>().await
                    && answer.get("errors").is_none()
                {
                    return answer["data"].take();
                }
            }
            self.restart().await;
        }
    }

    async fn restart(&mut self) {
        for node in &mut self.nodes {
            if node.has_ended() {
                self.ends += 1;
                *node = NodeProcess::start(&self.backend, &SETTINGS).await;
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }

    async fn submit(&mut self, intent_type: &str, parameters: Value, key: &str) -> String {
        let session = "mutation { createSession(input: {}) { session { id } } }";
        let session = self.ask(session, json!({})).await["createSession"]["session"]["id"].take();
        let query =
            "mutation($i: SubmitIntentInput!) { submitIntent(input: $i) { execution { id } } }";
        let input = json!({"i": {"intentType": intent_type, "sessionId": session, "parameters": parameters,
            "idempotencyKey": key}});
        let submitted = self.ask(query, input).await;
        let id = &submitted["submitIntent"]["execution"]["id"];
        id.as_str().unwrap().to_owned()
    }

    /// Waits for the end of an execution, whatever ends meanwhile.
    async fn ended(&mut self, id: &str) -> Value {
        let query = "query($id: ID!) { execution(id: $id) { status finishedAt error { code } } }";
        let asked = Instant::now();
        loop {
            assert!(asked.elapsed() < LIMIT, "it does not end");
            let found = self.ask(query, json!({"id": id})).await["execution"].take();
            if !found["finishedAt"].is_null() {
                return found;
            }
            self.restart().await;
        }
    }
}

/// PostgreSQL only: real processes, which it ends on whichever of the nodes takes it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_aborts_the_processes_of_several_nodes_ends_three_of_them_and_no_bystander() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let mut cluster = Cluster::start(backend, 3).await;
    let mut bystanders = vec![];
    for n in 0..6 {
        let key = format!("bystander {n}");
        bystanders.push(cluster.submit("nap", json!({"millis": 2_000}), &key).await);
    }
    let aborts = cluster.submit("abort", json!({}), "abort").await;
    let told = async {
        let failed = cluster.ended(&aborts).await;
        assert_eq!(
            (&failed["status"], &failed["error"]["code"]),
            (&json!("FAILED"), &json!("ATTEMPT_LOST"))
        );
        for id in &bystanders {
            assert_eq!(cluster.ended(id).await["status"], "COMPLETED");
        }
        cluster
    };
    let mut cluster = tokio::time::timeout(Duration::from_mins(2), told)
        .await
        .expect("it goes on for ever");
    cluster.restart().await;
    assert_eq!(cluster.ends, 3, "no process ended after it had failed");
    let app = TestApp::start(&cluster.backend).await;
    assert_blamed(&app, aborts.parse().unwrap()).await;
    for id in bystanders {
        let done = app.execution(id.parse().unwrap()).await;
        assert!(done.crashes < 3, "{done:?}");
    }
    app.assert_verified().await;
}
