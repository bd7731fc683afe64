//! Whoever reaches Redis can say anything. It changes when the server looks, never what it does.

use futures::StreamExt;
use serde_json::{Value, json};
use takeoff::model::ExecutionStatus;

use crate::support::{Backend, TestApp, soon};

/// Says the same on every channel of hints that there is, as somebody who cannot tell them apart.
async fn say(redis: &mut redis::aio::MultiplexedConnection, hints: &[Value]) {
    let mut list = redis::cmd("PUBSUB");
    list.arg("CHANNELS").arg("takeoff:hints:*");
    let channels: Vec<String> = list.query_async(redis).await.unwrap();
    assert!(!channels.is_empty());
    let nobody = takeoff::ids::IdSource::seeded(77).node();
    let message = json!({"n": nobody, "h": hints}).to_string();
    for channel in channels {
        let mut publish = redis::cmd("PUBLISH");
        publish.arg(channel).arg(&message);
        let _: i64 = publish.query_async(redis).await.unwrap();
    }
}

async fn stranger(backend: &Backend) -> redis::aio::MultiplexedConnection {
    let url = backend.redis_url.as_deref().unwrap();
    let client = redis::Client::open(url).unwrap();
    client.get_multiplexed_async_connection().await.unwrap()
}

#[tokio::test]
async fn a_message_in_redis_alone_cancels_nothing() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start(&backend).await;
    let mut redis = stranger(&backend).await;
    let running = app.submit(app.session().await, "gated", json!({})).await;
    app.reaches(running.id, ExecutionStatus::Running).await;
    // What is said later is heard later: the answer to the second proves that the first was heard.
    say(&mut redis, &[json!({"c": running.id})]).await;
    let other = app
        .submit(app.session().await, "add", json!({"a": 1, "b": 1}))
        .await;
    app.ended(other.id).await;
    for _ in 0..20 {
        say(&mut redis, &[json!({"c": running.id})]).await;
    }
    app.solution.gate.add_permits(1);
    let ended = app.ended(running.id).await;
    assert_eq!(
        ended.status,
        ExecutionStatus::Completed,
        "{:?}",
        ended.error
    );
    app.assert_verified().await;
}

#[tokio::test]
async fn a_message_in_redis_that_knows_a_sequence_of_the_future_hides_nothing() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let app = TestApp::start_with(&backend, &["runtime.poll_ms=60000"]).await;
    let mut redis = stranger(&backend).await;
    let running = app.submit(app.session().await, "gated", json!({})).await;
    app.reaches(running.id, ExecutionStatus::Running).await;
    let principal = app.principal();
    let events = &app.services().events;
    let stream = events
        .watch_execution(&principal, running.id, None)
        .await
        .unwrap();
    let mut stream = Box::pin(stream);
    soon(stream.next()).await.unwrap().unwrap();
    let intent = &running.intent;
    let (tenant, session) = (&intent.tenant_id, intent.session_id);
    let forged = json!({"e": [tenant, session, running.id, i64::MAX, true]});
    say(&mut redis, &[forged]).await;
    // The subscriber looks, and then waits again.
    let quiet = tokio::time::timeout(std::time::Duration::from_millis(300), stream.next()).await;
    assert!(quiet.is_err());
    app.solution.gate.add_permits(1);
    let last = tokio::time::timeout(crate::support::PATIENCE, stream.next()).await;
    let last = last.expect("the end was hidden").unwrap().unwrap();
    assert!(last.events.last().unwrap().body.is_terminal());
}
