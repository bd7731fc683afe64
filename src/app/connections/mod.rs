//! The connections of a node: accepted while there is room for them, and ended when the peer takes
//! longer than it may over what it sends or what it is sent.
//!
//! Without TLS HTTP/1.1 alone is spoken: no browser asks for HTTP/2 then, and a proxy that does speaks HTTP/1.1
//! behind it. With TLS the client chooses. A WebSocket has a connection of its own, by HTTP/1.1.

mod activity;
mod answer;
mod body;
mod descriptors;
mod exchange;
mod room;
mod stream;

use std::{io::ErrorKind, net::IpAddr, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{
    activity::Activity,
    answer::{Peer, giving_up},
    body::Pace,
    room::{Place, Room},
    stream::{Counted, TimedStream, Times},
};
use super::proxies::Proxies;
use crate::{
    api::{Client, RequestThreads},
    config::Config,
    model::Priority,
    telemetry::metrics::Metrics,
};

/// Bytes of the largest head of a request, and of what is read or written at once.
const BUFFER_BYTES: usize = 64 * 1024;
/// The most connections on the port for operations.
const OPERATIONS: usize = 64;
/// Bytes of the largest head of a request over HTTP/2, each header counted with 32 more.
const HEAD_BYTES: u32 = 64 * 1024;
/// Requests that may be on their way at once over a connection of HTTP/2.
const STREAMS: u32 = 100;
/// Bytes of requests that a connection of HTTP/2 may send before they are read.
const WINDOW_BYTES: u32 = 256 * 1024;
/// Bytes that wait in the kernel unsent; a peer that reads slowly but reads is seen to.
const UNSENT_BYTES: u32 = 128 * 1024;
/// The time for which no connection is accepted after one could not be, for want of descriptors or
/// memory.
const PAUSE: Duration = Duration::from_millis(100);
/// Sent without waiting to a peer for which there is no room.
const NO_ROOM: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\n\
    connection: close\r\nretry-after: 1\r\ncontent-length: 0\r\n\r\n";

/// The most connections, and the times that each may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct ConnectionLimits {
    most: usize,
    most_per_address: usize,
    times: Times,
    pace: Pace,
}

impl ConnectionLimits {
    /// Those of the configuration, as far as the process's descriptors reach.
    ///
    /// # Errors
    /// When they do not reach for a single connection.
    pub(super) fn of(config: &Config) -> anyhow::Result<Self> {
        let http = &config.http;
        let database = config.database.max_connections;
        let operations = http.operations_bind.map_or(0, |_| OPERATIONS);
        Ok(Self {
            most: descriptors::most_connections(http.max_connections, database, operations)?,
            most_per_address: http.max_connections_per_address,
            times: Times {
                head: Duration::from_millis(http.header_timeout_ms),
                idle: Duration::from_millis(http.idle_timeout_ms),
                write: Duration::from_millis(http.write_timeout_ms),
            },
            pace: Pace {
                patience: Duration::from_millis(http.body_timeout_ms),
                bytes_per_second: http.body_bytes_per_second,
            },
        })
    }
}

impl ConnectionLimits {
    /// The same for the port for operations, whose connections nobody else can take.
    pub(super) fn of_operations(self) -> Self {
        Self {
            most: OPERATIONS,
            most_per_address: OPERATIONS,
            ..self
        }
    }
}

/// What a listener serves, and how.
pub(super) struct Serving {
    pub(super) routes: Router,
    pub(super) limits: ConnectionLimits,
    pub(super) proxies: Proxies,
    /// None for plain HTTP.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) stop: CancellationToken,
    pub(super) metrics: Metrics,
    pub(super) threads: RequestThreads,
}

/// Serves until told to stop, then until every request that was begun is answered.
pub(super) async fn serve(listener: TcpListener, serving: Serving) {
    let Serving {
        routes,
        limits,
        proxies,
        tls,
        stop,
        metrics,
        threads,
    } = serving;
    let server = Arc::new(Server {
        routes: routes.with_state(()),
        limits,
        proxies,
        tls,
        stop: stop.clone(),
        room: Room::new(limits.most, limits.most_per_address, metrics),
        threads: threads.clone(),
    });
    let open = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => match server.place(peer.ip()) {
                Some(place) => {
                    let connection = Arc::clone(&server).attend(stream, peer.ip(), place);
                    threads.follow(Priority::default(), open.track_future(connection));
                }
                None if server.tls.is_none() => turn_away(&stream),
                None => {}
            },
            Err(error) if is_of_peer(error.kind()) => {}
            Err(error) => {
                tracing::warn!(%error, "no connection can be accepted for now");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    open.close();
    open.wait().await;
}

/// Says that there is no room, if that can be said at once.
fn turn_away(stream: &TcpStream) {
    let _ = stream.try_write(NO_ROOM);
}

/// Returns whether the failure is of this one connection alone.
fn is_of_peer(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted
    )
}

struct Server {
    routes: Router,
    limits: ConnectionLimits,
    proxies: Proxies,
    tls: Option<TlsAcceptor>,
    stop: CancellationToken,
    room: Room,
    threads: RequestThreads,
}

impl Server {
    fn place(&self, peer: IpAddr) -> Option<Place> {
        if self.proxies.trusts(peer) {
            self.room.enter_proxy(peer)
        } else {
            self.room.enter(peer)
        }
    }

    /// Answers the requests of one connection until it ends.
    async fn attend(self: Arc<Self>, stream: TcpStream, peer: IpAddr, place: Place) {
        // Two small packets in a row, as an event and the end of its subscription are, would else
        // wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        limit_unsent(&stream);
        let activity = Arc::new(Activity::new(Client {
            address: peer.to_canonical(),
            is_encrypted: self.tls.is_some(),
        }));
        let io = TimedStream::new(stream, Arc::clone(&activity), self.limits.times, place);
        let ended = match &self.tls {
            None => self.speak_http1(io, activity).await,
            // The time for the first head counts from the beginning, so it bounds the handshake as well.
            Some(tls) => match self.stop.run_until_cancelled(tls.accept(io)).await {
                Some(Ok(io)) if io.get_ref().1.alpn_protocol() == Some(b"h2") => {
                    self.speak_http2(io, activity).await
                }
                Some(Ok(io)) => self.speak_http1(io, activity).await,
                Some(Err(error)) => {
                    tracing::debug!(%error, "a handshake of TLS failed");
                    return;
                }
                None => return,
            },
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }

    async fn speak_http1(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        activity: Arc<Activity>,
    ) -> hyper::Result<()> {
        let io = TokioIo::new(Counted::new(io, Arc::clone(&activity)));
        let service = service_fn(|request| self.answer(&activity, request));
        let connection = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            // The stream knows an idle connection from a head that does not come to its end.
            .header_read_timeout(None)
            .serve_connection(io, service)
            .with_upgrades();
        let mut connection = pin!(connection);
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        }
    }

    async fn speak_http2(
        &self,
        io: impl AsyncRead + AsyncWrite + Unpin,
        activity: Arc<Activity>,
    ) -> hyper::Result<()> {
        activity.multiplex();
        let peer = Arc::new(Peer::new());
        let service = service_fn(|request| self.answer_beside_others(&activity, &peer, request));
        let connection = http2::Builder::new(EachOnItsThreads(self.threads.clone()))
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEAD_BYTES)
            .max_send_buf_size(BUFFER_BYTES)
            .initial_stream_window_size(WINDOW_BYTES)
            .initial_connection_window_size(WINDOW_BYTES)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let mut is_stopping = false;
        let limit = self.limits.times.write;
        loop {
            tokio::select! {
                ended = connection.as_mut() => return ended,
                () = self.stop.cancelled(), if !is_stopping => {
                    is_stopping = true;
                    connection.as_mut().graceful_shutdown();
                }
                () = tokio::time::sleep(limit / 4) => {
                    let answers = peer.give_up_after(limit);
                    if answers > 0 {
                        tracing::debug!(answers, "answers that are not read were given up");
                    }
                }
            }
        }
    }
}

/// Runs each request of a connection on the threads that its tenant's requests have then.
#[derive(Clone)]
struct EachOnItsThreads(RequestThreads);

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for EachOnItsThreads {
    fn execute(&self, request: F) {
        self.0.follow(Priority::default(), giving_up(request));
    }
}

#[cfg(target_os = "linux")]
fn limit_unsent(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES);
}

#[cfg(not(target_os = "linux"))]
fn limit_unsent(_: &TcpStream) {
    let _ = UNSENT_BYTES;
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::{extract::State, http::HeaderMap, routing::get};

    use super::*;
    use crate::{api::low_and_normal, model::Budget};

    fn limits() -> ConnectionLimits {
        let long = Duration::from_mins(1);
        ConnectionLimits {
            most: 10,
            most_per_address: 10,
            times: Times {
                head: long,
                idle: long,
                write: long,
            },
            pace: Pace {
                patience: long,
                bytes_per_second: 1,
            },
        }
    }

    /// Spends what the request says, and answers which thread has done so.
    async fn spend(State(budget): State<Arc<Budget>>, headers: HeaderMap) -> String {
        let header = |name: &str| headers[name].to_str().unwrap();
        let tenant = header("tenant").parse().unwrap();
        budget.enter(&tenant).await.unwrap();
        budget.charge(&tenant, header("points").parse().unwrap());
        std::thread::current().name().unwrap().to_owned()
    }

    #[test]
    fn a_connection_is_served_by_other_threads_while_its_tenant_asks_very_much_beside_others() {
        let ([_low, normal], threads) = low_and_normal();
        let much = "1000000000";
        normal.block_on(async {
            let budget = Arc::new(Budget::new(u64::MAX, u64::MAX));
            let routes = Router::new().route("/", get(spend)).with_state(budget);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let url = format!("http://{}/", listener.local_addr().unwrap());
            let stop = CancellationToken::new();
            let serving = Serving {
                routes,
                limits: limits(),
                proxies: Proxies::default(),
                tls: None,
                stop: stop.clone(),
                metrics: Metrics::new(),
                threads,
            };
            let serving = tokio::spawn(serve(listener, serving));
            // Each keeps its connection; one is a gateway's, which asks for several tenants.
            let [heavy, light, gateway] = [(); 3].map(|()| reqwest::Client::new());
            let ask = async |http: &reqwest::Client, tenant: &str, points: &str| {
                let request = http.get(&url).header("tenant", tenant);
                let answer = request.header("points", points).send().await.unwrap();
                answer.text().await.unwrap()
            };
            assert_eq!(ask(&heavy, "heavy", much).await, "normal");
            assert_eq!(ask(&light, "light", "0").await, "normal");
            assert_eq!(ask(&heavy, "heavy", "0").await, "low");
            assert_eq!(ask(&light, "light", "0").await, "normal");
            assert_eq!(ask(&gateway, "heavy", "0").await, "low");
            assert_eq!(ask(&gateway, "light", "0").await, "normal");
            assert_eq!(ask(&heavy, "heavy", "0").await, "low");
            // One that has moved is waited for, too.
            stop.cancel();
            drop((heavy, light, gateway));
            serving.await.unwrap();
        });
    }
}
