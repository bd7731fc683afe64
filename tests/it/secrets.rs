//! No secret leaves the server: each is a canary here, and everything that comes out is searched for them.

use std::{
    process::{Command, Output, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{Router, body::Bytes, extract::State, routing::post};
use serde_json::{Value, json};

use crate::support::{Backend, NodeProcess, PATIENCE, Received, Socket, backends};

/// Stands in every secret, and in nothing else.
const CANARY: &str = "canary";

fn secret(of: &str) -> String {
    format!("{CANARY}-{of}-0123456789-abcdefghijk")
}

fn assert_silent(place: &str, text: &str) {
    let lower = text.to_lowercase();
    if let Some(at) = lower.find(CANARY) {
        let begin = lower[..at]
            .char_indices()
            .rev()
            .nth(300)
            .map_or(0, |(at, _)| at);
        let end = lower[at..]
            .char_indices()
            .nth(100)
            .map_or(lower.len(), |(end, _)| at + end);
        panic!("{place} tells a secret: {}", &lower[begin..end]);
    }
}

/// A collector of traces: all that it is sent, as text as far as it is.
async fn collector() -> (String, Arc<Mutex<String>>) {
    let heard: Arc<Mutex<String>> = Arc::default();
    let hear = |State(heard): State<Arc<Mutex<String>>>, body: Bytes| async move {
        heard
            .lock()
            .unwrap()
            .push_str(&String::from_utf8_lossy(&body));
    };
    let routes = Router::new()
        .route("/v1/traces", post(hear))
        .with_state(Arc::clone(&heard));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, routes).await });
    (format!("http://{address}"), heard)
}

/// The settings with secrets of every kind that a server takes.
fn planted(backend: &Backend) -> Vec<String> {
    let mut set = vec![
        format!("content.signing_keys=k1:{}", secret("links")),
        format!("log.checkpoint_keys=c1:{}", secret("checkpoints")),
        format!("secrets.keys=s1:{}", secret("parameters")),
        format!("auth.token_keys=t1:{}", secret("tokens")),
        "content.s3.access_key_id=takeoff".to_owned(),
        format!("content.s3.secret_access_key={}", secret("bucket")),
    ];
    if !backend.is_postgres() {
        set.push(format!("database.url={}", backend.url()));
    }
    // PostgreSQL trusts whoever comes from this machine, with any password.
    let url = backend.url();
    if let Some((scheme, place)) = url.split_once("://").filter(|_| backend.is_postgres()) {
        let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
        let user = url
            .split_once("://")
            .and_then(|(_, rest)| rest.split_once('@'));
        let user = user.map_or("postgres", |(login, _)| login.split(':').next().unwrap());
        set.push(format!(
            "database.url={scheme}://{user}:{}@{place}",
            secret("database")
        ));
    }
    set
}

fn command(backend: &Backend, set: &[String], arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_takeoff"));
    command
        .env_clear()
        .current_dir(backend.folder.path())
        .stdin(Stdio::null());
    // A client takes no flags of a server.
    if !set.is_empty() {
        command.args(["--data-dir", backend.folder.path().to_str().unwrap()]);
    }
    for setting in set {
        command.args(["--set", setting]);
    }
    command.args(arguments);
    command
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

fn said(output: &Output) -> String {
    let said = [output.stdout.clone(), output.stderr.clone()].concat();
    String::from_utf8(said).unwrap()
}

const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) {
    execution { id } errors { code message path } } }";
const TOLD: &str = "{ executions(first: 20) { nodes { id error { code message } result attempt
        intent { parameters metadata } events(first: 10) { nodes { type __typename } } } }
    walEntries(first: 200) { nodes { type data payload actor } } logCheckpoint { statement publicKey signature }
    apiKeys { nodes { id prefix label } } intentTypes { name handlers { parametersSchema } } }";

/// A client that keeps everything that it is told.
struct Client<'a> {
    node: &'a NodeProcess,
    token: &'a str,
}

impl Client<'_> {
    async fn answer(&self, request: reqwest::RequestBuilder) -> String {
        let answer = request.bearer_auth(self.token).send().await.unwrap();
        let headers = format!("{:?}", answer.headers());
        let text = answer.text().await.unwrap();
        assert_silent("an answer", &text);
        assert_silent("a header", &headers);
        text
    }

    async fn graphql(&self, query: &str, variables: Value) -> Value {
        let url = format!("http://{}/graphql", self.node.address);
        let body = json!({"query": query, "variables": variables});
        let text = self
            .answer(crate::support::http().post(url).json(&body))
            .await;
        serde_json::from_str(&text).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        let url = format!("http://{}{path}", self.node.address);
        self.answer(crate::support::http().get(url)).await
    }

    /// Waits for the end of an execution over a socket.
    async fn follow(&self, id: &str) {
        let payload = json!({"authorization": format!("Bearer {}", self.token)});
        let mut socket = Socket::open(self.node.address, &payload).await.unwrap();
        let query =
            "subscription($id: ID!) { executionEvents(executionId: $id) { events { type __typename
            ... on ExecutionFailed { error { message } } } } }";
        socket
            .subscribe("1", query, &json!({"id": id}))
            .await
            .unwrap();
        loop {
            let received = tokio::time::timeout(PATIENCE, socket.receive())
                .await
                .unwrap();
            let Received::Message(message) = received.unwrap() else {
                return;
            };
            assert_silent("an event", &message.to_string());
            assert_ne!(message["type"], "error", "{message}");
            if message["type"] != "next" {
                return;
            }
        }
    }
}

backends! {
    async fn no_secret_is_in_anything_that_comes_out(backend: Backend) {
        let (collector, traces) = collector().await;
        let mut set = planted(&backend);
        set.push("auth.mode=required".to_owned());
        let made = output(command(&backend, &set, &["keys", "create", "--admin"])).await;
        assert!(made.status.success(), "{made:?}");
        let token = String::from_utf8(made.stdout).unwrap();
        let token = token.trim();
        set.extend(["telemetry.log=trace".to_owned(), format!("telemetry.otlp_endpoint={collector}")]);
        let mut node = NodeProcess::start(&backend, &set.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let client = Client { node: &node, token };

        let session = client.graphql(
            "mutation { createSession(input: {userId: \"ann\"}) { session { id } } }", json!({})).await;
        let session = session["data"]["createSession"]["session"]["id"].clone();
        let login = |echo: bool| json!({"user": "ann", "password": secret("password"), "echo": echo});
        let journey = json!({"token": secret("journey"), "steps": [{"name": "in", "intent_type": "login",
            "parameters": {"user": "ann", "password": {"$param": "token"}}}]});
        let mut ids = Vec::new();
        for (intent_type, parameters) in [("login", login(false)), ("login", login(true)),
            ("login", json!({"user": 1, "password": secret("refused")})), ("compose_journey", journey)] {
            let input = json!({"intentType": intent_type, "sessionId": session, "parameters": parameters,
                "idempotencyKey": format!("key {}", ids.len())});
            let submitted = client.graphql(SUBMIT, json!({"input": input})).await;
            let submitted = &submitted["data"]["submitIntent"]["execution"];
            ids.extend(submitted["id"].as_str().map(str::to_owned));
        }
        assert_eq!(ids.len(), 3);
        let rest = format!("http://{}/api/intent/submit", node.address);
        let body = json!({"intent_type": "login", "session_id": session, "parameters": login(false)});
        let by_rest = client.answer(crate::support::http().post(rest).json(&body)).await;
        let by_rest: Value = serde_json::from_str(&by_rest).unwrap();
        ids.push(by_rest["execution_id"].as_str().unwrap().to_owned());
        for id in &ids {
            client.follow(id).await;
            client.get(&format!("/api/execution/{id}")).await;
        }
        // Proofs that prove nothing.
        for proof in [secret("proof"), format!("tk_{}", secret("key")), format!("{token}{}", secret("token"))] {
            let wrong = Client { node: &node, token: &proof };
            wrong.graphql("{ viewer { tenantId } }", json!({})).await;
        }
        let told = client.graphql(TOLD, json!({})).await;
        assert!(told["errors"].is_null(), "{told}");
        assert!(told["data"].to_string().contains(r#""password":"***""#), "{told}");
        client.graphql("{ nothing }", json!({})).await;
        for path in ["/metrics", "/health", "/ready", "/api/openapi.json", "/api/session/none"] {
            client.get(path).await;
        }
        for arguments in [&["executions", "--json"][..], &["show", &ids[1], "--json"], &["watch", &ids[1]],
            &["types", "login"], &["submit", "login", "--param", &format!("password={}", secret("typed"))]] {
            let mut shown = command(&backend, &[], arguments);
            shown.env("TAKEOFF_URL", format!("http://{}", node.address)).env("TAKEOFF_TOKEN", token);
            let shown = output(shown).await;
            assert_silent("the command line", &said(&shown));
            assert!(!said(&shown).contains(token));
        }
        // Traces are sent every few seconds, and what is left of them at the end.
        let heard = tokio::time::timeout(PATIENCE, async {
            while !traces.lock().unwrap().contains("submit") {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        heard.await.expect("no trace was sent");
        assert_silent("a trace", &traces.lock().unwrap());
        let log = node.log();
        assert!(log.contains("TRACE") && log.contains("login"), "it is no log at trace level");
        assert_silent("the log", &log);
        assert!(!log.contains(&token[20..]), "the log tells a key");
        node.kill();

        for arguments in [&["config"][..], &["verify", "--chain"], &["keys", "list"], &["secrets", "rotate"],
            &["migrate"], &["--help"], &["schema"]] {
            let shown = output(command(&backend, &set, arguments)).await;
            assert!(shown.status.success(), "{arguments:?} {}", said(&shown));
            assert_silent(&format!("{arguments:?}"), &said(&shown));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_complaint_of_a_server_that_cannot_start() {
    let backend = Backend::sqlite();
    for setting in [
        format!(
            "database.url=postgres://takeoff:{}@127.0.0.1:1/x",
            secret("database")
        ),
        format!("redis.url=redis://:{}@127.0.0.1:1", secret("redis")),
        format!(
            "content.signing_keys=k1:{}, {}",
            secret("one"),
            secret("two")
        ),
        format!("content.signing_keys=K1:{}", secret("one")),
        "content.signing_keys=canary".to_owned(),
        format!("content.s3.secret_access_key={}", secret("alone")),
        format!("secrets.keys={0}, {0}", secret("twice")),
        format!("nothing={}", secret("unknown")),
        format!(
            "auth.issuers=[{{\"url\":\"https://me:{}@127.0.0.1:1\"}}]",
            secret("issuer")
        ),
        format!(
            "auth.issuers=[{{\"url\":\"https://127.0.0.1:1\",\"audience\":[\"a\"],\"tenant\":\"acme\",\
             \"console\":{{\"client_id\":\"c\",\"client_secret\":\"{}\"}},\"colour\":7}}]",
            secret("client")
        ),
    ] {
        for more in [&[][..], &["telemetry.log=trace".to_owned()]] {
            let set = [&[setting.clone()][..], more].concat();
            let refused = output(command(&backend, &set, &["serve"])).await;
            assert!(!refused.status.success(), "{setting}");
            assert!(!refused.stderr.is_empty());
            assert_silent(&setting, &said(&refused));
        }
    }
}
