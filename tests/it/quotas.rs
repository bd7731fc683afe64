//! Quotas: what a tenant or a caller may ask for, on one node and on several together.

mod cost;

use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};
use takeoff::{
    model::{RawJson, Refusal, SessionId},
    quotas::Quota,
    runtime::{Error, SubmitIntent},
    state_surface::NewSession,
};

use crate::support::{Backend, PATIENCE, Proxy, Received, Socket, TestApp, backends, soon};

const SUBMIT: &str = "mutation($session: ID!, $type: String!) {
    submitIntent(input: {intentType: $type, sessionId: $session, parameters: {}}) {
        execution { id } errors { code message ... on QuotaExceeded { retryAfterMs } } } }";
const LEFT: &str = "{ rateLimit { quota limit remaining resetMs } }";

async fn session_of(app: &TestApp, tenant: &str) -> SessionId {
    let new = NewSession::anonymous();
    let principal = app.principal_of(tenant);
    let made = app.services().state.create_session(&principal, new);
    made.await.unwrap().id
}

/// Submits once; the time to wait when a quota is used up.
async fn submit(app: &TestApp, tenant: &str, session: SessionId) -> Result<(), u64> {
    let parameters = RawJson::from(&json!({"a": 1, "b": 1}));
    let intent = SubmitIntent::new("add", session, parameters);
    let principal = app.principal_of(tenant);
    match app.services().runtime.submit(&principal, intent).await {
        Ok(_) => Ok(()),
        Err(Error::Refused(Refusal::QuotaExceeded {
            retry_after_ms,
            quota,
        })) => {
            assert!(quota.is_some() && retry_after_ms > 0);
            Err(retry_after_ms)
        }
        Err(error) => panic!("{error:?}"),
    }
}

const AT_ONCE: usize = 100;

/// Submits by these nodes in turn until a quota has refused `refusals` of them; the number of accepted ones and the
/// seconds that it took.
async fn flood(apps: &[&TestApp], tenant: &str, refusals: usize) -> (usize, f64) {
    let session = session_of(apps[0], tenant).await;
    let began = Instant::now();
    let (mut accepted, mut refused) = (0, 0);
    // Many at once: one after the other they might be slower than what comes back to the quota.
    while refused < refusals {
        assert!(began.elapsed() < PATIENCE, "nobody is refused");
        let submits = (0..AT_ONCE).map(|n| submit(apps[n % apps.len()], tenant, session));
        for outcome in futures::future::join_all(submits).await {
            match outcome {
                Ok(()) => accepted += 1,
                Err(_) => refused += 1,
            }
        }
    }
    (accepted, began.elapsed().as_secs_f64())
}

backends! {
    async fn a_tenant_submits_so_many_in_a_second_and_another_one_its_own(backend: Backend) {
        let settings = ["quotas.submits_per_second=20", "quotas.tenants=globex = submits_per_second:5"];
        let app = TestApp::start_with(&backend, &settings).await;
        for (tenant, limit) in [("acme", 20.0), ("globex", 5.0)] {
            let (accepted, took) = flood(&[&app], tenant, 50).await;
            let accepted = f64::from(u32::try_from(accepted).unwrap());
            assert!(accepted >= limit && accepted <= limit * (1.0 + took) + 1.0, "{accepted} in {took} s");
        }
        let session = session_of(&app, "acme").await;
        // It comes back by itself, in the time that is told.
        app.until(|| async { submit(&app, "acme", session).await.ok() }).await;
        app.assert_verified().await;
    }

    async fn a_tenant_spends_so_much_in_a_second_and_another_one_all_that_a_node_gives(backend: Backend) {
        let settings = ["graphql.max_cost=1000", "quotas.tenants=globex = cost_per_second:10"];
        let app = TestApp::start_with(&backend, &settings).await;
        let ask = async |tenant: &str, query: &str| {
            let asked = app.http.post(app.url("/graphql")).header("x-takeoff-tenant", tenant);
            asked.json(&json!({"query": query})).send().await.unwrap()
        };
        let left: Value = ask("globex", LEFT).await.json().await.unwrap();
        let left = &left["data"]["rateLimit"][0];
        assert_eq!((&left["quota"], &left["limit"]), (&json!("COST"), &json!("10")));
        // A request of the largest cost is there, less what this question took.
        let remaining: u64 = left["remaining"].as_str().unwrap().parse().unwrap();
        assert!((1..1_000).contains(&remaining), "{remaining}");
        let mut answered = 0;
        let refused = loop {
            let answer = ask("globex", "{ viewer { tenantId } }").await;
            if answer.status() == StatusCode::TOO_MANY_REQUESTS {
                break answer;
            }
            answered += 1;
            assert!(answered < 1_000 / 40, "a thousand points are so many requests at most");
        };
        let wait: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=5).contains(&wait), "{wait}");
        let error: Value = refused.json().await.unwrap();
        assert_eq!(error["errors"][0]["extensions"]["code"], "RATE_LIMITED");
        for _ in 0..100 {
            assert_eq!(ask("acme", "{ viewer { tenantId } }").await.status(), StatusCode::OK);
        }
    }

    async fn executions_that_have_not_ended_are_bounded(backend: Backend) {
        let app = TestApp::start_with(&backend, &["quotas.executions=3"]).await;
        let session = app.session().await;
        let gated = async || {
            let intent = SubmitIntent::new("gated", session, RawJson::from(&json!({})));
            app.try_submit(intent).await
        };
        // Those that are not written yet count as well; one that is just being written may count twice for a moment.
        let together = futures::future::join_all((0..20).map(|_| gated())).await;
        let mut begun: Vec<_> = together.into_iter().flatten().map(|one| one.execution.id).collect();
        assert!(begun.len() <= 3, "{begun:?}");
        while begun.len() < 3 {
            begun.push(app.until(|| async { gated().await.ok() }).await.execution.id);
        }
        let refused = gated().await.unwrap_err();
        assert!(matches!(refused, Error::Refused(Refusal::QuotaExceeded { quota: Some("executions"), .. })), "{refused:?}");
        let left = app.data(LEFT, json!({})).await;
        assert_eq!(left["rateLimit"], json!([{"quota": "EXECUTIONS", "limit": "3", "remaining": "0", "resetMs": "0"}]));
        app.solution.gate.add_permits(10);
        for id in begun {
            app.ended(id).await;
        }
        app.until(|| async { gated().await.ok() }).await;
        app.assert_verified().await;
    }

    async fn content_that_is_stored_is_bounded(backend: Backend) {
        let app = TestApp::start_with(&backend, &["quotas.stored_bytes=110"]).await;
        let announce = async |bytes: i64| {
            let uploads = app.services().uploads.clone();
            let made = uploads.create(&app.principal(), "a.txt".into(), None, bytes).await;
            made.map(drop).map_err(|error| error.to_string())
        };
        // One that no artifact is made of counts as well.
        let made = app.services().uploads.create(&app.principal(), "b.txt".into(), None, 10).await.unwrap();
        let sent = app.http.put(app.url(&made.url)).body("y".repeat(10)).send().await.unwrap();
        assert_eq!(sent.status(), StatusCode::CREATED);
        let content = json!({"filename": "a.txt", "content": "x".repeat(60)});
        app.run("ingest_file", content.clone()).await;
        // It is added up again after a while.
        let known = || async {
            let left = app.data(LEFT, json!({})).await;
            (left["rateLimit"][0]["remaining"] == "40").then_some(())
        };
        app.until(known).await;
        announce(30).await.unwrap();
        assert!(announce(30).await.unwrap_err().contains("stored_bytes"));
        app.run("ingest_file", content).await;
        let refused = || async {
            let session = app.session().await;
            let intent = SubmitIntent::new("add", session, RawJson::from(&json!({"a": 1, "b": 1})));
            let refused = app.try_submit(intent).await.err();
            matches!(refused, Some(Error::Refused(Refusal::QuotaExceeded { quota: Some("stored_bytes"), .. }))).then_some(())
        };
        app.until(refused).await;
        app.assert_verified().await;
    }

    async fn sockets_and_subscriptions_of_a_tenant_are_bounded(backend: Backend) {
        let settings = ["quotas.sockets=2", "quotas.subscriptions=1"];
        let app = TestApp::start_with(&backend, &settings).await;
        let open = async |tenant: &str| {
            let payload = json!({"x-takeoff-tenant": tenant});
            let mut socket = Socket::open(app.server.address(), &payload).await.unwrap();
            match socket.receive_any().await.unwrap() {
                Received::Message(message) if message["type"] == "connection_ack" => Ok(socket),
                Received::Closed(Some(frame)) => Err(u16::from(frame.code)),
                other => panic!("{other:?}"),
            }
        };
        let (mut first, second) = (open("acme").await.unwrap(), open("acme").await.unwrap());
        assert_eq!(open("acme").await.err(), Some(1013));
        let _other = open("globex").await.unwrap();
        drop(second);
        app.until(|| async { open("acme").await.ok() }).await;
        let watch = "subscription { tenantEvents { cursor } }";
        first.subscribe("1", watch, &json!({})).await.unwrap();
        app.until(|| async {
            let left = app.services().quotas.left(&app.principal_of("acme")).await.unwrap();
            let left = left.iter().find(|left| left.quota == Quota::Subscriptions);
            (left.unwrap().remaining == 0).then_some(())
        }).await;
        let stream = async |tenant: &str| {
            let request = app.http.post(app.url("/graphql/stream")).header("accept", "text/event-stream");
            let request = request.header("x-takeoff-tenant", tenant);
            request.json(&json!({"query": watch})).send().await.unwrap()
        };
        // One that is not refused would not end.
        let text = soon(stream("acme").await.text()).await.unwrap();
        assert!(text.contains("RATE_LIMITED") && text.contains("retryAfterMs"), "{text}");
        assert_eq!(stream("globex").await.status(), StatusCode::OK);
        first.send(&json!({"type": "complete", "id": "1"})).await.unwrap();
        let follows = async || {
            let mut answer = stream("acme").await;
            let chunk = tokio::time::timeout(Duration::from_millis(200), answer.chunk()).await;
            !matches!(chunk, Ok(Ok(Some(bytes))) if String::from_utf8_lossy(&bytes).contains("RATE_LIMITED"))
        };
        app.until(|| async { follows().await.then_some(()) }).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn both_apis_say_what_is_used_up_and_when_to_come_back() {
    let backend = Backend::sqlite();
    let settings = [
        "quotas.submits_per_second=100",
        "quotas.caller_submits_per_second=2",
    ];
    let app = TestApp::start_with(&backend, &settings).await;
    let session = app.session().await.to_string();
    let submit = async || {
        let body = json!({"query": SUBMIT, "variables": {"session": session, "type": "gated"}});
        app.http
            .post(app.url("/graphql"))
            .json(&body)
            .send()
            .await
            .unwrap()
    };
    let answer = submit().await;
    let headers = answer.headers().clone();
    assert_eq!(headers["ratelimit-limit"], "2");
    assert_eq!(headers["ratelimit-remaining"], "1");
    assert_eq!(headers["ratelimit-reset"], "1");
    let left = app.data(LEFT, json!({})).await;
    let of = |quota: &str| {
        let all = left["rateLimit"].as_array().unwrap();
        all.iter()
            .find(|one| one["quota"] == quota)
            .unwrap()
            .clone()
    };
    assert_eq!(of("SUBMITS")["limit"], "100");
    assert_eq!(of("CALLER_SUBMITS")["limit"], "2");
    let refused = async || {
        let answer: Value = submit().await.json().await.unwrap();
        let errors = &answer["data"]["submitIntent"]["errors"];
        (errors[0]["code"] == "QUOTA_EXCEEDED").then(|| errors[0].clone())
    };
    let error = app.until(refused).await;
    assert!(
        error["retryAfterMs"]
            .as_u64()
            .is_some_and(|wait| wait <= 1_000),
        "{error}"
    );
    assert!(
        error["message"]
            .as_str()
            .unwrap()
            .contains("caller_submits_per_second")
    );
    let rest = async || {
        let body = json!({"intent_type": "gated", "session_id": session, "parameters": {}});
        let answer = app
            .http
            .post(app.url("/api/intent/submit"))
            .json(&body)
            .send()
            .await
            .unwrap();
        (answer.status() == StatusCode::TOO_MANY_REQUESTS).then(|| answer.headers().clone())
    };
    let headers = app.until(rest).await;
    assert_eq!(headers["retry-after"], "1");
    assert_eq!(headers["ratelimit-remaining"], "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_limited_is_not_spoken_of() {
    let app = TestApp::start(&Backend::sqlite()).await;
    let left = app.data(LEFT, json!({})).await;
    assert_eq!(left, json!({"rateLimit": []}));
    let answer = app.http.get(app.url("/api/intents")).send().await.unwrap();
    assert!(!answer.headers().contains_key("ratelimit-limit"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_count_together_and_each_has_its_share_while_redis_is_away() {
    let Some(backend) = Backend::postgres().await else {
        return;
    };
    let redis = backend.redis_url.clone().unwrap();
    let proxy = Proxy::before(&redis).await;
    let url = format!("redis.url={}", proxy.instead_of(&redis));
    let settings = [&*url, "quotas.submits_per_second=40", "quotas.sockets=4"];
    let one = TestApp::start_with(&backend, &settings).await;
    let two = TestApp::start_with(&backend, &settings).await;
    let (accepted, took) = flood(&[&one, &two], "acme", 100).await;
    let accepted = f64::from(u32::try_from(accepted).unwrap());
    assert!(
        accepted >= 36.0 && accepted <= 40.0 * (1.0 + took) + 2.0,
        "{accepted} in {took} s"
    );

    let open = async |app: &TestApp| {
        let mut socket = Socket::open(app.server.address(), &json!({}))
            .await
            .unwrap();
        let first = socket.receive_any().await.unwrap();
        matches!(first, Received::Message(_)).then_some(socket)
    };
    let mut sockets = Vec::new();
    for app in [&one, &two, &one, &two] {
        sockets.push(open(app).await.expect("there is a place"));
    }
    assert!(open(&one).await.is_none() && open(&two).await.is_none());

    proxy.cut();
    for app in [&one, &two] {
        // From when on it counts by itself.
        let share = || async {
            let left = app
                .services()
                .quotas
                .rates_left(&app.principal_of("globex"));
            (left[0].remaining == 20).then_some(())
        };
        app.until(share).await;
        let (accepted, took) = flood(&[app], "globex", 50).await;
        let accepted = f64::from(u32::try_from(accepted).unwrap());
        assert!(
            accepted >= 20.0 && accepted <= 20.0 * (1.0 + took) + 2.0,
            "{accepted} in {took} s"
        );
    }
    proxy.mend().await;
}
