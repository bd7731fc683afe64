//! The secret of a webhook: shown once, sealed, and exchanged without a gap.

use serde_json::json;
use takeoff::{app::App, clock::Clock};

use super::{
    HERE, Receiver, change, changing, creation, deliver::is_signed, entries, made, node, node_by,
    once, read,
};
use crate::support::{TestApp, TrySolution, backends, config};

const HOUR: i64 = 3_600_000_000;

/// The new secret of a webhook.
async fn rotated(app: &TestApp, id: &str) -> String {
    let query = changing("rotateWebhookSecret").replace("errors {", "secret errors {");
    let rotated = app.data(&query, json!({"input": {"id": id}})).await["it"].take();
    assert_eq!(rotated["errors"], json!([]), "{rotated}");
    rotated["secret"].as_str().unwrap().to_owned()
}

backends! {
    async fn both_secrets_sign_for_a_day_after_they_were_exchanged(backend: Backend) {
        let clock = Clock::manual(Clock::System.now());
        let app = node_by(&backend, &clock, &[]).await;
        let receiver = Receiver::accepting().await;
        let filter = json!({"types": ["execution.completed"]});
        let first = made(&app, json!({"url": receiver.url, "filter": filter})).await;
        let second = rotated(&app, &first.id).await;
        assert_ne!(first.secret, second);
        assert!(read(&app, &first.id).await["formerSecretUntil"].is_string());
        // So many deliveries have come, the last of which was signed by these.
        let signed = async |count: usize, by: &[&str], not: &[&str]| {
            app.run("add", json!({"a": 1, "b": 2})).await;
            app.until(|| async { (receiver.hooks().len() == count).then_some(()) }).await;
            let hook = receiver.hooks().pop().unwrap();
            assert_eq!(hook.signatures.split(' ').count(), by.len(), "{hook:?}");
            assert!(by.iter().all(|secret| is_signed(&hook, secret)), "{hook:?}");
            assert!(!not.iter().any(|secret| is_signed(&hook, secret)), "{hook:?}");
        };
        signed(1, &[&first.secret, &second], &[]).await;
        clock.advance(23 * HOUR);
        signed(2, &[&first.secret, &second], &[]).await;
        clock.advance(2 * HOUR);
        signed(3, &[&second], &[&first.secret]).await;
        let third = rotated(&app, &first.id).await;
        let fourth = rotated(&app, &first.id).await;
        signed(4, &[&third, &fourth], &[&first.secret, &second]).await;
    }

    async fn a_secret_is_shown_once_and_stands_nowhere(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let second = rotated(&app, &webhook.id).await;
        let done = app.run("add", json!({"a": 1, "b": 2})).await;
        receiver.has_all(&app, &[done.id]).await;
        assert!(is_signed(&receiver.hooks()[0], &second));
        let mut told = read(&app, &webhook.id).await.to_string();
        told += &change(&app, "pauseWebhook", json!({"id": webhook.id})).await.to_string();
        told += &json!(entries(&app, &webhook.id).await).to_string();
        for (table, columns) in [
            ("webhook", "secret || COALESCE(former_secret, '') || url || filter || ahead"),
            ("event", "data || COALESCE(payload, '')"),
            ("data_key", "sealed"),
        ] {
            told += &backend.texts(&format!("SELECT {columns} FROM {table}")).await.concat();
        }
        app.assert_verified().await;
        for secret in [&webhook.secret, &second] {
            let bare = secret.strip_prefix("whsec_").unwrap();
            assert!(!told.contains(bare), "{told}");
        }
        assert!(!told.contains("whsec_"), "{told}");
    }

    async fn a_webhook_whose_secret_is_lost_says_so_and_goes_on_with_another_one(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let first = made(&app, json!({"url": receiver.url})).await;
        let second = rotated(&app, &first.id).await;
        change(&app, "pauseWebhook", json!({"id": first.id})).await;
        backend.execute("UPDATE webhook SET secret = 'v1.1.nothing'").await;
        change(&app, "resumeWebhook", json!({"id": first.id})).await;
        let done = app.run("add", json!({"a": 1, "b": 2})).await;
        // It waits longer each time, as if it were the receiver's fault.
        let failing = once(&app, &first.id, |it| it["consecutiveFailures"].as_str().unwrap() > "2").await;
        assert!(failing["lastFailure"].as_str().unwrap().contains("rotateWebhookSecret"), "{failing}");
        assert!(failing["nextAttemptAt"].is_string(), "{failing}");
        assert_eq!(receiver.hooks().len(), 0, "something came unsigned");
        // The one before cannot be opened, and so it does not sign.
        let third = rotated(&app, &first.id).await;
        receiver.has_all(&app, &[done.id]).await;
        for hook in receiver.hooks() {
            assert_eq!(hook.signatures.split(' ').count(), 1, "{hook:?}");
            assert!(is_signed(&hook, &third) && !is_signed(&hook, &second), "{hook:?}");
        }
    }

    async fn a_node_that_is_started_anew_signs_by_the_same_secret(backend: Backend) {
        let first = node(&backend).await;
        let receiver = Receiver::accepting().await;
        let webhook = made(&first, json!({"url": receiver.url})).await;
        first.server.stop().await;
        let second = node(&backend).await;
        let done = second.run("add", json!({"a": 1, "b": 2})).await;
        receiver.has_all(&second, &[done.id]).await;
        assert!(receiver.hooks().iter().all(|hook| is_signed(hook, &webhook.secret)));
    }

    async fn without_keys_that_nodes_share_no_webhook_is_made(backend: Backend) {
        let settings = [&HERE[..], &["secrets.keys="]].concat();
        // Without the handlers of the tests, of which some have sensitive parameters.
        let server = App::new(config(&backend, &settings)).listen().await.unwrap();
        let app = TestApp::of(server, TrySolution::default());
        let input = json!({"input": {"url": "http://127.0.0.1:1/"}});
        let answer = app.data(&creation(), input).await;
        let errors = &answer["it"]["errors"];
        if backend.is_postgres() {
            assert!(errors[0]["message"].as_str().unwrap().contains("secrets.keys"), "{answer}");
        } else {
            // One node makes a key of its own.
            assert_eq!(errors, &json!([]));
            assert!(backend.folder.path().join("secrets.key").exists());
        }
    }
}
