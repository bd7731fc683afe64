//! Databases of the version before executions had queues and entries of the log actors. `sqlite.sql` and
//! `postgres.sql` are dumps of what that version wrote until it was killed, with two executions running.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use takeoff::model::{Execution, ExecutionStatus, Queue};

use crate::support::{Backend, TestApp, backends};

/// The scheduled execution waits for a remote worker, as it could in that version too.
const OF_A_WORKER: &str = "UPDATE timer SET queue = 'worker:echo/remote'";

async fn restore(backend: &Backend) {
    let dump = if backend.is_postgres() {
        include_str!("postgres.sql")
    } else {
        create_database(backend);
        include_str!("sqlite.sql")
    };
    backend.execute(dump).await;
    backend.execute(OF_A_WORKER).await;
}

/// SQLite opens no file that is not there.
fn create_database(backend: &Backend) {
    std::fs::write(backend.folder.path().join("takeoff.db"), []).unwrap();
}

/// Every entry of the log, oldest first.
async fn log(app: &TestApp) -> Vec<Value> {
    let query = "{ walEntries(first: 200) { nodes { type actor data payload streamKind } } }";
    let all = app.data(query, json!({})).await;
    all["walEntries"]["nodes"].as_array().unwrap().clone()
}

/// Returns the number of entries of each type.
fn counted(entries: &[Value]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for entry in entries {
        *counts.entry(entry["type"].as_str().unwrap()).or_default() += 1;
    }
    counts
}

fn counts_by_status(executions: &[Execution]) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for one in executions {
        *counts.entry(one.status.name()).or_default() += 1;
    }
    counts
}

backends! {
    async fn a_database_of_the_version_before_goes_on_where_it_was_killed(backend: Backend) {
        restore(&backend).await;
        let app = TestApp::start(&backend).await;

        let old = app.all_executions().await;
        assert_eq!(old.len(), 14);
        assert!(old.iter().all(|one| one.submitted_by.is_none()));
        for one in &old {
            let of_worker = Queue::Worker { handler: "echo/remote".into() };
            let expected = if one.run_at.is_some() { of_worker } else { Queue::Node };
            assert_eq!(one.queue, expected, "{one:?}");
        }
        // Those that ran when the process was killed are run again, for nobody that is known.
        for one in old.iter().filter(|one| !one.status.is_terminal() && one.run_at.is_none()) {
            app.reaches(one.id, ExecutionStatus::Completed).await;
        }
        let expected = [("cancelled", 1), ("completed", 11), ("created", 1), ("failed", 1)];
        assert_eq!(counts_by_status(&app.all_executions().await), expected.into());

        let entries = log(&app).await;
        let by_type = counted(&entries);
        for (name, count) in [
            ("artifact.registered", 2), ("artifact.transitioned", 2), ("child.submitted", 4),
            ("execution.cancel_requested", 1), ("execution.created", 14), ("execution.failed", 1),
            ("session.closed", 1), ("session.created", 2), ("session.state_changed", 1),
            ("session.upgraded", 1),
        ] {
            assert_eq!(by_type[name], count, "{name}");
        }
        assert!(entries.iter().all(|entry| entry["actor"].is_null()));
        app.assert_verified().await;

        // What that version wrote has no hash; what came later follows in chains of its own.
        let chain = async || app.services().storage.verify_chain(Some(&|_| true), &[]).await.unwrap();
        let report = chain().await;
        assert!(report.unchained > 50 && report.entries > 0, "{report:?}");
        app.server.node().sign_checkpoints().await.unwrap();
        assert_eq!((chain().await.faults.as_slice(), chain().await.unsigned), (&[][..], 0));

        let session = app.session().await;
        let new = app.run_in(session, "talk", json!({})).await;
        assert_eq!(new.submitted_by.as_deref(), Some("development"));
        app.assert_verified().await;
    }
}
