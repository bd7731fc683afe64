//! Logs, traces and metrics, given by the platform: a handler does nothing for them.
//!
//! Spans carry what a line is about (`tenant_id`, `execution_id`, `intent_type`); every log line
//! shows the fields of all the spans it lies in, whatever the log level, and the same spans become
//! traces when a collector is configured. Logs go to standard error, which leaves standard output
//! to the commands.

mod json;
mod logs;
pub mod metrics;
#[cfg(test)]
mod tests;
mod traces;

pub use metrics::Metrics;
pub use traces::{adopt, traceparent};

use std::io::IsTerminal as _;

use opentelemetry_otlp::ExporterBuildError;
use tracing::{Subscriber, subscriber};
use tracing_subscriber::{Registry, filter, fmt::MakeWriter, layer::SubscriberExt as _};

use crate::config;

/// Why telemetry did not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// `telemetry.log` is not a filter.
    #[error("the log filter cannot be read")]
    Filter(#[from] filter::ParseError),
    /// The exporter of traces cannot be made.
    #[error("the exporter of traces to the collector cannot be made")]
    Exporter(#[source] ExporterBuildError),
    /// The process has telemetry already.
    #[error("telemetry was started before in this process")]
    Started(#[from] subscriber::SetGlobalDefaultError),
}

/// Keeps telemetry going; when it is dropped, the traces that are left are sent, which may block
/// for some seconds. Drop it last.
#[derive(Debug)]
#[must_use = "telemetry ends when the guard is dropped"]
pub struct Guard {
    traces: Option<traces::Pipeline>,
}

impl Guard {
    /// Returns whether traces are exported.
    #[must_use]
    pub fn exports_traces(&self) -> bool {
        self.traces.is_some()
    }
}

/// Starts logs and traces for the whole process. `instance_id` tells this process from others in
/// the collector (`service.instance.id`).
///
/// # Errors
/// [`Error`]; [`Error::Started`] from the second call in a process on.
pub fn init(config: &config::Telemetry, instance_id: &str) -> Result<Guard, Error> {
    let terminal = std::io::stderr().is_terminal();
    let (subscriber, guard) = subscriber(config, instance_id, terminal, std::io::stderr)?;
    subscriber::set_global_default(subscriber)?;
    Ok(guard)
}

/// Returns the subscriber that [`init`] installs, with logs written to `writer`.
fn subscriber<W>(
    config: &config::Telemetry,
    instance_id: &str,
    terminal: bool,
    writer: W,
) -> Result<(impl Subscriber + Send + Sync + use<W>, Guard), Error>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let traces = config
        .otlp_endpoint
        .as_ref()
        .map(|endpoint| traces::Pipeline::start(endpoint, instance_id))
        .transpose()?;
    let subscriber = Registry::default()
        .with(traces.as_ref().map(traces::Pipeline::layer))
        .with(logs::layer(config, terminal, writer)?);
    Ok((subscriber, Guard { traces }))
}
