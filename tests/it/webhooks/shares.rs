//! What nodes share of the webhooks.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Receiver, assert_in_order, made, node};
use crate::support::backends;

fn sum() -> Value {
    json!({"a": 1, "b": 2})
}

backends! {
    async fn a_node_that_starts_later_gets_its_share_and_nothing_is_lost_or_comes_twice(backend: Backend) {
        // A node with SQLite is alone.
        if !backend.is_postgres() {
            return;
        }
        let first = node(&backend).await;
        let mut receivers = Vec::new();
        for _ in 0..8 {
            let receiver = Receiver::accepting().await;
            made(&first, json!({"url": receiver.url})).await;
            receivers.push(receiver);
        }
        let shares = "SELECT CAST(COUNT(*) AS text) FROM webhook WHERE held_by IS NOT NULL GROUP BY held_by ORDER BY 1";
        first.until(|| async { (backend.texts(shares).await == ["8"]).then_some(()) }).await;
        let mut done = vec![first.run("add", sum()).await.id];
        let second = node(&backend).await;
        while backend.texts(shares).await != ["4", "4"] {
            assert!(done.len() < 1_000, "{:?}", backend.texts(shares).await);
            done.push(first.run("add", sum()).await.id);
            done.push(second.run("add", sum()).await.id);
        }
        done.push(second.run("add", sum()).await.id);
        for receiver in &receivers {
            receiver.has_all(&first, &done).await;
            let hooks = receiver.hooks();
            assert_in_order(&hooks);
            let ids: HashSet<&str> = hooks.iter().map(|hook| hook.id.as_str()).collect();
            assert_eq!(ids.len(), hooks.len(), "something came twice");
        }
        // Nobody is left out when one of them goes.
        second.server.stop().await;
        first.until(|| async { (backend.texts(shares).await == ["8"]).then_some(()) }).await;
        let last = first.run("add", sum()).await.id;
        for receiver in &receivers {
            receiver.has_all(&first, &[last]).await;
        }
    }
}
