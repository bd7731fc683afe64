//! Quotas of points, which nodes draw from one bucket.

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use takeoff::quotas::Quota;

use super::LEFT;
use crate::support::{Backend, Proxy, TestApp};

/// The points of a tenant in a second, in the tests of what nodes share. Its bucket holds as many.
const POINTS: u32 = 20_000;
const POINTS_KEY: &str = "quotas.cost_per_second=20000";
/// A node holds no more of them that it does not use.
const PORTION: u32 = POINTS / 10;

/// Points that a tenant has left as far as a node knows.
async fn points_left(app: &TestApp, tenant: &str) -> u64 {
    let left = app.services().quotas.left(&app.principal_of(tenant)).await;
    let left = left.unwrap().into_iter();
    let mut cost = left.filter(|left| left.quota == Quota::Cost);
    cost.next().unwrap().remaining
}

/// Spends at each of the nodes as much as it gives for three seconds; the points, and the seconds that it took.
async fn spend(apps: &[&TestApp], tenant: &str) -> (f64, f64) {
    let (began, tenant) = (Instant::now(), tenant.parse().unwrap());
    let spend_at = async |app: &TestApp| {
        let mut spent = 0;
        while began.elapsed() < Duration::from_secs(3) {
            match app.services().budget.take(&tenant, 50).await {
                Ok(()) => spent += 50,
                Err(wait) => tokio::time::sleep(wait.min(Duration::from_millis(20))).await,
            }
        }
        spent
    };
    let spent = futures::future::join_all(apps.iter().map(|app| spend_at(app))).await;
    let spent: u32 = spent.into_iter().sum();
    (f64::from(spent), began.elapsed().as_secs_f64())
}

/// What `points` a second are in so many seconds, those that were saved up included.
fn whole(points: u32, took: f64) -> f64 {
    f64::from(points) * (1.0 + took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn points_of_a_tenant_are_spent_wherever_it_asks() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let settings = ["graphql.max_cost=1000", POINTS_KEY];
    let one = TestApp::start_with(&backend, &settings).await;
    let two = TestApp::start_with(&backend, &settings).await;
    know_each_other(&one).await;
    // All at one node: half of it would be its share.
    let (spent, took) = spend(&[&one], "acme").await;
    let (least, most) = (0.75 * whole(POINTS, took), whole(POINTS, took));
    assert!(spent >= least && spent <= most, "{spent} in {took} s");
    // At both: no more than there is, and what each holds.
    let (spent, took) = spend(&[&one, &two], "globex").await;
    let least = 0.75 * whole(POINTS, took);
    let most = whole(POINTS, took) + f64::from(2 * PORTION);
    assert!(spent >= least && spent <= most, "{spent} in {took} s");
}

/// Waits until both nodes are listed.
async fn know_each_other(app: &TestApp) {
    let listed = || async {
        let nodes = app.data("{ runtime { nodes { id } } }", json!({})).await;
        (nodes["runtime"]["nodes"].as_array().unwrap().len() == 2).then_some(())
    };
    app.until(listed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_saved_up_is_there_once_and_each_node_says_what_is_left_of_it() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    // Hardly anything comes back while the test runs, and a request of the largest cost is saved up.
    let settings = ["graphql.max_cost=100000", "quotas.cost_per_second=10"];
    let one = TestApp::start_with(&backend, &settings).await;
    let two = TestApp::start_with(&backend, &settings).await;
    let tenant = "acme".parse().unwrap();
    one.services().budget.take(&tenant, 60_000).await.unwrap();
    let ask = async |app: &TestApp, query: &str| {
        let request = app.http.post(app.url("/graphql"));
        let request = request.header("x-takeoff-tenant", "acme");
        request.json(&json!({"query": query})).send().await.unwrap()
    };
    // The question reserves and costs little of it.
    let answer = ask(&two, LEFT).await;
    let header = answer.headers()["ratelimit-remaining"].clone();
    assert_eq!(answer.headers()["ratelimit-limit"], "10");
    let answer: Value = answer.json().await.unwrap();
    let left = &answer["data"]["rateLimit"][0];
    assert_eq!(left["quota"], "COST");
    let in_body = left["remaining"].as_str().unwrap();
    for remaining in [in_body, header.to_str().unwrap()] {
        let remaining: u64 = remaining.parse().unwrap();
        assert!(remaining.abs_diff(40_000) < 3_000, "{remaining}");
    }
    // What was reserved and is not used is there for the other node as well.
    let meter = two.services().budget.meter(&tenant, 1 << 20);
    meter.pay(35_000, 0).await.unwrap();
    one.services()
        .budget
        .take(&tenant, 30_000)
        .await
        .unwrap_err();
    drop(meter);
    let budget = &one.services().budget;
    one.until(|| async { budget.take(&tenant, 30_000).await.ok() })
        .await;
    two.services()
        .budget
        .take(&tenant, 30_000)
        .await
        .unwrap_err();
    // A request that is refused says when to come back.
    let budget = &two.services().budget;
    while budget.take(&tenant, 1).await.is_ok() {}
    let refused = || async {
        let answer = ask(&two, "{ viewer { tenantId } }").await;
        let is_refused = answer.status() == StatusCode::TOO_MANY_REQUESTS;
        is_refused.then(|| answer.headers().clone())
    };
    let headers = two.until(refused).await;
    assert!(headers.contains_key("retry-after"));
    let remaining: u64 = headers["ratelimit-remaining"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!(remaining < 100, "{remaining}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_redis_is_away_each_node_gives_its_share_of_points_and_then_the_whole_again() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let redis = backend.redis_url.clone().unwrap();
    let proxy = Proxy::before(&redis).await;
    let url = format!("redis.url={}", proxy.instead_of(&redis));
    let settings = [&*url, "graphql.max_cost=1000", POINTS_KEY];
    let one = TestApp::start_with(&backend, &settings).await;
    let two = TestApp::start_with(&backend, &settings).await;
    let apps = [&one, &two];
    // Whoever asks finds out whether Redis answers; of a tenant that spends nothing the whole bucket is left.
    let until_left = async |points: u32| {
        for app in apps {
            let found_out = || async {
                let _ = app
                    .services()
                    .budget
                    .take(&"initech".parse().unwrap(), 50)
                    .await;
                (points_left(app, "hooli").await == u64::from(points)).then_some(())
            };
            app.until(found_out).await;
        }
    };
    until_left(POINTS).await;
    proxy.cut();
    until_left(POINTS / 2).await;
    for app in apps {
        let (spent, took) = spend(&[app], "acme").await;
        let most = whole(POINTS / 2, took) + 50.0;
        assert!(spent >= 0.75 * most && spent <= most, "{spent} in {took} s");
    }
    proxy.mend().await;
    until_left(POINTS).await;
    let (spent, took) = spend(&[&one], "globex").await;
    let most = whole(POINTS, took);
    assert!(spent >= 0.75 * most && spent <= most, "{spent} in {took} s");
}
