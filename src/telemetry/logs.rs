//! The log: what passes, and as text or JSON.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt as _, LevelFilter, filter_fn},
    fmt::{self, MakeWriter},
    layer::Filter,
    registry::LookupSpan,
};

use super::{
    Error,
    json::{JsonFields, JsonLines},
};
use crate::config::{self, LogFormat};

/// PostgreSQL says at each start that the tables exist already.
const QUIET: &str = "sqlx::postgres::notice=warn";

/// The layer that writes log lines.
pub(super) fn layer<S, W>(
    config: &config::Telemetry,
    terminal: bool,
    writer: W,
) -> Result<Box<dyn Layer<S> + Send + Sync>, Error>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let filter = filter(&config.log)?;
    let as_text = match config.log_format {
        LogFormat::Auto => terminal,
        LogFormat::Text => true,
        LogFormat::Json => false,
    };
    let layer = fmt::layer().with_writer(writer).with_ansi(terminal);
    if as_text {
        return Ok(layer.with_filter(filter).boxed());
    }
    let layer = layer.fmt_fields(JsonFields).event_format(JsonLines);
    Ok(layer.with_ansi(false).with_filter(filter).boxed())
}

/// Returns the filter of the configured levels, which lets the server's own spans pass at any
/// level: else a lone error line under the filter `warn` would not say which execution it is about.
fn filter<S: Subscriber>(directives: &str) -> Result<impl Filter<S> + use<S>, Error> {
    let events = EnvFilter::try_new(format!("{QUIET},{directives}"))?;
    let spans = filter_fn(is_own_span).with_max_level_hint(LevelFilter::INFO);
    Ok(events.or(spans))
}

fn is_own_span(metadata: &Metadata<'_>) -> bool {
    metadata.is_span()
        && *metadata.level() <= Level::INFO
        && metadata.target().starts_with(env!("CARGO_CRATE_NAME"))
}
