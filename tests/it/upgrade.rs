//! A newer version changes the schema while nodes of this one run: they go on.

use serde_json::json;
use takeoff::model::{
    ArtifactId, ArtifactState, ExecutionStatus, RawJson, StateWriteMode, TransitionRequest,
};

use crate::support::{Backend, TestApp, backends};

const TABLES: [&str; 15] = [
    "execution",
    "idempotency",
    "ready",
    "timer",
    "lease",
    "node",
    "step",
    "event",
    "session",
    "execution_state",
    "artifact",
    "artifact_edge",
    "artifact_transition",
    "materialization",
    "upload",
];

/// Every kind of record, as a page of a console would show it.
const EVERYTHING: &str = "{
    runtime { nodes { id } }
    sessions(first: 5) { nodes { id state } }
    walEntries(first: 5) { nodes { sequence } }
    artifacts(first: 5) { nodes { id materializations { digest } transitions { to }
        parents(first: 2) { nodes { id } } children(first: 2) { nodes { id } } } }
    executions(first: 5) { nodes { id steps { name } children(first: 5) { nodes { id } }
        artifacts(first: 5) { nodes { id } } events(first: 5) { nodes { sequence } } } }
}";

async fn completes(app: &TestApp, intent_type: &str, parameters: serde_json::Value) -> RawJson {
    let done = app.run(intent_type, parameters).await;
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    assert!(!app.events(done.id).await.is_empty());
    done.result.unwrap().as_inline().unwrap().clone()
}

/// Reads and writes each table.
async fn work(app: &TestApp) {
    completes(app, "steps", json!({})).await;
    completes(app, "talk", json!({})).await;
    completes(app, "family", json!({"children": 2})).await;
    let mut made: Vec<ArtifactId> = Vec::new();
    for name in ["a", "b"] {
        let result = completes(app, "make", json!({"name": name, "parents": made})).await;
        made.push(result.read().unwrap());
    }
    let principal = TestApp::principal();
    let archive = TransitionRequest {
        artifact_id: made[1],
        to: ArtifactState::Archived,
        actor: "ann".into(),
        reason: None,
    };
    let services = app.services();
    services
        .artifacts
        .transition(&principal, archive)
        .await
        .unwrap();
    let path = services
        .artifacts
        .path(&principal.scope(), made[1], made[0])
        .await;
    assert_eq!(path.unwrap(), Some(vec![made[1], made[0]]));
    let (session, state) = (app.session().await, RawJson::from(&json!({"seen": true})));
    let merge = StateWriteMode::Merge;
    let written = services
        .state
        .set_session_state(&principal, session, state, merge, None);
    written.await.unwrap();
    app.data(EVERYTHING, json!({})).await;
    app.assert_verified().await;
}

/// Each connection of the pool has prepared what it does.
const SETTLED: usize = 3;

backends! {
    async fn a_running_node_does_not_notice_columns_that_are_added(backend: Backend) {
        let app = TestApp::start_with(&backend, &["database.max_connections=4"]).await;
        for _ in 0..SETTLED {
            work(&app).await;
        }
        for table in TABLES {
            let statement = format!("ALTER TABLE {table} ADD COLUMN of_a_later_version bigint");
            backend.execute(&statement).await;
        }
        for _ in 0..SETTLED {
            work(&app).await;
        }
    }
}

/// The names stay, the types change: no statement that was prepared before works any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_node_prepares_anew_what_no_longer_fits_the_tables() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start_with(&backend, &["database.max_connections=4"]).await;
    for _ in 0..SETTLED {
        work(&app).await;
    }
    for column in [
        "execution ALTER intent_type",
        "step ALTER name",
        "event ALTER event_type",
        "session ALTER state",
        "execution_state ALTER state",
        "artifact ALTER display_name",
        "artifact_transition ALTER actor",
        "node ALTER name",
    ] {
        backend
            .execute(&format!("ALTER TABLE {column} TYPE varchar"))
            .await;
    }
    for _ in 0..SETTLED {
        work(&app).await;
    }
}
