//! The API over HTTP, by the rules of GraphQL over HTTP: `/graphql`, and the routes of the other
//! transports.
//!
//! A POST takes `application/json` only, so that no form of another site can send one; a GET runs
//! queries only.

use std::{convert::Infallible, io, sync::Arc};

use async_graphql::{Response as Answer, ServerError, parser::types::OperationType};
use axum::{
    Router,
    body::{Body, Bytes},
    extract::{FromRequest, RawQuery, Request, State},
    http::{
        HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
        header::{ALLOW, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use futures::stream::iter;
use serde::Serialize;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Api,
    executor::{Asking, Ready},
    gate::{Incoming, Refused},
    graphiql,
    negotiation::Form,
    stream,
    websocket::{self, Sockets, WebSocketOptions},
};
use crate::api::{ApiError, Asker, Bodies, ErrorCode, RequestId, seconds};

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// How the API is served.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Reads bodies; a message of a WebSocket may be as large as one.
    pub bodies: Bodies,
    /// Ends the connections that would last for ever.
    pub stop: CancellationToken,
    /// Times and sizes of a WebSocket.
    pub websocket: WebSocketOptions,
    /// Counts the open connections over WebSocket. Who stops the server waits for their end here.
    pub sockets: TaskTracker,
}

/// What the routes share.
pub(super) struct Served {
    pub(super) api: Api,
    bodies: Bodies,
    pub(super) stop: CancellationToken,
    pub(super) sockets: Arc<Sockets>,
}

/// The routes of the API.
pub fn routes(api: Api, options: &HttpOptions) -> Router {
    Router::new()
        .route("/graphql", get(run).post(run))
        .route("/graphql/stream", get(stream::run).post(stream::run))
        .route("/graphql/ws", get(websocket::connect))
        .merge(graphiql::routes())
        .with_state(Arc::new(Served {
            api,
            bodies: options.bodies.clone(),
            stop: options.stop.clone(),
            sockets: Sockets::new(options),
        }))
}

async fn run(State(served): State<Arc<Served>>, asker: Asker, request: Request) -> Response {
    let id = asker.request_id.clone();
    let Some(form) = Form::accepted(request.headers()) else {
        let error = ApiError::bad_input(
            "the answer can be application/graphql-response+json or application/json",
        );
        return Rejection::new(StatusCode::NOT_ACCEPTABLE, error).shown(Form::Json, id.as_ref());
    };
    match accept(&served, asker, request).await {
        Ok(ready) if ready.kind() == OperationType::Subscription => {
            let error = ApiError::bad_input("subscriptions go over /graphql/ws or /graphql/stream");
            Rejection::new(StatusCode::BAD_REQUEST, error).shown(form, id.as_ref())
        }
        Ok(ready) => {
            let show = move |answer: Answer| response(form, StatusCode::OK, &Shown::of(&answer));
            match served.api.run(ready, show).await {
                Ok(shown) => shown,
                Err(error) => Rejection::from(Refused::from(error)).shown(form, id.as_ref()),
            }
        }
        Err(rejection) => rejection.shown(form, id.as_ref()),
    }
}

/// Why a request is not run, with the status that says so.
pub(super) struct Rejection {
    /// None where the form of the answer decides.
    status: Option<StatusCode>,
    pub(super) refused: Refused,
}

impl Rejection {
    pub(super) fn new(status: StatusCode, error: ApiError) -> Self {
        Self {
            status: Some(status),
            refused: error.into(),
        }
    }

    /// Whether the request was one of GraphQL at all.
    pub(super) fn is_of_transport(&self) -> bool {
        self.status.is_some()
    }

    pub(super) fn shown(self, form: Form, id: Option<&RequestId>) -> Response {
        let status = self
            .status
            .unwrap_or_else(|| status_of(self.refused.code(), form));
        let wait = self.refused.retry_after();
        let errors = self.refused.into_errors(id);
        let mut response = response(form, status, &Shown::refusing(&errors));
        if let Some(wait) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds(wait));
        }
        if status == StatusCode::METHOD_NOT_ALLOWED {
            let post = HeaderValue::from_static("POST");
            response.headers_mut().insert(ALLOW, post);
        }
        response
    }
}

impl From<Refused> for Rejection {
    fn from(refused: Refused) -> Self {
        Self {
            status: None,
            refused,
        }
    }
}

/// In JSON's own form a faulty document is an answer like others; elsewhere the status tells.
fn status_of(code: ErrorCode, form: Form) -> StatusCode {
    match (code, form) {
        (ErrorCode::BadUserInput | ErrorCode::CostExceeded, Form::Json) => StatusCode::OK,
        (code, _) => StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::BAD_REQUEST),
    }
}

/// Reads a request of GET or POST and lets it through the gate.
pub(super) async fn accept(
    served: &Served,
    asker: Asker,
    request: Request,
) -> Result<Ready, Rejection> {
    let bad = |error| Rejection::new(StatusCode::BAD_REQUEST, error);
    let asking = asking(asker, request.headers()).map_err(bad)?;
    let entered = served.api.enter(&asking.principal).await;
    let entered = entered.map_err(Refused::from)?;
    let is_get = request.method() != Method::POST;
    let incoming = if is_get {
        let RawQuery(query) = RawQuery::from_request(request, &())
            .await
            .unwrap_or(RawQuery(None));
        let query = query.unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes()).into_owned();
        Incoming::from_pairs(pairs).map_err(bad)?
    } else {
        let body = served.bodies.json(request).await;
        let body = body.map_err(|(status, error)| Rejection::new(status, error))?;
        served.api.read(&entered, body).await.map_err(bad)?
    };
    if !incoming.has_document() {
        return Err(bad(ApiError::bad_input("the request has no query")));
    }
    let ready = served.api.admit(entered, incoming, asking).await?;
    if is_get && ready.kind() == OperationType::Mutation {
        let error = ApiError::bad_input("GET runs no mutations");
        return Err(Rejection::new(StatusCode::METHOD_NOT_ALLOWED, error));
    }
    Ok(ready)
}

/// Who asks, with what the headers say besides.
fn asking(asker: Asker, headers: &HeaderMap) -> Result<Asking, ApiError> {
    let mut asking = Asking::new(asker.principal?, asker.request_id);
    let text = |name: HeaderName| {
        let value = headers.get(&name).map(|value| value.to_str());
        let value = value.transpose();
        value.map_err(|_| ApiError::bad_input(format!("the header {name} is not visible ASCII")))
    };
    asking.idempotency_key = text(IDEMPOTENCY_KEY)?.map(Into::into);
    asking.last_event_id = text(LAST_EVENT_ID)?.map(Into::into);
    Ok(asking)
}

/// An answer as it is written: without `data` when nothing was run.
#[derive(Serialize)]
pub(super) struct Shown<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<&'a async_graphql::Value>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ServerError],
}

impl<'a> Shown<'a> {
    /// What did not run.
    pub(super) fn refusing(errors: &'a [ServerError]) -> Self {
        Self { data: None, errors }
    }

    /// What ran.
    pub(super) fn of(answer: &'a Answer) -> Self {
        Self {
            data: Some(&answer.data),
            errors: &answer.errors,
        }
    }
}

fn response(form: Form, status: StatusCode, shown: &Shown<'_>) -> Response {
    let mut written = Chunks::default();
    match serde_json::to_writer(&mut written, shown) {
        Ok(()) => {
            let mut response = written.into_response();
            *response.status_mut() = status;
            let media_type = HeaderValue::from_static(form.media_type());
            response.headers_mut().insert(CONTENT_TYPE, media_type);
            response
        }
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// What is written, in chunks: a large answer in one piece would be copied while it grows, and be in
/// memory three times at the end.
#[derive(Default)]
struct Chunks {
    full: Vec<Bytes>,
    last: Vec<u8>,
}

impl Chunks {
    const BYTES: usize = 256 << 10;

    fn into_response(mut self) -> Response {
        if self.full.is_empty() {
            return Response::new(self.last.into());
        }
        self.full.push(self.last.into());
        let bytes: usize = self.full.iter().map(Bytes::len).sum();
        let chunks = iter(self.full.into_iter().map(Ok::<_, Infallible>));
        let mut response = Response::new(Body::from_stream(chunks));
        response
            .headers_mut()
            .insert(CONTENT_LENGTH, HeaderValue::from(bytes));
        response
    }
}

impl io::Write for Chunks {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        if self.last.len() >= Self::BYTES {
            let full = std::mem::replace(&mut self.last, Vec::with_capacity(Self::BYTES));
            self.full.push(full.into());
        }
        let taken = text.len().min(Self::BYTES - self.last.len());
        self.last.extend_from_slice(&text[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A request that is not run, answered in the form of one that was.
pub(super) fn failed(status: StatusCode, id: Option<&RequestId>, error: ApiError) -> Response {
    Rejection::new(status, error).shown(Form::Json, id)
}
