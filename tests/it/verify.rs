//! Log and state: whatever is changed behind the runtime's back is reported.

use serde_json::json;

use crate::support::{Backend, TestApp, backends};

backends! {
    async fn a_corrupted_row_is_reported(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("make", json!({"name": "a"})).await;
        app.run("flaky", json!({"failures": 9})).await;
        app.run("family", json!({"children": 1})).await;
        let report = app.verify().await;
        assert_eq!((report.executions, report.artifacts, report.differences), (4, 1, vec![]));
        let corruptions = [
            ("UPDATE execution SET crashes = 1 WHERE status = 3", "crashes"),
            ("UPDATE execution SET root_id = id WHERE depth = 1", "root_id"),
            ("UPDATE execution SET depth = 2 WHERE depth = 1", "depth"),
            ("UPDATE execution SET epoch = 0 WHERE status = 3", "epoch"),
            ("UPDATE execution SET status = 4 WHERE status = 2", "status"),
            ("UPDATE execution SET result = '7' WHERE result IS NOT NULL", "result"),
            ("UPDATE execution SET error = NULL WHERE status = 3", "error"),
            ("UPDATE execution SET parameters = '{}' WHERE status = 3", "parameters"),
            ("UPDATE artifact SET state = 3", "state"),
            ("UPDATE artifact SET display_name = 'b'", "record"),
            ("DELETE FROM materialization", ""),
            ("DELETE FROM event WHERE seq = 2", "lacks event 2"),
        ];
        let mut before = 0;
        for (statement, what) in corruptions {
            backend.execute(statement).await;
            let differences = app.verify().await.differences;
            let found = differences.iter().any(|difference| difference.what.contains(what));
            assert!(found || what.is_empty(), "{statement}: {differences:?}");
            assert!(differences.len() > before || what.is_empty(), "{statement}: {differences:?}");
            before = differences.len();
        }
        let subjects: Vec<String> =
            app.verify().await.differences.into_iter().map(|d| d.subject).collect();
        assert!(subjects.contains(&done.id.to_string()), "{subjects:?}");
    }
}

/// PostgreSQL only: SQLite has no time for a statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_one_statement_cannot_read_in_its_time_is_verified() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start(&backend).await;
    let session = app.session().await;
    // No node runs it, so nobody else appends to its stream.
    app.submit(session, "remote", json!({})).await;
    app.server.stop().await;
    for statement in [
        "INSERT INTO event (stream_id, seq, stream_kind, tenant_id, session_id, intent_type, event_type, \
         data, payload, tx, ord, occurred_at) SELECT stream_id, n, stream_kind, tenant_id, session_id, \
         intent_type, 'progress.reported', '{\"fraction\":0.5,\"message\":\"' || repeat('x', 200) || '\"}', \
         NULL, tx, n, occurred_at FROM event, generate_series(2, 200000) n \
         WHERE seq = 1 AND stream_kind = 0",
        "UPDATE execution SET next_seq = 200001",
        "ANALYZE",
    ] {
        backend.execute(statement).await;
    }
    let app = TestApp::start_with(&backend, &["database.statement_timeout_ms=1500"]).await;
    let report = app.verify().await;
    assert_eq!((report.executions, report.events), (1, 200_000));
    assert_eq!(report.differences, []);
}
