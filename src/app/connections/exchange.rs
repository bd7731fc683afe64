//! From a request on a connection to its answer.

use std::{convert::Infallible, sync::Arc};

use axum::{
    body::Body,
    extract::Request,
    http::{HeaderValue, Response, StatusCode, header, uri::Authority},
};
use futures::future::{Either, ready};
use hyper::body::Incoming;
use tower::ServiceExt as _;

use super::{
    Server,
    activity::{Activity, Busy},
    answer::{AnswerBody, Peer},
    body::PacedBody,
};

impl Server {
    /// Answers the one request that is on its way over a connection.
    pub(super) fn answer(
        &self,
        activity: &Arc<Activity>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
        if request.headers().contains_key(header::UPGRADE) {
            request.extensions_mut().insert(activity.arrivals());
        }
        let connection = Arc::clone(activity);
        let (busy, answered) = self.begin(activity, request);
        async move {
            let mut answer = answered.await?;
            if connection.has_left_body() {
                // The connection ends with this answer; a client that is not told would ask on it again.
                let headers = answer.headers_mut();
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            let lasts = answer.status() == StatusCode::SWITCHING_PROTOCOLS;
            let mut answer = answer.map(|body| AnswerBody::whole(body, busy));
            if lasts {
                answer.body_mut().lasts();
            }
            Ok(answer)
        }
    }

    /// Answers one of several requests on their way over a connection.
    pub(super) fn answer_beside_others(
        &self,
        activity: &Arc<Activity>,
        peer: &Arc<Peer>,
        mut request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<AnswerBody>, Infallible>> + use<> {
        name_host(&mut request);
        let (busy, answered) = self.begin(activity, request);
        let peer = Arc::clone(peer);
        async move {
            let answer = answered.await?;
            Ok(answer.map(|body| AnswerBody::in_pieces(body, busy, &peer)))
        }
    }

    /// Sends a request with its client to the routes. One that a proxy has passed on takes a place among those of
    /// its client, and is refused if there is none.
    fn begin(
        &self,
        activity: &Arc<Activity>,
        mut request: Request<Incoming>,
    ) -> (
        Busy,
        impl Future<Output = Result<Response<Body>, Infallible>> + use<>,
    ) {
        let sender = activity.client();
        let client = self.proxies.client(sender, request.headers());
        request.extensions_mut().insert(client);
        let mut busy = activity.begin();
        let slowest = self.limits.pace;
        let body = |body| Body::new(PacedBody::new(body, slowest, Arc::clone(activity)));
        let request = request.map(body);
        if client.address != sender.address {
            match self.room.enter_behind_proxy(client.address) {
                Some(place) => busy.hold(place),
                None => return (busy, Either::Left(ready(Ok(no_room())))),
            }
        }
        let answered = self.routes.clone().oneshot(request);
        (busy, Either::Right(answered))
    }
}

/// Over HTTP/2 the host is part of the address, and the header may be left out.
fn name_host(request: &mut Request<Incoming>) {
    let authority = request.uri().authority().map(Authority::as_str);
    let host = authority.and_then(|host| HeaderValue::from_str(host).ok());
    if let Some(host) = host
        && !request.headers().contains_key(header::HOST)
    {
        request.headers_mut().insert(header::HOST, host);
    }
}

fn no_room() -> Response<Body> {
    let mut answer = Response::new(Body::empty());
    *answer.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    let soon = HeaderValue::from_static("1");
    answer.headers_mut().insert(header::RETRY_AFTER, soon);
    answer
}
