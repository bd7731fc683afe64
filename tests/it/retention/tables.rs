//! Every table is trimmed by something.

use std::collections::BTreeMap;

use serde_json::json;
use sqlx::Connection;

use super::{AT_ONCE, count};
use crate::support::{Backend, TestApp, backends};

/// What trims a table.
enum Trimmed {
    /// Rows end with what they are part of, which is removed after its time: nothing stays of a tenant whose work has
    /// ended.
    Retention,
    /// Rows are removed as soon as they have served.
    InUse,
    /// A row for each of these, whose number does not grow with the work that is done.
    RowPer(&'static str),
}
use Trimmed::{InUse, Retention, RowPer};

const TABLES: &[(&str, Trimmed)] = &[
    ("api_key", Retention),
    ("artifact", Retention),
    ("artifact_edge", Retention),
    ("artifact_found", Retention),
    ("artifact_transition", Retention),
    ("browser_logout", InUse),
    ("cancellation", InUse),
    (
        "checkpoint",
        RowPer("some thousand entries of the log that are kept"),
    ),
    ("content_release", InUse),
    ("data_key", RowPer("rotation of the keys of secrets")),
    ("era", RowPer("restore")),
    ("event", Retention),
    ("execution", Retention),
    (
        "execution_count",
        RowPer("day and kind of execution, of the last 400 days"),
    ),
    ("execution_state", Retention),
    ("idempotency", Retention),
    ("installation", RowPer("installation")),
    ("lease", InUse),
    (
        "limit_guard",
        RowPer("tenant and intent type that is under limits, and two more a tenant"),
    ),
    ("limit_place", InUse),
    ("limit_rate", InUse),
    ("log_trim", RowPer("tenant")),
    ("materialization", Retention),
    ("node", InUse),
    ("operation", Retention),
    ("ready", InUse),
    ("removed_entry", Retention),
    (
        "schedule",
        RowPer("schedule that a tenant has, of which there is a limit"),
    ),
    (
        "schedule_run",
        RowPer("one of the last hundred that a schedule has made"),
    ),
    ("seaql_migrations", RowPer("change of the schema")),
    ("session", Retention),
    ("step", Retention),
    ("timer", InUse),
    ("upload", Retention),
    ("webhook", Retention),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_is_listed_by_what_trims_it() {
    let backend = Backend::sqlite();
    let _app = TestApp::start(&backend).await;
    let mut connection = sqlx::SqliteConnection::connect(&backend.url())
        .await
        .unwrap();
    let text = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name";
    let found: Vec<(String,)> = sqlx::query_as(text)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    let listed: BTreeMap<_, _> = TABLES.iter().map(|(name, by)| (*name, by)).collect();
    for by in listed.values() {
        assert!(!matches!(by, RowPer(what) if what.is_empty()));
    }
    let found: Vec<&str> = found.iter().map(|(name,)| name.as_str()).collect();
    assert_eq!(found, listed.keys().copied().collect::<Vec<_>>());
}

backends! {
    async fn nothing_stays_of_a_tenant_whose_work_has_ended(backend: Backend) {
        let mut settings = AT_ONCE.to_vec();
        settings.extend([
            "retention.sessions=0s",
            "retention.uploads=0s",
            "retention.api_keys=0s",
            "retention.deleted_artifacts=0s",
            "retention.operations=0s",
            "retention.webhooks=0s",
            "content.deleted_grace_seconds=0",
        ]);
        let app = TestApp::start_with(&backend, &settings).await;
        let session = app.session().await;
        app.run_in(session, "family", json!({"children": 2})).await;
        app.run_in(session, "steps", json!({})).await;
        let mut made = Vec::new();
        for name in ["a", "b"] {
            let done = app.run_in(session, "make", json!({"name": name, "parents": made.last()
                .filter(|_| name == "b").into_iter().collect::<Vec<&String>>()})).await;
            let id: String = done.result.unwrap().as_inline().unwrap().read().unwrap();
            made.push(id);
        }
        let upload = "mutation { createUpload(input: {filename: \"a\", sizeBytes: 1}) { errors { code } } }";
        app.data(upload, json!({})).await;
        backend.execute("UPDATE upload SET expires_at = 1, created_at = 1").await;
        let key = "mutation { createApiKey(input: {roles: [\"viewer\"]}) { apiKey { id } errors { code } } }";
        let key = app.data(key, json!({})).await["createApiKey"]["apiKey"]["id"].take();
        let revoke = "mutation($id: ID!) { revokeApiKey(input: {id: $id}) { errors { code } } }";
        app.data(revoke, json!({"id": key})).await;
        let operation = crate::operations::begun(&app, "cancelExecutions", json!({"all": true})).await;
        crate::operations::ended(&app, &operation).await;
        let webhook = crate::webhooks::made(&app, json!({"url": "https://hooks.example.com/", "filter": {"types": ["nothing"]}})).await;
        crate::webhooks::change(&app, "deleteWebhook", json!({"id": webhook.id})).await;
        app.server.node().sign_checkpoints().await.unwrap();
        let remove = async || app.services().runtime.remove_old().await.unwrap();
        // An open session and living artifacts stay, and what the artifacts are in.
        remove().await;
        app.assert_verified().await;
        let kept = [("session", 1), ("artifact", 2), ("artifact_edge", 1), ("execution", 0), ("api_key", 0), ("upload", 0), ("operation", 0), ("webhook", 0)];
        for (table, rows) in kept {
            assert_eq!(count(&backend, table).await, rows, "{table}");
        }
        let close = "mutation($id: ID!) { closeSession(input: {sessionId: $id}) { errors { code } } }";
        app.data(close, json!({"id": session.to_string()})).await;
        remove().await;
        assert_eq!(count(&backend, "session").await, 1);
        let delete = "mutation($id: ID!) { deleteArtifact(input: {artifactId: $id, includeDescendants: true}) {
            errors { code } } }";
        app.data(delete, json!({"id": made[0]})).await;
        app.services().uploads.release_deleted().await.unwrap();
        app.services().uploads.release_deleted().await.unwrap();
        app.server.node().sign_checkpoints().await.unwrap();
        // What was made from another one goes first.
        for _ in 0..3 {
            remove().await;
            app.assert_verified().await;
        }
        // The keys of requests for fingerprints and children have times of their own, or went with their executions.
        backend.execute("UPDATE idempotency SET expires_at = 1").await;
        remove().await;
        for (table, by) in TABLES {
            if matches!(by, Retention) {
                assert_eq!(count(&backend, table).await, 0, "{table}");
            }
        }
        assert_eq!(count(&backend, "checkpoint").await, 1);
        app.assert_verified().await;
    }
}
