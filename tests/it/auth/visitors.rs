//! Whoever has no proof, where anonymous sessions are given away.

use reqwest::{Method, StatusCode, header::RETRY_AFTER};
use serde_json::{Value, json};

use super::{
    anonymous::{BEGIN, begun, giving, rest, secret_part, status_of},
    ask, by, guarded, sockets, token,
};
use crate::support::{Backend, NodeProcess, Socket, TestApp};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_proof_nothing_else_is_done_and_nothing_at_all_where_it_is_not_set() {
    let app = giving(&Backend::sqlite(), "default").await;
    let (_, secret) = begun(&app).await;
    let off = guarded(&Backend::sqlite()).await;
    let input = json!({"input": {}});
    let (status, refused) = ask(&off, &[], "{ viewer { actor } }", &json!({})).await;
    let code = |answer: &Value| answer["errors"][0]["extensions"]["code"].clone();
    assert_eq!((status, code(&refused)), (401, json!("UNAUTHENTICATED")));
    let message = refused["errors"][0]["message"].clone();
    for query in [
        "{ viewer { actor } }",
        "{ __typename }",
        "{ __schema { types { name } } }",
        "{ nothing }",
        "not a document",
        "mutation { createSession(input: {}) { session { id } } }",
        "mutation { a: createAnonymousSession(input: {}) { secret } b: createAnonymousSession(input: {}) { secret } }",
        "mutation { createAnonymousSession(input: {}) { secret } __typename }",
        "subscription { tenantEvents { cursor } }",
        "subscription { executionChanges { cursor } }",
    ] {
        let (status, answer) = ask(&app, &[], query, &json!({})).await;
        assert_eq!(
            (status, code(&answer)),
            (401, json!("UNAUTHENTICATED")),
            "{query}: {answer}"
        );
        assert_eq!(answer["errors"][0]["message"], message, "{query}");
    }
    for (app, headers) in [
        (&app, &[("authorization", "Bearer tk_nothing")][..]),
        (&app, &[("authorization", "")][..]),
        (&off, &[][..]),
    ] {
        let (status, answer) = ask(app, headers, BEGIN, &input).await;
        assert_eq!(
            (status, code(&answer)),
            (401, json!("UNAUTHENTICATED")),
            "{answer}"
        );
    }
    for path in ["/api/session/create", "/api/session/anonymous"] {
        let (status, _) = rest(&off, Method::POST, path, None, json!({})).await;
        assert_eq!(status, 401, "{path}");
    }
    let (status, _) = rest(&app, Method::POST, "/api/session/create", None, json!({})).await;
    assert_eq!(status, 401);
    assert_eq!(status_of(&off, &secret).await, 401);
    let mut socket = Socket::open(app.server.address(), &json!({}))
        .await
        .unwrap();
    assert_eq!(sockets::closed(&mut socket).await, 4401);
    // Whoever has a proof, or needs none, has sessions of their own.
    let key = token(&app, "admin").await;
    let refused = by(&app, &key, BEGIN, input.clone()).await;
    assert_eq!(
        refused["data"]["createAnonymousSession"]["errors"][0]["code"], "INVALID_INPUT",
        "{refused}"
    );
    let trusting =
        TestApp::start_with(&Backend::sqlite(), &["auth.anonymous.tenant=default"]).await;
    let refused = trusting.data(BEGIN, input).await;
    assert_eq!(
        refused["createAnonymousSession"]["errors"][0]["code"], "INVALID_INPUT",
        "{refused}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_that_begins_too_many_is_told_when_to_come_back() {
    let settings = [
        "auth.mode=required",
        "auth.anonymous.tenant=default",
        "auth.anonymous.burst=3",
        "auth.anonymous.per_minute=1",
        "http.trusted_proxies=127.0.0.1",
    ];
    let app = TestApp::start_with(&Backend::sqlite(), &settings).await;
    let by_graphql = async |from: &str| {
        let request = app
            .http
            .post(app.url("/graphql"))
            .header("x-forwarded-for", from);
        let body = json!({"query": BEGIN, "variables": {"input": {}}});
        request.json(&body).send().await.unwrap()
    };
    let by_rest = async |from: &str| {
        let request = app.http.post(app.url("/api/session/anonymous"));
        request
            .header("x-forwarded-for", from)
            .json(&json!({}))
            .send()
            .await
            .unwrap()
    };
    let (one, same_network, another) = ("2001:db8::1", "2001:db8::9", "2001:db8:0:9::1");
    assert_eq!(by_graphql(one).await.status(), StatusCode::OK);
    assert_eq!(by_rest(same_network).await.status(), StatusCode::OK);
    assert_eq!(by_graphql(one).await.status(), StatusCode::OK);
    for refused in [by_graphql(one).await, by_rest(same_network).await] {
        assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
        let wait: u64 = refused.headers()[RETRY_AFTER]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((50..=60).contains(&wait), "{wait}");
        let text = refused.text().await.unwrap();
        assert!(text.contains("RATE_LIMITED"), "{text}");
        assert!(
            text.contains("retryAfterMs") || text.contains("error_code"),
            "{text}"
        );
    }
    assert_eq!(by_graphql(another).await.status(), StatusCode::OK);
    assert_eq!(by_rest(another).await.status(), StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_ends_with_the_life_of_its_session() {
    let settings = ["auth.mode=required", "auth.anonymous.tenant=default"];
    let backend = Backend::sqlite();
    let app = TestApp::start_with(&backend, &settings).await;
    let (session, secret) = begun(&app).await;
    let read = by(
        &app,
        &secret,
        "query($s: ID!) { session(id: $s) { createdAt expiresAt } }",
        json!({"s": session}),
    )
    .await;
    let time = |name: &str| {
        chrono::DateTime::parse_from_rfc3339(read["data"]["session"][name].as_str().unwrap())
            .unwrap()
    };
    assert_eq!(
        (time("expiresAt") - time("createdAt")).num_seconds(),
        24 * 3600
    );
    drop(app);
    backend.execute("UPDATE session SET expires_at = 1").await;
    let app = TestApp::start_with(&backend, &settings).await;
    assert_eq!(status_of(&app, &secret).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn settings_that_would_give_away_more_than_a_session_are_refused_at_start() {
    for (setting, named) in [
        (
            "auth.anonymous.scopes=sessions:read:own executions:read",
            "executions:read",
        ),
        ("auth.anonymous.scopes=intents:submit", "intents:submit"),
        ("auth.anonymous.scopes=fly", "auth.anonymous.scopes"),
        ("auth.anonymous.tenant=a b", "auth.anonymous.tenant"),
    ] {
        let backend = Backend::sqlite();
        let mut settings = vec!["auth.mode=required", "auth.anonymous.tenant=default"];
        settings.push(setting);
        let config = crate::support::config(&backend, &settings);
        let started = takeoff::app::App::new(config).listen().await;
        let Err(error) = started else {
            panic!("{setting}")
        };
        let error = format!("{error:#}");
        assert!(error.contains(named), "{setting}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_in_the_log() {
    let settings = [
        "auth.mode=required",
        "auth.anonymous.tenant=default",
        "telemetry.log=trace",
    ];
    let backend = Backend::sqlite();
    let node = NodeProcess::start(&backend, &settings).await;
    let asked = async |token: Option<&str>, query: &str| -> Value {
        let url = format!("http://{}/graphql", node.address);
        let mut request = crate::support::http()
            .post(url)
            .json(&json!({"query": query}));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().json().await.unwrap()
    };
    let begin = "mutation { createAnonymousSession(input: {}) { session { id } secret } }";
    let mut secrets = Vec::new();
    for _ in 0..2 {
        let made = asked(None, begin).await;
        let made = &made["data"]["createAnonymousSession"];
        secrets.push(made["secret"].as_str().unwrap().to_owned());
    }
    let [secret, other] = &secrets[..] else {
        panic!()
    };
    assert!(asked(Some(secret), "{ viewer { actor } }").await["errors"].is_null());
    let swapped = format!("{}{}", &secret[..30], secret_part(other));
    assert!(asked(Some(&swapped), "{ viewer { actor } }").await["data"].is_null());
    let session = format!("ses_{}", &secret[3..29]);
    let upgrade = format!(
        "mutation {{ upgradeSession(input: {{sessionId: \"{session}\", secret: \"{secret}\"}}) {{ session {{ id }} }} }}"
    );
    let refused = asked(Some(other), &upgrade).await;
    assert_eq!(
        refused["errors"][0]["extensions"]["code"], "FORBIDDEN",
        "{refused}"
    );
    let log = node.log();
    assert!(
        log.contains("the secret of the anonymous session is another one"),
        "the reason is not in the log"
    );
    for secret in [secret, other] {
        assert!(!log.contains(secret_part(secret)), "a secret is in the log");
    }
}
