//! Many executions of one tenant, and many tenants.

use std::sync::atomic::Ordering;

use serde_json::{Value, json};
use takeoff::{
    model::{Execution, ExecutionId, Principal, RawJson, SessionId},
    runtime::SubmitIntent,
    state_surface::NewSession,
};

use crate::support::{TestApp, backends};

/// A tenant with a session.
struct Client {
    principal: Principal,
    session: SessionId,
}

impl Client {
    async fn new(app: &TestApp, tenant: &str) -> Self {
        let principal = app.principal_of(tenant);
        let new = NewSession::anonymous();
        let state = &app.services().state;
        let session = state.create_session(&principal, new).await.unwrap().id;
        Self { principal, session }
    }

    async fn submit(&self, app: &TestApp, intent_type: &str, parameters: Value) -> ExecutionId {
        let intent = SubmitIntent::new(intent_type, self.session, RawJson::from(&parameters));
        let submitted = app.services().runtime.submit(&self.principal, intent).await;
        submitted.unwrap().execution.id
    }

    async fn ended(&self, app: &TestApp, id: ExecutionId) -> Execution {
        let scope = self.principal.scope();
        let waiting = app.services().events.wait_until_terminal(&scope, id);
        let ended = tokio::time::timeout(crate::support::PATIENCE, waiting).await;
        *ended.expect("it does not end").unwrap()
    }
}

async fn runs(app: &TestApp, count: u64) {
    let enough = || async { (app.solution.runs.load(Ordering::SeqCst) >= count).then_some(()) };
    app.until(enough).await;
}

backends! {
    async fn one_tenants_executions_leave_slots_for_others(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=5"]).await;
        let hog = Client::new(&app, "hog").await;
        let mut slow = Vec::new();
        for _ in 0..30 {
            slow.push(hog.submit(&app, "gated", json!({})).await);
        }
        runs(&app, 4).await;
        let other = Client::new(&app, "other").await;
        for n in 0..5 {
            let quick = other.submit(&app, "add", json!({"a": n, "b": 1})).await;
            other.ended(&app, quick).await;
        }
        // Four slow ones, and the five quick ones.
        assert_eq!(app.solution.runs.load(Ordering::SeqCst), 9);
        // What ends makes room for the rest of them.
        app.solution.gate.add_permits(slow.len());
        for id in slow {
            hog.ended(&app, id).await;
        }
        app.assert_verified().await;
    }

    async fn slots_that_become_free_go_to_whoever_holds_fewer(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=10"]).await;
        let clients = [Client::new(&app, "first").await, Client::new(&app, "second").await];
        let mut slow = [Vec::new(), Vec::new()];
        for (client, slow) in clients.iter().zip(&mut slow) {
            for _ in 0..20 {
                slow.push(client.submit(&app, "gated", json!({})).await);
            }
        }
        // Eight of the first tenant's, which came first, and two of the second's.
        runs(&app, 10).await;
        app.solution.gate.add_permits(6);
        runs(&app, 16).await;
        let started = async |client: &Client, slow: &[ExecutionId]| {
            let scope = client.principal.scope();
            let found = app.services().storage.find_executions(&scope, slow).await.unwrap();
            found.iter().filter(|one| one.started_at.is_some() && one.finished_at.is_none()).count()
        };
        let held = (started(&clients[0], &slow[0]).await, started(&clients[1], &slow[1]).await);
        assert!(held.0 <= 7 && held.1 >= 3, "{held:?}");
        app.solution.gate.add_permits(100);
        for (client, slow) in clients.iter().zip(slow) {
            for id in slow {
                client.ended(&app, id).await;
            }
        }
    }

    async fn turns_go_round_all_tenants(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.max_concurrent_executions=1"]).await;
        let blocker = Client::new(&app, "blocker").await;
        blocker.submit(&app, "gated", json!({})).await;
        runs(&app, 1).await;
        let mut tenants = Vec::new();
        for n in 0..80 {
            let client = Client::new(&app, &format!("tenant-{n:03}")).await;
            let first = client.submit(&app, "add", json!({"a": n, "b": 0})).await;
            let last = client.submit(&app, "add", json!({"a": n, "b": 1})).await;
            tenants.push((client, first, last));
        }
        app.solution.gate.add_permits(1);
        let mut firsts = Vec::new();
        let mut lasts = Vec::new();
        for (client, first, last) in &tenants {
            firsts.push(client.ended(&app, *first).await.started_at.unwrap());
            lasts.push(client.ended(&app, *last).await.started_at.unwrap());
        }
        let (latest_first, earliest_last) = (firsts.iter().max().unwrap(), lasts.iter().min().unwrap());
        assert!(latest_first <= earliest_last, "one tenant went twice before another went once");
    }

    async fn many_tenants_are_claimed_without_a_pause(backend: Backend) {
        let settings = ["runtime.max_concurrent_executions=400", "runtime.poll_ms=60000"];
        let app = TestApp::start_with(&backend, &settings).await;
        for name in ["blocker-1", "blocker-2"] {
            let blocker = Client::new(&app, name).await;
            for _ in 0..200 {
                blocker.submit(&app, "gated", json!({})).await;
            }
        }
        runs(&app, 400).await;
        let mut waiting = Vec::new();
        for n in 0..300 {
            let client = Client::new(&app, &format!("tenant-{n:03}")).await;
            let id = client.submit(&app, "add", json!({"a": n, "b": 0})).await;
            waiting.push((client, id));
        }
        app.solution.gate.add_permits(400);
        for (client, id) in waiting {
            client.ended(&app, id).await;
        }
    }
}
