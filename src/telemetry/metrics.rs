//! Metrics in the text format of Prometheus.
//!
//! One [`Metrics`] belongs to one server, not to the process: servers side by side in a test do not
//! count into each other. Clones share. Labels have few values: an intent type that is not
//! registered must not become one, since clients choose it ([`UNKNOWN_TYPE`] is for those).

mod names;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use ::metrics::{Counter, Gauge, Histogram, Key, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tokio_util::sync::CancellationToken;

use crate::model::ExecutionStatus;

/// Label for intents whose type is not registered.
pub const UNKNOWN_TYPE: &str = "unknown";

/// The period of the maintenance loop, [`Metrics::maintain`].
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

const METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, None);

/// The outcome of a submit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Submit {
    /// A new execution.
    Accepted,
    /// The execution of an earlier submit with the same key.
    Replayed,
    /// The caller asked for what is not allowed.
    Refused,
    /// It could not be stored.
    Failed,
}

/// The outcome of a delivery to a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivered {
    /// The receiver has it.
    Accepted,
    /// It is tried again.
    Failed,
    /// The receiver wants nothing more.
    Gone,
}

/// The metrics of one server.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
    running: Gauge,
    subscribers: Gauge,
    connections: Gauge,
    batch_items: Histogram,
    batch_commit: Histogram,
    /// The counters of answers, by route.
    answers: RwLock<HashMap<Box<str>, Vec<Answers>>>,
}

/// Counts answers of one kind.
#[derive(Clone)]
struct Answers {
    method: &'static str,
    status: u16,
    count: Counter,
    duration: Histogram,
}

/// Counts one thing in a gauge until it is dropped.
#[must_use = "it counts until it is dropped"]
pub struct Tracked(Gauge);

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl fmt::Debug for Tracked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracked").finish_non_exhaustive()
    }
}

impl Metrics {
    /// All metrics at zero.
    #[must_use]
    pub fn new() -> Self {
        let recorder = names::with_buckets(PrometheusBuilder::new()).build_recorder();
        names::describe(&recorder);
        let metrics = Self(Arc::new(Inner {
            handle: recorder.handle(),
            running: gauge(&recorder, names::RUNNING),
            subscribers: gauge(&recorder, names::SUBSCRIBERS),
            connections: gauge(&recorder, names::CONNECTIONS),
            batch_items: histogram(&recorder, names::BATCH_ITEMS),
            batch_commit: histogram(&recorder, names::BATCH_COMMIT),
            answers: RwLock::default(),
            recorder,
        }));
        // Shown from the start: an alert on a counter that is not there would never fire.
        metrics.zombie_dropped(0);
        metrics.swept(0);
        metrics.feeds_held_back(Duration::ZERO);
        metrics.count(names::CONNECTIONS_REFUSED, Vec::new(), 0);
        metrics.set_aside(0);
        metrics.set_queue_depth(0);
        for outcome in [Delivered::Accepted, Delivered::Failed, Delivered::Gone] {
            metrics.count(names::WEBHOOK_DELIVERIES, outcome.labels(), 0);
        }
        metrics.set_webhooks(0, 0);
        metrics
    }

    /// The text that `/metrics` answers.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.handle.render()
    }

    /// Keeps the memory of histograms flat while nobody reads them, until `stop`.
    pub async fn maintain(&self, stop: CancellationToken) {
        while stop
            .run_until_cancelled(tokio::time::sleep(UPKEEP_EVERY))
            .await
            .is_some()
        {
            self.0.handle.run_upkeep();
        }
    }

    /// A submit was answered after `took`.
    pub fn submitted(&self, intent_type: &str, outcome: Submit, took: Duration) {
        let outcome = match outcome {
            Submit::Accepted => "accepted",
            Submit::Replayed => "replayed",
            Submit::Refused => "refused",
            Submit::Failed => "failed",
        };
        let labels = vec![
            Label::new("intent_type", intent_type.to_owned()),
            Label::from_static_parts("outcome", outcome),
        ];
        self.count(names::SUBMITS, labels, 1);
        self.measure(names::SUBMIT_DURATION, Vec::new(), took);
    }

    /// An execution ended, `took` after it was accepted.
    pub fn executed(&self, intent_type: &str, status: ExecutionStatus, took: Duration) {
        let intent_type = Label::new("intent_type", intent_type.to_owned());
        let outcome = Label::from_static_parts("outcome", status.name());
        self.measure(names::EXECUTION_DURATION, vec![intent_type.clone()], took);
        self.count(names::EXECUTIONS, vec![intent_type, outcome], 1);
    }

    /// Executions of this node that are ready and wait for a slot.
    pub fn set_queue_depth(&self, executions: usize) {
        gauge(&self.0.recorder, names::QUEUE_DEPTH).set(as_number(executions));
    }

    /// A delivery to a webhook was tried.
    pub fn delivered(&self, outcome: Delivered) {
        self.count(names::WEBHOOK_DELIVERIES, outcome.labels(), 1);
    }

    /// Webhooks that were given up, and those that fail, of all tenants.
    pub fn set_webhooks(&self, disabled: usize, failing: usize) {
        gauge(&self.0.recorder, names::WEBHOOKS_DISABLED).set(as_number(disabled));
        gauge(&self.0.recorder, names::WEBHOOKS_FAILING).set(as_number(failing));
    }

    /// A handler runs, until the answer is dropped.
    pub fn running(&self) -> Tracked {
        Tracked::begin(&self.0.running)
    }

    /// A client is subscribed, until the answer is dropped.
    pub fn subscribed(&self) -> Tracked {
        Tracked::begin(&self.0.subscribers)
    }

    /// That many rows were sent to be written.
    pub fn rows_written(&self, rows: usize) {
        self.count(names::ROWS_WRITTEN, Vec::new(), rows as u64);
    }

    /// A group of `items` writes was committed in `took`.
    pub fn committed(&self, items: usize, took: Duration) {
        self.0.batch_items.record(as_number(items));
        self.0.batch_commit.record(took);
    }

    /// Counts an open connection.
    pub fn connected(&self) -> Tracked {
        Tracked::begin(&self.0.connections)
    }

    /// A connection was closed at once, since there were as many as may be.
    pub fn turned_away(&self) {
        self.count(names::CONNECTIONS_REFUSED, Vec::new(), 1);
    }

    /// That many writes of handlers that had lost their execution were dropped.
    pub fn zombie_dropped(&self, writes: u64) {
        self.count(names::ZOMBIES_DROPPED, Vec::new(), writes);
    }

    /// A transaction of a writer has been the oldest one for so long.
    pub fn feeds_held_back(&self, held: Duration) {
        gauge(&self.0.recorder, names::FEEDS_HELD_BACK).set(held.as_secs_f64());
    }

    /// That many executions could not be read and were set aside.
    pub fn set_aside(&self, executions: u64) {
        self.count(names::SET_ASIDE, Vec::new(), executions);
    }

    /// Tenants have spent that many points of cost since the start.
    pub fn spent(&self, points: u64) {
        let key = Key::from_static_name(names::COST);
        let counter = self.0.recorder.register_counter(&key, &METADATA);
        counter.absolute(points);
    }

    /// The sweep found and repaired that many stranded executions.
    pub fn swept(&self, repaired: u64) {
        self.count(names::SWEEP_REPAIRS, Vec::new(), repaired);
    }

    /// A request was answered. `route` is the route's pattern, not the path that was asked for.
    pub fn answered(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let known = self.known_answers(method, route, status);
        let answers = known.unwrap_or_else(|| self.new_answers(method, route, status));
        answers.duration.record(took);
        answers.count.increment(1);
    }

    fn known_answers(&self, method: &'static str, route: &str, status: u16) -> Option<Answers> {
        let known = self
            .0
            .answers
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let of_route = known.get(route)?;
        let is_it = |answers: &&Answers| answers.method == method && answers.status == status;
        of_route.iter().find(is_it).cloned()
    }

    fn new_answers(&self, method: &'static str, route: &str, status: u16) -> Answers {
        let labels = vec![
            Label::from_static_parts("method", method),
            Label::new("route", route.to_owned()),
        ];
        let duration = Key::from_parts(names::HTTP_DURATION, labels.clone());
        let by_status = vec![Label::new("status", status.to_string())];
        let count = Key::from_parts(names::HTTP_REQUESTS, [labels, by_status].concat());
        let answers = Answers {
            method,
            status,
            count: self.0.recorder.register_counter(&count, &METADATA),
            duration: self.0.recorder.register_histogram(&duration, &METADATA),
        };
        let mut known = self
            .0
            .answers
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        known.entry(route.into()).or_default().push(answers.clone());
        answers
    }

    /// A statement was sent to the database for `purpose`: `read` or `write`.
    pub fn statement(&self, purpose: &'static str) {
        let purpose = Label::from_static_parts("purpose", purpose);
        self.count(names::STATEMENTS, vec![purpose], 1);
    }

    fn count(&self, name: &'static str, labels: Vec<Label>, by: u64) {
        let key = Key::from_parts(name, labels);
        self.0
            .recorder
            .register_counter(&key, &METADATA)
            .increment(by);
    }

    fn measure(&self, name: &'static str, labels: Vec<Label>, took: Duration) {
        let key = Key::from_parts(name, labels);
        self.0
            .recorder
            .register_histogram(&key, &METADATA)
            .record(took);
    }
}

impl Delivered {
    fn labels(self) -> Vec<Label> {
        let outcome = match self {
            Self::Accepted => "accepted",
            Self::Failed => "failed",
            Self::Gone => "gone",
        };
        vec![Label::from_static_parts("outcome", outcome)]
    }
}

impl Tracked {
    fn begin(gauge: &Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge.clone())
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

fn gauge(recorder: &PrometheusRecorder, name: &'static str) -> Gauge {
    recorder.register_gauge(&Key::from_static_name(name), &METADATA)
}

fn histogram(recorder: &PrometheusRecorder, name: &'static str) -> Histogram {
    recorder.register_histogram(&Key::from_static_name(name), &METADATA)
}

/// Exact up to 2^32, which no count here reaches.
fn as_number(count: usize) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn every_metric_is_rendered_under_its_name() {
        let metrics = Metrics::new();
        metrics.submitted("echo", Submit::Accepted, MS);
        metrics.executed("echo", ExecutionStatus::Failed, MS);
        metrics.set_queue_depth(7);
        metrics.committed(3, MS);
        metrics.zombie_dropped(2);
        metrics.swept(1);
        metrics.statement("read");
        metrics.rows_written(5);
        metrics.delivered(Delivered::Gone);
        metrics.answered("GET", "/api/session/{session_id}", 404, MS);
        let running = metrics.running();
        let gone = metrics.subscribed();
        drop(gone);
        let text = metrics.render();
        for line in [
            "takeoff_submits_total{intent_type=\"echo\",outcome=\"accepted\"} 1",
            "takeoff_submit_duration_seconds_bucket{le=\"0.001\"} 1",
            "takeoff_executions_total{intent_type=\"echo\",outcome=\"failed\"} 1",
            "takeoff_execution_duration_seconds_count{intent_type=\"echo\"} 1",
            "takeoff_queue_depth 7",
            "takeoff_running 1",
            "takeoff_subscribers 0",
            "takeoff_batch_items_bucket{le=\"5\"} 1",
            "takeoff_batch_commit_seconds_count 1",
            "takeoff_zombies_dropped_total 2",
            "takeoff_sweep_repairs_total 1",
            "takeoff_webhook_deliveries_total{outcome=\"gone\"} 1",
            "takeoff_webhook_deliveries_total{outcome=\"failed\"} 0",
            "takeoff_webhooks_disabled 0",
            "takeoff_webhooks_failing 0",
            "takeoff_http_requests_total{method=\"GET\",route=\"/api/session/{session_id}\",status=\"404\"} 1",
            "takeoff_http_request_duration_seconds_count{method=\"GET\",route=\"/api/session/{session_id}\"} 1",
            "# TYPE takeoff_batch_items histogram",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
        for name in names::ALL {
            assert!(text.contains(&format!("# HELP {name} ")), "{name}\n{text}");
        }
        drop(running);
        assert!(metrics.render().contains("takeoff_running 0"));
    }

    #[test]
    fn two_servers_count_apart() {
        let (one, other) = (Metrics::new(), Metrics::new());
        one.clone().zombie_dropped(1);
        assert!(one.render().contains("takeoff_zombies_dropped_total 1"));
        assert!(other.render().contains("takeoff_zombies_dropped_total 0"));
    }

    #[tokio::test]
    async fn maintenance_ends_when_told() {
        let stop = CancellationToken::new();
        stop.cancel();
        Metrics::new().maintain(stop).await;
    }
}
