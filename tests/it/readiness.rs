//! The answer of `/ready`, and that giving it changes nothing.

use serde_json::Value;

use crate::{
    limits::Blocker,
    support::{Backend, TestApp},
};

async fn readiness(app: &TestApp) -> (u16, Value) {
    let ready = app.http.get(app.url("/ready")).send().await.unwrap();
    let status = ready.status().as_u16();
    (status, ready.json().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_is_not_ready_while_its_writes_fail() {
    let backend = Backend::sqlite();
    let settings = ["database.statement_timeout_ms=300"];
    let app = TestApp::start_with(&backend, &settings).await;
    app.until(|| async { (readiness(&app).await.0 == 200).then_some(()) })
        .await;
    // Reads go on.
    let blocker = Blocker::new(&backend).await;
    let refused =
        app.until(|| async { Some(readiness(&app).await).filter(|ready| ready.0 == 503) });
    assert_eq!(refused.await.1["dependencies"]["database"], "down");
    blocker.release().await;
    app.until(|| async { (readiness(&app).await.0 == 200).then_some(()) })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asking_whether_a_node_is_ready_writes_nothing() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let probe = backend.folder.path().join("content/tmp/probe");
    app.until(|| async {
        std::fs::remove_file(&probe).ok();
        for _ in 0..20 {
            assert_eq!(readiness(&app).await.0, 200);
        }
        // The node's own attempt, one in ten seconds, may have come between.
        (!probe.exists()).then_some(())
    })
    .await;
}
