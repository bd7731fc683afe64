//! Clients that go on whatever happens to the server: each request is repeated with its key until
//! it is answered, and a subscriber comes back with its cursor.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use takeoff::model::ExecutionId;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, Received, Socket};

const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { \
     errors { __typename } replayed execution { id } } }";
const WATCH: &str = "subscription($session: ID!, $after: String) { \
     sessionEvents(sessionId: $session, after: $after) { cursor events { executionId sequence \
     type ... on ArtifactRegistered { artifact { id } } } } }";
const READ_STATE: &str = "query($session: ID!) { session(id: $session) { state stateVersion } }";
const WRITE_STATE: &str = "mutation($input: SetSessionStateInput!) { setSessionState(input: $input) { \
     errors { code } session { stateVersion } } }";
/// A client that was refused or cut off comes back after so long.
const PAUSE: Duration = Duration::from_millis(20);
/// A server that neither answers nor ends the connection is given up after so long.
const LIMIT: Duration = Duration::from_secs(15);
/// No fault lasts so long that a request is refused all the time.
const GIVEN_UP: Duration = Duration::from_mins(3);
/// The number of clients that count in the session's state.
const COUNTERS: u64 = 2;

/// A request that was made until it was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub input: Value,
    pub id: ExecutionId,
}

/// An event as a subscriber sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    pub execution_id: ExecutionId,
    pub sequence: i64,
    pub type_name: String,
}

/// The clients of one session.
pub struct Load {
    session: String,
    seed: u64,
    addresses: watch::Sender<Vec<SocketAddr>>,
    /// By key.
    acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    artifacts: Mutex<Vec<String>>,
    /// By client: what it found in the session's state, and what it wrote last.
    counts: Mutex<BTreeMap<String, (u64, u64)>>,
    seen: watch::Sender<Vec<Seen>>,
    keys: AtomicU64,
    /// The number of answers that were lost or refused, and asked for again.
    pub repeated: AtomicUsize,
    /// The number of times that the subscriber came back.
    pub resumed: AtomicUsize,
    stop: CancellationToken,
    http: reqwest::Client,
}

impl Load {
    /// A session on the server at `address`, for clients to come.
    pub async fn begin(address: SocketAddr, seed: u64) -> Arc<Self> {
        Self::begin_in("default", address, seed).await
    }

    /// The same in a tenant.
    pub async fn begin_in(tenant: &'static str, address: SocketAddr, seed: u64) -> Arc<Self> {
        let name = HeaderName::from_static("x-takeoff-tenant");
        let headers = [(name, HeaderValue::from_static(tenant))].into_iter();
        let headers: HeaderMap = headers.collect();
        let http = reqwest::Client::builder()
            .default_headers(headers)
            .read_timeout(2 * PATIENCE);
        let http = http.build();
        let http = http.unwrap();
        let query = "mutation { createSession(input: {}) { session { id } } }";
        let answer = ask(&http, address, query, json!({})).await.unwrap();
        let session = answer["data"]["createSession"]["session"]["id"].as_str();
        Arc::new(Self {
            session: session.unwrap().to_owned(),
            seed,
            addresses: watch::Sender::new(vec![address]),
            acknowledged: Mutex::default(),
            artifacts: Mutex::default(),
            counts: Mutex::default(),
            seen: watch::Sender::default(),
            keys: AtomicU64::new(0),
            repeated: AtomicUsize::new(0),
            resumed: AtomicUsize::new(0),
            stop: CancellationToken::new(),
            http,
        })
    }

    /// Where servers can be found now.
    pub fn direct_to(&self, addresses: impl IntoIterator<Item = SocketAddr>) {
        self.addresses.send_replace(addresses.into_iter().collect());
    }

    /// Starts `clients` that submit until [`Self::finish`], and others that count in the session's state meanwhile.
    pub fn submit(self: &Arc<Self>, clients: u64) -> JoinSet<()> {
        let mut tasks = self.submit_alone(clients);
        for client in 0..COUNTERS {
            let this = Arc::clone(self);
            tasks.spawn(async move { this.count(&format!("client-{client}"), client).await });
        }
        tasks
    }

    /// Starts `clients` that submit until [`Self::finish`].
    pub fn submit_alone(self: &Arc<Self>, clients: u64) -> JoinSet<()> {
        let mut tasks = JoinSet::new();
        for client in 0..clients {
            let this = Arc::clone(self);
            let mut random = StdRng::seed_from_u64(self.seed ^ client);
            tasks.spawn(async move {
                while !this.stop.is_cancelled() {
                    let (intent_type, parameters) = this.some_intent(&mut random);
                    this.submit_one(intent_type, parameters, &mut random).await;
                }
            });
        }
        tasks
    }

    /// Counts in the session's state, which all clients write as a whole, by its version: whoever read it too early
    /// is refused, or another one's count would be lost.
    async fn count(&self, name: &str, client: u64) {
        let mut random = StdRng::seed_from_u64(self.seed ^ client ^ 0xc0);
        let mut addresses = self.addresses.subscribe();
        let (mut counted, mut wanted) = (0_u64, 0);
        while !self.stop.is_cancelled() || counted < wanted {
            let address = some_address(&mut addresses, &mut random).await;
            let found = ask(
                &self.http,
                address,
                READ_STATE,
                json!({"session": self.session}),
            );
            let Ok(Some(found)) = tokio::time::timeout(LIMIT, found).await else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let found = &found["data"]["session"];
            if found.is_null() {
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            let mut state = found["state"].clone();
            let stored = state[name].as_u64().unwrap_or(0);
            // The answer to the last write may have been lost.
            assert!(
                stored == counted || stored == wanted,
                "{name} had counted to {counted}, wanted {wanted}, and finds {stored}"
            );
            counted = stored;
            if !self.stop.is_cancelled() {
                wanted = counted + 1;
            }
            let told = (counted, wanted);
            self.counts.lock().unwrap().insert(name.to_owned(), told);
            if self.stop.is_cancelled() {
                return;
            }
            state[name] = json!(wanted);
            let input = json!({"sessionId": self.session, "state": state, "mode": "REPLACE",
                "ifVersion": found["stateVersion"]});
            let written = ask(&self.http, address, WRITE_STATE, json!({"input": input}));
            let _ = tokio::time::timeout(LIMIT, written).await;
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Returns what each client found of its own in the session's state at last, and what it wrote last, which may
    /// not have been answered.
    pub fn counts(&self) -> BTreeMap<String, (u64, u64)> {
        self.counts.lock().unwrap().clone()
    }

    /// What was acknowledged so far.
    pub fn so_far(&self) -> BTreeMap<String, Acknowledged> {
        self.acknowledged.lock().unwrap().clone()
    }

    /// The number of requests that were acknowledged so far.
    pub fn answered(&self) -> usize {
        self.acknowledged.lock().unwrap().len()
    }

    /// Returns when so many more submits have been answered, by whoever answers.
    pub async fn works(&self, submits: usize) {
        let wanted = self.answered() + submits;
        let works = async {
            while self.answered() < wanted {
                tokio::time::sleep(PAUSE).await;
            }
        };
        let works = tokio::time::timeout(PATIENCE, works).await;
        works.expect("nothing is accepted");
    }

    /// Every client ends with an answer; what was acknowledged.
    pub async fn finish(&self, clients: JoinSet<()>) -> BTreeMap<String, Acknowledged> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, clients.join_all())
            .await
            .expect("a submit is never answered");
        self.so_far()
    }

    fn some_intent(&self, random: &mut StdRng) -> (&'static str, Value) {
        match random.random_range(0..9) {
            0 => ("flaky", json!({"failures": random.random_range(0..6)})),
            1 => ("steps", json!({})),
            2 => ("family", json!({"children": random.random_range(1..4)})),
            3 => ("talk", json!({})),
            8 => {
                let bytes = random.random_range(1..40_000);
                let name = format!("kept-{}", self.keys.load(Ordering::Relaxed));
                ("keep", json!({"name": name, "bytes": bytes}))
            }
            4 | 5 => {
                let made = self.artifacts.lock().unwrap();
                let parents: Vec<_> = made.sample(random, 2.min(made.len())).collect();
                let name = format!("made-{}", self.keys.load(Ordering::Relaxed));
                ("make", json!({"name": name, "parents": parents}))
            }
            _ => ("add", json!({"a": random.random_range(0..100), "b": 1})),
        }
    }

    async fn submit_one(&self, intent_type: &str, parameters: Value, random: &mut StdRng) {
        let key = format!("key-{}", self.keys.fetch_add(1, Ordering::Relaxed));
        let input = json!({"intentType": intent_type, "sessionId": self.session,
            "parameters": parameters, "idempotencyKey": key});
        let id = self.insist(&input, random).await;
        let acknowledged = Acknowledged { input, id };
        self.acknowledged.lock().unwrap().insert(key, acknowledged);
    }

    /// Asks until there is an answer.
    pub async fn insist(&self, input: &Value, random: &mut StdRng) -> ExecutionId {
        let mut addresses = self.addresses.subscribe();
        let began = Instant::now();
        loop {
            assert!(began.elapsed() < GIVEN_UP, "never accepted: {input}");
            let address = some_address(&mut addresses, random).await;
            // Some clients hang up before they can know what became of their request.
            let hangs_up = random.random_bool(0.05);
            let limit = if hangs_up {
                Duration::from_micros(random.random_range(0..4_000))
            } else {
                LIMIT
            };
            let asked = ask(&self.http, address, SUBMIT, json!({"input": input}));
            if let Ok(Some(answer)) = tokio::time::timeout(limit, asked).await
                && let Some(id) = accepted(&answer)
            {
                return id;
            }
            self.repeated.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Follows the session's events for ever, leaving and coming back.
    pub async fn watch(self: Arc<Self>) {
        let mut random = StdRng::seed_from_u64(self.seed ^ 0x5eed);
        let mut cursor = Value::Null;
        let mut addresses = self.addresses.subscribe();
        loop {
            let address = some_address(&mut addresses, &mut random).await;
            let batches = random.random_range(1..40);
            // However the connection ends, the cursor says where to go on.
            let _ = self.watch_at(address, batches, &mut cursor).await;
            self.resumed.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn watch_at(
        &self,
        address: SocketAddr,
        batches: usize,
        cursor: &mut Value,
    ) -> anyhow::Result<()> {
        let nothing = json!({});
        let opening = Socket::open(address, &nothing);
        let mut socket = tokio::time::timeout(LIMIT, opening).await??;
        let variables = json!({"session": self.session, "after": cursor});
        socket.subscribe("1", WATCH, &variables).await?;
        let mut left = batches;
        while left > 0 {
            // A paused server sends nothing and closes nothing.
            let next = tokio::time::timeout(Duration::from_secs(3), socket.receive()).await?;
            let Received::Message(message) = next? else {
                break;
            };
            if message["type"] == "next" {
                let batch = &message["payload"]["data"]["sessionEvents"];
                anyhow::ensure!(batch.is_object(), "{message}");
                self.take(batch);
                *cursor = batch["cursor"].clone();
                left -= 1;
            }
        }
        Ok(())
    }

    fn take(&self, batch: &Value) {
        let mut artifacts = self.artifacts.lock().unwrap();
        let events = batch["events"].as_array().unwrap();
        self.seen.send_modify(|seen| {
            for event in events {
                let text = |name: &str| event[name].as_str().unwrap();
                seen.push(Seen {
                    execution_id: text("executionId").parse().unwrap(),
                    sequence: text("sequence").parse().unwrap(),
                    type_name: text("type").to_owned(),
                });
                artifacts.extend(event["artifact"]["id"].as_str().map(str::to_owned));
            }
        });
    }

    /// Returns the events that the subscriber has seen, once it has all of these.
    pub async fn seen(&self, of: &HashSet<ExecutionId>, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let has_all = |seen: &Vec<Seen>| {
            let of_them = seen.iter().filter(|one| of.contains(&one.execution_id));
            of_them.count() >= count
        };
        let enough = tokio::time::timeout(PATIENCE, seen.wait_for(has_all));
        let enough = enough.await.map(|seen| seen.unwrap().clone());
        enough.unwrap_or_else(|_| self.seen.borrow().clone())
    }

    pub fn session(&self) -> &str {
        &self.session
    }
}

/// One of the servers, once there is one.
async fn some_address(
    addresses: &mut watch::Receiver<Vec<SocketAddr>>,
    random: &mut StdRng,
) -> SocketAddr {
    let known = addresses.wait_for(|known| !known.is_empty()).await.unwrap();
    *known.choose(random).unwrap()
}

/// The acknowledged execution; none when the server asks to come back later.
fn accepted(answer: &Value) -> Option<ExecutionId> {
    if let Some(errors) = answer["errors"].as_array() {
        for error in errors {
            let code = error["extensions"]["code"].as_str().unwrap();
            // A node that was paused counts the time for which its statements took.
            let is_later = ["UNAVAILABLE", "TIMEOUT", "RATE_LIMITED"].contains(&code);
            assert!(is_later, "{answer}");
        }
        return None;
    }
    let payload = &answer["data"]["submitIntent"];
    assert_eq!(payload["errors"], json!([]), "{answer}");
    Some(payload["execution"]["id"].as_str()?.parse().unwrap())
}

/// A GraphQL request; none when no answer came.
async fn ask(
    http: &reqwest::Client,
    address: SocketAddr,
    query: &str,
    variables: Value,
) -> Option<Value> {
    let request = http
        .post(format!("http://{address}/graphql"))
        .json(&json!({"query": query, "variables": variables}));
    request.send().await.ok()?.json().await.ok()
}
