//! The routes of signed links. They stand outside the limit on the size of requests: an upload has
//! the limit that was announced for it.

use std::str::FromStr;

use axum::{
    Json, Router,
    body::Body,
    extract::{
        DefaultBodyLimit, Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    middleware::map_response,
    response::{IntoResponse, Response},
    routing::{get, put},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use tower_http::compression::CompressionLayer;

use super::{
    Announced, Error, Uploads,
    range::{Wanted, wanted},
};
use crate::{
    api::{LinkCode, TooSlow, seconds},
    content::{Digest, Link, SignatureError},
    model::{Refusal, UploadId},
    storage,
};

const CONTENT_DIGEST: HeaderName = HeaderName::from_static("content-digest");
const SHA256_HEX: HeaderName = HeaderName::from_static("x-content-sha256");

/// The beginning of the paths of uploads.
pub const PATH: &str = "/uploads/";

/// `PUT /uploads/{id}` and `GET /content/{tenant}/{digest}`.
pub fn routes(uploads: Uploads) -> Router {
    Router::new()
        .route("/uploads/{id}", put(receive))
        .route(
            "/content/{tenant}/{digest}",
            get(download)
                .layer(CompressionLayer::new())
                .layer(map_response(weakened)),
        )
        .layer(DefaultBodyLimit::disable())
        .with_state(uploads)
}

/// Makes the tag of a compressed answer weak: it is not byte for byte what a range is taken from. A
/// weak tag is one which `If-Range` does not accept.
async fn weakened(mut response: Response) -> Response {
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_ENCODING) {
        // Of the bytes before they were compressed.
        headers.remove(CONTENT_DIGEST);
        let tag = headers.get(header::ETAG).map(HeaderValue::as_bytes);
        let weak = tag.and_then(|tag| HeaderValue::from_bytes(&[b"W/", tag].concat()).ok());
        if let Some(weak) = weak {
            headers.insert(header::ETAG, weak);
        }
    }
    response
}

#[derive(Debug, Deserialize)]
struct UploadQuery {
    tenant: String,
    expires: i64,
    key: String,
    signature: String,
}

#[derive(Debug, Deserialize)]
struct DownloadQuery {
    expires: i64,
    #[serde(default)]
    name: String,
    key: String,
    signature: String,
}

/// An upload whose bytes have arrived.
#[derive(Debug, Serialize)]
struct ReceivedBody {
    upload_id: UploadId,
    digest: Digest,
    size_bytes: u64,
}

async fn receive(
    State(uploads): State<Uploads>,
    id: Result<Path<String>, PathRejection>,
    query: Result<Query<UploadQuery>, QueryRejection>,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Error> {
    let Query(query) = query.map_err(|_| SignatureError::Invalid)?;
    let id: UploadId = part(id, "upload")?;
    let link = Link {
        tenant: query.tenant,
        expires_at_s: query.expires,
        key: query.key,
        signature: query.signature,
    };
    let announced = announced(&headers)?;
    let body = body.into_data_stream();
    let received = uploads.receive(id, &link, announced, body).await?;
    let status = if received.repeated {
        StatusCode::OK
    } else {
        StatusCode::CREATED
    };
    let body = ReceivedBody {
        upload_id: id,
        digest: received.digest,
        size_bytes: received.size_bytes,
    };
    Ok((status, Json(body)).into_response())
}

/// A browser that shows it all the same runs nothing of it, loads nothing for it, and puts it into no page.
const ALONE: &str = "sandbox; default-src 'none'; frame-ancestors 'none'";

async fn download(
    State(uploads): State<Uploads>,
    path: Result<Path<(String, String)>, PathRejection>,
    query: Result<Query<DownloadQuery>, QueryRejection>,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let Query(query) = query.map_err(|_| SignatureError::Invalid)?;
    let Path((tenant, digest)) = path.map_err(|_| Error::NotFound("content"))?;
    let digest: Digest = digest.parse().map_err(|_| Error::NotFound("content"))?;
    let link = Link {
        tenant,
        expires_at_s: query.expires,
        key: query.key,
        signature: query.signature,
    };
    let name = Some(query.name.as_str()).filter(|name| !name.is_empty());
    let content = uploads.open(&digest, name, &link).await?;
    let etag = format!("\"{digest}\"");
    let always = [
        // What a tenant uploaded is never shown as a page of this server.
        (header::CONTENT_TYPE, "application/octet-stream".to_owned()),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CONTENT_SECURITY_POLICY, ALONE.to_owned()),
        (header::CACHE_CONTROL, "private, no-store".to_owned()),
        (header::CONTENT_DISPOSITION, attachment(name)),
        (header::ACCEPT_RANGES, "bytes".to_owned()),
    ];
    let size = content.size_bytes;
    Ok(match wanted(&headers, &etag, size) {
        Wanted::Whole => {
            let of_whole = [
                (header::ETAG, etag),
                (header::CONTENT_LENGTH, size.to_string()),
                (
                    CONTENT_DIGEST,
                    format!("sha-256=:{}:", STANDARD.encode(digest.0)),
                ),
            ];
            let body = Body::from_stream(uploads.whole(&content).await?);
            (always, of_whole, body).into_response()
        }
        Wanted::Part(range) => {
            let last = range.end - 1;
            let of_part = [
                (header::ETAG, etag),
                (
                    header::CONTENT_LENGTH,
                    (range.end - range.start).to_string(),
                ),
                (
                    header::CONTENT_RANGE,
                    format!("bytes {}-{last}/{size}", range.start),
                ),
            ];
            let body = Body::from_stream(uploads.part(&content, range).await?);
            (StatusCode::PARTIAL_CONTENT, always, of_part, body).into_response()
        }
        Wanted::Nothing => {
            let of_size = [(header::CONTENT_RANGE, format!("bytes */{size}"))];
            let error = "the content has no such bytes".to_owned();
            let error_code = LinkCode::RangeNotSatisfiable.name();
            let body = Json(ErrorBody { error, error_code });
            (StatusCode::RANGE_NOT_SATISFIABLE, of_size, body).into_response()
        }
    })
}

fn part<T: FromStr>(
    path: Result<Path<String>, PathRejection>,
    what: &'static str,
) -> Result<T, Error> {
    let Path(text) = path.map_err(|_| Error::NotFound(what))?;
    text.parse().map_err(|_| Error::NotFound(what))
}

/// Reads what the headers say of the bytes: `Content-Length`, `Content-Digest` (RFC 9530) or
/// `X-Content-SHA256` in hexadecimal.
fn announced(headers: &HeaderMap) -> Result<Announced, Error> {
    let length = headers.get(header::CONTENT_LENGTH).map(text).transpose()?;
    let field = headers.get(CONTENT_DIGEST).map(text).transpose()?;
    let hex = headers.get(SHA256_HEX).map(text).transpose()?;
    let from_field = field.map(sha256_of).transpose()?.flatten();
    let from_hex = hex.map(|hex| hex.parse().map_err(|_| Error::MalformedDigest));
    let from_hex: Option<Digest> = from_hex.transpose()?;
    if let (Some(one), Some(other)) = (from_field, from_hex)
        && one != other
    {
        return Err(Error::DigestMismatch);
    }
    Ok(Announced {
        size_bytes: length.and_then(|length| length.parse().ok()),
        digest: from_field.or(from_hex),
    })
}

fn text(value: &HeaderValue) -> Result<&str, Error> {
    value.to_str().map_err(|_| Error::MalformedDigest)
}

/// `sha-256=:<base64>:` among others; other algorithms are not looked at.
fn sha256_of(field: &str) -> Result<Option<Digest>, Error> {
    let mut members = field.split(',').map(str::trim);
    let Some(value) = members.find_map(|member| member.strip_prefix("sha-256=")) else {
        return Ok(None);
    };
    let base64 = value.strip_prefix(':').and_then(|v| v.strip_suffix(':'));
    let bytes = base64.and_then(|base64| STANDARD.decode(base64).ok());
    let digest = bytes.and_then(|bytes| bytes.try_into().ok()).map(Digest);
    digest.map(Some).ok_or(Error::MalformedDigest)
}

/// RFC 6266: a plain name for old clients, the true one in UTF-8 for others.
fn attachment(name: Option<&str>) -> String {
    let Some(name) = name else {
        return "attachment".to_owned();
    };
    let kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let plain: String = name
        .chars()
        .map(|c| if kept(c) { c } else { '_' })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if kept(char::from(byte)) {
            encoded.push(char::from(byte));
        } else {
            encoded.push('%');
            encoded.push_str(&data_encoding::HEXUPPER.encode(&[byte]));
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[derive(Debug, Serialize)]
struct ErrorBody {
    error: String,
    error_code: &'static str,
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let (status, error_code) = answer(&self);
        if status.is_server_error() {
            let error = &self as &dyn std::error::Error;
            tracing::error!(error, "an upload or download failed");
        }
        let error = self.to_string();
        let mut response = (status, Json(ErrorBody { error, error_code })).into_response();
        if let Self::OverBudget(wait) = self {
            let wait = seconds(wait);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        response
    }
}

fn answer(error: &Error) -> (StatusCode, &'static str) {
    let code = match error {
        Error::Link(SignatureError::Expired) => LinkCode::LinkExpired,
        Error::Link(SignatureError::Invalid) => LinkCode::LinkInvalid,
        Error::OverBudget(_) => LinkCode::RateLimited,
        Error::NotFound(_) => LinkCode::NotFound,
        Error::TooLarge { .. } => LinkCode::TooLarge,
        Error::SizeMismatch { .. } => LinkCode::SizeMismatch,
        Error::MalformedDigest => LinkCode::InvalidInput,
        Error::DigestMismatch => LinkCode::DigestMismatch,
        Error::Conflict => LinkCode::UploadConflict,
        Error::Broken(error) if TooSlow::is_cause_of(&**error) => LinkCode::BodyTooSlow,
        Error::Broken(_) => LinkCode::IncompleteBody,
        Error::Storage(storage::Error::Refused(Refusal::QuotaExceeded { .. })) => {
            LinkCode::QuotaExceeded
        }
        Error::Storage(error) if error.is_retryable() => LinkCode::Unavailable,
        Error::Content(error) if error.is_outage() => LinkCode::Unavailable,
        Error::Storage(_) | Error::Content(_) => LinkCode::Internal,
    };
    let status = StatusCode::from_u16(code.http_status());
    let status = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, code.name())
}
