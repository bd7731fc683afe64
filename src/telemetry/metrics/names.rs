//! Names, meanings and buckets of the metrics.

use metrics::{Recorder as _, SharedString};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusRecorder};

pub(super) const SUBMITS: &str = "takeoff_submits_total";
pub(super) const SUBMIT_DURATION: &str = "takeoff_submit_duration_seconds";
pub(super) const EXECUTIONS: &str = "takeoff_executions_total";
pub(super) const EXECUTION_DURATION: &str = "takeoff_execution_duration_seconds";
pub(super) const QUEUE_DEPTH: &str = "takeoff_queue_depth";
pub(super) const RUNNING: &str = "takeoff_running";
pub(super) const BATCH_ITEMS: &str = "takeoff_batch_items";
pub(super) const BATCH_COMMIT: &str = "takeoff_batch_commit_seconds";
pub(super) const ZOMBIES_DROPPED: &str = "takeoff_zombies_dropped_total";
pub(super) const SWEEP_REPAIRS: &str = "takeoff_sweep_repairs_total";
pub(super) const SET_ASIDE: &str = "takeoff_executions_set_aside_total";
pub(super) const STATEMENTS: &str = "takeoff_statements_total";
pub(super) const ROWS_WRITTEN: &str = "takeoff_rows_written_total";
pub(super) const COST: &str = "takeoff_cost_points_total";
pub(super) const WEBHOOK_DELIVERIES: &str = "takeoff_webhook_deliveries_total";
pub(super) const WEBHOOKS_DISABLED: &str = "takeoff_webhooks_disabled";
pub(super) const WEBHOOKS_FAILING: &str = "takeoff_webhooks_failing";
pub(super) const SUBSCRIBERS: &str = "takeoff_subscribers";
pub(super) const FEEDS_HELD_BACK: &str = "takeoff_feeds_held_back_seconds";
pub(super) const CONNECTIONS: &str = "takeoff_connections";
pub(super) const CONNECTIONS_REFUSED: &str = "takeoff_connections_refused_total";
pub(super) const HTTP_REQUESTS: &str = "takeoff_http_requests_total";
pub(super) const HTTP_DURATION: &str = "takeoff_http_request_duration_seconds";

/// Half a millisecond is a batched commit, ten minutes a slow handler.
const SECONDS: &[f64] = &[
    0.000_5, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
    600.0,
];
const ITEMS: &[f64] = &[
    1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1_000.0, 2_000.0, 5_000.0,
];

/// The counters, each with its description.
const COUNTERS: &[(&str, &str)] = &[
    (SUBMITS, "Submits by intent type and outcome"),
    (
        EXECUTIONS,
        "Executions that ended, by intent type and outcome",
    ),
    (
        ZOMBIES_DROPPED,
        "Writes of handlers that had lost their execution",
    ),
    (
        SWEEP_REPAIRS,
        "Stranded executions that the sweep repaired; should be 0",
    ),
    (
        SET_ASIDE,
        "Executions that cannot be read and are left where they are; should be 0",
    ),
    (
        WEBHOOK_DELIVERIES,
        "Deliveries to webhooks that were tried, by outcome",
    ),
    (STATEMENTS, "Statements sent to the database, by purpose"),
    (
        ROWS_WRITTEN,
        "Rows sent to the database to be inserted, updated or deleted",
    ),
    (
        CONNECTIONS_REFUSED,
        "Connections that were closed at once, since there were as many as may be",
    ),
    (
        COST,
        "Points of cost that tenants have spent, each a microsecond of processor time at most",
    ),
    (HTTP_REQUESTS, "HTTP requests by method, route and status"),
];
const GAUGES: &[(&str, &str)] = &[
    (
        CONNECTIONS,
        "Connections that are open, WebSockets included",
    ),
    (QUEUE_DEPTH, "Executions that are ready and wait for a slot"),
    (RUNNING, "Handlers that run on this node"),
    (
        WEBHOOKS_DISABLED,
        "Webhooks that were given up since nothing was accepted, of all tenants",
    ),
    (
        WEBHOOKS_FAILING,
        "Webhooks that wait to try again what was not accepted, of all tenants",
    ),
    (
        SUBSCRIBERS,
        "Clients that are subscribed to events on this node",
    ),
    (
        FEEDS_HELD_BACK,
        "For how long the oldest writer's transaction has held feeds of sessions and tenants back, \
         from one second on",
    ),
];
const HISTOGRAMS: &[(&str, &str)] = &[
    (SUBMIT_DURATION, "Seconds from a submit to its answer"),
    (
        EXECUTION_DURATION,
        "Seconds from acceptance to the end of an execution",
    ),
    (BATCH_ITEMS, "Writes in one group commit"),
    (BATCH_COMMIT, "Seconds that one group commit took"),
    (HTTP_DURATION, "Seconds from an HTTP request to its answer"),
];

#[cfg(test)]
pub(super) const ALL: [&str; 19] = [
    SUBMITS,
    SUBMIT_DURATION,
    EXECUTIONS,
    EXECUTION_DURATION,
    QUEUE_DEPTH,
    RUNNING,
    BATCH_ITEMS,
    BATCH_COMMIT,
    ZOMBIES_DROPPED,
    SWEEP_REPAIRS,
    SET_ASIDE,
    STATEMENTS,
    ROWS_WRITTEN,
    WEBHOOK_DELIVERIES,
    WEBHOOKS_DISABLED,
    WEBHOOKS_FAILING,
    SUBSCRIBERS,
    HTTP_REQUESTS,
    HTTP_DURATION,
];

/// Histograms with buckets, rather than summaries, which cannot be added up over nodes.
pub(super) fn with_buckets(builder: PrometheusBuilder) -> PrometheusBuilder {
    let seconds = Matcher::Suffix("_seconds".to_owned());
    let items = Matcher::Suffix("_items".to_owned());
    // The only error is an empty list of buckets.
    builder
        .set_buckets_for_metric(seconds, SECONDS)
        .and_then(|builder| builder.set_buckets_for_metric(items, ITEMS))
        .unwrap_or_default()
}

pub(super) fn describe(recorder: &PrometheusRecorder) {
    let text = SharedString::const_str;
    for (name, help) in COUNTERS {
        recorder.describe_counter((*name).into(), None, text(help));
    }
    for (name, help) in GAUGES {
        recorder.describe_gauge((*name).into(), None, text(help));
    }
    for (name, help) in HISTOGRAMS {
        recorder.describe_histogram((*name).into(), None, text(help));
    }
}
