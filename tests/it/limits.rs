//! Answers of a saturated runtime, and of an overdue session.

use serde_json::json;
use sqlx::{Connection, Executor, PgConnection, SqliteConnection};
use takeoff::{
    model::{RawJson, Refusal, SessionStatus},
    runtime::SubmitIntent,
    services::Error,
};

use crate::support::{TestApp, backends};

/// Keeps every writer out of the database while it lives.
pub enum Blocker {
    Sqlite(SqliteConnection),
    Postgres(PgConnection),
}

impl Blocker {
    pub async fn new(backend: &crate::support::Backend) -> Self {
        if backend.is_postgres() {
            let mut connection = PgConnection::connect(&backend.url()).await.unwrap();
            connection.execute("BEGIN").await.unwrap();
            connection
                .execute("LOCK TABLE execution IN ACCESS EXCLUSIVE MODE")
                .await
                .unwrap();
            return Self::Postgres(connection);
        }
        let mut connection = SqliteConnection::connect(&backend.url()).await.unwrap();
        connection.execute("BEGIN IMMEDIATE").await.unwrap();
        Self::Sqlite(connection)
    }

    pub async fn release(self) {
        match self {
            Self::Sqlite(mut connection) => connection.execute("ROLLBACK").await.map(|_| ()),
            Self::Postgres(mut connection) => connection.execute("ROLLBACK").await.map(|_| ()),
        }
        .unwrap();
    }
}

backends! {
    async fn a_full_queue_refuses_and_says_when_to_come_back(backend: Backend) {
        let small = [
            "runtime.queue_capacity=4", "runtime.batch_max_items=4", "database.writers=1",
            "runtime.lease_seconds=3600", "runtime.heartbeat_seconds=3000",
        ];
        let app = TestApp::start_with(&backend, &small).await;
        let session = app.session().await;
        let blocker = Blocker::new(&backend).await;
        let intent = || SubmitIntent::new("add", session, RawJson::from(&json!({"a": 1, "b": 1})));
        let submits: Vec<_> = (0..40)
            .map(|_| {
                let runtime = app.services().runtime.clone();
                let (intent, principal) = (intent(), app.principal());
                tokio::spawn(async move { runtime.submit(&principal, intent).await })
            })
            .collect();
        // Refusals come at once, while the database is still blocked.
        app.until(|| async { (submits.iter().filter(|s| s.is_finished()).count() >= 30).then_some(()) }).await;
        blocker.release().await;
        let (mut accepted, mut refused) = (0, 0);
        for submit in submits {
            match tokio::time::timeout(crate::support::PATIENCE, submit).await.unwrap().unwrap() {
                Ok(submitted) => {
                    app.ended(submitted.execution.id).await;
                    accepted += 1;
                }
                Err(Error::Refused(Refusal::QuotaExceeded { retry_after_ms, .. })) => {
                    assert!(retry_after_ms > 0);
                    refused += 1;
                }
                Err(error) => panic!("{error:?}"),
            }
        }
        assert_eq!(accepted + refused, 40);
        assert!(accepted >= 4, "{accepted}");
        assert_eq!(app.verify().await.executions, accepted);
        app.assert_verified().await;
    }

    async fn a_submit_whose_client_has_gone_is_counted(backend: Backend) {
        let app = TestApp::start_with(&backend, &["database.writers=1"]).await;
        let session = app.session().await;
        let blocker = Blocker::new(&backend).await;
        let intent = || SubmitIntent::new("add", session, RawJson::from(&json!({"a": 1, "b": 1})));
        let submits: Vec<_> = (0..10)
            .map(|_| {
                let runtime = app.services().runtime.clone();
                let (intent, principal) = (intent(), app.principal());
                tokio::spawn(async move { runtime.submit(&principal, intent).await })
            })
            .collect();
        let storage = &app.services().storage;
        app.until(|| async { (storage.queue_depth() >= 1).then_some(()) }).await;
        for submit in submits {
            submit.abort();
        }
        blocker.release().await;
        app.until(|| async {
            let made = app.verify().await.executions;
            let line = format!("takeoff_submits_total{{intent_type=\"add\",outcome=\"accepted\"}} {made}");
            let metrics = app.http.get(app.url("/metrics")).send().await.unwrap();
            let metrics = metrics.text().await.unwrap();
            (made > 0 && metrics.lines().any(|found| found == line)).then_some(())
        }).await;
    }

    async fn an_overdue_session_is_expired_and_takes_nothing(backend: Backend) {
        let app = TestApp::start_with(&backend, &["runtime.sweep_seconds=1"]).await;
        let session = app.session().await;
        backend.execute("UPDATE session SET expires_at = 1").await;
        let scope = app.principal().scope();
        let found = app.services().state.get_session(&scope, session).await.unwrap().unwrap();
        assert_eq!(found.status, SessionStatus::Expired);
        let intent = SubmitIntent::new("add", session, RawJson::from(&json!({"a": 1, "b": 1})));
        let refused = app.try_submit(intent).await;
        let expired = Refusal::SessionNotActive { status: SessionStatus::Expired };
        assert!(matches!(refused, Err(Error::Refused(found)) if found == expired));
        app.until(|| async {
            let filter = takeoff::storage::WalFilter { types: vec!["session.closed".into()], ..Default::default() };
            let storage = &app.services().storage;
            let entries = storage.wal_after(&scope, &filter, takeoff::model::Cursor::default(), 10).await.unwrap();
            (entries.len() == 1).then_some(())
        }).await;
    }
}
