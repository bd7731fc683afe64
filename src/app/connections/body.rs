//! The body of a request, which must come at a pace.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::BoxError;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::Instant;

use super::{activity::Activity, stream::Timer};
use crate::api::TooSlow;

/// The slowest pace at which a body may come. Only time in which the server waits for the peer
/// counts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// The time by which it may fall behind.
    pub(super) patience: Duration,
    /// The bytes that make up for a second of it.
    pub(super) bytes_per_second: u64,
}

impl Pace {
    /// Returns the rest of the patience after `bytes` have come that were waited for.
    fn renewed(self, left: Duration, waited: Duration, bytes: usize) -> Duration {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let rate = u32::try_from(self.bytes_per_second).unwrap_or(u32::MAX);
        let earned = Duration::from_secs(1).saturating_mul(bytes) / rate.max(1);
        (left.saturating_sub(waited).saturating_add(earned)).min(self.patience)
    }
}

/// A body that fails when it comes too slowly.
pub(super) struct PacedBody {
    body: Incoming,
    pace: Pace,
    /// The time for which the peer may keep the server waiting from now on.
    left: Duration,
    waiting_since: Option<Instant>,
    timer: Timer,
    activity: Arc<Activity>,
}

impl PacedBody {
    pub(super) fn new(body: Incoming, pace: Pace, activity: Arc<Activity>) -> Self {
        Self {
            body,
            pace,
            left: pace.patience,
            waiting_since: None,
            timer: Timer::default(),
            activity,
        }
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let this = self.get_mut();
        let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
            let since = *this.waiting_since.get_or_insert_with(Instant::now);
            ready!(this.timer.poll_passed(since + this.left, cx));
            return Poll::Ready(Some(Err(TooSlow.into())));
        };
        let waited = this.waiting_since.take().map(|since| since.elapsed());
        let data = match &frame {
            Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
            _ => 0,
        };
        this.left = this
            .pace
            .renewed(this.left, waited.unwrap_or_default(), data);
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for PacedBody {
    fn drop(&mut self) {
        if !self.body.is_end_stream() {
            self.activity.leave_body();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_spent_by_waiting_and_earned_by_bytes() {
        let pace = Pace {
            patience: Duration::from_secs(10),
            bytes_per_second: 1_000,
        };
        let seconds = Duration::from_secs;
        assert_eq!(pace.renewed(seconds(10), seconds(4), 0), seconds(6));
        assert_eq!(pace.renewed(seconds(6), seconds(2), 1_000), seconds(5));
        assert_eq!(pace.renewed(seconds(5), seconds(9), 0), Duration::ZERO);
        // What comes fast is no reserve for hours of silence.
        assert_eq!(pace.renewed(seconds(5), seconds(0), 1 << 30), seconds(10));
    }
}
