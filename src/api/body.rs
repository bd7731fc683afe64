//! Bodies of requests, for both APIs alike: JSON and nothing else, so that no form of another site
//! can send one.

use axum::{
    body::Bytes,
    extract::Request,
    http::{HeaderMap, StatusCode, header::CONTENT_TYPE},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::ApiError;

/// The bytes of a body of JSON, at most so many; else the status and the error that say why not.
///
/// # Errors
/// 415 for another content type, 413 for a body above the limit, 400 for one that breaks off.
pub async fn json_body(
    request: Request,
    max_bytes: usize,
) -> Result<Bytes, (StatusCode, ApiError)> {
    if !is_json(request.headers()) {
        let error = ApiError::bad_input("the content type must be application/json");
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
    }
    let body = Limited::new(request.into_body(), max_bytes).collect().await;
    let body = body.map_err(|fault| {
        let (status, message) = if fault.is::<LengthLimitError>() {
            (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
        } else {
            (StatusCode::BAD_REQUEST, "the body cannot be read")
        };
        (status, ApiError::bad_input(message))
    })?;
    Ok(body.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_json_is_taken_whatever_its_charset() {
        let takes = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_json(&headers)
        };
        assert!(takes("application/json"));
        assert!(takes("Application/JSON; charset=utf-8"));
        for other in ["text/plain", "application/jsonx", "multipart/form-data", ""] {
            assert!(!takes(other), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }
}
