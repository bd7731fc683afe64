//! What nodes share of the webhooks, and tenants of a node's places.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::{Receiver, Reply, assert_in_order, changing, creation, made, node};
use crate::{
    auth::own::id,
    support::{TestApp, backends},
};

fn sum() -> Value {
    json!({"a": 1, "b": 2})
}

/// An answer to another tenant.
async fn ask(app: &TestApp, tenant: &str, query: &str, variables: Value) -> Value {
    let body = json!({"query": query, "variables": variables});
    let request = app.http.post(app.url("/graphql"));
    let request = request.header("x-takeoff-tenant", tenant).json(&body);
    let mut answer: Value = request.send().await.unwrap().json().await.unwrap();
    assert!(answer.get("errors").is_none(), "{answer}");
    answer["data"].take()
}

/// A webhook of another tenant for what has completed.
async fn webhook_of(app: &TestApp, tenant: &str, receiver: &Receiver) -> String {
    let input = json!({"url": receiver.url, "filter": {"types": ["execution.completed"]}});
    let made = ask(app, tenant, &creation(), json!({"input": input})).await;
    id(&made["it"]["webhook"]["id"])
}

/// So many sums of another tenant that have completed.
async fn sums_of(app: &TestApp, tenant: &str, count: usize) {
    let session = "mutation { createSession(input: {}) { session { id } } }";
    let session = ask(app, tenant, session, json!({})).await;
    let session = session["createSession"]["session"]["id"].clone();
    let submit = "mutation($s: ID!) { submitIntent(input: {intentType: \"add\", sessionId: $s, parameters: {a: 1, b: 2}}) {
        execution { id } errors { code } } }";
    for _ in 0..count {
        let submitted = ask(app, tenant, submit, json!({"s": session})).await;
        assert_eq!(
            submitted["submitIntent"]["errors"],
            json!([]),
            "{submitted}"
        );
    }
    let completed =
        "{ executions(first: 1, filter: {status: [COMPLETED]}) { totalCount { count } } }";
    app.until(|| async {
        let found = ask(app, tenant, completed, json!({})).await;
        (found["executions"]["totalCount"]["count"] == count).then_some(())
    })
    .await;
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

    async fn however_many_tenants_have_slow_receivers_others_are_delivered_to(backend: Backend) {
        const TENANTS: usize = 10;
        let app = node(&backend).await;
        let slow = Receiver::start(|_, _| Reply::Gated).await;
        let mut webhooks = Vec::new();
        for number in 0..TENANTS {
            let tenant = format!("slow{number}");
            let webhook = webhook_of(&app, &tenant, &slow).await;
            ask(&app, &tenant, &changing("pauseWebhook"), json!({"input": {"id": webhook}})).await;
            sums_of(&app, &tenant, 8).await;
            webhooks.push((tenant, webhook));
        }
        let prompt = Receiver::accepting().await;
        webhook_of(&app, "prompt", &prompt).await;
        for (tenant, webhook) in &webhooks {
            ask(&app, tenant, &changing("resumeWebhook"), json!({"input": {"id": webhook}})).await;
        }
        // Six tenants have eight places each, and of those that are kept each other one has two.
        app.until(|| async { (slow.hooks().len() >= 56).then_some(()) }).await;
        sums_of(&app, "prompt", 1).await;
        app.until(|| async { (prompt.accepted().len() == 1).then_some(()) }).await;
        // No attempt was over by then: none of the slow ones has made room.
        assert!(slow.hooks().len() <= 64, "{}", slow.hooks().len());
        assert_eq!(slow.accepted().len(), 0);
        slow.open_gate();
    }
}
