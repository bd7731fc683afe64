//! Through the routes, on a database and a folder of its own for each test.

mod announce;
mod download;
mod receive;

use std::time::Duration;

use axum::{
    body::Body,
    http::{Method, Request, Response, StatusCode},
};
use bytes::Bytes;
use tempfile::TempDir;
use tower::ServiceExt;

use super::*;
use crate::{
    content::S3Options,
    model::{KeyRing, Principal},
    quotas::{QuotaSettings, Quotas},
    storage::{Options, WriteOptions, migrate},
    telemetry::Metrics,
};

const MAX_BYTES: u64 = 1_000_000;
const TTL_SECONDS: i64 = 900;
const KEY: &str = "one:0123456789abcdef0123456789abcdef";

struct World {
    uploads: Uploads,
    content: ContentStore,
    storage: Storage,
    clock: Clock,
    folder: TempDir,
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
        let url = format!("file://{}", folder.path().join("content").display());
        let content = ContentStore::open(&url, &S3Options::default())
            .await
            .unwrap();
        // Expiry is set by the database's clock; this one begins with it and is then moved by hand.
        let clock = Clock::manual(Clock::System.now());
        let budget = Arc::new(Budget::new(u64::from(u32::MAX), 0));
        let settings = UploadSettings {
            quotas: Quotas::new(QuotaSettings::default(), storage.clone(), None),
            policies: Policies::open(storage.clone(), None, false).unwrap(),
            max_upload_bytes: MAX_BYTES,
            max_announced_bytes: 1 << 40,
            deleted_grace: Duration::ZERO,
            url_ttl_seconds: TTL_SECONDS,
            public_url: Some("https://takeoff.example/".to_owned()),
        };
        let uploads = Uploads::new(
            storage.clone(),
            content.clone(),
            Signer::new(&KEY.parse::<KeyRing>().unwrap()),
            clock.clone(),
            IdSource::system(),
            budget,
            settings,
        );
        Self {
            uploads,
            content,
            storage,
            clock,
            folder,
        }
    }

    async fn created(&self, size_bytes: usize) -> CreatedUpload {
        let size_bytes = i64::try_from(size_bytes).unwrap();
        let (name, mime_type) = ("data.csv".to_owned(), Some("text/csv".to_owned()));
        self.uploads
            .create(&anyone(), name, mime_type, size_bytes)
            .await
            .unwrap()
    }

    async fn send(&self, request: Request<Body>) -> Response<Body> {
        routes(self.uploads.clone()).oneshot(request).await.unwrap()
    }

    /// The digest that the upload has by now.
    async fn digest(&self, created: &CreatedUpload) -> Option<String> {
        let id = created.upload.id;
        let found = self.storage.find_upload(&anyone().scope(), id).await;
        found.unwrap().unwrap().digest
    }

    /// The files that the content store keeps, but for the one by which it was tried.
    fn files(&self) -> usize {
        fn count(folder: &std::path::Path) -> usize {
            let entries = std::fs::read_dir(folder).into_iter().flatten();
            entries
                .map(|entry| entry.unwrap().path())
                .map(|path| if path.is_dir() { count(&path) } else { 1 })
                .sum()
        }
        count(&self.folder.path().join("content")) - 1
    }
}

fn anyone() -> Principal {
    Principal::for_test("default")
}

/// Path and query of a link.
fn path(url: &str) -> String {
    url.strip_prefix("https://takeoff.example")
        .expect("an absolute link")
        .to_owned()
}

fn request(method: Method, url: &str, headers: &[(&str, &str)], body: Body) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path(url));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body).unwrap()
}

/// A body that does not say how long it is.
fn streamed(parts: &[&'static str]) -> Body {
    let parts: Vec<_> = parts.iter().map(|it| Ok::<_, Failed>(*it)).collect();
    Body::from_stream(futures::stream::iter(parts))
}

#[derive(Debug, thiserror::Error)]
#[error("the line is dead")]
struct Failed;

async fn bytes_of(response: Response<Body>) -> Result<Bytes, axum::Error> {
    axum::body::to_bytes(response.into_body(), usize::MAX).await
}

async fn json_of(response: Response<Body>) -> serde_json::Value {
    serde_json::from_slice(&bytes_of(response).await.unwrap()).unwrap()
}

async fn refused(response: Response<Body>) -> (u16, String) {
    let status = response.status().as_u16();
    let body = json_of(response).await;
    assert!(body["error"].as_str().is_some_and(|text| !text.is_empty()));
    (status, body["error_code"].as_str().unwrap().to_owned())
}

fn refusal(status: StatusCode, code: &str) -> (u16, String) {
    (status.as_u16(), code.to_owned())
}
