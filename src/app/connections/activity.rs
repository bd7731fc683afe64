//! The state of a connection, as its stream must know it: waiting for a request, or busy with some.

use std::{
    io::{self, ErrorKind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::room::Place;
use crate::api::{Arrivals, Client};

/// The state of a connection. Its tasks change it and its stream reads it.
#[derive(Debug)]
pub(super) struct Activity {
    /// Who sends the requests.
    client: Client,
    began: Instant,
    turn: AtomicU64,
    /// When the last request was answered, in microseconds from the beginning.
    answered: AtomicU64,
    has_left_body: AtomicBool,
    /// True if requests are answered side by side.
    is_multiplexed: AtomicBool,
    /// From a request on that asks for another protocol.
    arrivals: OnceLock<Arc<Arrivals>>,
    /// The place that the request had which asked for it.
    place: OnceLock<Place>,
}

/// What a request that begins adds to [`Turn`]: one change, one request.
const ONE_MORE: u64 = (1 << 32) + 1;
/// What one that ends adds: one change, one request less.
const ONE_LESS: u64 = (1 << 32) - 1;

impl Activity {
    /// A connection that waits for its first request.
    pub(super) fn new(client: Client) -> Self {
        Self {
            client,
            began: Instant::now(),
            turn: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            has_left_body: AtomicBool::new(false),
            is_multiplexed: AtomicBool::new(false),
            arrivals: OnceLock::new(),
            place: OnceLock::new(),
        }
    }

    /// Who sends the requests.
    pub(super) fn client(&self) -> Client {
        self.client
    }

    /// From now on requests are answered side by side.
    pub(super) fn multiplex(&self) {
        self.is_multiplexed.store(true, Ordering::Relaxed);
    }

    /// Returns whether requests are answered side by side.
    pub(super) fn is_multiplexed(&self) -> bool {
        self.is_multiplexed.load(Ordering::Relaxed)
    }

    /// A request has come; it is answered when the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.has_left_body.store(false, Ordering::Relaxed);
        self.turn.fetch_add(ONE_MORE, Ordering::Relaxed);
        Busy {
            activity: Some(Arc::clone(self)),
            place: None,
        }
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

    /// A value that changes whenever a request comes or is answered.
    pub(super) fn turn(&self) -> Turn {
        Turn(self.turn.load(Ordering::Acquire))
    }

    /// When the last request was answered.
    pub(super) fn answered(&self) -> Instant {
        self.began + Duration::from_micros(self.answered.load(Ordering::Relaxed))
    }

    /// A part of the request's body was not read. Among several requests the rest of one ends with it, and
    /// the connection goes on.
    pub(super) fn leave_body(&self) {
        if !self.is_multiplexed() {
            self.has_left_body.store(true, Ordering::Relaxed);
        }
    }

    /// Returns whether a part of the last request's body was not read.
    pub(super) fn has_left_body(&self) -> bool {
        self.has_left_body.load(Ordering::Relaxed)
    }
}

/// A stretch of waiting for a request, or of answering some: the number of changes in the upper half, that of
/// requests in the lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn(u64);

impl Turn {
    /// The one that a connection begins with.
    pub(super) const FIRST: Self = Self(0);

    pub(super) fn is_busy(self) -> bool {
        self.0 & u64::from(u32::MAX) != 0
    }
}

/// A request that is being answered.
#[derive(Debug)]
pub(super) struct Busy {
    /// None for one that has turned its connection into something else.
    activity: Option<Arc<Activity>>,
    place: Option<Place>,
}

impl Busy {
    /// Holds a place until the request is answered.
    pub(super) fn hold(&mut self, place: Place) {
        self.place = Some(place);
    }

    /// The connection waits for no other request: it speaks another protocol now. It keeps the place.
    pub(super) fn never_ends(&mut self) {
        if let (Some(activity), Some(place)) = (self.activity.take(), self.place.take()) {
            let _ = activity.place.set(place);
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(activity) = &self.activity {
            let micros = activity.began.elapsed().as_micros();
            let micros = u64::try_from(micros).unwrap_or(u64::MAX);
            activity.answered.store(micros, Ordering::Relaxed);
            activity.turn.fetch_add(ONE_LESS, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_busy_until_the_last_of_its_requests_is_answered() {
        let activity = Arc::new(Activity::new(Client::local()));
        assert_eq!(activity.turn(), Turn::FIRST);
        let one = activity.begin();
        let other = activity.begin();
        let both = activity.turn();
        drop(one);
        assert!(activity.turn().is_busy() && activity.turn() != both);
        drop(other);
        assert!(!activity.turn().is_busy() && activity.turn() != Turn::FIRST);
    }
}
