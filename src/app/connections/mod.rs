//! The connections of a node: accepted while there is room for them, and ended when the peer takes
//! longer than it may over what it sends or what it is sent.
//!
//! HTTP/1.1 alone is spoken. The server speaks no TLS, so a browser would never ask for HTTP/2, and
//! a proxy that does speaks HTTP/1.1 behind it.

mod activity;
mod body;
mod descriptors;
mod room;
mod stream;

use std::{convert::Infallible, io::ErrorKind, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tower::ServiceExt as _;

use self::{
    activity::{Activity, AnswerBody},
    body::{Pace, PacedBody},
    room::{Place, Room},
    stream::{TimedStream, Times},
};
use crate::{api::RequestThreads, config::Config, model::Priority, telemetry::metrics::Metrics};

/// Bytes of the largest head of a request, and of what is read or written at once.
const BUFFER_BYTES: usize = 64 * 1024;
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
        Ok(Self {
            most: descriptors::most_connections(http.max_connections, database)?,
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

/// Serves on `threads` until `stop`, then until every request that was begun is answered.
pub(super) async fn serve(
    listener: TcpListener,
    routes: Router,
    limits: ConnectionLimits,
    stop: CancellationToken,
    metrics: Metrics,
    threads: RequestThreads,
) {
    let server = Arc::new(Server {
        routes: routes.with_state(()),
        limits,
        stop: stop.clone(),
        room: Room::new(limits.most, limits.most_per_address, metrics),
    });
    let open = TaskTracker::new();
    while let Some(accepted) = stop.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, peer)) => match server.room.enter(peer.ip()) {
                Some(place) => {
                    let connection = Arc::clone(&server).attend(stream, place);
                    threads.follow(Priority::default(), open.track_future(connection));
                }
                None => turn_away(&stream),
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
    stop: CancellationToken,
    room: Room,
}

impl Server {
    /// Answers the requests of one connection until it ends.
    async fn attend(self: Arc<Self>, stream: TcpStream, place: Place) {
        // Two small packets in a row, as an event and the end of its subscription are, would else
        // wait for the client's delayed acknowledgement.
        let _ = stream.set_nodelay(true);
        limit_unsent(&stream);
        let activity = Arc::new(Activity::new());
        let io = TimedStream::new(stream, Arc::clone(&activity), self.limits.times, place);
        let service = service_fn(|request| answer(&self, &activity, request));
        let connection = http1::Builder::new()
            .max_buf_size(BUFFER_BYTES)
            // The stream knows an idle connection from a head that does not come to its end.
            .header_read_timeout(None)
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades();
        let mut connection = std::pin::pin!(connection);
        let ended = tokio::select! {
            ended = connection.as_mut() => ended,
            () = self.stop.cancelled() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = ended {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

fn answer(
    server: &Server,
    activity: &Arc<Activity>,
    mut request: Request<Incoming>,
) -> impl Future<Output = Result<Response<AnswerBody<Body>>, Infallible>> + use<> {
    let busy = activity.begin();
    let body = |body| {
        Body::new(PacedBody::new(
            body,
            server.limits.pace,
            Arc::clone(activity),
        ))
    };
    if request.headers().contains_key(header::UPGRADE) {
        request.extensions_mut().insert(activity.arrivals());
    }
    let connection = Arc::clone(activity);
    let answered = server.routes.clone().oneshot(request.map(body));
    async move {
        let mut answer = answered.await?;
        if connection.has_left_body() {
            // The connection ends with this answer; a client that is not told would ask on it again.
            let headers = answer.headers_mut();
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        let lasts = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
        Ok(answer.map(|body| AnswerBody::new(body, busy, lasts)))
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
            let metrics = Metrics::new();
            let serving = serve(listener, routes, limits(), stop.clone(), metrics, threads);
            let serving = tokio::spawn(serving);
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
