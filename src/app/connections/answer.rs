//! The body of an answer. Over HTTP/2 it goes out in small pieces, and its peer must take each within a time:
//! there the windows of its streams, and not the socket, tell that a peer reads nothing. An answer that waits longer
//! is given up by itself, for others on the same connection may be somebody else's, behind a proxy.

use std::{
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::body::Body;
use bytes::Bytes;
use futures::future::{AbortHandle, Abortable};
use http_body::{Frame, SizeHint};
use tokio::time::Instant;

use super::activity::Busy;

/// Bytes of the largest piece over HTTP/2.
const PIECE_BYTES: usize = 16 * 1024;

/// The body of an answer; the request is answered when it has been sent or given up.
pub(super) struct AnswerBody {
    body: Body,
    busy: Busy,
    pieces: Option<Pieces>,
}

tokio::task_local! {
    /// Gives up the request that is being answered.
    static GIVE_UP: AbortHandle;
}

/// A request over HTTP/2, which is given up when its answer has waited too long for its peer.
pub(super) fn giving_up(request: impl Future<Output = ()>) -> impl Future<Output = ()> {
    let (handle, registration) = AbortHandle::new_pair();
    let request = Abortable::new(request, registration);
    GIVE_UP.scope(handle, async { _ = request.await })
}

/// What a body over HTTP/2 has besides.
struct Pieces {
    /// The rest of a frame of which a part was given.
    rest: Bytes,
    waiting: Arc<Waiting>,
}

impl AnswerBody {
    /// One that goes to the socket as it is.
    pub(super) fn whole(body: Body, busy: Busy) -> Self {
        Self {
            body,
            busy,
            pieces: None,
        }
    }

    /// One of several on their way over a connection.
    pub(super) fn in_pieces(body: Body, busy: Busy, peer: &Peer) -> Self {
        let waiting = peer.expect();
        let rest = Bytes::new();
        let pieces = Some(Pieces { rest, waiting });
        Self { body, busy, pieces }
    }

    /// The connection waits for no other request: it speaks another protocol now.
    pub(super) fn lasts(&mut self) {
        self.busy.never_ends();
    }
}

impl http_body::Body for AnswerBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        let Some(pieces) = &mut this.pieces else {
            return Pin::new(&mut this.body).poll_frame(cx);
        };
        // Whoever asks for more has sent what it was given.
        pieces.waiting.end();
        if pieces.rest.is_empty() {
            let frame = ready!(Pin::new(&mut this.body).poll_frame(cx));
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => pieces.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        pieces.waiting.begin();
        let piece = pieces.rest.len().min(PIECE_BYTES);
        Poll::Ready(Some(Ok(Frame::data(pieces.rest.split_to(piece)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest_bytes() == 0 && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (rest, body) = (self.rest_bytes(), self.body.size_hint());
        let mut hint = SizeHint::new();
        hint.set_lower(body.lower().saturating_add(rest));
        if let Some(upper) = body.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

impl AnswerBody {
    fn rest_bytes(&self) -> u64 {
        let pieces = self.pieces.as_ref();
        pieces.map_or(0, |pieces| pieces.rest.len() as u64)
    }
}

/// The peer of a connection over HTTP/2, as far as answers wait for it.
pub(super) struct Peer {
    began: Instant,
    answers: Mutex<Vec<Weak<Waiting>>>,
}

/// Since when an answer waits for its peer to take a piece, in microseconds from the beginning of the
/// connection; 0 while it waits for the server.
struct Waiting {
    began: Instant,
    since: AtomicU64,
    /// None outside of [`giving_up`].
    give_up: Option<AbortHandle>,
}

impl Waiting {
    fn begin(&self) {
        self.since.store(micros(self.began), Ordering::Relaxed);
    }

    fn end(&self) {
        self.since.store(0, Ordering::Relaxed);
    }
}

impl Peer {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            answers: Mutex::default(),
        }
    }

    /// An answer that is about to go out.
    fn expect(&self) -> Arc<Waiting> {
        let waiting = Arc::new(Waiting {
            began: self.began,
            since: AtomicU64::new(0),
            give_up: GIVE_UP.try_with(AbortHandle::clone).ok(),
        });
        let mut answers = self.answers();
        answers.retain(|answer| answer.strong_count() > 0);
        answers.push(Arc::downgrade(&waiting));
        waiting
    }

    /// Gives up the answers that have waited for the peer for as long as `limit`; how many they are.
    pub(super) fn give_up_after(&self, limit: Duration) -> usize {
        let now = micros(self.began);
        let limit = u64::try_from(limit.as_micros()).unwrap_or(u64::MAX);
        let waiting: Vec<_> = self.answers().iter().filter_map(Weak::upgrade).collect();
        let too_long = waiting.iter().filter(|answer| {
            let since = answer.since.load(Ordering::Relaxed);
            since > 0 && now.saturating_sub(since) >= limit
        });
        let too_long = too_long.inspect(|answer| {
            if let Some(give_up) = &answer.give_up {
                give_up.abort();
            }
        });
        too_long.count()
    }

    fn answers(&self) -> MutexGuard<'_, Vec<Weak<Waiting>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn micros(began: Instant) -> u64 {
    let micros = began.elapsed().as_micros();
    u64::try_from(micros).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use http_body::Body as _;
    use http_body_util::BodyExt as _;

    use super::*;
    use crate::{api::Client, app::connections::activity::Activity};

    #[tokio::test]
    async fn an_answer_in_pieces_is_the_same_and_waits_for_its_peer_piece_by_piece() {
        let text = Bytes::from(vec![7; 2 * PIECE_BYTES + 1]);
        let peer = Peer::new();
        let is_waited_for = || peer.give_up_after(Duration::ZERO) == 1;
        let busy = Arc::new(Activity::new(Client::local())).begin();
        let mut body = AnswerBody::in_pieces(Body::from(text.clone()), busy, &peer);
        let mut seen = Vec::new();
        assert!(!is_waited_for(), "it was given nothing yet");
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() <= PIECE_BYTES && is_waited_for());
            assert_eq!(peer.give_up_after(Duration::from_mins(1)), 0);
            seen.extend(data);
            let left = (text.len() - seen.len()) as u64;
            assert_eq!(body.size_hint().exact(), Some(left));
            assert_eq!(body.is_end_stream(), left == 0);
        }
        assert_eq!(seen, text);
        assert!(!is_waited_for(), "all of it was taken");
    }
}
