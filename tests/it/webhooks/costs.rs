//! What webhooks cost the node that delivers to them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{HERE, Receiver, made, node, once};
use crate::support::{Statements, TestApp, backends};

fn sum() -> Value {
    json!({"a": 1, "b": 2})
}

/// The statements that look at a webhook, and at the feed for it.
fn looks(statements: &Statements) -> usize {
    let is_look = |text: &&String| {
        let of_webhook = text.starts_with("read") && text.contains("FROM webhook w");
        of_webhook || text.contains("FROM event WHERE") || text.contains("FROM event e WHERE")
    };
    statements.take().iter().filter(is_look).count()
}

backends! {
    async fn a_webhook_whose_tenant_is_quiet_is_hardly_looked_at(backend: Backend) {
        let statements = Statements::record();
        let app = node(&backend).await;
        let (idle, busy) = (Receiver::accepting().await, Receiver::accepting().await);
        made(&app, json!({"url": idle.url, "filter": {"types": ["nothing"]}})).await;
        let webhook = made(&app, json!({"url": busy.url})).await;
        let done = app.run("add", sum()).await;
        busy.has_all(&app, &[done.id]).await;
        let place = busy.hooks().last().unwrap().event["cursor"].clone();
        once(&app, &webhook.id, |it| it["cursor"] == place).await;
        // What may not be settled yet is looked for within three seconds.
        let (begun, mut counted) = (Instant::now(), 0);
        looks(&statements);
        while begun.elapsed() < Duration::from_secs(12) {
            tokio::time::sleep(Duration::from_millis(100)).await;
            counted += looks(&statements);
        }
        // Four looks each, and one for itself, of two statements or three.
        assert!(counted <= 2 * 5 * 3, "{counted}");
    }

    async fn deliveries_cost_points_and_wait_while_their_tenant_owes_some(backend: Backend) {
        let settings = [&HERE[..], &["graphql.cost_per_second=1000000"]].concat();
        let app = TestApp::start_with(&backend, &settings).await;
        let receiver = Receiver::accepting().await;
        made(&app, json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}})).await;
        let before = app.services().budget.charged();
        app.run("add", sum()).await;
        app.until(|| async { (receiver.accepted().len() == 1).then_some(()) }).await;
        let paid = app.services().budget.charged() - before;
        assert!(paid >= 400, "{paid}");
        // So much is there again after three seconds at the earliest, besides what has been saved up.
        let begun = Instant::now();
        let budget = &app.services().budget;
        let tenant = app.principal().tenant().clone();
        while budget.owes(&tenant).is_none() {
            budget.charge(&tenant, 1_000_000);
        }
        budget.charge(&tenant, 3_000_000);
        app.run("add", sum()).await;
        app.until(|| async { (receiver.accepted().len() == 2).then_some(()) }).await;
        assert!(begun.elapsed() >= Duration::from_secs(3), "{:?}", begun.elapsed());
    }

    async fn a_webhook_that_nothing_fits_is_looked_at_in_bounds_however_fast_the_feed_moves(backend: Backend) {
        let statements = Statements::record();
        let app = node(&backend).await;
        let receiver = Receiver::accepting().await;
        made(&app, json!({"url": receiver.url, "filter": {"types": ["nothing"]}})).await;
        let session = app.session().await;
        looks(&statements);
        let (begun, mut commits) = (Instant::now(), 0);
        while commits < 200 || begun.elapsed() < Duration::from_secs(2) {
            app.submit(session, "remote", json!({})).await;
            commits += 1;
        }
        let (seconds, counted) = (begun.elapsed().as_secs_f64(), looks(&statements));
        assert!(f64::from(u32::try_from(counted).unwrap()) <= 40.0 * (seconds + 1.0), "{counted} in {seconds} s");
        assert_eq!(receiver.hooks().len(), 0);
    }
}
