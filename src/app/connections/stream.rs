//! A connection's stream, which ends when the peer takes longer than it may.

use std::{
    io::{self, ErrorKind, IoSlice},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    activity::{Activity, Turn},
    room::Place,
};

/// The time for which a connection is read after an answer that left a part of the request unread.
/// Closed at once, it would be reset, and the answer could be lost.
const LINGER: Duration = Duration::from_secs(2);
/// Bytes that are read and dropped meanwhile.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// The times that a peer may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// For the head of a request, from its first byte; on a new connection from the beginning.
    pub(super) head: Duration,
    /// Between an answer and the next request.
    pub(super) idle: Duration,
    /// To take anything at all of what is to be written.
    pub(super) write: Duration,
}

/// A connection whose peer has limited time.
pub(super) struct TimedStream {
    stream: TcpStream,
    activity: Arc<Activity>,
    times: Times,
    /// The part of the exchange that `read_by` limits.
    turn: Turn,
    has_head_begun: bool,
    read_by: Instant,
    read_timer: Timer,
    /// While the peer takes nothing.
    write_by: Option<Instant>,
    write_timer: Timer,
    /// From the end of writing.
    linger: Option<Linger>,
    _place: Place,
}

struct Linger {
    until: Instant,
    bytes: usize,
}

impl TimedStream {
    pub(super) fn new(
        stream: TcpStream,
        activity: Arc<Activity>,
        times: Times,
        place: Place,
    ) -> Self {
        Self {
            stream,
            activity,
            times,
            turn: Turn::FIRST,
            has_head_begun: true,
            read_by: Instant::now() + times.head,
            read_timer: Timer::default(),
            write_by: None,
            write_timer: Timer::default(),
            linger: None,
            _place: place,
        }
    }

    /// By when bytes must come; at any time while a request is answered.
    fn read_deadline(&mut self) -> Option<Instant> {
        let turn = self.activity.turn();
        if turn.is_busy() {
            return None;
        }
        if turn != self.turn {
            self.turn = turn;
            self.has_head_begun = false;
            self.read_by = self.activity.answered() + self.times.idle;
        }
        Some(self.read_by)
    }

    /// Bytes have come: the first ones after an answer begin a head. Over HTTP/2 they may be of anything else, so
    /// the wait for a head has the same end as that for its beginning.
    fn has_read(&mut self) {
        let begins = self.read_deadline().is_some() && !self.activity.is_multiplexed();
        if begins && !self.has_head_begun {
            self.has_head_begun = true;
            self.read_by = Instant::now() + self.times.head;
        }
    }

    /// Gives up a peer that takes nothing for too long.
    fn watched<T>(
        &mut self,
        written: Poll<io::Result<T>>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.write_by = None;
            return written;
        }
        let limit = self.times.write;
        let by = *self.write_by.get_or_insert_with(|| Instant::now() + limit);
        ready!(self.write_timer.poll_passed(by, cx));
        // What the peer did not take is dropped, too.
        let _ = self.stream.set_zero_linger();
        tracing::debug!("a peer that does not read is disconnected");
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }

    /// Reads and drops what still comes, until the peer has seen the end.
    fn poll_linger(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let linger = self.linger.get_or_insert_with(|| Linger {
            until: Instant::now() + LINGER,
            bytes: 0,
        });
        let mut bytes = [0; 8 * 1024];
        while linger.bytes < LINGER_BYTES {
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    linger.bytes += buffer.filled().len();
                }
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.read_timer.poll_passed(linger.until, cx),
            }
        }
        Poll::Ready(())
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let read = Pin::new(&mut this.stream).poll_read(cx, buffer);
        if read.is_ready() {
            let bytes = buffer.filled().len() - before;
            if bytes > 0 {
                this.has_read();
            }
            return read;
        }
        let Some(deadline) = this.read_deadline() else {
            // Nobody reads again just because the request was answered, so the end of the wait for
            // the next one is set now, as early as it can be; it is looked at when it is reached.
            let earliest = Instant::now() + this.times.idle;
            let _ = this.read_timer.poll_passed(earliest, cx);
            return Poll::Pending;
        };
        ready!(this.read_timer.poll_passed(deadline, cx));
        Poll::Ready(Err(ErrorKind::TimedOut.into()))
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(cx, bytes);
        this.watched(written, cx)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(cx, slices);
        this.watched(written, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.linger.is_none() {
            ready!(Pin::new(&mut this.stream).poll_shutdown(cx))?;
        }
        if this.activity.has_left_body() {
            ready!(this.poll_linger(cx));
        }
        Poll::Ready(Ok(()))
    }
}

/// Counts what is read of a stream that speaks another protocol than HTTP.
pub(super) struct Counted<S> {
    stream: S,
    activity: Arc<Activity>,
}

impl<S> Counted<S> {
    pub(super) fn new(stream: S, activity: Arc<Activity>) -> Self {
        Self { stream, activity }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.activity.arrived(buffer.filled().len() - before)?;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// Wakes a task at a time. It is made when it is first needed, and set anew only for an earlier time
/// or when it has gone off, so that moving a deadline on costs nothing.
#[derive(Default)]
pub(super) struct Timer(Option<Pin<Box<Sleep>>>);

impl Timer {
    /// Ready when the time has passed.
    pub(super) fn poll_passed(&mut self, deadline: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let new = || Box::pin(sleep_until(deadline));
        let sleep = self.0.get_or_insert_with(new);
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(cx));
            if Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}
