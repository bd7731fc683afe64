//! Against the Redis that `TAKEOFF_TEST_REDIS_URL` names; left out without one. Faults are made by
//! a proxy in front of it, so that the server itself serves other tests undisturbed.

mod hints;
mod proxy;
mod quotas;

use super::*;
use crate::{hot::HotCopies, ids::IdSource};
use bytes::Bytes;
use proxy::Proxy;

const LONG: Duration = Duration::from_mins(1);

/// The URL of a Redis for tests, if there is one.
pub(crate) fn url() -> Option<String> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test asks where its services are"
    )]
    let url = std::env::var("TAKEOFF_TEST_REDIS_URL").ok();
    if url.is_none() {
        eprintln!("left out: TAKEOFF_TEST_REDIS_URL is not set");
    }
    url
}

fn unique(name: &str) -> String {
    format!("test:{name}:{}", IdSource::system().execution())
}

/// Tries until it holds; a test that waits in vain fails.
async fn eventually<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !holds().await {
        assert!(Instant::now() < deadline, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn what_is_no_url_of_redis_is_refused() {
    let refused = Redis::connect("http://localhost").await;
    assert!(matches!(refused, Err(Error::Url(_))), "{refused:?}");
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_refused_at_start() {
    let port = proxy::free_port().await;
    let began = Instant::now();
    let refused = Redis::connect(&format!("redis://127.0.0.1:{port}")).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn a_server_that_says_nothing_is_refused_at_start() {
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = mute.local_addr().unwrap().port();
    let began = Instant::now();
    let refused = Redis::connect(&format!("redis://127.0.0.1:{port}")).await;
    assert!(refused.is_err(), "{refused:?}");
    assert!(began.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn copies_are_kept_replaced_removed_and_run_out() {
    let Some(url) = url() else { return };
    let copies = RedisCopies::new(&Redis::connect(&url).await.unwrap());
    let key = unique("copies");
    assert_eq!(copies.get(&key).await.unwrap(), None);
    for value in [b"a".as_slice(), b"\0\xff"] {
        let value = Bytes::copy_from_slice(value);
        copies.put(&key, value.clone(), LONG).await.unwrap();
        assert_eq!(copies.get(&key).await.unwrap(), Some(value));
    }
    copies.remove(&key).await.unwrap();
    assert_eq!(copies.get(&key).await.unwrap(), None);
    copies
        .put(&key, Bytes::from_static(b"a"), Duration::ZERO)
        .await
        .unwrap();
    eventually("the copy runs out", || async {
        copies.get(&key).await.unwrap().is_none()
    })
    .await;
}

#[tokio::test]
async fn a_lost_connection_costs_no_call() {
    let Some(url) = url() else { return };
    let proxy = Proxy::before(&url).await;
    let copies = RedisCopies::new(&Redis::connect(&proxy.url()).await.unwrap());
    let key = unique("lost");
    for _ in 0..5 {
        proxy.drop_connections();
        let value = Bytes::from_static(b"a");
        copies.put(&key, value.clone(), LONG).await.unwrap();
        assert_eq!(copies.get(&key).await.unwrap(), Some(value));
    }
}

#[tokio::test]
async fn an_outage_fails_fast_and_ends_by_itself() {
    let Some(url) = url() else { return };
    let proxy = Proxy::before(&url).await;
    let redis = Redis::connect(&proxy.url()).await.unwrap();
    let copies = RedisCopies::new(&redis);
    let key = unique("outage");
    copies
        .put(&key, Bytes::from_static(b"a"), LONG)
        .await
        .unwrap();
    proxy.cut();
    let began = Instant::now();
    for _ in 0..100 {
        assert!(copies.get(&key).await.is_err());
    }
    let took = began.elapsed();
    assert!(took < Duration::from_secs(2), "100 calls took {took:?}");
    assert!(redis.ping(Duration::from_millis(200)).await.is_err());
    proxy.mend().await;
    eventually("redis answers again", || async {
        copies.get(&key).await.is_ok_and(|found| found.is_some())
    })
    .await;
    eventually("redis is ready again", || async {
        redis.ping(Duration::from_secs(1)).await.is_ok()
    })
    .await;
}

#[tokio::test]
async fn a_command_that_is_refused_is_no_outage() {
    let Some(url) = url() else { return };
    let redis = Redis::connect(&url).await.unwrap();
    let key = unique("list");
    let mut push = ::redis::cmd("RPUSH");
    redis
        .run::<i64>(push.arg(&key).arg("x"), LONG)
        .await
        .unwrap();
    let copies = RedisCopies::new(&redis);
    for _ in 0..2 {
        let refused = copies.get(&key).await.unwrap_err();
        let cause = refused.0.downcast_ref::<Error>();
        assert!(matches!(cause, Some(Error::Unavailable(_))), "{cause:?}");
    }
    copies.remove(&key).await.unwrap();
}
