//! The events of an execution as server-sent events: past, then live, to the terminal one.

use std::{convert::Infallible, sync::Arc, time::Duration};

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures::StreamExt;
use utoipa::ToSchema;

use super::{
    Served,
    answers::{ToAny, ToExecution},
    body::{Caller, Id},
    error::{ErrorBody, RequestFailure},
    event::EventShown,
};
use crate::{
    api::{ApiError, Authenticates},
    auth::{Authenticated, proof_ended},
    model::{Cursor, ExecutionId, Meter, Principal, price},
    quotas::Quota,
};

/// One event of the stream.
#[derive(ToSchema)]
#[expect(dead_code, reason = "it describes what the library writes")]
struct Frame {
    /// The event's type, such as `execution.completed`.
    event: String,
    /// Its cursor.
    id: String,
    /// The event as a JSON object.
    data: String,
}

const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Follows an execution. Each event has its type as `event`, its cursor as `id` and itself as
/// `data`; `Last-Event-ID` goes on behind that one.
#[utoipa::path(get, path = "/api/execution/{execution_id}/stream", tag = "execution",
    params(
        ("execution_id" = String, Path, description = "The execution", pattern = "^exe_[0-9a-z]{26}$"),
        ("Last-Event-ID" = Option<String>, Header, description = "Where to go on"),
    ), responses(
    (status = 200, description = "The events, until the terminal one", body = Frame, content_type = "text/event-stream"),
    (status = 204, description = "There is nothing after the terminal event; do not come back"),
    (status = 400, description = "Not an id, or not a cursor", body = ErrorBody),
    (status = 410, description = "No event with this id is kept: a backup that is older was restored", body = ErrorBody),
    ToExecution, ToAny,
))]
pub(super) async fn follow(
    State(served): State<Served>,
    Caller(principal): Caller,
    Extension(caller): Extension<Authenticated>,
    Id(id): Id<ExecutionId>,
    headers: HeaderMap,
) -> Result<Response, RequestFailure> {
    let after = after(&headers)?;
    let quotas = &served.services.quotas;
    let hold = quotas.open(principal.tenant(), Quota::Subscriptions).await;
    let hold = hold.map_err(ApiError::from)?;
    let events = served.services.events.clone();
    let services = served.services.clone();
    let (meter, reads) = feed(&served, &principal);
    let watcher = principal.clone().metered(Arc::clone(&reads));
    let batches = events.watch_execution(&watcher, id, after).await?;
    // A browser comes back after the end of any stream; this answer alone makes it stop.
    if let Some(after) = after
        && events.is_past_end(&principal, id, after).await?
    {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    // From here on each batch counts for itself.
    let principal = principal.metered(Arc::clone(&meter));
    let shown = batches.then(move |batch| {
        let (services, principal) = (services.clone(), principal.clone());
        let (meter, reads) = (Arc::clone(&meter), Arc::clone(&reads));
        async move {
            reads.renew();
            meter.begin().await;
            // A stream that breaks off without its terminal event is taken up again by its client.
            let batch = batch.map_err(|_| ())?;
            let mut frames = Vec::new();
            for event in batch.events.iter() {
                let shown = EventShown::of(&services, &principal, event).await;
                frames.extend(shown.map_err(|_| ())?.and_then(|shown| frame(&shown)));
            }
            meter.charge(price::DELIVERY + price::OBJECT * frames.len() as u64);
            meter.renew();
            // The next batch is read when this one is paid.
            meter.out_of_debt().await;
            Ok(frames)
        }
    });
    let whole =
        shown.take_while(|batch: &Result<Vec<Event>, ()>| std::future::ready(batch.is_ok()));
    let frames = whole.flat_map(|batch| futures::stream::iter(batch.unwrap_or_default()));
    let (stop, clock) = (served.stop.clone(), served.authenticator().clock().clone());
    let until = async move {
        let _hold = hold;
        tokio::select! {
            () = stop.cancelled() => {}
            () = proof_ended(Some(caller), clock) => {}
        }
    };
    let stream = frames.take_until(until).map(Ok::<_, Infallible>).boxed();
    Ok(Sse::new(stream)
        .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
        .into_response())
}

/// The meters of the batches, and of the reads for them.
pub(super) fn feed(served: &Served, principal: &Principal) -> (Arc<Meter>, Arc<Meter>) {
    let meter = served.services.budget.meter(principal.tenant(), u64::MAX);
    let reads = meter.for_feed();
    (Arc::new(meter), Arc::new(reads))
}

fn after(headers: &HeaderMap) -> Result<Option<Cursor>, ApiError> {
    let Some(id) = headers.get("last-event-id") else {
        return Ok(None);
    };
    let cursor = id.to_str().ok().and_then(|text| text.parse().ok());
    cursor
        .map(Some)
        .ok_or_else(|| ApiError::bad_input("Last-Event-ID is not the id of an event"))
}

fn frame(shown: &EventShown) -> Option<Event> {
    let data = serde_json::to_string(shown);
    let data = data.inspect_err(|error| tracing::error!(%error, "an event cannot be written"));
    let event = Event::default().event(&shown.event_type).id(&shown.cursor);
    data.ok().map(|data| event.data(data))
}
