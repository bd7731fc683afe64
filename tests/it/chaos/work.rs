//! What goes on in a fleet while faults happen: clients submit, handlers run and end, a subscriber follows, a schedule
//! fires, and retention removes. In the end the whole history is checked.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use takeoff::model::{Execution, ExecutionId};
use tokio::task::{AbortHandle, JoinSet};

use super::{assert_verified_by_command, fleet::Fleet};
use crate::support::{Acknowledged, Backend, Load, TestApp};

/// The settings of the nodes. In one tenant everything goes at once that has ended.
pub const REMOVES: [&str; 2] = [
    "retention.tenants=brief = completed:0s failed:0s cancelled:0s",
    "retention.period_seconds=1",
];
/// So soon what was interrupted last has run again.
const RECOVERY: Duration = Duration::from_mins(1);

/// See the module.
pub struct Work {
    pub load: Arc<Load>,
    clients: JoinSet<()>,
    watcher: AbortHandle,
    /// In the tenant of which nothing is kept.
    brief: Arc<Load>,
    brief_clients: JoinSet<()>,
    /// The session of the schedule.
    scheduled: String,
    /// Handlers that sleep, which were submitted beside.
    naps: BTreeMap<String, Acknowledged>,
}

impl Work {
    /// Of so many clients, at the nodes at these addresses.
    pub async fn begin(addresses: Vec<SocketAddr>, seed: u64, clients: u64) -> Self {
        let load = Load::begin(addresses[0], seed).await;
        let brief = Load::begin_in("brief", addresses[0], seed).await;
        let scheduled = begin_schedule(addresses[0]).await;
        let work = Self {
            clients: load.submit(clients),
            watcher: tokio::spawn(Arc::clone(&load).watch()).abort_handle(),
            brief_clients: brief.submit_alone(1),
            load,
            brief,
            scheduled,
            naps: BTreeMap::new(),
        };
        work.direct_to(addresses);
        work
    }

    /// Where nodes can be found now.
    pub fn direct_to(&self, addresses: Vec<SocketAddr>) {
        self.load.direct_to(addresses.clone());
        self.brief.direct_to(addresses);
    }

    /// Starts handlers that sleep for so long, and returns when they are accepted.
    pub async fn nap(&mut self, times: usize, length: Duration) {
        let mut random = StdRng::seed_from_u64(0);
        for _ in 0..times {
            let key = format!("nap-{}", self.naps.len());
            let millis = u64::try_from(length.as_millis()).unwrap();
            let input = json!({"intentType": "nap", "sessionId": self.load.session(),
                "parameters": {"millis": millis}, "idempotencyKey": key});
            let id = self.load.insist(&input, &mut random).await;
            self.naps.insert(key, Acknowledged { input, id });
        }
    }

    /// Ends the clients. Nodes must be there that answer them.
    pub async fn finish(self) -> Done {
        let mut acknowledged = self.load.finish(self.clients).await;
        let removed = self.brief.finish(self.brief_clients).await;
        acknowledged.extend(self.naps.clone());
        Done {
            acknowledged,
            removed: removed.values().map(|one| one.id).collect(),
            load: self.load,
            watcher: self.watcher,
            scheduled: self.scheduled,
            naps: self.naps.values().map(|one| one.id).collect(),
        }
    }

    /// Ends the clients and the nodes, and checks everything that happened.
    pub async fn assert_nothing_was_lost(self, mut fleet: Fleet) -> Checked {
        let done = self.finish().await;
        fleet.end();
        let app = TestApp::start_with(&fleet.backend, &REMOVES).await;
        done.load.direct_to([app.server.address()]);
        let (accepted, naps) = done.assert_nothing_was_lost(&app, &fleet.backend).await;
        Checked {
            accepted,
            naps,
            app,
            _fleet: fleet,
        }
    }
}

/// What went on, when it is over.
pub struct Done {
    acknowledged: BTreeMap<String, Acknowledged>,
    /// Those of the tenant of which nothing is kept.
    removed: Vec<ExecutionId>,
    pub load: Arc<Load>,
    watcher: AbortHandle,
    scheduled: String,
    naps: Vec<ExecutionId>,
}

impl Done {
    /// Checks everything that happened. Returns the number of executions that were accepted, and those of
    /// [`Work::nap`].
    pub async fn assert_nothing_was_lost(
        self,
        app: &TestApp,
        backend: &Backend,
    ) -> (usize, Vec<Execution>) {
        app.audit_within(backend, &self.load, &self.acknowledged, RECOVERY)
            .await;
        self.watcher.abort();
        assert_schedule_fired_once(app, &self.scheduled).await;
        assert_removed(app, self.removed).await;
        let scope = app.principal().scope();
        let storage = &app.services().storage;
        let naps = storage.find_executions(&scope, &self.naps).await.unwrap();
        app.assert_verified().await;
        assert_verified_by_command(backend);
        (self.acknowledged.len(), naps)
    }
}

/// What there is after the check.
pub struct Checked {
    /// The number of executions that were accepted.
    pub accepted: usize,
    /// Those of [`Work::nap`].
    pub naps: Vec<Execution>,
    /// A node on the same database.
    pub app: TestApp,
    _fleet: Fleet,
}

async fn ask(address: SocketAddr, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = crate::support::http().post(format!("http://{address}/graphql"));
    let answer = request.json(&body).send().await.unwrap();
    let mut answer: Value = answer.json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

/// Makes a schedule that is due every second, in a session of its own, which is returned.
async fn begin_schedule(address: SocketAddr) -> String {
    let create = "mutation { createSession(input: {}) { session { id } } }";
    let session = ask(address, create, json!({})).await["createSession"]["session"]["id"].take();
    let input = json!({"intentType": "nap", "sessionId": session, "parameters": {"millis": 10},
        "everySeconds": 1, "overlap": "ALLOW"});
    let create = "mutation($input: CreateScheduleInput!) { createSchedule(input: $input) { \
        schedule { id } errors { message } } }";
    let made = ask(address, create, json!({"input": input})).await;
    assert_eq!(made["createSchedule"]["errors"], json!([]), "{made}");
    session.as_str().unwrap().to_owned()
}

/// Each time of the schedule has one execution, and each execution ends.
async fn assert_schedule_fired_once(app: &TestApp, session: &str) {
    let session = session.parse().unwrap();
    let fired = || async {
        let mut all = app.all_executions().await;
        all.retain(|one| one.intent.session_id == session);
        all
    };
    // The schedule goes on. Where nothing could be written for long, it may have fired less than twice so far.
    app.until(|| async { (fired().await.len() > 1).then_some(()) })
        .await;
    let mut times = BTreeSet::new();
    for one in fired().await {
        let key = one.intent.idempotency_key.clone().unwrap();
        assert!(times.insert(key), "{one:?} is the second one of its time");
        app.ended(one.id).await;
    }
}

/// Of the tenant of which nothing is kept all end, and go.
async fn assert_removed(app: &TestApp, ids: Vec<ExecutionId>) {
    let scope = app.principal_of("brief").scope();
    let storage = &app.services().storage;
    app.until(|| async {
        let left = storage.find_executions(&scope, &ids).await.unwrap();
        left.is_empty().then_some(())
    })
    .await;
}
