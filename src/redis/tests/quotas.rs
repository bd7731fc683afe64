//! Quotas that two nodes count together.

use std::time::Duration;

use super::{LONG, Redis, eventually, url};
use crate::{ids::IdSource, model::Rate, quotas::SharedQuotas, redis::RedisQuotas};

const RATE: Rate = Rate {
    burst: 10,
    per_second: 1,
};

async fn nodes() -> Option<[RedisQuotas; 2]> {
    let redis = Redis::connect(&url()?).await.unwrap();
    let ids = IdSource::system();
    let installation = ids.node().0;
    Some([(); 2].map(|()| RedisQuotas::new(&redis, installation, ids.node())))
}

#[tokio::test]
async fn nodes_take_tokens_out_of_one_bucket() {
    let Some([one, two]) = nodes().await else {
        return;
    };
    let taken = one.take("a", RATE, 2, 4).await.unwrap();
    assert_eq!((taken.tokens, taken.left), (6, 4));
    let taken = two.take("a", RATE, 3, 100).await.unwrap();
    assert!(taken.tokens >= 4, "{taken:?}");
    let taken = one.take("a", RATE, 5, 0).await.unwrap();
    assert_eq!(taken.tokens, 0);
    assert!(taken.wait > Duration::from_secs(3) && taken.wait <= Duration::from_secs(5));
    assert_eq!(one.take("another", RATE, 10, 0).await.unwrap().tokens, 10);
}

#[tokio::test]
async fn more_than_a_bucket_holds_is_taken_when_it_is_full_and_owed() {
    let Some([one, _]) = nodes().await else {
        return;
    };
    assert_eq!(one.take("a", RATE, 25, 0).await.unwrap().tokens, 25);
    let taken = one.take("a", RATE, 1, 0).await.unwrap();
    assert_eq!((taken.tokens, taken.left), (0, 0));
    assert!(taken.wait > Duration::from_secs(14), "{taken:?}");
}

#[tokio::test]
async fn what_a_node_gives_back_is_there_for_the_others() {
    let Some([one, two]) = nodes().await else {
        return;
    };
    assert_eq!(one.take("a", RATE, 10, 0).await.unwrap().tokens, 10);
    one.give_back("a", RATE, 6).await.unwrap();
    let taken = two.take("a", RATE, 6, 0).await.unwrap();
    assert_eq!(taken.tokens, 6);
    // A bucket never holds more than its size, and what is owed is paid first.
    one.give_back("a", RATE, 1_000).await.unwrap();
    assert_eq!(two.take("a", RATE, 0, 100).await.unwrap().tokens, 10);
    assert_eq!(one.take("b", RATE, 100, 0).await.unwrap().tokens, 100);
    one.give_back("b", RATE, 80).await.unwrap();
    assert_eq!(two.take("b", RATE, 1, 0).await.unwrap().tokens, 0);
}

#[tokio::test]
async fn nodes_hold_places_of_one_limit_until_they_give_them_back_or_fall_silent() {
    let Some([one, two]) = nodes().await else {
        return;
    };
    assert_eq!(one.hold("a", 8, 10, LONG).await.unwrap(), 8);
    assert_eq!(two.hold("a", 5, 10, LONG).await.unwrap(), 2);
    assert_eq!(one.hold("a", 4, 10, LONG).await.unwrap(), 4);
    assert_eq!(
        two.hold("a", 5, 10, Duration::from_millis(50))
            .await
            .unwrap(),
        5
    );
    eventually("the places of a silent node are free", || async {
        one.hold("a", 10, 10, LONG).await.unwrap() == 10
    })
    .await;
    assert_eq!(two.hold("a", 1, 10, LONG).await.unwrap(), 0);
    assert_eq!(one.hold("a", 0, 10, LONG).await.unwrap(), 0);
    assert_eq!(two.hold("a", 1, 10, LONG).await.unwrap(), 1);
}
