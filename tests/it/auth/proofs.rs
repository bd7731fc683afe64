//! Proofs of who calls, good ones and others, and the answers to both.

use reqwest::StatusCode;
use serde_json::{Value, json};
use takeoff::auth::NewKey;

use super::{VIEWER, ask, by, guarded, key_of, names, token};
use crate::support::{Backend, TestApp, backends};

backends! {
    async fn a_key_says_who_asks_and_from_which_tenant(backend: Backend) {
        let app = guarded(&backend).await;
        let created = key_of(&app, "acme", "viewer").await;
        let answer = by(&app, created.text.expose(), VIEWER, json!({})).await;
        let viewer = &answer["data"]["viewer"];
        assert_eq!(viewer["tenantId"], "acme");
        assert_eq!(viewer["actor"], created.key.id.to_string());
        assert_eq!(viewer["scopes"], json!(["executions:read", "sessions:read", "artifacts:read"]));
    }

    async fn the_tenant_is_that_of_the_proof_whatever_a_header_says(backend: Backend) {
        let app = guarded(&backend).await;
        let bearer = format!("Bearer {}", key_of(&app, "acme", "viewer").await.text.expose());
        for (tenant, expected) in [("acme", 200), ("default", 401), ("", 401), ("../etc", 401)] {
            let headers = [("authorization", bearer.as_str()), ("x-takeoff-tenant", tenant)];
            let (status, body) = ask(&app, &headers, VIEWER, &json!({})).await;
            assert_eq!(status, expected, "{tenant}: {body}");
        }
    }
}

/// The body of an error without what differs from one request to the next.
fn without_id(mut body: Value) -> Value {
    if let Some(extensions) = body.pointer_mut("/errors/0/extensions") {
        extensions.as_object_mut().unwrap().remove("requestId");
    }
    body
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_wrong_with_a_proof_is_answered_alike() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let good = token(&app, "admin").await;
    let revoked = key_of(&app, "default", "admin").await;
    super::revoke(&app, &revoked.key).await;
    let (_, nothing) = ask(&app, &[], VIEWER, &json!({})).await;
    assert_eq!(
        nothing["errors"][0]["extensions"]["code"],
        "UNAUTHENTICATED"
    );
    let (mark, secret) = good.split_at(20);
    let swapped: String = secret.chars().rev().collect();
    let bad = [
        String::new(),
        good.clone(),
        format!("Basic {good}"),
        format!("Bearer {}", &good[..good.len() - 1]),
        format!("Bearer {mark}{swapped}"),
        format!("Bearer tk_{}{secret}", "a".repeat(17)),
        format!("Bearer {}", revoked.text.expose()),
        format!("Bearer {good}{}", "x".repeat(10_000)),
        "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJhIn0.".to_owned(),
        "Bearer tk_ÿÿÿ".to_owned(),
    ];
    for proof in &bad {
        let headers = [("authorization", proof.as_str())];
        let (status, body) = ask(&app, &headers, VIEWER, &json!({})).await;
        assert_eq!(status, 401, "{proof}");
        assert_eq!(without_id(body), without_id(nothing.clone()), "{proof}");
    }
    let bearer = format!("Bearer {good}");
    let twice = [("authorization", bearer.as_str()); 2];
    let (status, body) = ask(&app, &twice, VIEWER, &json!({})).await;
    assert_eq!((status, without_id(body)), (401, without_id(nothing)));
    by(&app, &good, VIEWER, json!({})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_transport_wants_a_proof_and_says_which_kind() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let good = format!("Bearer {}", token(&app, "admin").await);
    let query = "/graphql?query=%7Bviewer%7BtenantId%7D%7D";
    let stream = "/graphql/stream?query=%7Bviewer%7BtenantId%7D%7D";
    for path in [
        query,
        stream,
        "/api/intents",
        "/api/session/ses_01m8j2gzpxfmv9xyk8ycfmwv9e",
    ] {
        let request = || app.http.get(app.url(path)).header("accept", "*/*");
        let refused = request().send().await.unwrap();
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(refused.headers()["www-authenticate"], "Bearer", "{path}");
        let text = refused.text().await.unwrap();
        assert!(text.contains("UNAUTHENTICATED"), "{path}: {text}");
        let served = request()
            .header("authorization", &good)
            .send()
            .await
            .unwrap();
        assert_ne!(served.status(), StatusCode::UNAUTHORIZED, "{path}");
    }
    let created = app
        .http
        .post(app.url("/api/session/create"))
        .json(&json!({}));
    assert_eq!(
        created.send().await.unwrap().status(),
        StatusCode::UNAUTHORIZED
    );
    // Whether it lives may be asked by whoever runs it.
    for path in ["/health", "/ready"] {
        let answer = app.http.get(app.url(path)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_key_proves_nothing_any_more() {
    let backend = Backend::sqlite();
    let app = guarded(&backend).await;
    let in_a_moment = chrono_now() + 4_000_000;
    let new = NewKey {
        roles: names(&["viewer"]),
        expires_at: Some(in_a_moment),
        ..NewKey::default()
    };
    let created = app
        .services()
        .keys
        .create(&app.principal(), new)
        .await
        .unwrap();
    let bearer = format!("Bearer {}", created.text.expose());
    app.until(|| async {
        let (status, _) = ask(&app, &[("authorization", &bearer)], VIEWER, &json!({})).await;
        (status == 401).then_some(())
    })
    .await;
    assert!(chrono_now() >= in_a_moment, "it ended before its time");
}

fn chrono_now() -> i64 {
    takeoff::clock::Clock::System.now()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_development_server_knows_its_callers_without_a_proof() {
    let backend = Backend::sqlite();
    let app = TestApp::start(&backend).await;
    let headers = [
        ("authorization", "Bearer nothing"),
        ("x-takeoff-tenant", "acme"),
    ];
    let (status, body) = ask(&app, &headers, VIEWER, &json!({})).await;
    assert_eq!(
        (status, &body["data"]["viewer"]["tenantId"]),
        (200, &json!("acme"))
    );
}
