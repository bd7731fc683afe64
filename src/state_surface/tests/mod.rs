//! On a database of its own for each test.

mod copies;
mod execution;
mod session;

use std::{sync::Arc, time::Duration};

use tempfile::TempDir;

use super::*;
use crate::{
    content::{ContentStore, S3Options},
    hot::InProcess,
    model::{Principal, RawJson, Session},
    storage::{Options, WriteOptions, migrate},
    telemetry::Metrics,
};

/// A surface with what it stands on.
struct World {
    storage: Storage,
    payloads: Payloads,
    /// Removed when the test ends.
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options = Options {
            url: format!("sqlite://{}", folder.path().join("test.db").display()),
            max_connections: 4,
            acquire_timeout: Duration::from_secs(10),
            statement_timeout: Duration::from_secs(10),
            low: None,
        };
        migrate(&options).await.unwrap();
        let write = WriteOptions {
            writers: 1,
            batch_max_items: 100,
            queue_capacity: 1000,
        };
        let storage = Storage::connect(&options, write, &Metrics::new())
            .await
            .unwrap();
        let payloads = payloads(&folder).await;
        Self {
            storage,
            payloads,
            _folder: folder,
        }
    }

    fn surface(&self, hot: Arc<dyn HotCopies>) -> StateSurface {
        let limits = StateLimits {
            state_bytes: 20_000,
            metadata_bytes: 1_000,
            session_ttl_seconds: 60,
            session_ttl_max_seconds: 600,
        };
        let (storage, payloads) = (self.storage.clone(), self.payloads.clone());
        StateSurface::new(storage, payloads, hot, &key(), IdSource::system(), limits)
    }

    fn plain(&self) -> StateSurface {
        self.surface(Arc::new(InProcess::new()))
    }
}

async fn payloads(folder: &TempDir) -> Payloads {
    let url = format!("file://{}", folder.path().join("content").display());
    let content = ContentStore::open(&url, &S3Options::default())
        .await
        .unwrap();
    Payloads::new(content, 8192)
}

fn key() -> CopyKey {
    CopyKey::derived(b"of the tests")
}

fn anyone() -> Principal {
    Principal::for_test("default")
}

fn somebody_else() -> Principal {
    Principal::for_test("other")
}

fn json(text: &str) -> RawJson {
    RawJson::parse(text).unwrap()
}

fn upgrade(session: &Session, user: &str, metadata: Option<RawJson>) -> Upgrade {
    Upgrade {
        id: session.id,
        user_id: Some(user.to_owned()),
        metadata,
    }
}
