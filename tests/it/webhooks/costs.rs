//! What webhooks cost the node that delivers to them.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Receiver, made, node};
use crate::support::{Statements, backends};

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
        super::once(&app, &webhook.id, |it| it["cursor"] == place).await;
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
