//! Clients that go on whatever happens to the server: each request is repeated with its key until
//! it is answered, and a subscriber comes back with its cursor.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use serde_json::{Value, json};
use takeoff::model::ExecutionId;
use tokio::{sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use super::{PATIENCE, Received, Socket};

const SUBMIT: &str = "mutation($input: SubmitIntentInput!) { submitIntent(input: $input) { \
     errors { __typename } replayed execution { id } } }";
const WATCH: &str = "subscription($session: ID!, $after: String) { \
     sessionEvents(sessionId: $session, after: $after) { cursor events { executionId sequence \
     ... on ArtifactRegistered { artifact { id } } } } }";
/// A client that was refused or cut off comes back after so long.
const PAUSE: Duration = Duration::from_millis(20);
/// A server that neither answers nor ends the connection is given up after so long.
const LIMIT: Duration = Duration::from_secs(15);

/// A request that was made until it was acknowledged.
#[derive(Debug, Clone)]
pub struct Acknowledged {
    pub input: Value,
    pub id: ExecutionId,
}

/// An event as a subscriber sees it: the execution and the place in its stream.
pub type Seen = (ExecutionId, i64);

/// The clients of one session.
pub struct Load {
    session: String,
    seed: u64,
    addresses: watch::Sender<Vec<SocketAddr>>,
    /// By key.
    acknowledged: Mutex<BTreeMap<String, Acknowledged>>,
    artifacts: Mutex<Vec<String>>,
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
        let http = reqwest::Client::new();
        let query = "mutation { createSession(input: {}) { session { id } } }";
        let answer = ask(&http, address, query, json!({})).await.unwrap();
        let session = answer["data"]["createSession"]["session"]["id"].as_str();
        Arc::new(Self {
            session: session.unwrap().to_owned(),
            seed,
            addresses: watch::Sender::new(vec![address]),
            acknowledged: Mutex::default(),
            artifacts: Mutex::default(),
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

    /// Starts `clients` that submit until [`Self::finish`].
    pub fn submit(self: &Arc<Self>, clients: u64) -> JoinSet<()> {
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

    /// Every client ends with an answer; what was acknowledged.
    pub async fn finish(&self, clients: JoinSet<()>) -> BTreeMap<String, Acknowledged> {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, clients.join_all())
            .await
            .expect("a submit is never answered");
        self.acknowledged.lock().unwrap().clone()
    }

    fn some_intent(&self, random: &mut StdRng) -> (&'static str, Value) {
        match random.random_range(0..8) {
            0 => ("flaky", json!({"failures": random.random_range(0..6)})),
            1 => ("steps", json!({})),
            2 => ("family", json!({"children": random.random_range(1..4)})),
            3 => ("talk", json!({})),
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
        loop {
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
        let mut socket = Socket::open(address, &json!({})).await?;
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
                let id = event["executionId"].as_str().unwrap().parse().unwrap();
                let sequence = event["sequence"].as_str().unwrap().parse().unwrap();
                seen.push((id, sequence));
                artifacts.extend(event["artifact"]["id"].as_str().map(str::to_owned));
            }
        });
    }

    /// Returns the events that the subscriber has seen, once there are as many as this.
    pub async fn seen(&self, count: usize) -> Vec<Seen> {
        let mut seen = self.seen.subscribe();
        let enough = tokio::time::timeout(PATIENCE, seen.wait_for(|seen| seen.len() >= count));
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
            assert_eq!(error["extensions"]["code"], "UNAVAILABLE", "{answer}");
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
