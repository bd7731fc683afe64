//! The API over server-sent events, by the protocol GraphQL over SSE in its mode of distinct
//! connections: one request, one stream of `next` events, and `complete`.
//!
//! An event's id is the cursor of its batch where the document selects it, so that a client that
//! comes back with `Last-Event-ID` goes on behind it.

use std::{convert::Infallible, sync::Arc, time::Duration};

use async_graphql::{Response as Answer, Value, parser::types::OperationType};
use axum::{
    extract::{Request, State},
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::{Stream, StreamExt, stream};
use tokio::time;
use tokio_util::sync::CancellationToken;

use super::{
    negotiation::{Form, accepts_events},
    request::{Served, accept},
    response::{Rejection, Shown, failed},
};
use crate::{
    api::{ApiError, Asker, RequestId},
    auth::proof_ended,
    graphql::gate::Refused,
};

/// The interval of comments in a silent stream; proxies close connections that are silent for longer.
const KEEP_ALIVE: Duration = Duration::from_secs(12);

/// The time in which a resumed stream learns whether it has ended or has events to catch up on. One
/// that has only future events to wait for begins after this time.
const MOST_FOR_THE_FIRST: Duration = Duration::from_millis(500);

/// Runs any operation as a stream of its results.
pub(crate) async fn run(
    State(served): State<Arc<Served>>,
    asker: Asker,
    request: Request,
) -> Response {
    let id = asker.request_id.clone();
    if !accepts_events(request.headers()) {
        let error = ApiError::bad_input("the answer is text/event-stream");
        return failed(StatusCode::NOT_ACCEPTABLE, id.as_ref(), error);
    }
    let caller = asker.caller.clone().ok();
    let clock = served.api.authenticator().clock().clone();
    let is_resumed = request.headers().contains_key("last-event-id");
    match accept(&served, asker, request).await {
        Ok(ready) => {
            if ready.kind() != OperationType::Subscription {
                let ran = served.api.run(ready, |answer| next(&answer)).await;
                let shown = ran.unwrap_or_else(|error| refusal(error, id.as_ref()));
                return events_of(stream::iter([shown, complete()]));
            }
            let mut answers = served.api.subscribe(ready);
            if is_resumed {
                match time::timeout(MOST_FOR_THE_FIRST, answers.next()).await {
                    // A browser comes back after the end of any stream; this alone makes it stop.
                    Ok(None) => return StatusCode::NO_CONTENT.into_response(),
                    Ok(Some(first)) => {
                        answers = stream::once(std::future::ready(first))
                            .chain(answers)
                            .boxed();
                    }
                    Err(_) => {}
                }
            }
            let events = answers.map(|answer| next(&answer));
            // A server that stops, or a proof that ends, completes nothing: the client comes back.
            let cut = CancellationToken::new();
            let (stop, is_cut) = (served.stop.clone(), cut.clone());
            let until = async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = proof_ended(caller, clock) => {}
                }
                cut.cancel();
            };
            let uncut = events.take_until(until);
            let end = stream::once(async move { (!is_cut.is_cancelled()).then(complete) });
            events_of(uncut.chain(end.filter_map(std::future::ready)))
        }
        Err(rejection) if rejection.is_of_transport() => rejection.shown(Form::Json, id.as_ref()),
        Err(Rejection { refused, .. }) => {
            events_of(stream::iter([refusal(refused, id.as_ref()), complete()]))
        }
    }
}

fn events_of(events: impl Stream<Item = Event> + Send + 'static) -> Response {
    let events = events.map(Ok::<_, Infallible>);
    Sse::new(events)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response()
}

fn next(answer: &Answer) -> Event {
    let event = written(&Shown::of(answer));
    match cursor(&answer.data) {
        Some(cursor) => event.id(cursor),
        None => event,
    }
}

fn refusal(refused: impl Into<Refused>, id: Option<&RequestId>) -> Event {
    written(&Shown::refusing(&refused.into().into_errors(id)))
}

fn written(shown: &Shown<'_>) -> Event {
    let text = serde_json::to_string(shown).unwrap_or_else(|error| {
        tracing::error!(%error, "an answer cannot be written");
        String::from("{\"data\":null}")
    });
    Event::default().event("next").data(text)
}

/// With some text, without which browsers do not tell their listeners.
fn complete() -> Event {
    Event::default().event("complete").data("null")
}

/// The cursor of a batch, by whatever name its subscription goes.
fn cursor(data: &Value) -> Option<&str> {
    let Value::Object(fields) = data else {
        return None;
    };
    let Some(Value::Object(batch)) = fields.values().next() else {
        return None;
    };
    match batch.get("cursor") {
        // An id must be one line, which a cursor is.
        Some(Value::String(cursor)) => Some(cursor)
            .filter(|text| !text.contains(['\n', '\r', '\0']))
            .map(String::as_str),
        _ => None,
    }
}
