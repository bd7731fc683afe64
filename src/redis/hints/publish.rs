//! Sending hints: at once when it is quiet, merged every millisecond or two when it is not.

use std::{sync::Arc, time::Duration};

use super::{super::Redis, Outbox, wire::Message};
use crate::model::NodeId;

/// The pause between two rounds, in which hints are merged.
const PAUSE: Duration = Duration::from_millis(1);
/// The longest time that a message may take.
const LIMIT: Duration = Duration::from_millis(500);
/// The time after a failure at which those who may have missed something are told to look.
const RETRY_AFTER: Duration = Duration::from_secs(1);

pub(super) async fn run(redis: Redis, channel: String, node: NodeId, outbox: Arc<Outbox>) {
    loop {
        outbox.filled.notified().await;
        let (notices, dropped) = outbox.with(super::Pending::take);
        let mut pause = PAUSE;
        for message in Message::of(node, notices, dropped) {
            if !send(&redis, &channel, &message).await {
                // What follows is worth less than knowing that it was lost.
                outbox.with(super::Pending::note_dropped);
                outbox.filled.notify_one();
                pause = RETRY_AFTER;
                break;
            }
        }
        tokio::time::sleep(pause).await;
    }
}

async fn send(redis: &Redis, channel: &str, message: &Message) -> bool {
    let payload = match message.encode() {
        Ok(payload) => payload,
        Err(error) => {
            tracing::error!(%error, "a hint cannot be written");
            return true;
        }
    };
    let mut command = ::redis::cmd("PUBLISH");
    command.arg(channel).arg(payload);
    redis.ask::<i64>(&command, LIMIT).await.is_ok()
}
