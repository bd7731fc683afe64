//! The session of a browser that opens the console where proofs are needed: begun by a key or a token, which is exchanged
//! for a cookie, and ended.

use axum::{
    Extension, Json, Router,
    extract::{DefaultBodyLimit, State},
    http::{
        HeaderValue, StatusCode,
        header::{RETRY_AFTER, SET_COOKIE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    api::{ApiError, Client, ErrorCode, OfOwnPage, SESSION_COOKIE, seconds},
    auth::{Authenticator, BrowserSession, MAX_PROOF_BYTES},
};

const MAX_BODY_BYTES: usize = 16 * 1024;

/// The routes of the session. The page below `/console/` that is asked for at the same place is none of the console's.
pub(super) fn routes(authenticator: &Authenticator) -> Router {
    Router::new()
        .route("/console/session", get(show).post(begin).delete(end))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(authenticator.clone())
}

/// A key or a token. It is in nothing that is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Proof {
    proof: String,
}

/// The session as the page knows it; it cannot read the cookie.
#[derive(Serialize)]
struct Shown {
    /// What requests have to name that change something; none where there is no session.
    csrf: Option<String>,
}

impl Shown {
    fn of(session: Option<&BrowserSession>) -> Json<Self> {
        let csrf = session.map(|session| session.csrf().to_owned());
        Json(Self { csrf })
    }
}

async fn show(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    session: Option<Extension<BrowserSession>>,
) -> Response {
    let Some(Extension(session)) = session else {
        return Shown::of(None).into_response();
    };
    let found = authenticator.bearer(session.proof(), address(client)).await;
    match found.map_err(ApiError::from) {
        Ok(_) => Shown::of(Some(&session)).into_response(),
        Err(error) if error.code() == ErrorCode::Unauthenticated => Shown::of(None).into_response(),
        Err(error) => refused(&error),
    }
}

/// Exchanges a proof for a cookie.
async fn begin(
    State(authenticator): State<Authenticator>,
    client: Option<Extension<Client>>,
    own: Option<Extension<OfOwnPage>>,
    given: Result<Json<Proof>, axum::extract::rejection::JsonRejection>,
) -> Response {
    // Another page would log its visitors in as somebody else.
    if own.is_none() {
        return foreign();
    }
    let Ok(Json(Proof { proof })) = given else {
        return refused(&ApiError::bad_input("the body must be JSON with a proof"));
    };
    let found = authenticator.bearer(&proof, address(client)).await;
    if let Err(error) = found.map_err(ApiError::from) {
        return refused(&error);
    }
    let sessions = authenticator.browser_sessions();
    let Ok((text, session)) = sessions.begin(&proof) else {
        let message =
            format!("a token of more than {MAX_PROOF_BYTES} bytes does not fit into a cookie");
        return refused(&ApiError::bad_input(message));
    };
    let cookie = cookie(&text, sessions.life_seconds());
    ([(SET_COOKIE, cookie)], Shown::of(Some(&session))).into_response()
}

/// Ends the session, and takes the cookie away also where there is none any more.
async fn end(
    State(authenticator): State<Authenticator>,
    own: Option<Extension<OfOwnPage>>,
    session: Option<Extension<BrowserSession>>,
) -> Response {
    if own.is_none() {
        return foreign();
    }
    if let Some(Extension(session)) = session {
        authenticator.browser_sessions().end(&session);
    }
    (StatusCode::NO_CONTENT, [(SET_COOKIE, cookie("", 0))]).into_response()
}

fn cookie(text: &str, seconds: i64) -> String {
    format!("{SESSION_COOKIE}={text}; Path=/; Max-Age={seconds}; Secure; HttpOnly; SameSite=Strict")
}

fn address(client: Option<Extension<Client>>) -> std::net::IpAddr {
    client
        .map_or(Client::unknown(), |Extension(client)| client)
        .address
}

fn foreign() -> Response {
    let message = "only pages of the server's own begin and end a session";
    refused(&ApiError::new(ErrorCode::Forbidden, message))
}

fn refused(error: &ApiError) -> Response {
    let status = StatusCode::from_u16(error.code().http_status());
    let status = status.unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({"error": error.message(), "error_code": error.code().name()});
    let mut answer = (status, Json(body)).into_response();
    if let Some(wait) = error.retry_after() {
        let wait: HeaderValue = seconds(wait);
        answer.headers_mut().insert(RETRY_AFTER, wait);
    }
    answer
}
