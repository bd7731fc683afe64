//! As much of S3 as the store uses, over real HTTP: objects, multipart uploads, copies, lists.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Write as _,
    sync::{Arc, Mutex, PoisonError},
};

use axum::{
    Router,
    extract::{DefaultBodyLimit, Query, State},
    http::{HeaderMap, Method, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;

/// The objects of the server.
#[derive(Default)]
pub struct Bucket {
    /// By path: bucket and key.
    pub objects: BTreeMap<String, Bytes>,
    /// Unfinished multipart uploads.
    pub uploads: HashMap<String, BTreeMap<u32, Bytes>>,
    /// Keys whose removal is refused begin with this.
    pub undeletable: Option<String>,
    /// The refusal of every request, if it is set.
    pub refusal: Option<String>,
}

#[derive(Clone, Default)]
pub struct S3(Arc<Mutex<Bucket>>);

impl S3 {
    /// Starts one; it ends with the test's runtime. Also its address.
    pub async fn start() -> (Self, String) {
        let s3 = Self::default();
        let app = Router::new()
            .fallback(answer)
            .layer(DefaultBodyLimit::disable())
            .with_state(s3.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, app).await });
        (s3, address)
    }

    pub fn with<T>(&self, look: impl FnOnce(&mut Bucket) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn answer(
    State(s3): State<S3>,
    method: Method,
    uri: Uri,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let key = uri.path().to_owned();
    if key.starts_with("/missing/") {
        return StatusCode::NOT_FOUND.into_response();
    }
    if let Some(reason) = s3.with(|bucket| bucket.refusal.clone()) {
        return (StatusCode::FORBIDDEN, reason).into_response();
    }
    s3.with(|bucket| match (method.as_str(), query.get("uploadId")) {
        ("POST", None) if query.contains_key("uploads") => {
            let id = format!("upload-{}", bucket.uploads.len());
            bucket.uploads.insert(id.clone(), BTreeMap::new());
            xml(
                "InitiateMultipartUploadResult",
                &format!("<UploadId>{id}</UploadId>"),
            )
        }
        ("POST", None) if query.contains_key("delete") => bucket.delete(&body),
        ("POST", Some(id)) => {
            let parts = bucket.uploads.remove(id).unwrap_or_default();
            let whole: Vec<Bytes> = parts.into_values().collect();
            bucket.objects.insert(key, whole.concat().into());
            xml("CompleteMultipartUploadResult", "<ETag>e</ETag>")
        }
        ("PUT", Some(id)) => {
            let number = query["partNumber"].parse().unwrap();
            bucket
                .uploads
                .entry(id.clone())
                .or_default()
                .insert(number, body);
            [(header::ETAG, "e")].into_response()
        }
        ("PUT", None) => bucket.put(key, &headers, body),
        ("DELETE", Some(id)) => {
            bucket.uploads.remove(id);
            StatusCode::NO_CONTENT.into_response()
        }
        ("GET", None) if query.contains_key("list-type") => {
            bucket.list(&key, query.get("prefix").map_or("", String::as_str))
        }
        _ => bucket.read(&key, &headers),
    })
}

impl Bucket {
    fn put(&mut self, key: String, headers: &HeaderMap, body: Bytes) -> Response {
        let Some(source) = headers.get("x-amz-copy-source") else {
            self.objects.insert(key, body);
            return [(header::ETAG, "e")].into_response();
        };
        let source = format!("/{}", source.to_str().unwrap().trim_start_matches('/'));
        let Some(copied) = self.objects.get(&source).cloned() else {
            return StatusCode::NOT_FOUND.into_response();
        };
        self.objects.insert(key, copied);
        xml("CopyObjectResult", "<ETag>e</ETag>")
    }

    fn read(&self, key: &str, wanted: &HeaderMap) -> Response {
        let headers = [
            (header::ETAG, "e"),
            (header::LAST_MODIFIED, "Mon, 01 Jan 2024 00:00:00 GMT"),
        ];
        let Some(bytes) = self.objects.get(key) else {
            return StatusCode::NOT_FOUND.into_response();
        };
        let Some((from, to)) = range_of(wanted) else {
            return (headers, bytes.clone()).into_response();
        };
        if from >= bytes.len() {
            return StatusCode::RANGE_NOT_SATISFIABLE.into_response();
        }
        let to = to.min(bytes.len() - 1);
        let of_part = format!("bytes {from}-{to}/{}", bytes.len());
        let of_part = [(header::CONTENT_RANGE, of_part)];
        let part = bytes.slice(from..=to);
        (StatusCode::PARTIAL_CONTENT, headers, of_part, part).into_response()
    }

    fn delete(&mut self, request: &[u8]) -> Response {
        let request = String::from_utf8_lossy(request).into_owned();
        let named = request.split("<Key>").skip(1);
        let keys: Vec<&str> = named
            .filter_map(|rest| rest.split("</Key>").next())
            .collect();
        let fixed = self.undeletable.clone();
        if keys
            .iter()
            .any(|key| fixed.as_ref().is_some_and(|fixed| key.starts_with(fixed)))
        {
            return StatusCode::FORBIDDEN.into_response();
        }
        let mut answer = String::new();
        for key in keys {
            self.objects.retain(|path, _| !path.ends_with(key));
            let _ = write!(answer, "<Deleted><Key>{key}</Key></Deleted>");
        }
        xml("DeleteResult", &answer)
    }

    fn list(&self, bucket: &str, prefix: &str) -> Response {
        let mut contents = String::new();
        for (path, bytes) in &self.objects {
            let key = path
                .strip_prefix(bucket)
                .map(|key| key.trim_start_matches('/'));
            if let Some(key) = key.filter(|key| key.starts_with(prefix)) {
                let _ = write!(
                    contents,
                    "<Contents><Key>{key}</Key><Size>{}</Size>\
                     <LastModified>2024-01-01T00:00:00Z</LastModified><ETag>e</ETag></Contents>",
                    bytes.len()
                );
            }
        }
        xml("ListBucketResult", &contents)
    }
}

/// The first and the last byte that are asked for.
fn range_of(headers: &HeaderMap) -> Option<(usize, usize)> {
    let range = headers.get(header::RANGE)?.to_str().unwrap();
    let (from, to) = range.strip_prefix("bytes=")?.split_once('-')?;
    Some((from.parse().unwrap(), to.parse().unwrap()))
}

fn xml(name: &str, content: &str) -> Response {
    format!("<{name}>{content}</{name}>").into_response()
}
