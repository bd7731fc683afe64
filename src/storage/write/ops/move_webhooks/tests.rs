use std::collections::BTreeMap;

use uuid::Uuid;

use super::*;
use crate::{
    model::{Cursor, EventFilter, ExecutionId, Grants, Labels, Refusal, WebhookSecrets},
    storage::{
        ChangeWebhook, CreateWebhook, NodeInfo, WebhookChange,
        read_tests::{World, on_each_database, scope_of},
        write::tests::{ACTOR, TENANT, alone, refusal},
    },
};

fn webhook(id: u128, most: i64) -> CreateWebhook {
    let webhook = Webhook {
        id: WebhookId(Uuid::from_u128(id)),
        tenant_id: scope_of(TENANT).tenant().clone(),
        name: None,
        url: "https://hooks.example.com/".to_owned(),
        filter: EventFilter::default(),
        status: WebhookStatus::Active,
        disabled_reason: None,
        created_by: ACTOR.to_owned(),
        grants: Grants::all(),
        secrets: WebhookSecrets {
            current: "sealed".to_owned(),
            former: None,
        },
        delivery: Delivery {
            due_at: Some(5),
            ..Delivery::default()
        },
        version: 0,
        generation: 0,
        next_seq: 0,
        created_at: 0,
        updated_at: 0,
        deleted_at: None,
    };
    CreateWebhook {
        scope: scope_of(TENANT),
        actor: ACTOR.into(),
        webhook,
        most,
    }
}

/// A node that lives for as long as the test.
async fn node(world: &World, number: u128) -> NodeId {
    let id = NodeId(Uuid::from_u128(number));
    let info = NodeInfo {
        id,
        name: number.to_string(),
        labels: Labels::default(),
        version: "1.0.0".to_owned(),
        capacity: 1,
        running: 0,
        started_at: 0,
        beat_at: None,
        expires_at: 0,
        is_draining: false,
        drain_requested_at: None,
        hand_over_at: None,
        holds: false,
    };
    let mut lease = world.storage.lease_connection();
    lease.announce(&info, 60_000_000).await.unwrap();
    id
}

fn advance(known: &Webhook, node: NodeId, tx: i64) -> AdvanceWebhook {
    AdvanceWebhook {
        scope: scope_of(TENANT),
        known: known.clone(),
        node,
        delivery: Delivery {
            place: Cursor { tx, ord: 0, seq: 1 },
            ahead: BTreeMap::from([(ExecutionId(Uuid::from_u128(1)), 2)]),
            ..known.delivery.clone()
        },
        goes_on: true,
        disabled: None,
    }
}

fn change(id: WebhookId, change: WebhookChange) -> ChangeWebhook {
    ChangeWebhook {
        scope: scope_of(TENANT),
        actor: ACTOR.into(),
        id,
        change,
    }
}

fn paused() -> WebhookChange {
    WebhookChange::Pause { reason: None }
}

#[tokio::test]
async fn one_living_node_has_a_webhook_and_what_another_one_did_is_not_written() {
    on_each_database(async |world| {
        let made = alone(world, webhook(1, 9)).await.unwrap();
        let (first, second) = (node(world, 1).await, node(world, 2).await);
        let storage = &world.storage;
        assert_eq!(storage.due_webhooks(4, 9).await.unwrap(), []);
        let due = storage.due_webhooks(5, 9).await.unwrap();
        assert_eq!(due, [made.id]);
        let take = async |node, now| storage.hold_webhooks(due.clone(), node, now).await.unwrap();
        assert_eq!(take(first, 4).await, []);
        let held = take(first, 5).await;
        assert_eq!(held.len(), 1);
        assert_eq!(take(second, 5).await, []);
        // The answer was lost.
        assert_eq!(take(first, 5).await, held);
        assert_eq!(storage.due_webhooks(5, 9).await.unwrap(), []);
        let by_second = advance(&held[0], second, 7);
        assert_eq!(storage.advance_webhook(by_second).await.unwrap(), None);
        let moved = storage.advance_webhook(advance(&held[0], first, 7)).await;
        let moved = moved.unwrap().unwrap();
        assert_eq!(moved.delivery.place.tx, 7);
        // The first one dies.
        world
            .storage
            .lease_connection()
            .retire(first)
            .await
            .unwrap();
        assert_eq!(take(second, 5).await[0].delivery, moved.delivery);
        let late = advance(&moved, first, 9);
        assert_eq!(storage.advance_webhook(late).await.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn what_somebody_changes_meanwhile_is_not_passed_over() {
    on_each_database(async |world| {
        let made = alone(world, webhook(1, 9)).await.unwrap();
        let node = node(world, 1).await;
        let storage = &world.storage;
        let take_up = async || {
            let held = storage.hold_webhooks(vec![made.id], node, 5).await;
            held.unwrap().pop().unwrap()
        };
        let advanced = async |advance| storage.advance_webhook(advance).await.unwrap().unwrap();
        let (held, start) = (take_up().await, made.delivery.place);
        alone(world, change(made.id, paused())).await.unwrap();
        let mut late = advance(&held, node, 7);
        late.disabled = Some(DisabledReason::Failing);
        let paused_again = advanced(late).await;
        assert_eq!(paused_again.status, WebhookStatus::Paused);
        let delivery = &paused_again.delivery;
        assert_eq!((delivery.place, delivery.due_at), (start, None));
        let again = alone(world, change(made.id, paused())).await.unwrap();
        assert_eq!(again.version, paused_again.version);
        let resume = WebhookChange::Resume { due_at: 5 };
        alone(world, change(made.id, resume)).await.unwrap();
        // To where it stands already, and by another filter: what was delivered meanwhile does not count.
        let elsewhere = |after| WebhookChange::Redeliver { after, due_at: 5 };
        let filter = EventFilter {
            types: vec!["execution.completed".to_owned()],
            ..EventFilter::default()
        };
        let filtered = WebhookChange::Update {
            name: None,
            url: None,
            filter: Some(filter),
            due_at: 5,
        };
        for begins_anew in [elsewhere(start), filtered] {
            let held = take_up().await;
            alone(world, change(made.id, begins_anew)).await.unwrap();
            let late = advanced(advance(&held, node, 9)).await;
            assert_eq!((late.delivery.place, late.delivery.ahead.len()), (start, 0));
        }
        let mut fails = advance(&take_up().await, node, 9);
        fails.delivery.failures = 1;
        advanced(fails).await;
        let troubled = storage.troubled_webhooks().await.unwrap();
        assert_eq!((troubled.disabled, troubled.failing), (0, 1));
        let mut given_up = advance(&take_up().await, node, 9);
        given_up.disabled = Some(DisabledReason::Gone);
        let given_up = advanced(given_up).await;
        assert_eq!(given_up.disabled_reason, Some(DisabledReason::Gone));
        let troubled = storage.troubled_webhooks().await.unwrap();
        assert_eq!((troubled.disabled, troubled.failing), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn what_was_acknowledged_stays_when_somebody_changes_how_it_is_delivered() {
    on_each_database(async |world| {
        let made = alone(world, webhook(1, 9)).await.unwrap();
        let node = node(world, 1).await;
        let storage = &world.storage;
        let held = storage.hold_webhooks(vec![made.id], node, 5).await.unwrap();
        let moved = WebhookChange::Update {
            name: None,
            url: Some("https://elsewhere.example.com/".to_owned()),
            filter: None,
            due_at: 5,
        };
        alone(world, change(made.id, moved)).await.unwrap();
        let mut late = advance(&held[0], node, 7);
        late.delivery.failures = 3;
        late.disabled = Some(DisabledReason::Failing);
        let late = storage.advance_webhook(late).await.unwrap().unwrap();
        assert_eq!((late.delivery.place.tx, late.delivery.failures), (7, 0));
        assert_eq!(late.status, WebhookStatus::Active);
    })
    .await;
}

#[tokio::test]
async fn so_many_webhooks_a_tenant_has_and_one_that_is_deleted_makes_room() {
    on_each_database(async |world| {
        let first = alone(world, webhook(1, 2)).await.unwrap();
        alone(world, webhook(2, 2)).await.unwrap();
        let third = alone(world, webhook(3, 2)).await;
        assert!(matches!(refusal(third), Refusal::InvalidInput(_)));
        let delete = WebhookChange::Delete { reason: None };
        let mut theirs = change(first.id, delete.clone());
        theirs.scope = scope_of("theirs");
        let absent = Refusal::not_found("webhook", "id");
        assert_eq!(refusal(alone(world, theirs).await), absent);
        let deleted = alone(world, change(first.id, delete.clone()))
            .await
            .unwrap();
        assert_eq!(deleted.url, first.url);
        assert_eq!(
            refusal(alone(world, change(first.id, delete)).await),
            absent
        );
        let node = node(world, 1).await;
        let held = world.storage.hold_webhooks(vec![first.id], node, 5).await;
        assert_eq!(held.unwrap(), []);
        alone(world, webhook(3, 2)).await.unwrap();
    })
    .await;
}
