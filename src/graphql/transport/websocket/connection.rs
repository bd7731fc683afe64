//! One connection: takes what the client sends, writes what its operations say, sees that the
//! client is there. Only this loop touches the socket; it waits for no operation.
//!
//! A client that does not read is not read from either, so it cannot make the server hold more than
//! a channel's worth of answers for it, and is disconnected after the write timeout.

use std::{sync::Arc, time::Duration};

use axum::{
    Error,
    extract::ws::{Message, Utf8Bytes, WebSocket},
};
use futures::{FutureExt, SinkExt, StreamExt, future::BoxFuture};
use serde_json::{Map, Value, value::RawValue};
use tokio::{
    sync::mpsc,
    time::{Instant, Interval, MissedTickBehavior, interval_at, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    WebSocketOptions,
    close::Close,
    identity::{HandshakeCaller, identify, renewed},
    message::{ClientMessage, ServerMessage},
    operation::{OperationCaller, Operations, Outgoing},
};
use crate::{
    api::{ApiError, Arrivals, ErrorCode, RequestId},
    auth::{Authenticated, proof_ended},
    graphql::{Api, gate::LARGE_REQUEST, loading::Asking},
    quotas::{Hold, Quota},
};

/// Answers of all operations that wait for the socket.
const OUTGOING: usize = 16;

/// Bytes of the head of a control frame that is masked.
const FRAME_HEAD_BYTES: usize = 6;

/// The ways in which a connection ends.
enum End {
    /// The server closes it.
    Close(Close),
    /// The client closes it.
    ByClient,
    /// There is nobody at the other end, or nobody who reads.
    Gone,
}

impl From<Close> for End {
    fn from(close: Close) -> Self {
        Self::Close(close)
    }
}

/// An accepted connection.
pub(super) struct Connection {
    api: Api,
    of_request: HandshakeCaller,
    request_id: Option<RequestId>,
    options: WebSocketOptions,
    socket: WebSocket,
    /// Counts what has arrived of a message that is not whole.
    arrivals: Arc<Arrivals>,
    operations: Operations,
    outgoing: mpsc::Receiver<Box<Outgoing>>,
    /// The identity that operations run under, once `connection_init` was taken.
    caller: Option<OperationCaller>,
    /// The place among the sockets of its tenant.
    hold: Option<Hold>,
    /// Is done when the proof of that identity ends; none where it needs no proof.
    proof_end: Option<BoxFuture<'static, ()>>,
    init_deadline: Instant,
    heartbeat: Interval,
    /// True if something came since the last ping.
    is_heard: bool,
    /// Ends the connection because the server stops.
    stop: CancellationToken,
}

impl Connection {
    /// A connection on a socket on which nothing was said yet.
    pub(super) fn new(
        api: Api,
        of_request: HandshakeCaller,
        request_id: Option<RequestId>,
        options: WebSocketOptions,
        stop: CancellationToken,
        socket: WebSocket,
        arrivals: Arc<Arrivals>,
    ) -> Self {
        let (sender, outgoing) = mpsc::channel(OUTGOING);
        let now = Instant::now();
        let mut heartbeat = interval_at(now + options.heartbeat, options.heartbeat);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            api,
            of_request,
            request_id,
            socket,
            arrivals,
            operations: Operations::new(sender),
            outgoing,
            caller: None,
            hold: None,
            proof_end: None,
            init_deadline: now + options.init_timeout,
            heartbeat,
            is_heard: true,
            options,
            stop,
        }
    }

    /// Serves until the client goes or the server stops; then tells the client to come back.
    pub(super) async fn serve(&mut self) {
        let end = loop {
            if let Err(end) = self.step().await {
                break end;
            }
        };
        self.operations.stop_all();
        match end {
            End::Close(close) => {
                tracing::debug!(code = close.code(), ?close, "a socket is closed");
                self.finish(Some(close)).await;
            }
            End::ByClient => self.finish(None).await,
            End::Gone => {}
        }
    }

    /// Does the next thing that is to be done.
    async fn step(&mut self) -> Result<(), End> {
        tokio::select! {
            () = self.stop.cancelled() => Err(Close::Stopping.into()),
            incoming = self.socket.next() => self.receive(incoming).await,
            Some(outgoing) = self.outgoing.recv() => match self.operations.pass(*outgoing) {
                Some(message) => self.write(message).await,
                None => Ok(()),
            },
            _ = self.heartbeat.tick() => self.beat().await,
            () = ended(&mut self.proof_end) => Err(Close::Forbidden.into()),
            () = sleep_until(self.init_deadline), if self.caller.is_none() => {
                Err(Close::InitTimeout.into())
            }
        }
    }

    async fn receive(&mut self, incoming: Option<Result<Message, Error>>) -> Result<(), End> {
        let message = match incoming {
            Some(Ok(message)) => message,
            Some(Err(_)) if self.arrivals.are_refused() => return Err(Close::NoRoom.into()),
            Some(Err(fault)) => return Err(Close::of(fault).map_or(End::Gone, End::Close)),
            None => return Err(End::Gone),
        };
        match &message {
            // They may come between the parts of a message.
            Message::Ping(bytes) | Message::Pong(bytes) => {
                self.arrivals.have_passed(FRAME_HEAD_BYTES + bytes.len());
            }
            _ => self.arrivals.are_whole(),
        }
        match message {
            Message::Text(text) => {
                // Control frames do not count: they may come between the parts of a message that
                // never ends.
                self.is_heard = true;
                let message = self.read(text).await?;
                self.take(message).await
            }
            Message::Binary(_) => Err(Close::BadRequest("the message must be text").into()),
            // The library has put its pong behind what is to be written; nothing else is read
            // before it is gone.
            Message::Ping(_) => self.flush().await,
            Message::Pong(_) => Ok(()),
            Message::Close(_) => Err(End::ByClient),
        }
    }

    /// Reads a message; a large one on the threads for what takes long, and paid first.
    async fn read(&mut self, text: Utf8Bytes) -> Result<ClientMessage, End> {
        let is_large = text.len() > LARGE_REQUEST;
        let Some(caller) = self.caller.as_ref().filter(|_| is_large).cloned() else {
            return Ok(ClientMessage::read(&text)?);
        };
        let read = async move { ClientMessage::read(&text) };
        let read = caller.api.read_long(&caller.asking.principal, read).await;
        Ok(read.map_err(|_| Close::Stopping)??)
    }

    async fn take(&mut self, message: ClientMessage) -> Result<(), End> {
        match message {
            ClientMessage::Init(payload) => self.initialise(&payload).await,
            ClientMessage::Ping(payload) => {
                let is_proof = self.renew(payload.as_deref()).await?;
                let payload = payload.as_deref().filter(|_| !is_proof);
                self.say(&ServerMessage::Pong { payload }).await
            }
            ClientMessage::Pong => Ok(()),
            ClientMessage::Subscribe { id, request } => {
                let caller = self.caller.clone().ok_or(Close::Unauthorized)?;
                if self.operations.contains(&id) {
                    return Err(Close::Duplicate(id).into());
                }
                if self.operations.len() >= self.options.max_operations {
                    return self.refuse(&id, &caller).await;
                }
                self.operations.start(&id, *request, &caller);
                Ok(())
            }
            // It may have ended while the client's message was on its way.
            ClientMessage::Complete { id } => {
                self.operations.stop(&id);
                Ok(())
            }
        }
    }

    async fn initialise(&mut self, payload: &Map<String, Value>) -> Result<(), End> {
        if self.caller.is_some() {
            return Err(Close::SecondInit.into());
        }
        let authenticator = self.api.authenticator();
        let caller = identify(authenticator, &self.of_request, payload).await?;
        let hold = self.api.open(caller.principal().tenant(), Quota::Sockets);
        self.hold = Some(hold.await.map_err(|_| Close::TooManySockets)?);
        self.go_on_as(caller);
        self.say(&ServerMessage::ConnectionAck).await
    }

    /// Goes on by the proof that a ping brings; whether it brings one.
    async fn renew(&mut self, payload: Option<&RawValue>) -> Result<bool, End> {
        let (Some(payload), Some(caller)) = (payload, &self.caller) else {
            return Ok(false);
        };
        let known = &caller.asking.principal;
        let fresh = renewed(
            self.api.authenticator(),
            known,
            self.of_request.from,
            payload,
        )
        .await?;
        let is_proof = fresh.is_some();
        if let Some(fresh) = fresh {
            self.go_on_as(fresh);
        }
        Ok(is_proof)
    }

    /// Runs operations under this identity from now on, until its proof ends.
    fn go_on_as(&mut self, caller: Authenticated) {
        self.caller = Some(OperationCaller {
            api: self.api.clone(),
            asking: Asking::new(caller.principal().clone(), self.request_id.clone()),
        });
        let clock = self.api.authenticator().clock().clone();
        let end = caller.may_end();
        self.proof_end = end.then(|| proof_ended(Some(caller), clock).boxed());
    }

    /// Refuses one operation more than there may be; the others go on.
    async fn refuse(&mut self, id: &str, caller: &OperationCaller) -> Result<(), End> {
        let error = ApiError::new(
            ErrorCode::RateLimited,
            "too many operations on this connection",
        );
        let errors = caller.refusal(error);
        let payload = &errors;
        self.say(&ServerMessage::Error { id, payload }).await
    }

    /// Sends a ping, unless the last one was met by silence.
    async fn beat(&mut self) -> Result<(), End> {
        while !self.is_heard {
            // A write that took long may have kept this loop from what has come meanwhile.
            let incoming = self.socket.next().now_or_never();
            self.receive(incoming.ok_or(Close::PongTimeout)?).await?;
        }
        self.is_heard = false;
        self.say(&ServerMessage::Ping).await
    }

    async fn say(&mut self, message: &ServerMessage<'_>) -> Result<(), End> {
        match message.to_text() {
            Ok(text) => self.write(text).await,
            Err(error) => {
                tracing::error!(%error, "a message cannot be written");
                Err(End::Gone)
            }
        }
    }

    async fn write(&mut self, message: Message) -> Result<(), End> {
        let sending = self.socket.send(message);
        in_time(sending, self.options.write_timeout, &self.stop).await
    }

    /// Waits until all is written, the library's own frames included.
    async fn flush(&mut self) -> Result<(), End> {
        let flushing = self.socket.flush();
        in_time(flushing, self.options.write_timeout, &self.stop).await
    }

    /// The closing handshake (RFC 6455, section 7.1.2), begun by this side if it has a reason.
    async fn finish(&mut self, close: Option<Close>) {
        let closing = async {
            if let Some(close) = close {
                let frame = Message::Close(Some(close.frame()));
                if self.socket.send(frame).await.is_err() {
                    return;
                }
            }
            // What the client said before it saw the frame is dropped. Leaving it unread would
            // reset the connection, and the frame could be lost.
            while let Some(Ok(_)) = self.socket.next().await {}
        };
        // A peer that does not answer in time is disconnected.
        let _ = timeout(self.options.close_timeout, closing).await;
    }
}

/// Gives up a client that does not read.
async fn in_time(
    writing: impl Future<Output = Result<(), Error>>,
    limit: Duration,
    stop: &CancellationToken,
) -> Result<(), End> {
    let written = tokio::select! {
        written = timeout(limit, writing) => written,
        () = stop.cancelled() => return Err(Close::Stopping.into()),
    };
    match written {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::Gone),
        Err(_) => {
            tracing::debug!("a client that does not read is disconnected");
            Err(End::Gone)
        }
    }
}

/// Returns when the proof ends; never without one.
async fn ended(proof_end: &mut Option<BoxFuture<'static, ()>>) {
    match proof_end {
        Some(end) => end.await,
        None => std::future::pending().await,
    }
}
