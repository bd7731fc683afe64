//! Logs as they are written, and traces as a collector gets them.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{Router, body::Bytes, http::HeaderMap, routing::post};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::{Instrument as _, field, info_span, subscriber::with_default};

use super::{adopt, subscriber, traceparent};
use crate::config::{Config, Overrides, Telemetry};

const CALLER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TRACE_ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// A log that stays in memory.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn telemetry(pairs: &[&str]) -> Telemetry {
    let overrides = Overrides {
        set: pairs.iter().map(|pair| (*pair).to_owned()).collect(),
        ..Overrides::default()
    };
    Config::load(&overrides, std::iter::empty())
        .unwrap()
        .telemetry
}

/// Returns the log of `work`.
fn logged(pairs: &[&str], terminal: bool, work: impl FnOnce()) -> String {
    let log = Log::default();
    let writer = log.clone();
    let (subscriber, _guard) = subscriber(&telemetry(pairs), "node-1", terminal, move || {
        writer.clone()
    })
    .unwrap();
    with_default(subscriber, work);
    log.text()
}

fn fail_in_a_step() {
    let execution = info_span!(
        "execution",
        tenant_id = "acme",
        execution_id = "e-1",
        intent_type = field::Empty
    );
    let _execution = execution.enter();
    execution.record("intent_type", "echo");
    let _step = info_span!("step", step = "load").entered();
    tracing::info!("unimportant");
    tracing::error!(attempt = 2, last = true, cause = %"no \"b\"", "it \"broke\"");
}

#[test]
fn a_json_line_carries_the_fields_of_all_its_spans() {
    let log = logged(&["telemetry.log=warn"], false, fail_in_a_step);
    assert_eq!(log.lines().count(), 1, "{log}");
    let line: Value = serde_json::from_str(&log).unwrap();
    for (field, value) in [
        ("tenant_id", Value::from("acme")),
        ("execution_id", "e-1".into()),
        ("intent_type", "echo".into()),
        ("step", "load".into()),
        ("span", "step".into()),
        ("attempt", 2.into()),
        ("last", true.into()),
        ("cause", "no \"b\"".into()),
        ("level", "ERROR".into()),
        ("target", module_path!().into()),
        ("message", "it \"broke\"".into()),
    ] {
        assert_eq!(line[field], value, "{log}");
    }
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'));
}

#[test]
fn a_text_line_carries_them_too() {
    let log = logged(
        &["telemetry.log=error", "telemetry.log_format=text"],
        false,
        fail_in_a_step,
    );
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [
        "execution_id=\"e-1\"",
        "tenant_id=\"acme\"",
        "intent_type=\"echo\"",
    ] {
        assert!(log.contains(part), "{log}");
    }
}

#[test]
fn the_format_follows_the_terminal_unless_set() {
    let say = || tracing::info!("hello");
    assert!(!logged(&[], true, say).starts_with('{'));
    assert!(logged(&[], false, say).starts_with('{'));
    assert!(logged(&["telemetry.log_format=json"], true, say).starts_with('{'));
    assert!(!logged(&["telemetry.log_format=text"], false, say).starts_with('{'));
}

#[test]
fn notices_of_the_database_are_quiet_unless_asked_for() {
    let notice = || {
        tracing::info!(target: "sqlx::postgres::notice", "relation exists");
        tracing::info!(target: "sqlx::query", "other");
    };
    let log = logged(&[], false, notice);
    assert!(
        !log.contains("relation exists") && log.contains("other"),
        "{log}"
    );
    let asked = ["telemetry.log=info,sqlx::postgres::notice=info"];
    assert!(logged(&asked, false, notice).contains("relation exists"));
}

#[test]
fn without_collector_nothing_is_traced() {
    let log = logged(&[], false, || {
        let span = info_span!("request");
        adopt(&span, Some(CALLER));
        assert_eq!(traceparent(&span), None);
        span.in_scope(|| tracing::info!("hello"));
    });
    assert!(!log.contains("trace_id"), "{log}");
}

/// A collector on a free port, and the requests it got.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, Bytes)>) {
    let (sender, requests) = mpsc::unbounded_channel();
    let take = move |headers: HeaderMap, body: Bytes| async move {
        let kind = headers["content-type"]
            .to_str()
            .unwrap_or_default()
            .to_owned();
        let _ = sender.send((kind, body));
    };
    let router = Router::new().route("/v1/traces", post(take));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    (format!("http://{address}"), requests)
}

/// The next request; the time limit is for a collector that gets none.
async fn received(requests: &mut mpsc::UnboundedReceiver<(String, Bytes)>) -> (String, Bytes) {
    let next = tokio::time::timeout(Duration::from_secs(20), requests.recv());
    next.await.unwrap().unwrap()
}

fn contains(body: &[u8], part: &str) -> bool {
    body.windows(part.len())
        .any(|window| window == part.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn spans_reach_the_collector_when_the_guard_is_dropped() {
    let (endpoint, mut requests) = collector().await;
    let config = telemetry(&[&format!("telemetry.otlp_endpoint={endpoint}/")]);
    let log = Log::default();
    let writer = log.clone();
    let (subscriber, guard) = subscriber(&config, "node-1", false, move || writer.clone()).unwrap();
    assert!(guard.exports_traces());
    with_default(subscriber, || {
        let request = info_span!("request");
        adopt(&request, Some(CALLER));
        let passed_on = traceparent(&request).unwrap();
        assert!(passed_on.contains(TRACE_ID) && passed_on != CALLER);
        request.in_scope(fail_in_a_step);
    });
    drop(guard);

    let (kind, body) = received(&mut requests).await;
    assert_eq!(kind, "application/x-protobuf");
    for part in [
        "service.instance.id",
        "node-1",
        "takeoff",
        "execution_id",
        "e-1",
        "step",
    ] {
        assert!(contains(&body, part), "{part}");
    }
    let trace_id = data_encoding::HEXLOWER.decode(TRACE_ID.as_bytes()).unwrap();
    assert!(body.windows(16).any(|window| window == trace_id));
    assert!(
        log.text().contains(&format!("\"trace_id\":\"{TRACE_ID}\"")),
        "{}",
        log.text()
    );
}

#[tokio::test]
async fn the_last_batch_leaves_from_a_runtime_of_one_thread_too() {
    // The collector is elsewhere, as dropping the guard blocks this thread.
    let (sent, endpoint) = std::sync::mpsc::channel();
    let elsewhere = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let (endpoint, mut requests) = collector().await;
            sent.send(endpoint).unwrap();
            received(&mut requests).await.1.len()
        })
    });
    let endpoint = endpoint.recv().unwrap();
    let config = telemetry(&[&format!("telemetry.otlp_endpoint={endpoint}")]);
    let (subscriber, guard) = subscriber(&config, "node-1", false, io::sink).unwrap();
    let scope = subscriber::set_default(subscriber);
    async { tracing::info!("done") }
        .instrument(info_span!("work"))
        .await;
    drop(scope);
    drop(guard);
    assert!(elsewhere.join().unwrap() > 0);
}
