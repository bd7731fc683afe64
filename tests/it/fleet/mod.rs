//! Several nodes as one fleet: who they are, what each may run, and how one is taken out.

mod drain;
mod labels;
mod rolling;
mod stop;

use serde_json::{Value, json};
use takeoff::model::{ExecutionId, NodeId};

use crate::support::TestApp;

const NODES: &str = "{ runtime { nodes {
    id name version labels { name value } state capacity running startedAt heartbeatAt expiresAt
    drainRequestedAt handOverAt isThis } } }";

/// Returns the nodes that are alive, as `app` shows them, oldest first.
async fn nodes(app: &TestApp) -> Vec<Value> {
    let shown = app.data(NODES, json!({})).await;
    shown["runtime"]["nodes"].as_array().unwrap().clone()
}

/// Returns the id of the node of that name.
async fn id_of(app: &TestApp, name: &str) -> NodeId {
    let nodes = nodes(app).await;
    let node = nodes.iter().find(|node| node["name"] == name).unwrap();
    node["id"].as_str().unwrap().parse().unwrap()
}

/// Waits until the node of that name is in this state.
async fn is_in_state(app: &TestApp, name: &str, state: &str) -> Value {
    app.until(|| async {
        let nodes = nodes(app).await.into_iter();
        nodes
            .into_iter()
            .find(|node| node["name"] == name && node["state"] == state)
    })
    .await
}

/// Returns what an execution waits for.
async fn waits_for(app: &TestApp, id: ExecutionId) -> Value {
    let query = "query ($id: ID!) { execution(id: $id) { waitingFor } }";
    let shown = app.data(query, json!({"id": id.to_string()})).await;
    shown["execution"]["waitingFor"].clone()
}

/// Waits until an execution waits for this.
async fn comes_to_wait_for(app: &TestApp, id: ExecutionId, reason: &str) {
    app.until(|| async { (waits_for(app, id).await == reason).then_some(()) })
        .await;
}

/// The events of an execution, which may be live.
async fn events_so_far(app: &TestApp, id: ExecutionId) -> Vec<takeoff::model::Event> {
    let (scope, storage) = (app.principal().scope(), &app.services().storage);
    let events = storage.events_after(&scope, id, 0, 1_000).await.unwrap();
    events.to_vec()
}

/// Each start of an execution: the node, and when it was, in microseconds.
async fn starts(app: &TestApp, id: ExecutionId) -> Vec<(NodeId, i64)> {
    let events = events_so_far(app, id).await;
    let start = |event: &takeoff::model::Event| match &event.body {
        takeoff::model::EventBody::ExecutionStarted { node_id, .. } => {
            Some((*node_id, event.occurred_at))
        }
        _ => None,
    };
    events.iter().filter_map(start).collect()
}
