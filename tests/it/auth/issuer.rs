//! An issuer of tokens on this machine, as OpenID Connect describes one, that can rotate its keys and go away.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::IntoResponse,
    routing::{get, post},
};
use data_encoding::BASE64URL_NOPAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, jwk::Jwk};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
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
    /// The digest of the verifier of the login that is under way.
    challenge: String,
    /// What the next exchange of a code, or of a refresh token, is answered.
    tokens: Value,
    /// The forms that asked for tokens, and gave them back.
    forms: Vec<Vec<(String, String)>>,
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
            .route("/revoke", post(given_back))
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

    /// Somebody has logged in, sent there with a digest of a verifier; the code that leads back is `the code`.
    pub fn logs_in(&self, challenge: String) {
        self.shown(|shown| shown.challenge = challenge);
    }

    /// What the next exchange of a code, or of a refresh token, is answered.
    pub fn gives(&self, tokens: Value) {
        self.shown(|shown| shown.tokens = tokens);
    }

    /// The last form that it was sent, with the authorization.
    pub fn last_form(&self) -> Vec<(String, String)> {
        self.shown(|shown| shown.forms.last().unwrap().clone())
    }

    /// How many forms it was sent.
    pub fn forms(&self) -> usize {
        self.shown(|shown| shown.forms.len())
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
        "device_authorization_endpoint": at("/device"), "authorization_endpoint": at("/authorize?ui=short"),
        "revocation_endpoint": at("/revoke"),
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

/// Notes a form with the authorization that came along.
fn noted(issuer: &Issuer, headers: &HeaderMap, form: &str) -> Vec<(String, String)> {
    let mut pairs: Vec<(String, String)> = url::form_urlencoded::parse(form.as_bytes())
        .into_owned()
        .collect();
    if let Some(authorization) = headers.get("authorization") {
        let text = authorization.to_str().unwrap().to_owned();
        pairs.push(("authorization".to_owned(), text));
    }
    issuer.shown(|shown| shown.forms.push(pairs.clone()));
    pairs
}

async fn given_back(State(issuer): State<Issuer>, headers: HeaderMap, form: String) -> StatusCode {
    noted(&issuer, &headers, &form);
    StatusCode::OK
}

async fn token(
    State(issuer): State<Issuer>,
    headers: HeaderMap,
    form: String,
) -> impl IntoResponse {
    let pairs = noted(&issuer, &headers, &form);
    let value = |name: &str| {
        let found = pairs.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    };
    let refused = |error| (StatusCode::BAD_REQUEST, Json(json!({"error": error}))).into_response();
    let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(value("code_verifier")));
    match value("grant_type") {
        "authorization_code"
            if value("code") != "the code"
                || challenge != issuer.shown(|it| it.challenge.clone()) =>
        {
            refused("invalid_grant")
        }
        "authorization_code" | "refresh_token" => {
            Json(issuer.shown(|shown| shown.tokens.clone())).into_response()
        }
        _ => {
            assert_eq!(
                (value("device_code"), value("client_id")),
                ("the device", "cli")
            );
            if !issuer.shown(|shown| std::mem::replace(&mut shown.is_confirmed, true)) {
                return refused("authorization_pending");
            }
            let token = Key::Ec.sign(&issuer.claims(json!({"roles": "developer"})));
            let answer = json!({"access_token": token, "token_type": "Bearer", "expires_in": 600});
            Json(answer).into_response()
        }
    }
}
