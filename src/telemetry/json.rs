//! One JSON object a line, flat: what a log store can search without knowing our spans.
//!
//! The fields of the outermost span come first, those of the event last; of two fields of one name
//! the inner one stays. `timestamp`, `level`, `target`, `span` and `trace_id` are the line's own.

use std::fmt;

use opentelemetry::{Context, trace::TraceContextExt as _};
use serde_json::{Map, Value};
use tracing::{Event, Subscriber};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, Scope},
};

/// Formats an event as a line; needs [`tracing_subscriber::fmt::format::JsonFields`].
pub(super) struct JsonLines;

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = Map::new();
        for span in ctx.event_scope().into_iter().flat_map(Scope::from_root) {
            if let Some(fields) = span.extensions().get::<FormattedFields<N>>() {
                merge(&mut line, &fields.fields);
            }
            line.insert("span".to_owned(), span.name().into());
        }
        let mut fields = String::new();
        ctx.format_fields(Writer::new(&mut fields), event)?;
        merge(&mut line, &fields);
        line.insert("timestamp".to_owned(), timestamp()?.into());
        line.insert("level".to_owned(), event.metadata().level().as_str().into());
        line.insert("target".to_owned(), event.metadata().target().into());
        if let Some(id) = trace_id() {
            line.insert("trace_id".to_owned(), id.into());
        }
        writeln!(writer, "{}", Value::Object(line))
    }
}

fn merge(line: &mut Map<String, Value>, fields: &str) {
    match serde_json::from_str(fields) {
        Ok(Value::Object(fields)) => line.extend(fields),
        // A span without fields has an empty text.
        _ if fields.is_empty() => {}
        // Not expected of our formatter; the text is better than nothing.
        _ => {
            line.insert("fields".to_owned(), fields.into());
        }
    }
}

fn timestamp() -> Result<String, fmt::Error> {
    let mut text = String::new();
    SystemTime.format_time(&mut Writer::new(&mut text))?;
    Ok(text)
}

/// The trace that the thread is in, if traces are exported.
fn trace_id() -> Option<String> {
    let context = Context::current();
    let span = context.span();
    let span = span.span_context();
    span.is_valid().then(|| span.trace_id().to_string())
}
