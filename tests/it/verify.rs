//! Log and state: whatever is changed behind the runtime's back is reported.

use serde_json::json;

use crate::support::{TestApp, backends};

backends! {
    async fn a_corrupted_row_is_reported(backend: Backend) {
        let app = TestApp::start(&backend).await;
        let done = app.run("make", json!({"name": "a"})).await;
        app.run("flaky", json!({"failures": 9})).await;
        let report = app.verify().await;
        assert_eq!((report.executions, report.artifacts, report.differences), (2, 1, vec![]));
        let corruptions = [
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
