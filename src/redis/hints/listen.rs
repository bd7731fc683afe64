//! Hearing hints: one connection of its own, made again for as long as it takes.

use std::{sync::Arc, time::Duration};

use ::redis::{
    Client, RedisError,
    aio::{PubSubSink, PubSubStream},
};
use futures::StreamExt;
use tokio::{
    sync::{broadcast, watch},
    time::{Instant, MissedTickBehavior, timeout},
};

use super::wire::Message;
use crate::{
    model::NodeId,
    redis::{CONNECT_TIMEOUT, Error},
    storage::Notice,
};

/// The period at which a silent connection is asked whether it still lives.
const PING_EVERY: Duration = Duration::from_secs(5);
const PING_LIMIT: Duration = Duration::from_secs(3);
const MIN_DELAY: Duration = Duration::from_millis(50);
const MAX_DELAY: Duration = Duration::from_secs(2);

pub(super) struct Listener {
    pub(super) client: Client,
    pub(super) channel: String,
    pub(super) node: NodeId,
    pub(super) remote: broadcast::Sender<Arc<Vec<Notice>>>,
    pub(super) gap: watch::Sender<u64>,
}

impl Listener {
    pub(super) async fn run(self) {
        let mut delay = MIN_DELAY;
        loop {
            match self.connect().await {
                Ok((sink, stream)) => {
                    delay = MIN_DELAY;
                    // Whatever was said before was not heard.
                    self.tell_gap();
                    self.hear(sink, stream).await;
                    tracing::warn!("the connection for hints was lost");
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "no hints for now");
                    tokio::time::sleep(delay.mul_f64(self.own_pace())).await;
                    delay = (delay * 2).min(MAX_DELAY);
                }
            }
        }
    }

    /// 0.5 to 1.0: the nodes of a cluster should not all come back at the same moment.
    fn own_pace(&self) -> f64 {
        let [.., last] = *self.node.0.as_bytes();
        0.5 + f64::from(last) / 512.0
    }

    async fn connect(&self) -> Result<(PubSubSink, PubSubStream), Error> {
        let connect = async {
            let (mut sink, stream) = self.client.get_async_pubsub().await?.split();
            sink.subscribe(&self.channel).await?;
            Ok::<_, RedisError>((sink, stream))
        };
        match timeout(CONNECT_TIMEOUT, connect).await {
            Ok(connected) => connected.map_err(Error::Unavailable),
            Err(_) => Err(Error::NoAnswer(CONNECT_TIMEOUT)),
        }
    }

    /// Returns when the connection is lost.
    async fn hear(&self, mut sink: PubSubSink, mut stream: PubSubStream) {
        let mut ping = tokio::time::interval_at(Instant::now() + PING_EVERY, PING_EVERY);
        ping.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                message = stream.next() => match message {
                    Some(message) => self.tell(message.get_payload_bytes()),
                    None => return,
                },
                _ = ping.tick() => {
                    let answer = timeout(PING_LIMIT, sink.ping::<::redis::Value>()).await;
                    if !matches!(answer, Ok(Ok(_))) {
                        return;
                    }
                }
            }
        }
    }

    fn tell(&self, payload: &[u8]) {
        let message = match Message::decode(payload) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(%error, "a hint cannot be read");
                return self.tell_gap();
            }
        };
        if message.node == self.node {
            return;
        }
        if message.dropped {
            self.tell_gap();
        }
        let notices = message.into_notices();
        if !notices.is_empty() {
            // Without a receiver there is nobody to tell.
            let _ = self.remote.send(Arc::new(notices));
        }
    }

    fn tell_gap(&self) {
        self.gap.send_modify(|count| *count += 1);
    }
}
