//! An issuer of tokens on this machine, as OpenID Connect describes one, that can rotate its keys and go away.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::IntoResponse,
    routing::{get, post},
};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// A key by which tokens are signed. They were made for these tests and sign nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    Rsa,
    Ec,
    OtherEc,
    Ed,
}

impl Key {
    pub fn kid(self) -> String {
        format!("{self:?}").to_lowercase()
    }

    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Rsa => Algorithm::RS256,
            Self::Ec | Self::OtherEc => Algorithm::ES256,
            Self::Ed => Algorithm::EdDSA,
        }
    }

    pub fn private(self) -> EncodingKey {
        match self {
            Self::Rsa => EncodingKey::from_rsa_der(include_bytes!("signing/rsa.der")),
            Self::Ec => EncodingKey::from_ec_der(include_bytes!("signing/ec.der")),
            Self::OtherEc => EncodingKey::from_ec_der(include_bytes!("signing/other.der")),
            Self::Ed => EncodingKey::from_ed_der(include_bytes!("signing/ed.der")),
        }
    }

    pub fn public(self) -> Value {
        let mut jwk = Jwk::from_encoding_key(&self.private(), self.algorithm()).unwrap();
        jwk.common.key_id = Some(self.kid());
        serde_json::to_value(jwk).unwrap()
    }

    /// A token with these claims.
    pub fn sign(self, claims: &Value) -> String {
        let header = Header {
            kid: Some(self.kid()),
            ..Header::new(self.algorithm())
        };
        encode(&header, claims, &self.private()).unwrap()
    }
}

#[derive(Debug, Default)]
struct Shown {
    keys: Vec<Value>,
    date: Option<String>,
    is_away: bool,
    asked: usize,
    /// Whether a device has asked for its token, which the user confirms then.
    is_confirmed: bool,
}

/// The issuer.
#[derive(Clone)]
pub struct Issuer {
    pub url: String,
    shown: Arc<Mutex<Shown>>,
}

impl Issuer {
    pub async fn start(keys: &[Key]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            shown: Arc::default(),
        };
        issuer.shows(keys.iter().map(|key| key.public()).collect());
        let routes = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/jwks", get(jwks))
            .route("/device", post(device))
            .route("/token", post(token))
            .with_state(issuer.clone());
        tokio::spawn(async move { axum::serve(listener, routes).await });
        issuer
    }

    fn shown<T>(&self, change: impl FnOnce(&mut Shown) -> T) -> T {
        change(&mut self.shown.lock().unwrap())
    }

    /// From now on it has these keys.
    pub fn shows(&self, keys: Vec<Value>) {
        self.shown(|shown| shown.keys = keys);
    }

    pub fn says_the_date_is(&self, date: &str) {
        self.shown(|shown| shown.date = Some(date.to_owned()));
    }

    pub fn goes_away(&self) {
        self.shown(|shown| shown.is_away = true);
    }

    /// How often its keys were asked for.
    pub fn asked(&self) -> usize {
        self.shown(|shown| shown.asked)
    }

    /// Claims of a token for the server, valid for ten minutes.
    pub fn claims(&self, more: Value) -> Value {
        let now = takeoff::clock::Clock::System.now() / 1_000_000;
        let claims = json!({
            "iss": self.url, "aud": "takeoff", "sub": "ann", "tenant": "acme", "exp": now + 600,
        });
        merged(claims, more)
    }

    /// The setting of a server that trusts it, with the tenant from the token.
    pub fn setting(&self, more: Value) -> String {
        let issuer = json!({
            "url": self.url, "audience": ["takeoff"], "tenant_claim": "tenant", "roles_claim": "roles",
        });
        format!("auth.issuers={}", json!([merged(issuer, more)]))
    }
}

/// The members of both; null takes one away.
fn merged(mut object: Value, more: Value) -> Value {
    let members = object.as_object_mut().unwrap();
    match more {
        Value::Object(more) => members.extend(more),
        other => panic!("{other}"),
    }
    members.retain(|_, value| !value.is_null());
    object
}

async fn discovery(State(issuer): State<Issuer>) -> impl IntoResponse {
    let (is_away, date) = issuer.shown(|shown| (shown.is_away, shown.date.clone()));
    if is_away {
        return StatusCode::SERVICE_UNAVAILABLE.into_response();
    }
    let at = |path: &str| format!("{}{path}", issuer.url);
    let document = Json(json!({
        "issuer": issuer.url, "jwks_uri": at("/jwks"), "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device"),
    }));
    match date {
        Some(date) => ([("date", date)], document).into_response(),
        None => document.into_response(),
    }
}

async fn jwks(State(issuer): State<Issuer>) -> Json<Value> {
    let keys = issuer.shown(|shown| {
        shown.asked += 1;
        shown.keys.clone()
    });
    Json(json!({ "keys": keys }))
}

async fn device(State(issuer): State<Issuer>, form: String) -> Json<Value> {
    assert_eq!(
        form,
        "client_id=cli&scope=openid&audience=takeoff&resource=takeoff"
    );
    Json(json!({
        "device_code": "the device", "user_code": "WDJB-MJHT", "expires_in": 60, "interval": 1,
        "verification_uri": format!("{}/here", issuer.url),
    }))
}

async fn token(State(issuer): State<Issuer>, form: String) -> impl IntoResponse {
    assert!(
        form.contains("device_code=the+device") && form.contains("client_id=cli"),
        "{form}"
    );
    if !issuer.shown(|shown| std::mem::replace(&mut shown.is_confirmed, true)) {
        let pending = Json(json!({"error": "authorization_pending"}));
        return (StatusCode::BAD_REQUEST, pending).into_response();
    }
    let token = Key::Ec.sign(&issuer.claims(json!({"roles": "developer"})));
    Json(json!({"access_token": token, "token_type": "Bearer", "expires_in": 600})).into_response()
}
