//! One JSON object a line, flat: what a log store can search without knowing our spans.
//!
//! The fields of the outermost span come first, those of the event last; of two fields of one name
//! the inner one stays. `timestamp`, `level`, `target`, `span` and `trace_id` are the line's own.

use std::{fmt, io};

use opentelemetry::{Context, trace::TraceContextExt as _};
use serde::Serialize;
use serde_json::{Deserializer, Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    field::RecordFields,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::{LookupSpan, Scope},
};

/// Formats the fields of a span or an event as an object of JSON; fields that a span is given later
/// follow as a further object. Every request has a span, so nothing is sorted or kept on the way.
pub(super) struct JsonFields;

impl<'w> FormatFields<'w> for JsonFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'w>, fields: R) -> fmt::Result {
        let mut object = Object {
            text: Text(writer),
            before: '{',
            result: Ok(()),
        };
        fields.record(&mut object);
        object.end()
    }
}

/// An object that is being written.
struct Object<'w> {
    text: Text<'w>,
    /// The character before the next field.
    before: char,
    result: fmt::Result,
}

/// Where a serializer, which writes bytes, writes text.
struct Text<'w>(Writer<'w>);

impl io::Write for Text<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        self.0.write_str(text).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Object<'_> {
    fn put(&mut self, field: &Field, value: impl Serialize) {
        if self.result.is_ok() {
            self.result = self.write(field.name(), &value);
        }
    }

    fn write(&mut self, name: &str, value: &impl Serialize) -> fmt::Result {
        self.text.0.write_char(self.before)?;
        self.before = ',';
        serde_json::to_writer(&mut self.text, name).map_err(|_| fmt::Error)?;
        self.text.0.write_char(':')?;
        serde_json::to_writer(&mut self.text, value).map_err(|_| fmt::Error)
    }

    fn end(mut self) -> fmt::Result {
        self.result?;
        let end = if self.before == '{' { "{}" } else { "}" };
        self.text.0.write_str(end)
    }
}

impl Visit for Object<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format_args!("{value:?}"));
    }
}

/// Formats an event as a line; needs [`JsonFields`].
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
    let objects = Deserializer::from_str(fields).into_iter::<Map<String, Value>>();
    line.extend(objects.flatten().flatten());
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
