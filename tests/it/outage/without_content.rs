//! The content store is away.

use super::*;

/// The disk of the content store is not mounted for a while, or its bucket is gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_content_store_that_is_away_is_no_execution_s_fault_however_often_it_is_tried() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let mut large = Vec::new();
    // One that reads its parameters from the store, and one that writes its result there.
    let name = "x".repeat(20_000);
    for (intent_type, parameters) in [
        ("gated", json!({"padding": name})),
        ("big", json!({"bytes": 20_000})),
    ] {
        let intent = takeoff::runtime::SubmitIntent {
            run_at: Some(i64::MAX / 4),
            ..takeoff::runtime::SubmitIntent::new(intent_type, session, RawJson::from(&parameters))
        };
        large.push(app.try_submit(intent).await.unwrap().execution.id);
    }
    let (content, disk) = (
        backend.folder.path().join("content"),
        backend.folder.path().join("disk"),
    );
    std::fs::rename(&content, &disk).unwrap();
    // Far more attempts than are lost before an execution is given up whose nodes die.
    backend
        .execute("UPDATE execution SET lost_attempts = 0")
        .await;
    backend.execute("UPDATE timer SET fire_at = 0").await;
    for id in &large {
        let lost = |execution: Execution| execution.lost_attempts >= 3;
        app.until(|| async { lost(app.execution(*id).await).then_some(()) })
            .await;
        assert_eq!(app.execution(*id).await.status, ExecutionStatus::Running);
    }
    std::fs::rename(&disk, &content).unwrap();
    app.solution.gate.add_permits(1);
    for id in large {
        let ended = app.ended(id).await;
        assert_eq!(
            ended.status,
            ExecutionStatus::Completed,
            "{:?}",
            ended.error
        );
    }
    app.assert_verified().await;
}
