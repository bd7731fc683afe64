//! The state of a connection, as its stream must know it: waiting for a request, or busy with one.

use std::{
    io::{self, ErrorKind},
    pin::Pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use crate::api::Arrivals;

/// The state of a connection. Its tasks change it and its stream reads it.
#[derive(Debug)]
pub(super) struct Activity {
    began: Instant,
    /// Even while a request is waited for, odd while one is answered.
    turn: AtomicU32,
    /// When the last request was answered, in microseconds from the beginning.
    answered: AtomicU64,
    has_left_body: AtomicBool,
    /// From a request on that asks for another protocol.
    arrivals: OnceLock<Arc<Arrivals>>,
}

impl Activity {
    /// A connection that waits for its first request.
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            turn: AtomicU32::new(0),
            answered: AtomicU64::new(0),
            has_left_body: AtomicBool::new(false),
            arrivals: OnceLock::new(),
        }
    }

    /// A request has come; it is answered when the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.has_left_body.store(false, Ordering::Relaxed);
        self.turn.fetch_add(1, Ordering::Relaxed);
        Busy(Some(Arc::clone(self)))
    }

    /// Returns the counter of the bytes that arrive, once the connection speaks another protocol.
    pub(super) fn arrivals(&self) -> Arc<Arrivals> {
        Arc::clone(self.arrivals.get_or_init(Arc::default))
    }

    /// Bytes have arrived.
    ///
    /// # Errors
    /// When there is no room for what waits to be whole.
    pub(super) fn arrived(&self, bytes: usize) -> io::Result<()> {
        match self.arrivals.get() {
            Some(arrivals) if !arrivals.have_come(bytes) => Err(ErrorKind::QuotaExceeded.into()),
            _ => Ok(()),
        }
    }

    /// A number that changes whenever a request comes or is answered.
    pub(super) fn turn(&self) -> Turn {
        Turn(self.turn.load(Ordering::Acquire))
    }

    /// When the last request was answered.
    pub(super) fn answered(&self) -> Instant {
        self.began + Duration::from_micros(self.answered.load(Ordering::Relaxed))
    }

    /// A part of the request's body was not read.
    pub(super) fn leave_body(&self) {
        self.has_left_body.store(true, Ordering::Relaxed);
    }

    /// Returns whether a part of the last request's body was not read.
    pub(super) fn has_left_body(&self) -> bool {
        self.has_left_body.load(Ordering::Relaxed)
    }
}

/// A stretch of waiting for a request, or of answering one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u32);

impl Turn {
    /// The one that a connection begins with.
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn is_busy(self) -> bool {
        self.0 % 2 == 1
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy(Option<Arc<Activity>>);

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(activity) = &self.0 {
            let micros = activity.began.elapsed().as_micros();
            let micros = u64::try_from(micros).unwrap_or(u64::MAX);
            activity.answered.store(micros, Ordering::Relaxed);
            activity.turn.fetch_add(1, Ordering::Release);
        }
    }
}

/// The body of an answer; the request is answered when it has been sent or given up.
#[derive(Debug)]
pub(super) struct AnswerBody<B> {
    body: B,
    _busy: Busy,
}

impl<B> AnswerBody<B> {
    /// With `lasts` the connection waits for no other request: it speaks another protocol now.
    pub(super) fn new(body: B, mut busy: Busy, lasts: bool) -> Self {
        if lasts {
            busy.0 = None;
        }
        Self { body, _busy: busy }
    }
}

impl<B: Body + Unpin> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
