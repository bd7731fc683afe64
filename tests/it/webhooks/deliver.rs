//! What is delivered, in which order, and what becomes of what is not accepted.

use std::{collections::HashSet, sync::OnceLock};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use takeoff::model::Cursor;

use super::{Hook, Receiver, Reply, assert_in_order, change, made, node, once, sequences};
use crate::support::{TestApp, backends};

const SUM: fn() -> Value = || json!({"a": 1, "b": 2});

/// Checks the signature as the specification says, by another library than the server's.
pub fn is_signed(hook: &Hook, secret: &str) -> bool {
    let key = STANDARD
        .decode(secret.strip_prefix("whsec_").unwrap())
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let signed = format!("{}.{}.{}", hook.id, hook.seconds, hook.text);
    hook.signatures.split(' ').any(|signature| {
        let signature = STANDARD
            .decode(signature.strip_prefix("v1,").unwrap())
            .unwrap();
        hmac::verify(&key, signed.as_bytes(), &signature).is_ok()
    })
}

/// The place of a webhook, or of an event.
fn place_of(found: &Value) -> Cursor {
    let cursor = found["cursor"].as_str();
    cursor.map_or(Cursor::default(), |text| text.parse().unwrap())
}

async fn events_by_rest(app: &TestApp, id: &str) -> Vec<Value> {
    let url = app.url(&format!("/api/execution/{id}/status?include_events=true"));
    let answer: Value = app
        .http
        .get(url)
        .send()
        .await
        .unwrap()
        .json()
        .await
        .unwrap();
    answer["events"].as_array().unwrap().clone()
}

backends! {
    async fn what_happens_is_delivered_as_the_api_shows_it_and_signed(backend: Backend) {
        let app = node(&backend).await;
        let before = app.run("add", SUM()).await;
        let receiver = Receiver::accepting().await;
        let webhook = made(&app, json!({"url": receiver.url, "name": "all"})).await;
        let done = app.run("add", SUM()).await;
        receiver.has_all(&app, &[done.id]).await;
        let hooks = receiver.hooks();
        // It begins with what happens after it was made.
        assert!(hooks.iter().all(|hook| hook.execution() != before.id.to_string()));
        let bodies: Vec<Value> = hooks.iter().map(|hook| hook.event.clone()).collect();
        assert_eq!(bodies, events_by_rest(&app, &done.id.to_string()).await);
        assert_eq!(bodies.last().unwrap()["data"]["result"], json!({"sum": 3}));
        for hook in &hooks {
            assert!(is_signed(hook, &webhook.secret), "{hook:?}");
            assert_eq!(hook.content_type, "application/json");
            let event = hook.event["id"].as_str().unwrap();
            assert_eq!(hook.id, format!("{}-{event}", webhook.id));
            let now = takeoff::clock::Clock::System.now() / 1_000_000;
            assert!((now - 300..=now).contains(&hook.seconds), "{hook:?}");
        }
        let mut altered = hooks[0].clone();
        altered.text.push(' ');
        assert!(!is_signed(&altered, &webhook.secret));
        // The place is behind the last one.
        let cursor = &bodies.last().unwrap()["cursor"];
        let found = once(&app, &webhook.id, |it| it["cursor"] == *cursor).await;
        assert_eq!((&found["consecutiveFailures"], &found["lastFailure"]), (&json!("0"), &Value::Null));
        assert!(found["lastSuccessAt"].is_string());
        app.assert_verified().await;
    }

    async fn a_receiver_that_refuses_every_other_delivery_gets_each_in_order(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::start(|number, _| Reply::Status(if number % 2 == 0 { 503 } else { 200 })).await;
        made(&app, json!({"url": receiver.url})).await;
        let session = app.session().await;
        let mut submitted = Vec::new();
        for _ in 0..6 {
            submitted.push(app.submit(session, "steps", json!({})).await.id);
        }
        for id in &submitted {
            app.ended(*id).await;
        }
        receiver.has_all(&app, &submitted).await;
        assert_in_order(&receiver.hooks());
        // What was accepted does not come again, and stands in order without a gap.
        for (execution, sequences) in sequences(&receiver.accepted()) {
            let count = i64::try_from(sequences.len()).unwrap();
            assert_eq!(sequences, (1..=count).collect::<Vec<_>>(), "{execution}");
        }
    }

    async fn what_is_refused_is_tried_again_and_nothing_is_passed_over(backend: Backend) {
        let app = node(&backend).await;
        let text = format!("not\r\n\u{1b}[31mnow {}", "x".repeat(100_000));
        let receiver = Receiver::start(move |_, _| Reply::With(500, &[], text.clone())).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let first = app.run("add", SUM()).await;
        let failing = once(&app, &webhook.id, |it| it["consecutiveFailures"].as_str().unwrap().parse::<i64>().unwrap() >= 3).await;
        assert_eq!(failing["status"], "ACTIVE");
        assert!(place_of(&failing) < place_of(&receiver.hooks()[0].event), "{failing}");
        let failure = failing["lastFailure"].as_str().unwrap();
        assert!(failure.starts_with("500: not [31mnow xxx") && failure.len() < 400, "{failure}");
        assert!(failing["nextAttemptAt"].is_string() && failing["lastFailureAt"].is_string(), "{failing}");
        assert_eq!(failing["lastSuccessAt"], Value::Null);
        let ids: HashSet<String> = receiver.hooks().into_iter().map(|hook| hook.id).collect();
        assert_eq!(ids.len(), 1, "the first event alone is tried");
        receiver.answer(|_, _| Reply::Status(200));
        receiver.has_all(&app, &[first.id]).await;
        let good = once(&app, &webhook.id, |it| it["consecutiveFailures"] == "0").await;
        assert_eq!((&good["status"], &good["nextAttemptAt"]), (&json!("ACTIVE"), &Value::Null));
        assert_in_order(&receiver.hooks());
    }

    async fn what_is_refused_holds_up_no_other_execution(backend: Backend) {
        let app = node(&backend).await;
        let refused = OnceLock::new();
        let receiver = Receiver::start(move |_, event| {
            let execution = event["execution_id"].as_str().unwrap();
            let is_first = refused.get_or_init(|| execution.to_owned()) == execution;
            Reply::Status(if is_first { 400 } else { 200 })
        })
        .await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let first = app.run("add", SUM()).await.id;
        let others = [app.run("add", SUM()).await.id, app.run("add", SUM()).await.id];
        receiver.has_all(&app, &others).await;
        let found = once(&app, &webhook.id, |it| it["lastFailure"] == "400").await;
        // Nothing moves over what was not accepted.
        let hooks = receiver.hooks();
        let refused = hooks.iter().find(|hook| hook.execution() == first.to_string()).unwrap();
        assert!(place_of(&found) < place_of(&refused.event), "{found}");
        assert!(sequences(&receiver.hooks())[&first.to_string()].iter().all(|sequence| *sequence == 1));
        receiver.answer(|_, _| Reply::Status(200));
        receiver.has_all(&app, &[first]).await;
        // What was accepted while it was held up does not come again.
        for (execution, sequences) in sequences(&receiver.accepted()) {
            assert_eq!(sequences, [1, 2, 3], "{execution}");
        }
        assert_in_order(&receiver.hooks());
    }

    async fn a_receiver_says_when_it_wants_the_next_attempt(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::start(|_, _| Reply::With(429, &[("retry-after", "1800")], String::new())).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        app.run("add", SUM()).await;
        let waiting = once(&app, &webhook.id, |it| it["lastFailure"] == "429").await;
        let time = |name: &str| chrono::DateTime::parse_from_rfc3339(waiting[name].as_str().unwrap()).unwrap();
        let pause = time("nextAttemptAt") - time("lastFailureAt");
        assert_eq!(pause.num_seconds(), 1_800);
        assert_eq!(receiver.hooks().len(), 1);
    }

    async fn a_redirect_is_not_followed(backend: Backend) {
        let app = node(&backend).await;
        let elsewhere = Receiver::accepting().await;
        let to: &'static str = elsewhere.url.clone().leak();
        let headers: &'static [(&'static str, &'static str)] = vec![("location", to)].leak();
        let receiver = Receiver::start(move |_, _| Reply::With(307, headers, String::new())).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        app.run("add", SUM()).await;
        once(&app, &webhook.id, |it| it["lastFailure"] == "307").await;
        assert_eq!(elsewhere.hooks().len(), 0);
    }

    async fn what_does_not_fit_the_filter_is_not_delivered(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let session = app.session().await;
        let filter = json!({"types": ["execution.completed"], "intentType": ["add"], "sessionId": session.to_string()});
        made(&app, json!({"url": receiver.url, "filter": filter})).await;
        app.run_in(session, "steps", json!({})).await;
        app.run("add", SUM()).await;
        let wanted = app.run_in(session, "add", SUM()).await;
        app.until(|| async { (!receiver.hooks().is_empty()).then_some(()) }).await;
        let hooks = receiver.hooks();
        let told: Vec<_> = hooks.iter().map(|hook| (hook.execution().to_owned(), hook.event["type"].clone())).collect();
        assert_eq!(told, [(wanted.id.to_string(), json!("execution.completed"))]);
    }

    async fn a_large_result_is_delivered_whole(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        made(&app, json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}})).await;
        let done = app.run("big", json!({"bytes": 100_000})).await;
        app.until(|| async { (!receiver.hooks().is_empty()).then_some(()) }).await;
        let told = receiver.hooks()[0].event.clone();
        assert_eq!(told, events_by_rest(&app, &done.id.to_string()).await.last().unwrap().clone());
        assert!(told.to_string().len() > 100_000);
    }

    async fn so_many_deliveries_are_on_their_way_at_the_same_time(backend: Backend) {
        let app = node(&backend).await;
        let session = app.session().await;
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let input = json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}});
        let webhook = made(&app, input).await;
        change(&app, "pauseWebhook", json!({"id": webhook.id})).await;
        for _ in 0..20 {
            app.run_in(session, "add", SUM()).await;
        }
        change(&app, "resumeWebhook", json!({"id": webhook.id})).await;
        app.until(|| async { (receiver.hooks().len() == 8).then_some(()) }).await;
        receiver.open_gate();
        app.until(|| async { (receiver.accepted().len() == 20).then_some(()) }).await;
        assert_eq!(receiver.most_at_once(), 8);
    }

    async fn nodes_that_share_a_database_deliver_once(backend: Backend) {
        let app = node(&backend).await;
        if !backend.is_postgres() {
            return;
        }
        let other = node(&backend).await;
        let receiver = Receiver::accepting().await;
        made(&app, json!({"url": receiver.url})).await;
        let mut done = Vec::new();
        for _ in 0..5 {
            done.push(app.run("add", SUM()).await.id);
            done.push(other.run("add", SUM()).await.id);
        }
        receiver.has_all(&app, &done).await;
        let hooks = receiver.hooks();
        let ids: HashSet<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
        assert_eq!(ids.len(), hooks.len(), "something came twice");
        assert_in_order(&hooks);
    }
}
