//! A whole server in this process.

use std::{path::PathBuf, sync::Arc, time::Duration};

use futures::StreamExt;
use serde_json::{Value, json};
use takeoff::{
    app::{App, Server},
    config::{Config, Overrides},
    events::CheckpointKeys,
    model::{
        Event, Execution, ExecutionId, ExecutionStatus, Principal, RawJson, SessionId, Signed,
    },
    runtime::{SubmitIntent, Submitted},
    services::Error,
    services::Services,
    state_surface::NewSession,
    storage::{ChainReport, Report},
};
use tempfile::TempDir;

use super::{Backend, TrySolution};

/// A server with the handlers for tests, and a client for it.
pub struct TestApp {
    pub server: Server,
    pub solution: TrySolution,
    pub http: reqwest::Client,
    /// What is in it goes with the last of those who hold it: a test may drop its backend before.
    _folder: Option<Arc<TempDir>>,
}

/// The keys that sign checkpoints in tests, unless they have others.
const CHECKPOINT_KEYS: &str = "c1:0123456789abcdef0123456789abcdef";

/// The time that a test waits for what must happen, on a machine that is busy, too. Less than the longest period at
/// which a node looks for what it has missed (`runtime.poll_ms`), which some tests set so that nothing is found by it.
pub const PATIENCE: Duration = Duration::from_secs(50);

/// What comes within [`PATIENCE`]. A test that waited for ever would hold up all others, and nobody would know its name.
pub async fn soon<T>(coming: impl Future<Output = T>) -> T {
    let came = tokio::time::timeout(PATIENCE, coming).await;
    came.expect("it never comes")
}

/// A client over HTTP that does not wait for ever for an answer, or for the next part of one.
pub fn http() -> reqwest::Client {
    let client = reqwest::Client::builder().read_timeout(2 * PATIENCE);
    client.build().unwrap()
}

/// A lease that a test can wait for. It is lost by a node that gets no answer for two seconds and a half: tests whose
/// nodes are not to lose theirs have the longer one of [`settings`].
pub const SHORT_LEASE: &str = "runtime.lease_seconds=3";

/// Returns the configuration of a server of the tests; `settings` (`key=value`) come last and win.
pub fn settings(backend: &Backend, settings: &[&str]) -> Vec<String> {
    let mut set = vec![
        format!("data_dir={}", backend.folder.path().display()),
        "http.bind=127.0.0.1:0".to_owned(),
        format!("database.url={}", backend.url()),
        "runtime.lease_seconds=20".to_owned(),
        "runtime.heartbeat_seconds=1".to_owned(),
        "runtime.shutdown_grace_seconds=2".to_owned(),
        // On a busy machine what is not about these times takes longer than it may elsewhere.
        "graphql.timeout_ms=60000".to_owned(),
        "database.acquire_timeout_ms=20000".to_owned(),
        "database.statement_timeout_ms=20000".to_owned(),
        "secrets.keys=s1:0123456789abcdef0123456789abcdef".to_owned(),
        format!("log.checkpoint_keys={CHECKPOINT_KEYS}"),
    ];
    if let Some(url) = &backend.redis_url {
        set.push(format!("redis.url={url}"));
    }
    for &setting in settings {
        let key = setting.split('=').next().unwrap();
        set.retain(|other| other.split('=').next() != Some(key));
        set.push(setting.to_owned());
    }
    set
}

pub fn config(backend: &Backend, settings: &[&str]) -> Config {
    // The configuration of whoever runs the tests is none of theirs.
    let file = backend.folder.path().join("takeoff.toml");
    std::fs::write(&file, "").unwrap();
    load(self::settings(backend, settings), file)
}

pub fn load(set: Vec<String>, file: PathBuf) -> Config {
    let overrides = Overrides {
        set,
        config: Some(file),
        ..Overrides::default()
    };
    Config::load(&overrides, std::iter::empty()).unwrap()
}

impl TestApp {
    pub async fn start(backend: &Backend) -> Self {
        Self::start_with(backend, &[]).await
    }

    pub async fn start_with(backend: &Backend, settings: &[&str]) -> Self {
        let solution = TrySolution::default();
        let app = App::new(config(backend, settings)).solution(solution.clone());
        let server = app.listen().await.unwrap();
        Self {
            _folder: Some(Arc::clone(&backend.folder)),
            ..Self::of(server, solution)
        }
    }

    /// A server that the test has started on a backend that it keeps.
    pub fn of(server: Server, solution: TrySolution) -> Self {
        Self {
            server,
            solution,
            http: http(),
            _folder: None,
        }
    }

    /// Ends the node without recording anything, and lets its lease run out at once.
    pub async fn crash(self, backend: &Backend) {
        let node = self.services().runtime.node_id();
        self.server.crash();
        // On SQLite the next start does so.
        if backend.is_postgres() {
            let node = node.0;
            let statement = format!("UPDATE node SET expires_at = 0 WHERE id = '{node}'");
            backend.execute(&statement).await;
        }
    }

    pub fn services(&self) -> &Services {
        &self.server.node().services
    }

    pub fn principal(&self) -> Principal {
        self.principal_of("default")
    }

    pub fn principal_of(&self, tenant: &str) -> Principal {
        self.server.node().principal(tenant.parse().unwrap())
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.server.address())
    }

    /// Runs a GraphQL operation; the whole answer.
    pub async fn graphql(&self, query: &str, variables: Value) -> Value {
        let body = json!({"query": query, "variables": variables});
        let answer = self
            .http
            .post(self.url("/graphql"))
            .json(&body)
            .send()
            .await
            .unwrap();
        let answer: Value = answer.json().await.unwrap();
        assert_nothing_leaks(&answer);
        answer
    }

    /// Runs a GraphQL operation that must not have errors; its data.
    pub async fn data(&self, query: &str, variables: Value) -> Value {
        let mut answer = self.graphql(query, variables).await;
        assert!(answer.get("errors").is_none(), "{answer}");
        answer["data"].take()
    }

    pub async fn session(&self) -> SessionId {
        let new = NewSession::anonymous();
        self.services()
            .state
            .create_session(&self.principal(), new)
            .await
            .unwrap()
            .id
    }

    pub async fn submit(
        &self,
        session: SessionId,
        intent_type: &str,
        parameters: Value,
    ) -> Execution {
        let intent = SubmitIntent::new(intent_type, session, RawJson::from(&parameters));
        self.try_submit(intent).await.unwrap().execution
    }

    pub async fn try_submit(&self, intent: SubmitIntent) -> Result<Submitted, Error> {
        self.services()
            .runtime
            .submit(&self.principal(), intent)
            .await
    }

    /// Waits for the end of an execution.
    pub async fn ended(&self, id: ExecutionId) -> Execution {
        let scope = self.principal().scope();
        let waiting = self.services().events.wait_until_terminal(&scope, id);
        match tokio::time::timeout(PATIENCE, waiting).await {
            Ok(ended) => *ended.unwrap(),
            Err(late) => panic!("{late}: {:?}", self.execution(id).await),
        }
    }

    pub async fn run(&self, intent_type: &str, parameters: Value) -> Execution {
        self.run_in(self.session().await, intent_type, parameters)
            .await
    }

    pub async fn run_in(
        &self,
        session: SessionId,
        intent_type: &str,
        parameters: Value,
    ) -> Execution {
        let execution = self.submit(session, intent_type, parameters).await;
        self.ended(execution.id).await
    }

    pub async fn execution(&self, id: ExecutionId) -> Execution {
        let scope = self.principal().scope();
        self.services()
            .storage
            .find_executions(&scope, &[id])
            .await
            .unwrap()
            .remove(0)
    }

    /// Waits until an execution is in this status.
    pub async fn reaches(&self, id: ExecutionId, status: ExecutionStatus) -> Execution {
        self.until(|| async {
            let execution = self.execution(id).await;
            (execution.status == status).then_some(execution)
        })
        .await
    }

    /// Asks again and again until there is an answer.
    pub async fn until<T, F: Future<Output = Option<T>>>(&self, ask: impl Fn() -> F) -> T {
        let asking = async {
            loop {
                if let Some(answer) = ask().await {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, asking)
            .await
            .expect("it never came to be")
    }

    /// All events of an execution that ends, as a subscriber gets them.
    pub async fn events(&self, id: ExecutionId) -> Vec<Event> {
        let principal = self.principal();
        let events = &self.services().events;
        let batches = events.watch_execution(&principal, id, None).await.unwrap();
        let all = batches.map(|batch| batch.unwrap().events.to_vec()).concat();
        tokio::time::timeout(PATIENCE, all)
            .await
            .expect("the stream did not end")
    }

    pub async fn event_types(&self, id: ExecutionId) -> Vec<String> {
        self.events(id)
            .await
            .iter()
            .map(|event| event.body.type_name())
            .collect()
    }

    pub async fn verify(&self) -> Report {
        self.services().storage.verify().await.unwrap()
    }

    /// Log and state agree.
    pub async fn assert_agrees(&self) {
        assert_eq!(self.verify().await.differences, []);
    }

    /// Log and state agree, and the log is as it was written.
    pub async fn assert_verified(&self) {
        self.assert_agrees().await;
        assert_eq!(self.verify_chain().await.faults, []);
    }

    /// The log compared with its hashes, and with what was signed by the keys of the tests.
    pub async fn verify_chain(&self) -> ChainReport {
        let storage = &self.services().storage;
        let installation = storage.installation_id().await.unwrap();
        let keys = CheckpointKeys::new(&CHECKPOINT_KEYS.parse().unwrap()).unwrap();
        let is_signed = move |signed: Signed<'_>| keys.is_signed(installation, signed);
        let report = storage.verify_chain(Some(&is_signed), &[]).await;
        report.unwrap()
    }
}

/// No error of any answer shows anything of the layers below.
pub fn assert_nothing_leaks(answer: &Value) {
    let lower = [
        "SELECT ",
        "INSERT ",
        "UPDATE ",
        "DELETE ",
        "sqlx",
        "sea_orm",
        "DbErr",
        "SqlxError",
        "tokio",
        "panicked",
        "src/",
        ".rs:",
        "/tmp/",
        "/root/",
        "Some(",
        "None)",
        "Err(",
        "Error {",
        "postgres://",
        "sqlite://",
    ];
    for error in answer["errors"].as_array().into_iter().flatten() {
        let text = error["message"].as_str().expect("an error without message");
        assert!(error["extensions"]["code"].is_string(), "{error}");
        for leak in lower {
            assert!(!text.contains(leak), "{leak:?} in {text}");
        }
    }
}
