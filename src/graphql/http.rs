//! The API over HTTP and WebSocket: `/graphql`, `/graphql/ws` and the page `/graphiql`.
//!
//! A POST takes `application/json` only, so that no form of another site can send one; a GET runs
//! queries only.

use std::sync::Arc;

use async_graphql::{
    Request, Response as Answer,
    parser::types::{DocumentOperations, ExecutableDocument, OperationType},
};
use axum::{
    Json, Router,
    body::Bytes,
    extract::{DefaultBodyLimit, Query, State, rejection::BytesRejection},
    http::{
        HeaderMap, StatusCode,
        header::{ALLOW, CONTENT_TYPE},
    },
    response::{Html, IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    Api,
    error::refusal,
    websocket::{self, Sockets, WebSocketOptions},
};
use crate::api::{ApiError, Asker, RequestId};

/// How the API is served.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// Bytes of the largest body.
    pub max_body_bytes: usize,
    /// Ends the connections that would last for ever.
    pub stop: CancellationToken,
    /// Times and sizes of a WebSocket.
    pub websocket: WebSocketOptions,
    /// The origins (`https://app.example.com`) besides the server's own whose pages may open a
    /// WebSocket.
    pub allowed_origins: Vec<String>,
    /// Counts the open connections over WebSocket. Who stops the server waits for their end here.
    pub sockets: TaskTracker,
}

/// What the routes share.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) api: Api,
    pub(super) sockets: Arc<Sockets>,
}

/// The routes of the API.
pub fn routes(api: Api, options: &HttpOptions) -> Router {
    Router::new()
        .route("/graphql", get(run_get).post(run_post))
        .route("/graphql/ws", get(websocket::connect))
        .route("/graphiql", get(page))
        .layer(DefaultBodyLimit::max(options.max_body_bytes))
        .with_state(Served {
            api,
            sockets: Sockets::new(options),
        })
}

async fn page() -> Html<&'static str> {
    Html(include_str!("graphiql.html"))
}

async fn run_post(
    State(served): State<Served>,
    asker: Asker,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    if !is_json(&headers) {
        let message = "the content type must be application/json";
        return refused(StatusCode::UNSUPPORTED_MEDIA_TYPE, &asker, message);
    }
    let body = match body {
        Ok(body) => body,
        Err(fault) => return refused(fault.status(), &asker, "the body cannot be read"),
    };
    match read(&body) {
        Some(request) => run(&served.api, asker, request).await,
        None => refused(
            StatusCode::BAD_REQUEST,
            &asker,
            "the body must be a JSON object with a query",
        ),
    }
}

/// One request; lists of them are not taken.
fn read(body: &[u8]) -> Option<Request> {
    let is_object = body.trim_ascii_start().first() == Some(&b'{');
    is_object.then(|| serde_json::from_slice(body).ok())?
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct GetParameters {
    query: Option<String>,
    operation_name: Option<String>,
    variables: Option<String>,
}

impl GetParameters {
    fn read(self) -> Option<Request> {
        let variables = match self.variables.as_deref() {
            None | Some("") => async_graphql::Variables::default(),
            Some(text) => serde_json::from_str(text).ok()?,
        };
        let request = Request::new(self.query?).variables(variables);
        Some(match self.operation_name {
            Some(name) => request.operation_name(name),
            None => request,
        })
    }
}

async fn run_get(
    State(served): State<Served>,
    asker: Asker,
    Query(parameters): Query<GetParameters>,
) -> Response {
    let Some(mut request) = parameters.read() else {
        let message = "the URL must have a query, and variables as a JSON object if any";
        return refused(StatusCode::BAD_REQUEST, &asker, message);
    };
    let name = request.operation_name.clone();
    let kind = request
        .parsed_query()
        .ok()
        .and_then(|document| operation(document, name.as_deref()));
    if kind.is_some_and(|kind| kind != OperationType::Query) {
        let refusal = refused(
            StatusCode::METHOD_NOT_ALLOWED,
            &asker,
            "GET runs queries only",
        );
        return ([(ALLOW, "POST")], refusal).into_response();
    }
    run(&served.api, asker, request).await
}

/// The kind of the operation that would run; none when the document does not say which.
fn operation(document: &ExecutableDocument, name: Option<&str>) -> Option<OperationType> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(operation.node.ty),
        (DocumentOperations::Multiple(operations), Some(name)) => {
            operations.get(name).map(|operation| operation.node.ty)
        }
        (DocumentOperations::Multiple(operations), None) => {
            let mut operations = operations.values();
            let only = operations.next().map(|operation| operation.node.ty);
            only.filter(|_| operations.next().is_none())
        }
    }
}

async fn run(api: &Api, asker: Asker, request: Request) -> Response {
    let request = match asker.principal {
        Ok(principal) => request.data(principal),
        Err(error) => return failed(StatusCode::BAD_REQUEST, asker.request_id.as_ref(), error),
    };
    let request = match asker.request_id {
        Some(id) => request.data(id),
        None => request,
    };
    Json(api.execute(request).await).into_response()
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers
        .get(CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    let essence = kind.and_then(|kind| kind.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

fn refused(status: StatusCode, asker: &Asker, message: &'static str) -> Response {
    let error = ApiError::bad_input(message);
    failed(status, asker.request_id.as_ref(), error)
}

/// A request that is not run, answered in the form of one that was.
fn failed(status: StatusCode, id: Option<&RequestId>, error: ApiError) -> Response {
    let errors = refusal(error, id);
    (status, Json(Answer::from_errors(errors))).into_response()
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::*;

    #[test]
    fn only_json_is_taken_whatever_its_charset() {
        let takes = |kind: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(CONTENT_TYPE, kind.parse().unwrap());
            is_json(&headers)
        };
        assert!(takes("application/json"));
        assert!(takes("Application/JSON; charset=utf-8"));
        for other in ["text/plain", "application/jsonx", "multipart/form-data", ""] {
            assert!(!takes(other), "{other}");
        }
        assert!(!is_json(&HeaderMap::new()));
    }

    #[test]
    fn a_body_is_one_object_with_a_query() {
        let request = read(br#" {"query": "{ a }", "variables": {"b": 1}, "operationName": "c"}"#);
        let request = request.unwrap();
        assert_eq!(request.query, "{ a }");
        assert_eq!(request.operation_name.as_deref(), Some("c"));
        for bad in ["", "[]", r#"["{ a }"]"#, "{", r#"{"query": 7}"#, "null"] {
            assert!(read(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn the_kind_of_the_operation_that_would_run_is_known() {
        let document = parse_query("query A { a } mutation B { b }").unwrap();
        assert_eq!(operation(&document, Some("A")), Some(OperationType::Query));
        assert_eq!(
            operation(&document, Some("B")),
            Some(OperationType::Mutation)
        );
        assert_eq!(operation(&document, Some("C")), None);
        assert_eq!(operation(&document, None), None);
        let single = parse_query("subscription { a }").unwrap();
        assert_eq!(operation(&single, None), Some(OperationType::Subscription));
    }
}
