//! Webhooks whose node dies, whose receiver is away for long or for good, and that are told to go on elsewhere.

use std::collections::HashSet;

use serde_json::{Value, json};
use takeoff::{clock::Clock, model::ExecutionId};

use super::{
    HERE, Receiver, Reply, assert_in_order, change, changing, creation, entries, made, node,
    node_by, once, read, sequences,
};
use crate::support::{NodeProcess, SHORT_LEASE, TestApp, backends, http};

const HOUR: i64 = 3_600_000_000;

fn sum() -> Value {
    json!({"a": 1, "b": 2})
}

/// An answer of a node in a process of its own.
async fn ask(node: &NodeProcess, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let url = format!("http://{}/graphql", node.address);
    let answer = http().post(url).json(&body).send().await;
    let mut answer: Value = answer.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

/// Submits sums on a node in a process of its own.
async fn submit(node: &NodeProcess, count: usize) -> Vec<ExecutionId> {
    let session = ask(
        node,
        "mutation { createSession(input: {}) { session { id } } }",
        json!({}),
    )
    .await;
    let session = session["createSession"]["session"]["id"].clone();
    let submit = "mutation($s: ID!) { submitIntent(input: {intentType: \"add\", sessionId: $s, parameters: {a: 1, b: 2}}) {
        execution { id } errors { code } } }";
    let mut submitted = Vec::new();
    for _ in 0..count {
        let answer = ask(node, submit, json!({"s": session})).await;
        let id = answer["submitIntent"]["execution"]["id"].as_str();
        submitted.push(id.unwrap_or_else(|| panic!("{answer}")).parse().unwrap());
    }
    submitted
}

/// A receiver of another webhook. What it has got has also been found by the node that keeps silent elsewhere.
async fn witness(app: &TestApp) -> Receiver {
    let receiver = Receiver::accepting().await;
    made(app, json!({"url": receiver.url})).await;
    receiver
}

backends! {
    async fn what_a_process_that_is_killed_has_not_delivered_another_one_delivers(backend: Backend) {
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let settings = [&HERE[..], &[SHORT_LEASE]].concat();
        let mut first = NodeProcess::start(&backend, &settings).await;
        let made = ask(&first, &creation(), json!({"input": {"url": receiver.url}})).await;
        assert_eq!(made["it"]["errors"], json!([]), "{made}");
        let submitted = submit(&first, 8).await;
        // Some are accepted, some wait for their answer, and the rest has not begun when the process dies.
        receiver.let_through(5);
        crate::support::soon(async {
            while receiver.accepted().len() < 5 || receiver.hooks().len() < 8 {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
        first.kill();
        let before = receiver.hooks().len();
        receiver.open_gate();
        let second = TestApp::start_with(&backend, &settings).await;
        for id in &submitted {
            second.ended(*id).await;
        }
        receiver.has_all(&second, &submitted).await;
        assert!(receiver.hooks().len() > before);
        assert_in_order(&receiver.hooks());
        second.assert_verified().await;
    }

    async fn a_node_that_stops_gives_its_webhooks_back(backend: Backend) {
        let receiver = Receiver::accepting().await;
        let first = node(&backend).await;
        let webhook = made(&first, json!({"url": receiver.url})).await;
        let done = first.run("add", sum()).await;
        receiver.has_all(&first, &[done.id]).await;
        let place = receiver.hooks().last().unwrap().event["cursor"].clone();
        once(&first, &webhook.id, |it| it["cursor"] == place).await;
        first.server.stop().await;
        let held = backend.texts("SELECT CAST(COUNT(*) AS text) FROM webhook WHERE held_by IS NOT NULL").await;
        assert_eq!(held, ["0"]);
        let second = node(&backend).await;
        let more = second.run("add", sum()).await;
        receiver.has_all(&second, &[more.id]).await;
        let hooks = receiver.hooks();
        let ids: HashSet<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
        assert_eq!(ids.len(), hooks.len(), "something came twice");
    }

    async fn a_node_that_crashes_is_followed_by_another_one(backend: Backend) {
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let first = node(&backend).await;
        made(&first, json!({"url": receiver.url})).await;
        let done = first.run("add", sum()).await;
        receiver.let_through(1);
        first.until(|| async { (receiver.hooks().len() == 2).then_some(()) }).await;
        first.crash(&backend).await;
        receiver.open_gate();
        let second = node(&backend).await;
        receiver.has_all(&second, &[done.id]).await;
        assert_in_order(&receiver.hooks());
    }

    async fn what_fails_for_long_is_given_up_and_goes_on_where_it_was(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let app = node_by(&backend, &clock, &["webhooks.disable_after_hours=1"]).await;
        let receiver = Receiver::start(|_, _| Reply::Status(502)).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let first = app.run("add", sum()).await;
        once(&app, &webhook.id, |it| it["consecutiveFailures"] == "1").await;
        clock.advance(59 * HOUR / 60);
        let failing = once(&app, &webhook.id, |it| it["consecutiveFailures"] == "2").await;
        assert_eq!(failing["status"], "ACTIVE", "{failing}");
        clock.advance(2 * HOUR / 60);
        let disabled = once(&app, &webhook.id, |it| it["status"] == "DISABLED").await;
        assert_eq!((&disabled["disabledReason"], &disabled["nextAttemptAt"]), (&json!("FAILING"), &Value::Null));
        let told = entries(&app, &webhook.id).await;
        let told = told.last().unwrap();
        assert_eq!(told["type"], "webhook.disabled");
        assert_eq!((&told["data"], &told["actor"]), (&json!({"reason": "FAILING", "failure": "502"}), &Value::Null));
        let metrics = app.http.get(app.url("/metrics")).send().await.unwrap().text().await.unwrap();
        assert!(metrics.contains("takeoff_webhook_deliveries_total{outcome=\"failed\"} 3"), "{metrics}");
        // What happens meanwhile is delivered once it is resumed.
        let tried = receiver.hooks().len();
        receiver.answer(|_, _| Reply::Status(200));
        let witness = witness(&app).await;
        let second = app.run("add", sum()).await;
        witness.has_all(&app, &[second.id]).await;
        assert_eq!(receiver.hooks().len(), tried);
        let resumed = change(&app, "resumeWebhook", json!({"id": webhook.id})).await;
        assert_eq!((&resumed["status"], &resumed["disabledReason"]), (&json!("ACTIVE"), &Value::Null));
        receiver.has_all(&app, &[first.id, second.id]).await;
        assert_in_order(&receiver.hooks());
        app.assert_verified().await;
    }

    async fn time_in_which_no_node_has_tried_gives_no_webhook_up(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let first = node_by(&backend, &clock, &[]).await;
        let receiver = Receiver::start(|_, _| Reply::Status(502)).await;
        let webhook = made(&first, json!({"url": receiver.url})).await;
        let done = first.run("add", sum()).await;
        once(&first, &webhook.id, |it| it["consecutiveFailures"] == "1").await;
        first.server.stop().await;
        clock.advance(100 * HOUR);
        let failed = receiver.hooks().len();
        let second = node_by(&backend, &clock, &[]).await;
        second.until(|| async { (receiver.hooks().len() > failed).then_some(()) }).await;
        let failing = once(&second, &webhook.id, |it| it["consecutiveFailures"] != "1").await;
        assert_eq!(failing["status"], "ACTIVE", "{failing}");
        receiver.answer(|_, _| Reply::Status(200));
        clock.advance(HOUR);
        receiver.has_all(&second, &[done.id]).await;
    }

    async fn a_success_now_and_then_keeps_a_webhook(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let app = node_by(&backend, &clock, &[]).await;
        let receiver = Receiver::start(|_, _| Reply::Status(502)).await;
        let webhook = made(&app, json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}})).await;
        for _ in 0..3 {
            let failures = receiver.hooks().len();
            app.run("add", sum()).await;
            app.until(|| async { (receiver.hooks().len() > failures).then_some(()) }).await;
            once(&app, &webhook.id, |it| it["consecutiveFailures"] == "1").await;
            receiver.answer(|_, _| Reply::Status(200));
            clock.advance(40 * HOUR);
            let good = once(&app, &webhook.id, |it| it["consecutiveFailures"] == "0").await;
            assert_eq!(good["status"], "ACTIVE");
            receiver.answer(|_, _| Reply::Status(502));
        }
    }

    async fn a_receiver_that_is_gone_is_told_nothing_more(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::start(|_, _| Reply::Status(410)).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        app.run("add", sum()).await;
        let disabled = once(&app, &webhook.id, |it| it["status"] == "DISABLED").await;
        assert_eq!((&disabled["disabledReason"], &disabled["lastFailure"]), (&json!("GONE"), &json!("410")));
        let witness = witness(&app).await;
        let later = app.run("add", sum()).await;
        witness.has_all(&app, &[later.id]).await;
        assert_eq!(receiver.hooks().len(), 1);
    }

    async fn a_webhook_that_is_paused_is_silent_and_leaves_nothing_out(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let first = app.run("add", sum()).await;
        receiver.has_all(&app, &[first.id]).await;
        // What is not written down when it is paused comes again.
        let place = receiver.hooks().last().unwrap().event["cursor"].clone();
        once(&app, &webhook.id, |it| it["cursor"] == place).await;
        let paused = change(&app, "pauseWebhook", json!({"id": webhook.id, "reason": "for a while"})).await;
        assert_eq!(paused["status"], "PAUSED");
        app.until(|| async {
            let held = backend.texts("SELECT CAST(COUNT(*) AS text) FROM webhook WHERE held_by IS NOT NULL").await;
            (held == ["0"]).then_some(())
        }).await;
        let witness = witness(&app).await;
        let second = app.run("add", sum()).await;
        witness.has_all(&app, &[second.id]).await;
        assert_eq!(receiver.hooks().len(), 3);
        change(&app, "resumeWebhook", json!({"id": webhook.id})).await;
        receiver.has_all(&app, &[first.id, second.id]).await;
        let changes: Vec<Value> = entries(&app, &webhook.id).await.iter().map(|it| it["data"]["change"].clone()).collect();
        assert_eq!(changes, [Value::Null, json!("PAUSED"), json!("RESUMED")]);
        let last = app.run("add", sum()).await;
        receiver.has_all(&app, &[last.id]).await;
        assert_eq!(receiver.hooks().len(), 9);
    }

    async fn events_are_delivered_again_from_a_cursor_on(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let mut done = Vec::new();
        for _ in 0..3 {
            done.push(app.run("add", sum()).await.id);
        }
        receiver.has_all(&app, &done).await;
        let first = receiver.hooks();
        let place = first.last().unwrap().event["cursor"].clone();
        once(&app, &webhook.id, |it| it["cursor"] == place).await;
        // Behind the fourth of nine.
        let mut cursors: Vec<_> = first.iter().map(|hook| hook.event["cursor"].as_str().unwrap()).collect();
        cursors.sort_by_key(|text| text.parse::<takeoff::model::Cursor>().unwrap());
        let after = json!({"id": webhook.id, "after": cursors[3]});
        change(&app, "redeliverWebhook", after).await;
        app.until(|| async { (receiver.hooks().len() == 14).then_some(()) }).await;
        let hooks = receiver.hooks();
        let again: HashSet<&str> = hooks[9..].iter().map(|hook| hook.id.as_str()).collect();
        let expected = first.iter().filter(|hook| cursors[4..].contains(&hook.event["cursor"].as_str().unwrap()));
        assert_eq!(again, expected.map(|hook| hook.id.as_str()).collect());
        assert_in_order(&hooks);
        // A place that the log does not have.
        let nowhere = takeoff::model::Cursor { tx: 1, ord: 0, seq: 1 }.to_string();
        let input = json!({"input": {"id": webhook.id, "after": nowhere}});
        let refused = app.graphql(&changing("redeliverWebhook"), input).await;
        assert_eq!(refused["errors"][0]["extensions"]["code"], "CURSOR_EXPIRED", "{refused}");
        let input = json!({"input": {"id": webhook.id, "after": "no cursor"}});
        let refused = app.data(&changing("redeliverWebhook"), input).await;
        assert_eq!(refused["it"]["errors"][0]["path"], json!(["input", "after"]), "{refused}");
    }

    async fn an_address_that_is_mended_is_tried_at_once(backend: Backend) {
        let app = node(&backend).await;
        let away = Receiver::start(|_, _| Reply::With(503, &[("retry-after", "3600")], String::new())).await;
        let webhook = made(&app, json!({"url": away.url})).await;
        let done = app.run("add", sum()).await;
        once(&app, &webhook.id, |it| it["lastFailure"] == "503").await;
        let there = Receiver::accepting().await;
        let changed = change(&app, "updateWebhook", json!({"id": webhook.id, "url": there.url, "name": "mended"})).await;
        assert_eq!((&changed["url"], &changed["name"]), (&json!(there.url), &json!("mended")));
        there.has_all(&app, &[done.id]).await;
        let all = sequences(&there.hooks());
        assert_eq!(all[&done.id.to_string()], [1, 2, 3]);
    }

    async fn a_webhook_that_is_deleted_is_told_nothing_more_and_goes_after_its_time(backend: Backend) {
        let settings = [&HERE[..], &["retention.webhooks=0s", "retention.period_seconds=86400"]].concat();
        let app = TestApp::start_with(&backend, &settings).await;
        let receiver = Receiver::start(|_, _| Reply::Status(500)).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        app.run("add", sum()).await;
        once(&app, &webhook.id, |it| it["lastFailure"] == "500").await;
        let deleted = change(&app, "deleteWebhook", json!({"id": webhook.id, "reason": "a mistake"})).await;
        assert_eq!(deleted["id"], webhook.id);
        assert!(read(&app, &webhook.id).await.is_null());
        let again = app.data(&changing("deleteWebhook"), json!({"input": {"id": webhook.id}})).await;
        assert_eq!(again["it"]["errors"][0]["code"], "NOT_FOUND", "{again}");
        let types: Vec<Value> = entries(&app, &webhook.id).await.iter().map(|it| it["type"].clone()).collect();
        assert_eq!(types, ["webhook.created", "webhook.deleted"]);
        assert_eq!(backend.texts("SELECT secret FROM webhook").await, [""]);
        receiver.answer(|_, _| Reply::Status(200));
        let witness = witness(&app).await;
        let later = app.run("add", sum()).await;
        witness.has_all(&app, &[later.id]).await;
        let later = later.id.to_string();
        assert!(receiver.hooks().iter().all(|hook| hook.execution() != later));
        app.until(|| async {
            app.services().runtime.remove_old().await.unwrap();
            let left = backend.texts("SELECT url FROM webhook WHERE deleted_at IS NOT NULL").await;
            left.is_empty().then_some(())
        }).await;
        assert_eq!(entries(&app, &webhook.id).await, Vec::<Value>::new());
        app.assert_verified().await;
    }
}
