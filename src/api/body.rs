//! Bodies of requests, for both APIs alike: JSON and nothing else, so that no form of another site
//! can send one. What has arrived of all of them together is bounded, as each of them is; so is what
//! has arrived of messages over WebSocket, in the same room.

use std::{
    error::Error,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use axum::{
    body::{Body, Bytes},
    extract::Request,
    http::{
        HeaderMap, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use bytes::BytesMut;
use http_body_util::BodyExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{ApiError, ErrorCode};

/// The body of a request came more slowly than it may.
#[derive(Debug, thiserror::Error)]
#[error("the body comes too slowly")]
pub struct TooSlow;

impl TooSlow {
    /// Returns whether `error` is this one, or is caused by it.
    #[must_use]
    pub fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut next = Some(error);
        while let Some(error) = next {
            if error.is::<Self>() {
                return true;
            }
            next = error.source();
        }
        false
    }
}

/// Reads bodies of JSON. Clones share the room for them.
#[derive(Debug, Clone)]
pub struct Bodies {
    max_bytes: usize,
    /// A permit for each byte that may have arrived of bodies that are not whole.
    room: Arc<Semaphore>,
}

type Refused = (StatusCode, ApiError);

impl Bodies {
    /// Reads bodies of so many bytes each and, until they are whole, together.
    #[must_use]
    pub fn new(max_bytes: usize, together: usize) -> Self {
        let together = together.clamp(max_bytes, Semaphore::MAX_PERMITS);
        Self {
            max_bytes,
            room: Arc::new(Semaphore::new(together)),
        }
    }

    /// Counts what arrives on a connection from now on: it sends messages instead of requests.
    pub fn count(&self, arrivals: &Arrivals) {
        let held = Held {
            room: Arc::clone(&self.room),
            permit: None,
            is_refused: false,
        };
        // A connection changes its protocol once.
        let _ = arrivals.0.set(Mutex::new(held));
    }

    /// Bytes of the largest body.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// The bytes of a body of JSON; else the status and the error that say why not.
    ///
    /// # Errors
    /// 415 for another content type, 413 for a body above the limit (before any of it is read, if
    /// it says so itself), 408 for one that comes too slowly, 400 for one that breaks off, and 503
    /// when there is no room for it.
    pub async fn json(&self, request: Request) -> Result<Bytes, Refused> {
        if !is_json(request.headers()) {
            let error = ApiError::bad_input("the content type must be application/json");
            return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, error));
        }
        if declared_bytes(request.headers()).is_some_and(|bytes| bytes > self.max_bytes as u64) {
            return Err(too_large());
        }
        self.read(request.into_body()).await
    }

    async fn read(&self, mut body: Body) -> Result<Bytes, Refused> {
        let mut room = self.room.try_acquire_many(0).map_err(|_| no_room())?;
        let (mut first, mut whole) = (Bytes::new(), BytesMut::new());
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| unreadable(&error))?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            if data.len() > self.max_bytes - first.len().max(whole.len()) {
                return Err(too_large());
            }
            let bytes = u32::try_from(data.len()).unwrap_or(u32::MAX);
            room.merge(self.room.try_acquire_many(bytes).map_err(|_| no_room())?);
            if first.is_empty() && whole.is_empty() {
                // Most bodies come in one piece, which need not be copied.
                first = data;
                continue;
            }
            if whole.is_empty() {
                whole.extend_from_slice(&first);
            }
            whole.extend_from_slice(&data);
        }
        Ok(if whole.is_empty() {
            first
        } else {
            whole.freeze()
        })
    }
}

/// The bytes of a message that is not whole yet, as they arrive on a connection. Nothing is counted
/// before [`Bodies::count`].
#[derive(Debug, Default)]
pub struct Arrivals(OnceLock<Mutex<Held>>);

#[derive(Debug)]
struct Held {
    room: Arc<Semaphore>,
    permit: Option<OwnedSemaphorePermit>,
    is_refused: bool,
}

impl Arrivals {
    /// Counts bytes that have come; whether there was room for them.
    #[must_use]
    pub fn have_come(&self, bytes: usize) -> bool {
        let Some(mut held) = self.held() else {
            return true;
        };
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        match Arc::clone(&held.room).try_acquire_many_owned(bytes) {
            Ok(more) => match &mut held.permit {
                Some(permit) => permit.merge(more),
                none => *none = Some(more),
            },
            Err(_) => held.is_refused = true,
        }
        !held.is_refused
    }

    /// A message was whole; what came is no longer waited for.
    pub fn are_whole(&self) {
        if let Some(mut held) = self.held() {
            held.permit = None;
        }
    }

    /// Notes that `bytes` belonged to no message.
    pub fn have_passed(&self, bytes: usize) {
        if let Some(permit) = self.held().as_mut().and_then(|held| held.permit.as_mut()) {
            drop(permit.split(bytes.min(permit.num_permits())));
        }
    }

    /// Returns whether there was no room for some of them.
    #[must_use]
    pub fn are_refused(&self) -> bool {
        self.held().is_some_and(|held| held.is_refused)
    }

    fn held(&self) -> Option<MutexGuard<'_, Held>> {
        let held = self.0.get()?;
        Some(held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Returns the number of bytes that the headers declare for the body.
#[must_use]
pub fn declared_bytes(headers: &HeaderMap) -> Option<u64> {
    let length = headers.get(CONTENT_LENGTH)?.to_str().ok()?;
    // One that is no number does not get here; one that is too large for one is too large anyway.
    Some(length.parse().unwrap_or(u64::MAX))
}

fn too_large() -> Refused {
    let error = ApiError::bad_input("the body is too large");
    (StatusCode::PAYLOAD_TOO_LARGE, error)
}

fn no_room() -> Refused {
    let message = "too many bodies are on their way; try again";
    let error = ApiError::new(ErrorCode::Unavailable, message);
    (StatusCode::SERVICE_UNAVAILABLE, error)
}

fn unreadable(error: &axum::Error) -> Refused {
    let (status, message) = if TooSlow::is_cause_of(error) {
        (StatusCode::REQUEST_TIMEOUT, "the body comes too slowly")
    } else {
        (StatusCode::BAD_REQUEST, "the body cannot be read")
    };
    (status, ApiError::bad_input(message))
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
    use futures::stream;

    use super::*;

    fn request(parts: &[&'static str]) -> Request {
        let parts = parts.iter().map(|part| Ok::<_, std::io::Error>(*part));
        let parts: Vec<_> = parts.collect();
        Request::builder()
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from_stream(stream::iter(parts)))
            .unwrap()
    }

    #[tokio::test]
    async fn a_body_is_the_same_in_however_many_parts_it_comes() {
        let bodies = Bodies::new(8, 8);
        for parts in [
            &["12345678"][..],
            &["1", "2345", "678"],
            &["", "1234567", "8"],
        ] {
            assert_eq!(bodies.json(request(parts)).await.unwrap(), "12345678");
        }
        let (status, _) = bodies.json(request(&["1234567", "89"])).await.unwrap_err();
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    }

    #[tokio::test]
    async fn bodies_that_are_not_whole_share_the_room() {
        let bodies = Bodies::new(8, 12);
        let (sender, receiver) =
            futures::channel::mpsc::unbounded::<Result<&str, std::io::Error>>();
        let slow = Request::builder()
            .header(CONTENT_TYPE, "application/json")
            .body(Body::from_stream(receiver))
            .unwrap();
        sender.unbounded_send(Ok("12345678")).unwrap();
        let (other, slow_one) = (bodies.clone(), bodies.clone());
        let mut slow = std::pin::pin!(slow_one.json(slow));
        assert!(futures::poll!(slow.as_mut()).is_pending());
        assert!(other.json(request(&["1234"])).await.is_ok());
        let (status, error) = other.json(request(&["12345"])).await.unwrap_err();
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(error.code().is_retryable());
        drop(sender);
        assert_eq!(slow.await.unwrap(), "12345678");
        assert!(other.json(request(&["12345"])).await.is_ok());
    }

    #[tokio::test]
    async fn messages_that_are_not_whole_share_the_room_with_bodies() {
        let bodies = Bodies::new(8, 12);
        let [one, other] = [Arrivals::default(), Arrivals::default()];
        assert!(one.have_come(1 << 20), "it does not count yet");
        bodies.count(&one);
        bodies.count(&other);
        assert!(one.have_come(5) && one.have_come(4) && other.have_come(2));
        assert!(bodies.json(request(&["12"])).await.is_err());
        one.have_passed(3);
        assert!(bodies.json(request(&["1234"])).await.is_ok());
        assert!(!other.have_come(5));
        assert!(other.are_refused() && !one.are_refused());
        one.are_whole();
        assert!(one.have_come(10));
        drop(one);
        assert!(bodies.json(request(&["12345678"])).await.is_ok());
    }

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
