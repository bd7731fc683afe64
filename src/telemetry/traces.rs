//! Traces to an OpenTelemetry collector, by HTTP with protobuf (OTLP 1.x, `POST /v1/traces`), and
//! the W3C trace context by which they cross processes.
//!
//! Spans are sent in batches by a thread of the exporter, with a blocking client: it needs no tokio
//! runtime, so the last batch also leaves after the runtime has ended. The standard variables
//! `OTEL_TRACES_SAMPLER`, `OTEL_BSP_*` and `OTEL_EXPORTER_OTLP_HEADERS` are heeded.

use std::{collections::HashMap, time::Duration};

use opentelemetry::{
    KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{TraceContextExt as _, TracerProvider as _},
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    propagation::TraceContextPropagator,
    trace::{SdkTracer, SdkTracerProvider},
};
use tracing::{Span, Subscriber};
use tracing_opentelemetry::{OpenTelemetryLayer, OpenTelemetrySpanExt as _};
use tracing_subscriber::{Layer, filter::LevelFilter, registry::LookupSpan};

use super::Error;
use crate::config::ServiceUrl;

const SERVICE: &str = "takeoff";
const PATH: &str = "/v1/traces";
/// The header of W3C Trace Context.
const TRACEPARENT: &str = "traceparent";
/// The longest time of one export; less than [`PATIENCE`], so that a dead collector is given up.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(3);
/// The time that the end of the process waits for the last batch.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// The way of spans to the collector. Dropping it sends what is left.
#[derive(Debug)]
pub(super) struct Pipeline {
    provider: SdkTracerProvider,
}

impl Pipeline {
    /// Starts the exporter; whether the collector is there shows with the first batch.
    pub(super) fn start(endpoint: &ServiceUrl, instance_id: &str) -> Result<Self, Error> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_endpoint(traces_url(endpoint.expose()))
            .with_timeout(EXPORT_TIMEOUT)
            .build()
            .map_err(Error::Exporter)?;
        let resource = Resource::builder()
            .with_service_name(SERVICE)
            .with_attribute(KeyValue::new("service.instance.id", instance_id.to_owned()))
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_batch_exporter(exporter)
            .build();
        Ok(Self { provider })
    }

    /// The layer that turns spans into those of a trace.
    pub(super) fn layer<S>(&self) -> impl Layer<S> + Send + Sync + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    {
        let layer: OpenTelemetryLayer<S, SdkTracer> =
            OpenTelemetryLayer::new(self.provider.tracer(SERVICE));
        layer
            .with_location(false)
            .with_threads(false)
            .with_filter(LevelFilter::INFO)
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        if let Err(error) = self.provider.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Makes `span` a child of the caller's span, which the header `traceparent` names; to be called
/// before the span is entered. Without exporter, or with a header that is not valid, nothing happens.
pub fn adopt(span: &Span, traceparent: Option<&str>) {
    let Some(traceparent) = traceparent else {
        return;
    };
    let parent = TraceContextPropagator::new().extract(&Header(traceparent));
    if parent.span().span_context().is_valid() {
        // It fails where traces are off or the span is not enabled: nothing to be done then.
        let _ = span.set_parent(parent);
    }
}

/// The header `traceparent` with which others continue the trace of `span`; none without exporter.
#[must_use]
pub fn traceparent(span: &Span) -> Option<String> {
    let mut headers = HashMap::new();
    TraceContextPropagator::new().inject_context(&span.context(), &mut headers);
    headers.remove(TRACEPARENT)
}

struct Header<'a>(&'a str);

impl Extractor for Header<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// The base address with the path that the protocol wants.
fn traces_url(endpoint: &str) -> String {
    let base = endpoint.trim_end_matches('/');
    if base.ends_with(PATH) {
        return base.to_owned();
    }
    format!("{base}{PATH}")
}
