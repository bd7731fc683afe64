//! Changes of a webhook while deliveries are on their way.

use serde_json::{Value, json};
use takeoff::model::Cursor;

use super::{Receiver, Reply, change, made, node, once, read};
use crate::support::backends;

fn sum() -> Value {
    json!({"a": 1, "b": 2})
}

backends! {
    async fn another_filter_counts_for_what_the_round_under_way_has_not_been_asked_for(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let webhook = made(&app, json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}})).await;
        let done = app.run("add", sum()).await;
        // Its last event is on its way; those before it do not fit.
        app.until(|| async { (receiver.hooks().len() == 1).then_some(()) }).await;
        change(&app, "updateWebhook", json!({"id": webhook.id, "filter": {"types": []}})).await;
        receiver.open_gate();
        receiver.has_all(&app, &[done.id]).await;
    }

    async fn what_the_round_under_way_has_delivered_is_delivered_again_from_where_the_webhook_stands(backend: Backend) {
        let app = node(&backend).await;
        app.run("add", sum()).await;
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let stands = read(&app, &webhook.id).await["cursor"].clone();
        assert!(stands.is_string());
        let done = app.run("add", sum()).await;
        app.until(|| async { (receiver.hooks().len() == 1).then_some(()) }).await;
        change(&app, "redeliverWebhook", json!({"id": webhook.id, "after": stands})).await;
        receiver.open_gate();
        receiver.has_all(&app, &[done.id]).await;
        let first = receiver.hooks()[0].id.clone();
        let again = || async {
            let accepted = receiver.accepted();
            (accepted.iter().filter(|hook| hook.id == first).count() == 2).then_some(())
        };
        app.until(again).await;
    }

    async fn a_webhook_that_is_paused_while_it_delivers_goes_on_from_where_it_stood(backend: Backend) {
        let app = node(&backend).await;
        let receiver = Receiver::start(|_, _| Reply::Gated).await;
        let webhook = made(&app, json!({"url": receiver.url})).await;
        let done = app.run("add", sum()).await;
        app.until(|| async { (receiver.hooks().len() == 1).then_some(()) }).await;
        change(&app, "pauseWebhook", json!({"id": webhook.id})).await;
        receiver.open_gate();
        app.until(|| async {
            let held = backend.texts("SELECT CAST(COUNT(*) AS text) FROM webhook WHERE held_by IS NOT NULL").await;
            (held == ["0"]).then_some(())
        }).await;
        change(&app, "resumeWebhook", json!({"id": webhook.id})).await;
        receiver.has_all(&app, &[done.id]).await;
        let hooks = receiver.hooks();
        let last = hooks.iter().max_by_key(|hook| hook.sequence()).unwrap();
        let place = |shown: &Value| shown["cursor"].as_str().map(|text| text.parse::<Cursor>().unwrap());
        // What was done to the webhook itself stands behind it in the log.
        once(&app, &webhook.id, |it| place(it) >= place(&last.event)).await;
        // What had come when it was paused has come again.
        let first = receiver.hooks().iter().filter(|hook| hook.id == hooks[0].id).count();
        assert_eq!(first, 2);
    }
}
