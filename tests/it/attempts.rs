//! Attempts: the clocks that they are measured by, and what they read.

use serde_json::json;
use takeoff::{
    app::App,
    clock::Clock,
    model::{ExecutionId, ExecutionStatus, RawJson, SessionId},
    runtime::SubmitIntent,
};

use crate::support::{Backend, TestApp, TrySolution, backends, config};

async fn scheduled(
    app: &TestApp,
    session: SessionId,
    intent_type: &str,
    parameters: serde_json::Value,
) -> ExecutionId {
    let later = SubmitIntent {
        run_at: Some(i64::MAX / 4),
        ..SubmitIntent::new(intent_type, session, RawJson::from(&parameters))
    };
    app.try_submit(later).await.unwrap().execution.id
}

async fn started(app: App) -> TestApp {
    TestApp::of(app.listen().await.unwrap(), TrySolution::default())
}

backends! {
    async fn a_node_of_a_version_without_the_handler_does_not_spend_the_retry_policy(backend: Backend) {
        let new = TestApp::start(&backend).await;
        let session = new.session().await;
        // Its policy allows four attempts: with one of them spent before, the fourth would be its last.
        let id = scheduled(&new, session, "flaky", json!({"failures": 4})).await;
        new.server.stop().await;
        let old = started(App::new(config(&backend, &[]))).await;
        backend.execute("UPDATE timer SET fire_at = 0").await;
        old.until(|| async {
            let execution = old.execution(id).await;
            (execution.lost_attempts == 1 && execution.attempt == 1).then_some(())
        })
        .await;
        old.server.stop().await;
        let new = TestApp::start(&backend).await;
        backend.execute("UPDATE timer SET fire_at = 0").await;
        let done = new.ended(id).await;
        assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
        assert_eq!((done.attempt, done.lost_attempts), (5, 1));
        new.assert_verified().await;
    }

    async fn deadlines_go_by_the_clock_of_the_database(backend: Backend) {
        for process_clock in [0, i64::MAX / 2] {
            let app = App::new(config(&backend, &[]))
                .solution(TrySolution::default())
                .clock(Clock::manual(process_clock));
            let app = started(app).await;
            let ended = app.run("overdue", json!({})).await;
            assert_eq!(ended.error.unwrap().code, "EXECUTION_TIMEOUT");
            let (deadline, finished) = (ended.deadline_at.unwrap(), ended.finished_at.unwrap());
            assert_eq!(deadline, ended.created_at + 150_000);
            assert!(finished >= deadline, "{finished} {deadline}");
            app.server.stop().await;
        }
    }
}

/// SQLite only: it keeps a value that is not of its column's type, and which no reader accepts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_the_recorded_steps_only_the_one_that_is_asked_for_is_read() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    let id = scheduled(&app, session, "steps", json!({})).await;
    backend
        .execute(
            "INSERT INTO step (execution_id, name, epoch, attempt, result, started_at, finished_at) \
             SELECT id, 'unread', 1, 1, x'ff', 'never', 'never' FROM execution",
        )
        .await;
    backend.execute("UPDATE timer SET fire_at = 0").await;
    // Its third attempt finds what the first one recorded.
    let done = app.ended(id).await;
    assert_eq!(done.status, ExecutionStatus::Completed, "{:?}", done.error);
    assert_eq!(done.attempt, 3);
    let scope = app.principal().scope();
    let storage = &app.services().storage;
    assert!(
        storage
            .find_step(&scope, id, "one")
            .await
            .unwrap()
            .is_some()
    );
    storage.find_step(&scope, id, "unread").await.unwrap_err();
}
