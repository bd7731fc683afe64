//! Hints between two nodes.

use std::{sync::Arc, time::Duration};

use tokio::{sync::broadcast, time::timeout};

use super::{Proxy, Redis, url};
use crate::{
    ids::IdSource,
    model::{ExecutionId, SessionId, TenantId},
    redis::HintBus,
    storage::Notice,
};
use uuid::Uuid;

const SOON: Duration = Duration::from_secs(20);

async fn join(url: &str, installation: Uuid) -> HintBus {
    let redis = Redis::connect(url).await.unwrap();
    let bus = HintBus::join(&redis, installation, IdSource::system().node());
    within(bus.missed()).await;
    bus
}

fn new_installation() -> Uuid {
    IdSource::system().node().0
}

async fn within<T>(work: impl Future<Output = T>) -> T {
    timeout(SOON, work).await.expect("in time")
}

async fn hear(heard: &mut broadcast::Receiver<Arc<Vec<Notice>>>) -> Vec<Notice> {
    within(heard.recv()).await.unwrap().to_vec()
}

fn events(seq: i64) -> Notice {
    Notice::Events {
        tenant_id: TenantId::default_tenant(),
        session_id: SessionId(Uuid::from_u128(1)),
        execution_id: ExecutionId(Uuid::from_u128(2)),
        seq,
        terminal: false,
    }
}

#[tokio::test]
async fn a_hint_reaches_the_other_node_and_not_its_sender() {
    let Some(url) = url() else { return };
    let installation = new_installation();
    let (a, b) = (
        join(&url, installation).await,
        join(&url, installation).await,
    );
    let (mut at_a, mut at_b) = (a.subscribe(), b.subscribe());
    a.publish(&[events(1), Notice::ready("node")]);
    assert_eq!(hear(&mut at_b).await, [Notice::ready("node"), events(1)]);
    // Messages of one channel are heard in one order: had the first come to its sender, it would
    // have come before this one.
    b.publish(&[Notice::Timer(7)]);
    assert_eq!(hear(&mut at_a).await, [Notice::Timer(7)]);
}

#[tokio::test]
async fn clusters_with_other_databases_do_not_hear_each_other() {
    let Some(url) = url() else { return };
    let (mine, theirs) = (new_installation(), new_installation());
    let (a, b) = (join(&url, mine).await, join(&url, mine).await);
    let stranger = join(&url, theirs).await;
    let mut at_b = b.subscribe();
    stranger.publish(&[events(1)]);
    a.publish(&[events(2)]);
    assert_eq!(hear(&mut at_b).await, [events(2)]);
}

#[tokio::test]
async fn a_burst_arrives_as_its_last_word() {
    let Some(url) = url() else { return };
    let installation = new_installation();
    let (a, b) = (
        join(&url, installation).await,
        join(&url, installation).await,
    );
    let mut at_b = b.subscribe();
    for seq in 1..=5000 {
        a.publish(&[events(seq)]);
    }
    let mut messages = 0;
    loop {
        messages += 1;
        if hear(&mut at_b).await.contains(&events(5000)) {
            break;
        }
    }
    assert!(messages < 500, "{messages} messages for 5000 hints");
}

#[tokio::test]
async fn whoever_lost_the_connection_is_told_and_hears_again() {
    let Some(url) = url() else { return };
    let installation = new_installation();
    let proxy = Proxy::before(&url).await;
    let (a, b) = (
        join(&url, installation).await,
        join(&proxy.url(), installation).await,
    );
    let mut at_b = b.subscribe();
    proxy.cut();
    a.publish(&[events(1)]);
    proxy.mend().await;
    within(b.missed()).await;
    a.publish(&[events(2)]);
    // What was said while nobody listened is gone, and what is said now is heard.
    while !hear(&mut at_b).await.contains(&events(2)) {}
}

#[tokio::test]
async fn who_could_not_speak_says_so_later() {
    let Some(url) = url() else { return };
    let installation = new_installation();
    let proxy = Proxy::before(&url).await;
    let (a, b) = (
        join(&proxy.url(), installation).await,
        join(&url, installation).await,
    );
    proxy.cut();
    a.publish(&[events(1)]);
    // The sender knows that it failed when it tried; then the way is free again.
    within(async {
        while a.has_said_all() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    proxy.mend().await;
    within(b.missed()).await;
}

#[tokio::test]
async fn a_gap_is_told_once_to_each_handle() {
    let Some(url) = url() else { return };
    let bus = join(&url, new_installation()).await;
    let other = bus.clone();
    let again = timeout(Duration::from_millis(50), bus.missed()).await;
    assert!(again.is_err(), "told twice");
    let fresh = timeout(Duration::from_millis(50), other.missed()).await;
    assert!(fresh.is_err(), "a clone knows what its original was told");
}
