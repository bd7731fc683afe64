//! Tokens of an issuer.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use takeoff::app::App;

use super::{
    VIEWER, ask, by,
    issuer::{Issuer, Key},
    sockets::{closed, watching},
};
use crate::support::{Backend, Received, Socket, TestApp, backends, config};

async fn trusting(backend: &Backend, issuer: &Issuer, more: Value) -> TestApp {
    let settings = [
        "auth.mode=required".to_owned(),
        "auth.failed_proofs_burst=100000".to_owned(),
        issuer.setting(more),
    ];
    let settings = settings.each_ref().map(String::as_str);
    TestApp::start_with(backend, &settings).await
}

async fn status(app: &TestApp, token: &str) -> u16 {
    let bearer = format!("Bearer {token}");
    let (status, body) = ask(app, &[("authorization", &bearer)], VIEWER, &json!({})).await;
    assert!(
        status == 200 || body["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED",
        "{body}"
    );
    status
}

backends! {
    async fn a_token_says_who_asks_from_which_tenant_and_in_which_roles(backend: Backend) {
        let issuer = Issuer::start(&[Key::Rsa, Key::Ec, Key::Ed]).await;
        let more = json!({"roles": {"staff": "developer", "boss": "admin"}, "default_roles": ["viewer"]});
        let app = trusting(&backend, &issuer, more).await;
        for key in [Key::Rsa, Key::Ec, Key::Ed] {
            let claims = issuer.claims(json!({"roles": ["staff", "unknown"], "aud": ["other", "takeoff"]}));
            let viewer = by(&app, &key.sign(&claims), VIEWER, json!({})).await;
            let viewer = &viewer["data"]["viewer"];
            assert_eq!((&viewer["tenantId"], &viewer["actor"]), (&json!("acme"), &json!("ann")));
            let scopes = viewer["scopes"].to_string();
            assert!(scopes.contains("intents:submit") && !scopes.contains("keys:manage"), "{scopes}");
        }
        let none = by(&app, &Key::Ec.sign(&issuer.claims(json!({}))), VIEWER, json!({})).await;
        let expected = json!(["executions:read", "sessions:read", "artifacts:read"]);
        assert_eq!(none["data"]["viewer"]["scopes"], expected);
        let text = by(&app, &Key::Ec.sign(&issuer.claims(json!({"roles": "boss staff"}))), VIEWER, json!({})).await;
        assert!(text["data"]["viewer"]["scopes"].to_string().contains("keys:manage"));
    }
}

/// A token as nobody's library makes it.
fn raw(header: &Value, claims: &Value, signature: &str) -> String {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(header), part(claims))
}

fn signed(key: Key, header: &Header, claims: &Value) -> String {
    encode(header, claims, &key.private()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_wrong_in_any_way_proves_nothing() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Rsa, Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({"tenants": ["acme", "globex"]})).await;
    let now = takeoff::clock::Clock::System.now() / 1_000_000;
    let good = issuer.claims(json!({}));
    assert_eq!(status(&app, &Key::Ec.sign(&good)).await, 200);
    let tokens = [
        ("audience", issuer.claims(json!({"aud": "other"}))),
        ("no audience", issuer.claims(json!({"aud": null}))),
        (
            "issuer",
            issuer.claims(json!({"iss": "http://127.0.0.1:1"})),
        ),
        (
            "several issuers",
            issuer.claims(json!({"iss": [issuer.url]})),
        ),
        ("no issuer", issuer.claims(json!({"iss": null}))),
        ("expired", issuer.claims(json!({"exp": now - 60}))),
        ("no end", issuer.claims(json!({"exp": null}))),
        (
            "an end that is text",
            issuer.claims(json!({"exp": (now + 60).to_string()})),
        ),
        ("not yet", issuer.claims(json!({"nbf": now + 120}))),
        ("no tenant", issuer.claims(json!({"tenant": null}))),
        (
            "a tenant that is none",
            issuer.claims(json!({"tenant": "../etc"})),
        ),
        (
            "a tenant that it may not name",
            issuer.claims(json!({"tenant": "initech"})),
        ),
        ("no actor", issuer.claims(json!({"sub": null}))),
        (
            "an actor with a control character",
            issuer.claims(json!({"sub": "a\u{0}"})),
        ),
        (
            "a key as actor",
            issuer.claims(json!({"sub": "key_01m8j2gztx80s9dsh9amr3byj4"})),
        ),
        (
            "the operator as actor",
            issuer.claims(json!({"sub": "operator"})),
        ),
        ("roles that are none", issuer.claims(json!({"roles": 7}))),
    ];
    for (what, claims) in tokens {
        assert_eq!(status(&app, &Key::Ec.sign(&claims)).await, 401, "{what}");
    }
    // Within the leeway.
    let late = issuer.claims(json!({"exp": now - 10, "nbf": now + 10, "tenant": "globex"}));
    assert_eq!(status(&app, &Key::Ec.sign(&late)).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_forged_in_any_way_proves_nothing() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Rsa, Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({})).await;
    let good = issuer.claims(json!({}));
    let (ec, rsa) = (Key::Ec.kid(), Key::Rsa.kid());
    let header = |kid: &str, key: Key| Header {
        kid: Some(kid.to_owned()),
        ..Header::new(key.algorithm())
    };
    let whole = Key::Ec.sign(&good);
    let (head, signature) = whole.rsplit_once('.').unwrap();
    let (_, payload) = head.split_once('.').unwrap();
    let other = raw(&json!({}), &issuer.claims(json!({"tenant": "globex"})), "");
    let other = other.split('.').nth(1).unwrap();
    // Whoever has the public key has all that a shared secret would be.
    let shared = serde_json::to_vec(&Key::Rsa.public()).unwrap();
    let hmac = Header {
        kid: Some(rsa.clone()),
        ..Header::new(Algorithm::HS256)
    };
    let hmac = encode(&hmac, &good, &EncodingKey::from_secret(&shared).unwrap()).unwrap();
    let mut embedded = header(&ec, Key::OtherEc);
    embedded.jwk = serde_json::from_value(Key::OtherEc.public()).unwrap();
    let mut critical = header(&ec, Key::Ec);
    critical.crit = Some(vec!["exp".to_owned()]);
    let bad = [
        ("none", raw(&json!({"alg": "none", "kid": ec}), &good, "")),
        (
            "none by its signature",
            raw(&json!({"alg": "none", "kid": ec}), &good, signature),
        ),
        ("a shared secret", hmac),
        (
            "no kid",
            signed(Key::Ec, &Header::new(Algorithm::ES256), &good),
        ),
        (
            "an unknown kid",
            signed(Key::Ec, &header("x", Key::Ec), &good),
        ),
        (
            "another's signature",
            signed(Key::OtherEc, &header(&ec, Key::Ec), &good),
        ),
        ("a key of its own", signed(Key::OtherEc, &embedded, &good)),
        (
            "the kid of another algorithm",
            signed(Key::Ec, &header(&rsa, Key::Ec), &good),
        ),
        ("another payload", whole.replace(payload, other)),
        ("no signature", format!("{head}.")),
        ("half a signature", whole[..whole.len() - 20].to_owned()),
        ("four parts", format!("{whole}.x")),
        ("critical extensions", signed(Key::Ec, &critical, &good)),
        (
            "too long",
            Key::Ec.sign(&issuer.claims(json!({"more": "x".repeat(9_000)}))),
        ),
        ("not a token", "a.b.c".to_owned()),
    ];
    for (what, token) in bad {
        assert_eq!(status(&app, &token).await, 401, "{what}");
    }
    assert_eq!(status(&app, &whole).await, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_algorithm_that_is_not_allowed_proves_nothing() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Rsa, Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({"algorithms": ["RS256"]})).await;
    let claims = issuer.claims(json!({}));
    assert_eq!(status(&app, &Key::Rsa.sign(&claims)).await, 200);
    assert_eq!(status(&app, &Key::Ec.sign(&claims)).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rotated_while_clients_are_connected() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({"default_roles": ["viewer"]})).await;
    let (old, new) = (
        Key::Ec.sign(&issuer.claims(json!({}))),
        Key::Ed.sign(&issuer.claims(json!({}))),
    );
    let mut by_old = watching(&app, &old).await;
    assert_eq!(status(&app, &new).await, 401, "it is not announced yet");

    // Both for a while: what the old one signed goes on.
    issuer.shows(vec![Key::Ec.public(), Key::Ed.public()]);
    app.until(|| async { (status(&app, &new).await == 200).then_some(()) })
        .await;
    assert_eq!(status(&app, &old).await, 200);
    let mut by_new = watching(&app, &new).await;

    // Then without the old one, which is noticed when the keys are asked for again.
    issuer.shows(vec![Key::Ed.public(), Key::OtherEc.public()]);
    let newest = Key::OtherEc.sign(&issuer.claims(json!({})));
    app.until(|| async { (status(&app, &newest).await == 200).then_some(()) })
        .await;
    assert_eq!(closed(&mut by_old).await, 4403);
    assert_eq!(status(&app, &old).await, 401);
    assert_eq!(status(&app, &new).await, 200);
    by_new.send(&json!({"type": "ping"})).await.unwrap();
    match by_new.receive().await.unwrap() {
        Received::Message(message) => assert_eq!(message["type"], "pong"),
        Received::Closed(frame) => panic!("{frame:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_keys_stay_while_the_issuer_is_away_and_it_is_not_asked_too_often() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({})).await;
    let began = std::time::Instant::now();
    let claims = issuer.claims(json!({}));
    for number in 0..100 {
        let header = Header {
            kid: Some(format!("k{number}")),
            ..Header::new(Algorithm::ES256)
        };
        assert_eq!(status(&app, &signed(Key::Ec, &header, &claims)).await, 401);
    }
    let most = 1 + began.elapsed().as_secs() / 5;
    assert!(
        issuer.asked() as u64 <= 1 + most,
        "it was asked {} times",
        issuer.asked()
    );
    issuer.goes_away();
    let fresh = issuer.claims(json!({"jti": "fresh"}));
    assert_eq!(status(&app, &Key::Ec.sign(&fresh)).await, 200);
    assert_eq!(status(&app, &Key::Ed.sign(&fresh)).await, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_may_be_in_a_file() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[]).await;
    let file = backend.folder.path().join("keys.json");
    let keys = json!({"keys": [Key::Ec.public(), {"kty": "of the future", "kid": "x"}]});
    std::fs::write(&file, keys.to_string()).unwrap();
    let more =
        json!({"url": "urn:ours", "jwks_file": file, "tenant_claim": null, "tenant": "globex"});
    let app = trusting(&backend, &issuer, more).await;
    let token = Key::Ec.sign(&issuer.claims(json!({"iss": "urn:ours"})));
    let viewer = by(&app, &token, VIEWER, json!({})).await;
    assert_eq!(viewer["data"]["viewer"]["tenantId"], "globex");
    assert_eq!(issuer.asked(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_issuer_that_cannot_be_used_is_refused_at_the_start_with_what_to_do() {
    let issuer = Issuer::start(&[Key::Ec]).await;
    let weak = json!({"kty": "RSA", "kid": "w", "n": "w".repeat(171), "e": "AQAB"});
    let refusal = async |more: Value| {
        let backend = Backend::sqlite();
        let settings = ["auth.mode=required".to_owned(), issuer.setting(more)];
        let settings = settings.each_ref().map(String::as_str);
        let refused = App::new(config(&backend, &settings)).listen().await;
        format!("{:#}", refused.err().expect("it started"))
    };
    for (more, words) in [
        (json!({"audience": []}), ["set audience", "auth.issuers"]),
        (
            json!({"url": "http://127.0.0.1:1"}),
            ["does not answer", "127.0.0.1:1"],
        ),
        (
            json!({"url": "http://login.example"}),
            ["https://", "login.example"],
        ),
        (
            json!({"url": format!("{}/", issuer.url)}),
            ["set url to that", issuer.url.as_str()],
        ),
        (json!({"tenant": "acme"}), ["tenant_claim", "tenant"]),
        (json!({"tenant_claim": null}), ["tenant_claim", "tenant"]),
        (json!({"algorithms": ["HS256"]}), ["HS256", "RS256"]),
        (json!({"algorithms": ["none"]}), ["none", "ES256"]),
        (
            json!({"algorithms": ["RS256"]}),
            ["no key that can be used", "not allowed"],
        ),
        (json!({"default_roles": ["king"]}), ["king", "viewer"]),
        (json!({"roles": {"a": "king"}}), ["king", "viewer"]),
        (json!({"leeway_seconds": 3_600}), ["leeway_seconds", "300"]),
        (
            json!({"jwks_file": "/nowhere/keys.json"}),
            ["jwks_file", "/nowhere/keys.json"],
        ),
    ] {
        let said = refusal(more.clone()).await;
        for word in words {
            assert!(said.contains(word), "{more}: no {word} in: {said}");
        }
    }
    issuer.shows(vec![weak]);
    let said = refusal(json!({})).await;
    assert!(said.contains("weak") && said.contains("2048"), "{said}");
    issuer.shows(vec![Key::Ec.public(), Key::Ec.public()]);
    let said = refusal(json!({})).await;
    assert!(said.contains("two of its keys"), "{said}");
    issuer.says_the_date_is("Sun, 06 Nov 1994 08:49:37 GMT");
    let said = refusal(json!({})).await;
    assert!(said.contains("set the clock"), "{said}");
    issuer.goes_away();
    let said = refusal(json!({})).await;
    assert!(said.contains("503"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_goes_on_with_a_fresh_token_that_comes_in_time() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Ec]).await;
    let more = json!({"leeway_seconds": 0, "roles": {"viewer": "viewer", "admin": "admin"}});
    let app = trusting(&backend, &issuer, more).await;
    let now = takeoff::clock::Clock::System.now() / 1_000_000;
    let token = |more: Value| {
        let mut claims = issuer.claims(json!({"roles": "viewer"}));
        claims
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        Key::Ec.sign(&claims)
    };
    let first = token(json!({"exp": now + 5}));
    let mut socket = watching(&app, &first).await;
    let ping = |token: &str| {
        let payload = json!({"authorization": format!("Bearer {token}")});
        json!({"type": "ping", "payload": payload})
    };
    socket
        .send(&ping(&token(json!({"roles": "admin"}))))
        .await
        .unwrap();
    let answer = message(&mut socket).await;
    assert_eq!(answer, json!({"type": "pong"}), "the token is sent back");
    app.until(|| async { (status(&app, &first).await == 401).then_some(()) })
        .await;
    socket
        .send(&json!({"type": "ping", "payload": {"n": 1}}))
        .await
        .unwrap();
    assert_eq!(
        message(&mut socket).await,
        json!({"type": "pong", "payload": {"n": 1}})
    );
    socket.subscribe("2", VIEWER, &json!({})).await.unwrap();
    let answer = message(&mut socket).await;
    let scopes = answer["payload"]["data"]["viewer"]["scopes"].to_string();
    assert!(scopes.contains("keys:manage"), "{answer}");
}

/// The next message that is no ping.
async fn message(socket: &mut Socket) -> Value {
    match socket.receive().await.unwrap() {
        Received::Message(message) => message,
        Received::Closed(frame) => panic!("{frame:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fresh_token_that_is_bad_or_anothers_or_allows_less_ends_the_socket() {
    let backend = Backend::sqlite();
    let issuer = Issuer::start(&[Key::Ec]).await;
    let app = trusting(&backend, &issuer, json!({})).await;
    let token = |more: Value| Key::Ec.sign(&issuer.claims(more));
    let known = token(json!({"roles": "viewer"}));
    for proof in [
        json!(format!(
            "Bearer {}",
            token(json!({"roles": "viewer", "sub": "bob"}))
        )),
        json!(format!(
            "Bearer {}",
            token(json!({"roles": "viewer", "tenant": "globex"}))
        )),
        json!(format!("Bearer {}", token(json!({})))),
        json!(format!("Bearer {known}x")),
        json!(known),
        json!(7),
    ] {
        let mut socket = watching(&app, &known).await;
        let ping = json!({"type": "ping", "payload": {"authorization": proof}});
        socket.send(&ping).await.unwrap();
        assert_eq!(closed(&mut socket).await, 4403, "{proof}");
    }
}
